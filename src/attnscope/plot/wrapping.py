"""Tokens as running text: lines of a width, words whole, right-to-left text from the right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from attnscope.plot.fonts import Letters
from attnscope.tokens import Tokens

SPACE, PADDING = 0.32, 0.16
"""Between words, and inside a token's box on either side, in sizes of the text."""


@dataclass(frozen=True)
class Placed:
    """A token in a line; lengths in points."""

    token: int
    line: int
    x: float
    width: float


def flowed(
    texts: Sequence[str], joined: Sequence[bool], width: float, size: float, letters: Letters
) -> list[Placed]:
    """Where each token stands; `joined` says which follow the one before without a space."""
    widths = [letters.width(text, size) + 2 * PADDING * size for text in texts]
    turned = is_right_to_left("".join(texts))
    directions = list(_directions(texts, turned))
    placed = []
    for number, line in enumerate(_lines(widths, joined, width, SPACE * size)):
        order = _seen(line, directions, turned)
        gaps = [0.0, *(SPACE * size * _parted(joined, *pair) for pair in pairwise(order))]
        x = width - sum(widths[i] for i in line) - sum(gaps) if turned else 0.0
        for gap, token in zip(gaps, order, strict=True):
            x += gap
            placed.append(Placed(token, number, x, widths[token]))
            x += widths[token]
    return placed


def _lines(
    widths: Sequence[float], joined: Sequence[bool], width: float, space: float
) -> Iterator[list[int]]:
    """Tokens of each line; what has no space in it is broken only where a line is too short."""
    line: list[int] = []
    used = 0.0
    for word in _words(joined):
        wide = sum(widths[i] for i in word)
        if line and used + space + min(wide, width) > width:
            yield line
            line, used = [], 0.0
        used += space if line else 0
        for token in word:
            if line and used + widths[token] > width:
                yield line
                line, used = [], 0.0
            line.append(token)
            used += widths[token]
    if line:
        yield line


def _words(joined: Sequence[bool]) -> Iterator[list[int]]:
    starts = [i for i, one in enumerate(joined) if i == 0 or not one]
    for start, stop in pairwise([*starts, len(joined)]):
        yield list(range(start, stop))


def _parted(joined: Sequence[bool], one: int, other: int) -> bool:
    """Whether a space is between two tokens that stand side by side."""
    return not (abs(one - other) == 1 and joined[max(one, other)])


def joined_in(tokens: Tokens, shown: range) -> list[bool]:
    """Which tokens follow the one before without a space in the text, as far as is known."""
    joined = []
    for at in shown:
        known = at > 0 and tokens.spans is not None and min(tokens.spans[at - 1 : at + 1, 0]) >= 0
        if known and tokens.spans is not None:
            joined.append(bool(tokens.spans[at, 0] == tokens.spans[at - 1, 1]))
        else:
            words = tokens.words
            joined.append(bool(words) and at > 0 and words[at] == words[at - 1] >= 0)
    return joined


def is_right_to_left(text: str) -> bool:
    """The direction of a paragraph: that of its first letter that has one."""
    return next(filter(None, map(_direction, text)), "L") == "R"


def _direction(letter: str) -> str:
    kind = unicodedata.bidirectional(letter)
    return {"L": "L", "EN": "L", "AN": "L", "R": "R", "AL": "R"}.get(kind, "")


def _directions(texts: Sequence[str], turned: bool) -> Iterator[str]:
    """L or R of each token; one without letters goes with the text as a whole."""
    for text in texts:
        yield next(filter(None, map(_direction, text)), "R" if turned else "L")


def _seen(line: list[int], directions: Sequence[str], turned: bool) -> list[int]:
    """The tokens of a line from left to right: runs against the text's direction are reversed."""
    runs = [list(run) for _, run in groupby(line, directions.__getitem__)]
    if turned:
        runs.reverse()
    return [token for run in runs for token in (run[::-1] if directions[run[0]] == "R" else run)]
