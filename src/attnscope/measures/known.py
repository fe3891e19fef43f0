"""Names, counts and positions that users give: what is meant, or what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from attnscope._numbers import index_of, spans_of
from attnscope.errors import InputError
from attnscope.tokens import Tokens


def known(what: str, name: Any, among: Iterable[str]) -> str:
    """The name, if it is one of these.

    Raises:
        InputError: "no measure 'entopy'; there are entropy, ... Did you mean 'entropy'?"
    """
    names = list(among)
    if isinstance(name, str) and name in names:
        return name
    close = difflib.get_close_matches(str(name), names, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise InputError(f"no {what} {name!r}; there are {', '.join(names)}.{hint}")


def count_of(what: str, given: Any) -> int:
    """A whole number of at least 1."""
    number = index_of(what, given)
    if number < 1:
        raise InputError(f"{what} must be at least 1, got {number}.")
    return number


def position_of(tokens: Tokens, query: int | str, what: str = "query") -> int:
    """The position of a token given as such, or as a text that is there once."""
    if isinstance(query, str):
        places = [place for place, text in enumerate(tokens.text) if text == query]
        if len(places) == 1:
            return places[0]
        where = f"at {', '.join(map(str, places))}" if places else f"not among {list(tokens.text)}"
        raise InputError(f"{what} {query!r} is {where}: give its position as a number.")
    return place_of(tokens, index_of(what, query), what)


def place_of(tokens: Tokens, number: int, what: str = "query") -> int:
    """The place of a token by its number in the whole text."""
    if tokens.numbers and number in tokens.numbers:
        return tokens.numbers.index(number)
    if tokens.numbers:
        kept = spans_of("token", tokens.numbers)
        raise InputError(f"{what} {number} was not kept: the capture kept {kept} (queries=).")
    if not 0 <= number < len(tokens):
        raise InputError(f"{what} {number} is not there: tokens go from 0 to {len(tokens) - 1}.")
    return number
