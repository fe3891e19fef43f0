"""Which token of one text is which token of another: the ground on which two traces compare.

The two lists are merged to one, as a diff shows it: a token of both stands once, one that was
replaced stands once with both texts (`She→He`), one of the first list alone is marked `−quickly`,
one of the second alone `+slowly`. Cells of a merged token that one side lacks have no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from attnscope.measures.table import Table
from attnscope.tokens import Segment, Tokens

Kind = Literal["same", "replaced", "removed", "added"]
Place = tuple[int, int]
"""Places of a merged token in the first and second list, -1 where it is not there."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Two token lists, merged.

    Attributes:
        a: for each merged token its place in the first list, -1 where that list lacks it.
        b: the same for the second list.
        tokens: the merged list.
        kinds: `same`, `replaced`, `removed` (only in the first) or `added` (only in the second).
    """

    a: Int[np.ndarray, "token"]
    b: Int[np.ndarray, "token"]
    tokens: Tokens
    kinds: tuple[Kind, ...]

    @property
    def both(self) -> Bool[np.ndarray, "token"]:
        """True where both lists have the token, so that a difference means something."""
        found: Bool[np.ndarray, "token"] = (self.a >= 0) & (self.b >= 0)
        return found

    def table(self) -> Table:
        """Columns `token`, `kind`, and its places `a` and `b` (-1 where it is not there)."""
        return Table(
            {"token": self.tokens.text, "kind": self.kinds, "a": self.a, "b": self.b},
        )


def align(a: Tokens, b: Tokens, *, replaced: bool = True, apart: Place = (0, 0)) -> Alignment:
    """Merge two token lists by their display texts.

    Args:
        a: the first list.
        b: the second list.
        replaced: a run that stands where another run *of the same length* stood is taken as its
            replacement, token by token; else such tokens count as removed and added.
        apart: a place in each list, over which no token is aligned: a prompt's with a prompt's, an
            answer's with an answer's.
    """
    at_a, at_b = apart
    places = [
        *_merged(a.text[:at_a], b.text[:at_b], replaced),
        *(
            (x if x < 0 else x + at_a, y if y < 0 else y + at_b)
            for x, y in _merged(a.text[at_a:], b.text[at_b:], replaced)
        ),
    ]
    in_a, in_b = (np.array([place[side] for place in places], dtype=np.int64) for side in (0, 1))
    kinds = tuple(_kind(place, a, b) for place in places)
    return Alignment(in_a, in_b, _tokens(places, kinds, a, b), kinds)


def _merged(a: Sequence[str], b: Sequence[str], replaced: bool) -> Iterator[Place]:
    """Places of the merged tokens, in order on both sides."""
    blocks = SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    for what, start_a, stop_a, start_b, stop_b in blocks:
        one_for_one = what == "replace" and replaced and stop_a - start_a == stop_b - start_b
        if what == "equal" or one_for_one:
            yield from zip(range(start_a, stop_a), range(start_b, stop_b), strict=True)
        else:
            yield from ((place, -1) for place in range(start_a, stop_a))
            yield from ((-1, place) for place in range(start_b, stop_b))


def _kind(place: Place, a: Tokens, b: Tokens) -> Kind:
    if place[1] < 0:
        return "removed"
    if place[0] < 0:
        return "added"
    return "same" if a.text[place[0]] == b.text[place[1]] else "replaced"


def _tokens(places: Sequence[Place], kinds: Sequence[Kind], a: Tokens, b: Tokens) -> Tokens:
    sides = [(a, at_a) if at_a >= 0 else (b, at_b) for at_a, at_b in places]
    segments = _runs(sides) if a.segments and b.segments else ()
    return Tokens(
        text=_marked(places, kinds, a.text, b.text, SIGNED),
        raw=_marked(places, kinds, a.raw, b.raw, PLAIN),
        special=np.array([tokens.special[at] for tokens, at in sides], dtype=bool),
        words=_words(sides) if a.words and b.words else (),
        segments=segments,
    )


PLAIN: dict[Kind, str] = {
    "same": "{0}", "replaced": "{0}→{1}", "removed": "{0}", "added": "{1}",
}  # fmt: skip
SIGNED: dict[Kind, str] = {**PLAIN, "removed": "−{0}", "added": "+{1}"}


def _marked(
    places: Sequence[Place],
    kinds: Sequence[Kind],
    a: Sequence[str],
    b: Sequence[str],
    forms: Mapping[Kind, str],
) -> tuple[str, ...]:
    return tuple(
        forms[kind].format(a[at_a] if at_a >= 0 else "", b[at_b] if at_b >= 0 else "")
        for (at_a, at_b), kind in zip(places, kinds, strict=True)
    )


def _words(sides: Sequence[tuple[Tokens, int]]) -> tuple[int, ...]:
    """Word numbers of the merged list: tokens of one word of one list stay together."""
    numbers: dict[tuple[int, int], int] = {}
    return tuple(
        -1
        if (word := tokens.words[at]) < 0
        else numbers.setdefault((id(tokens), word), len(numbers))
        for tokens, at in sides
    )


def _runs(sides: Sequence[tuple[Tokens, int]]) -> tuple[Segment, ...]:
    """Segments of the merged list: runs of tokens whose segments have the same name."""
    names = [
        next(segment.name for segment in tokens.segments if segment.start <= at < segment.stop)
        for tokens, at in sides
    ]
    runs, start = [], 0
    for name, members in groupby(names):
        stop = start + len(list(members))
        runs.append(Segment(name, start, stop))
        start = stop
    return tuple(runs)
