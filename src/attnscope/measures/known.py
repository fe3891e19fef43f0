"""Names, counts and positions that users give: what is meant, or what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from attnscope._numbers import index_of, spans_of
from attnscope.errors import InputError
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

SHOWN = 12
"""So many tokens are named in an error."""
COMPARED = 1000
"""So many tokens are compared with one that is not there."""


def stream_of(trace: Any, stream: str | None = None) -> Stream:
    """The stream that a measure or a figure is asked for.

    Raises:
        InputError: for something that is no Trace, or a stream that is not there.
    """
    return trace_of(trace).stream(stream)


def trace_of(trace: Any) -> Trace:
    """What was given, if it is a Trace.

    Raises:
        InputError: for anything else; the text says how to make one.
    """
    if not isinstance(trace, Trace):
        raise InputError(
            f"trace must be a Trace, got {type(trace).__name__}: attnscope.capture(model, "
            "tokenizer, text) records one, attnscope.from_attention(attentions, tokens) makes one "
            "of arrays."
        )
    return trace


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
        where = f"at {', '.join(map(str, places))}" if places else _not_among(query, tokens)
        raise InputError(f"{what} {query!r} is {where}: give its position as a number.")
    return place_of(tokens, index_of(what, query), what)


def _not_among(query: str, tokens: Tokens) -> str:
    """`not among ['[CLS]', 'the', 'cat'] (did you mean 'cat'?)`, of long texts the first ones."""
    texts = list(tokens.text)
    folded = {text.casefold(): text for text in dict.fromkeys(texts[:COMPARED])}
    close = difflib.get_close_matches(query.strip().casefold(), folded, 1)
    hint = f" (did you mean {folded[close[0]]!r}?)" if close else ""
    more = f" and {len(texts) - SHOWN:,} more" if len(texts) > SHOWN else ""
    return f"not among {texts[:SHOWN]}{more}{hint}"


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
