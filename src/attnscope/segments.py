"""Segments by what stands in the text: ranges of characters, or markers such as `[1]`.

    runs = segments.by_markers(tokenizer, prompt, ["[1]", "[2]", "Question:"])
    attnscope.capture(model, tokenizer, prompt, segments=runs)

A retrieved chunk, a turn, a paragraph is known by its characters; a trace needs to know its tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.tokens import Segment, Tokens, tokens_from_tokenizer

REST = "rest"
"""Name of what stands outside of all segments that were named."""


class Range(NamedTuple):
    """A named range of characters; `stop` is exclusive."""

    name: str
    start: int
    stop: int


def by_ranges(tokenizer: Any, text: str, ranges: Any, *, rest: str = REST) -> list[Segment]:
    """Segments from ranges of characters.

    A token belongs to the range in which its first letter stands. Special tokens, and text outside
    of all ranges, are segments named `rest`.

    Args:
        tokenizer: the tokenizer, or `Tokens` of the text that it made.
        text: the text.
        ranges: (name, start, stop) in characters, without overlap.
        rest: what the other tokens are called.

    Returns:
        Segments that cover all tokens, as `capture` and `generate` take them.

    Raises:
        InputError: for ranges that overlap, are not in the text or have no token, or a tokenizer
            that does not say where its tokens stand.
    """
    tokens = _tokens(tokenizer, text)
    names = [rest] * len(tokens)
    for name, places in tokens_in(tokens, text, checked(ranges, text)).items():
        for place in places:
            names[place] = name
    return _runs(names)


def by_markers(tokenizer: Any, text: str, markers: Any, *, rest: str = REST) -> list[Segment]:
    """Segments that each begin with a marker and end where the next one begins.

    Args:
        tokenizer: the tokenizer, or `Tokens` of the text that it made.
        text: the text.
        markers: strings that are in the text once, or a mapping of names to such strings.
        rest: what the tokens before the first marker are called, and special ones.

    Raises:
        InputError: for a marker that is not in the text, or there more than once.
    """
    _check_text(text)
    return by_ranges(tokenizer, text, marked(text, markers), rest=rest)


def marked(text: str, markers: Any) -> list[Range]:
    """Ranges of characters from each marker to the next, see `by_markers`."""
    if isinstance(markers, str) or not isinstance(markers, Mapping | Sequence) or not markers:
        raise InputError(
            "markers must be strings such as ['[1]', '[2]'], or names and strings, "
            f"{{'chunk 1': '[1]'}}; got {markers!r}."
        )
    named = markers if isinstance(markers, Mapping) else {str(one).strip(): one for one in markers}
    starts = {name: _only(text, str(marker)) for name, marker in named.items()}
    ordered = sorted(starts, key=lambda name: starts[name])
    stops = [starts[name] for name in ordered[1:]] + [len(text)]
    return [Range(name, starts[name], stop) for name, stop in zip(ordered, stops, strict=True)]


def checked(ranges: Any, text: str) -> list[Range]:
    """The ranges in the order of the text.

    Raises:
        InputError: when they are none, overlap, or are not in the text.
    """
    if isinstance(ranges, str) or not isinstance(ranges, Sequence) or not ranges:
        raise InputError(
            f"ranges must be (name, start, stop) in characters, at least one; got {ranges!r}."
        )
    named = sorted((_range(one, text) for one in ranges), key=lambda one: one.start)
    for before, after in pairwise(named):
        if after.start < before.stop:
            raise InputError(
                f"{before.name!r} and {after.name!r} overlap at characters {after.start} to "
                f"{before.stop}."
            )
    return named


def tokens_in(
    tokens: Tokens, text: str, ranges: Sequence[Range], among: range | None = None
) -> dict[str, list[int]]:
    """Places of the tokens in each range, of those `among` which the text's are (None: all).

    Raises:
        InputError: for a range without a token, or tokens of which nobody knows where they stand.
    """
    if tokens.spans is None:
        raise InputError(
            "nobody knows where these tokens stand in the text: use a fast tokenizer, or name "
            "segments by tokens, [('chunk 1', 0, 9), ...]."
        )
    starts = {at: start for at, start in _starts(tokens, text) if among is None or at in among}
    found: dict[str, list[int]] = {}
    for name, start, stop in ranges:
        places = [at for at, place in starts.items() if start <= place < stop]
        if not places:
            raise InputError(
                f"segment {name!r} matches nothing: no token starts in characters {start} to "
                f"{stop}, {text[start:stop][:40]!r}."
            )
        found.setdefault(name, []).extend(places)
    return found


def _starts(tokens: Tokens, text: str) -> Iterator[tuple[int, int]]:
    """Place of each token, and where its first letter stands (some take the space before it)."""
    assert tokens.spans is not None
    for at, (start, stop) in enumerate(tokens.spans.tolist()):
        if start >= 0 and stop > start:
            blank = len(text[start:stop]) - len(text[start:stop].lstrip())
            yield at, start + (blank if blank < stop - start else 0)


def _check_text(text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"text must be a string with at least one word, got {text!r}.")


def _tokens(tokenizer: Any, text: Any) -> Tokens:
    _check_text(text)
    if isinstance(tokenizer, Tokens):
        return tokenizer
    return tokens_from_tokenizer(tokenizer, tokenizer([text]))


def _range(given: Any, text: str) -> Range:
    try:
        name, start, stop = given
    except (TypeError, ValueError):
        raise InputError(
            f"ranges must be (name, start, stop) in characters, got {given!r}."
        ) from None
    found = Range(str(name), index_of("start", start), index_of("stop", stop))
    if not 0 <= found.start < found.stop <= len(text):
        raise InputError(
            f"{found.name!r} goes from character {found.start} to {found.stop}, which is no range "
            f"of the text: it has {len(text)}."
        )
    return found


def _only(text: str, marker: str) -> int:
    count = text.count(marker) if marker else 0
    if count != 1:
        often = f"there {count} times" if count else "not in the text"
        raise InputError(f"the marker {marker!r} is {often}: each must be there once.")
    return text.index(marker)


def _runs(names: Sequence[str]) -> list[Segment]:
    runs, start = [], 0
    for name, members in groupby(names):
        stop = start + len(list(members))
        runs.append(Segment(name, start, stop))
        start = stop
    return runs
