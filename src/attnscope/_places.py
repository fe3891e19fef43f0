"""Positions of tokens that a user names: by number, text, word, or segment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.tokens import Tokens


def places_of(what: str, wanted: Any, tokens: Tokens | None) -> tuple[int, ...]:
    """Positions of what is named, sorted, each once.

    Args:
        what: the argument's name, for texts.
        wanted: a position, a range of them, the name of a segment, the text of a word or token that
            is there once, or a list of such things.
        tokens: the tokens that names are looked up in; positions need none.

    Raises:
        InputError: for a name that is not there or there more than once, a position that is not
            there, or nothing at all.
    """
    listed = wanted if isinstance(wanted, list | tuple | set | np.ndarray) else [wanted]
    found = sorted({place for one in listed for place in _places(what, one, tokens)})
    if not found:
        raise InputError(f"{what} is empty: name at least one token.")
    if found[0] < 0 or (tokens is not None and found[-1] >= len(tokens)):
        wrong = found[0] if found[0] < 0 else found[-1]
        last = "" if tokens is None else f" to {len(tokens) - 1}"
        raise InputError(f"{what}: position {wrong} is not there; tokens go from 0{last}.")
    return tuple(found)


def _places(what: str, one: Any, tokens: Tokens | None) -> Iterable[int]:
    if isinstance(one, range):
        return one
    if not isinstance(one, str):
        return [index_of(what, one)]
    if tokens is None:
        raise InputError(
            f"{what} names {one!r}, and there are no tokens to look it up in: pass tokens=, a "
            "trace of the same text, or give positions."
        )
    runs = runs_of(one, tokens)
    if len(runs) == 1:
        return runs[0]
    if runs:
        at = ", ".join(str(run[0]) for run in runs)
        raise InputError(f"{what}: {one!r} is there {len(runs)} times, at {at}: give positions.")
    names = ", ".join(repr(segment.name) for segment in tokens.segments) or "none"
    shown = " ".join(tokens.text[:40]) + (" ..." if len(tokens) > 40 else "")
    raise InputError(
        f"{what}: {one!r} is no segment, word or token. Segments: {names}. Tokens: {shown}"
    )


def runs_of(name: str, tokens: Tokens) -> list[range]:
    """Where segments of this name are, else words of this text, else tokens of it.

    Where nothing is written exactly so, capitals do not matter (uncased models have none).
    """
    segments = [(s.name, range(s.start, s.stop)) for s in tokens.segments]
    words: dict[int, range] = {}
    for at, word in enumerate(tokens.words):
        if word >= 0:
            words[word] = range(words.get(word, range(at, at)).start, at + 1)
    texts = [("".join(tokens.text[at] for at in run), run) for run in words.values()]
    singles = [(text, range(at, at + 1)) for at, text in enumerate(tokens.text)]
    for alike in (str, str.casefold):
        for named in (segments, texts, singles):
            found = [run for text, run in named if alike(text) == alike(name)]
            if found:
                return found
    return []
