"""Views of a comparison: two traces side by side over the same places, or their difference.

The views are those of a Trace. What they show is a trace of three streams over the merged tokens:
the difference, which is the one that is chosen, and either trace, with gaps where it lacks a token.
A place is then the same token in all three, which is what links the pictures. The page makes the
differences itself, from the weights of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from attnscope.computed import Derived
from attnscope.errors import InputError
from attnscope.measures import Table, quantity
from attnscope.measures.align import Alignment
from attnscope.measures.difference import Difference, spread_vectors
from attnscope.scores import Layer, QKLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.base import chosen_streams, encoding_for, one_of
from attnscope.views.image import grid_of
from attnscope.views.text import ALL_UP_TO
from attnscope.wire.spec import ShownName, Spec, StreamSpec

if TYPE_CHECKING:
    from attnscope.measures.compare import Comparison

SIDES = ("first", "second")
CHANGES = ("change", "js", "largest")
"""Measures that only a comparison has."""
GAPS = {"first": "added", "second": "removed"}
"""Of which merged tokens a trace has nothing."""


class ComparedTrace(Trace):
    """The three streams of a comparison that views show; its heads are measured in both traces."""

    def __init__(self, comparison: Comparison, *, vectors: bool) -> None:
        """A trace of a comparison, for its views; with the queries and keys of either trace."""
        whole = comparison.difference
        streams = [
            one
            for stream in whole.streams.values()
            for one in (stream, *_parts(comparison, stream, vectors))
        ]
        super().__init__(streams, whole.provenance)
        object.__setattr__(self, "_comparison", comparison)

    def heads(self, measures: Sequence[str] | None = None, *, stream: str | None = None) -> Table:
        """Of either trace its own measures; of the difference those of b minus those of a.

        Raises:
            InputError: for a measure that there is not.
        """
        comparison: Comparison = object.__getattribute__(self, "_comparison")
        name, _, part = self.stream(stream).name.partition(":")
        asked = None if measures is None else [m for m in measures if m not in CHANGES]
        a, b = (
            one.heads(asked or ["entropy"] if asked is not None else None, stream=name)
            for one in (comparison.a, comparison.b)
        )
        if part:
            return a if part == SIDES[0] else b
        return _subtracted(a, b, comparison.heads(stream=name))


def _subtracted(a: Table, b: Table, changes: Table) -> Table:
    """One row a head: how much it changed, and every measure of b minus that of a."""
    order = np.lexsort((changes["head"], changes["layer"]))
    columns = {name: changes[name][order] for name in ("layer", "head", *CHANGES)}
    for name in a.columns:
        if name in ("layer", "head") or name not in b.columns:
            continue
        before, after = a[name], b[name]
        if before.dtype.kind == "f":
            columns[name] = after - before
        elif name == "pattern":
            pairs = zip(before, after, strict=True)
            columns[name] = np.array([x if x == y else f"{x} → {y}" for x, y in pairs])
    return Table(columns)


def _parts(comparison: Comparison, stream: Stream, vectors: bool) -> tuple[Stream, Stream]:
    """Either trace's weights over the merged tokens of a stream."""

    def part(side: str, kept: str) -> Stream:
        made = quantity(comparison.difference, kept, stream.name)
        if vectors:
            made = replace(made, layers=tuple(_with_vectors(one, side) for one in made.layers))
        own = comparison.a if side == SIDES[0] else comparison.b
        given = own.streams[stream.name]
        merged = comparison.sides[stream.name]
        query, key = (
            _own_texts(alignment, tokens, side)
            for alignment, tokens in zip(merged, (given.query, given.key), strict=True)
        )
        one_side = merged[0] is merged[1]
        return replace(
            made, name=f"{stream.name}:{side}", query=query, key=query if one_side else key
        )

    return part(SIDES[0], "before"), part(SIDES[1], "after")


def _with_vectors(made: Layer, side: str) -> Layer:
    """The layer with the queries and keys of its trace, where that has any."""
    assert isinstance(made, Derived)
    assert isinstance(made.base, Difference)
    both, first = made.base, side == SIDES[0]
    own = both.a if first else both.b
    if not isinstance(own, QKLayer):
        return made
    places = [merged.a if first else merged.b for merged in (both.query, both.key)]
    return replace(made, vectors=spread_vectors(own, *places))


def _own_texts(merged: Alignment, own: Tokens, side: str) -> Tokens:
    """The merged tokens as one of the two texts has them: nothing where it lacks one."""
    places = merged.a if side == SIDES[0] else merged.b
    return replace(
        merged.tokens,
        text=tuple(own.text[at] if at >= 0 else "" for at in places),
        raw=tuple(own.raw[at] if at >= 0 else "" for at in places),
    )


def compared(
    comparison: Comparison,
    make: Callable[..., Spec],
    show: Any,
    *,
    vectors: bool = True,
    **options: Any,
) -> Any:
    """A view of a comparison, made by the function that makes it for a Trace.

    Args:
        comparison: what is shown.
        make: `views.head.head_view` and its siblings.
        show: `both`, side by side, or `difference`.
        vectors: whether the view may explain weights by queries and keys.
        options: those of the view.

    Raises:
        InputError: for an option that does not fit.
    """
    from attnscope.view import View

    one_of("show", show, get_args(ShownName))
    if options.pop("words", False):
        raise InputError(
            "a comparison is shown between tokens. For words compare traces over words: "
            "attnscope.compare(a.words(), b.words())."
        )
    name = options.get("stream")
    if name is not None:
        comparison.difference.stream(name)
    trace = ComparedTrace(comparison, vectors=vectors)
    spec = make(trace, **options)
    spec["state"]["show"] = show
    _pair(spec, comparison, trace)
    return View(trace, spec)


def check_fits(trace: Trace, options: Mapping[str, Any]) -> None:
    """InputError where a page cannot carry every layer and head of both texts.

    A text view of one trace then carries what is shown first only; a comparison needs both.
    """
    layers, heads = options.get("layers"), options.get("heads")
    streams, _ = chosen_streams(trace, options.get("stream"), layers, heads)
    cells = sum(
        len(row["heads"])
        * len(trace.streams[one["name"]].query)
        * len(trace.streams[one["name"]].key)
        for one in streams
        for row in one["layers"]
    )
    if cells > ALL_UP_TO:
        raise InputError(
            f"the text view of this comparison needs {cells / 1e6:,.0f} million numbers, more than "
            f"{ALL_UP_TO // 10**6} million: choose layers=[...] or heads=[...]."
        )


def patches_of_both(
    comparison: Comparison, stream: str | None, grid: tuple[int, int] | None
) -> tuple[str, tuple[int, int]]:
    """The stream of patches, and their rows and columns, which both traces must have alike.

    Raises:
        InputError: where a patch of one trace is none, or another one, of the other.
    """
    a, b = comparison.a.streams, comparison.b.streams
    known = [name for name in a if a[name].query.grid and a[name].key.grid]
    found = comparison.difference.stream(stream or next(iter([*known, *a])))
    name = found.name
    own, its = a[name].query.grid, b[name].query.grid
    if grid is None and own != its:
        given = [" × ".join(map(str, one)) if one else "none known" for one in (own, its)]
        raise InputError(
            f"the traces have different grids of patches in the {name} stream (rows × columns): "
            f"{' and '.join(given)}. A patch can be compared with the one at its place only: "
            "give both models pictures of one size, in patches of one size."
        )
    rows, columns = grid_of(found, grid or own)
    if not comparison.sides[name][0].both[-rows * columns :].all():
        raise InputError(
            f"the last {rows * columns} query tokens of the {name} stream, which grid= takes for "
            "patches, are not the same in both traces: see comparison.tokens()."
        )
    return name, (rows, columns)


def _pair(spec: Spec, comparison: Comparison, trace: ComparedTrace) -> None:
    """Say which streams belong together, and what each token is in which."""
    shown = {stream["name"]: stream for stream in spec["streams"]}
    for name, alignments in comparison.sides.items():
        if name not in shown:
            continue
        shown[name]["pair"] = [f"{name}:{side}" for side in SIDES]
        for side, label in zip(("", *SIDES), ("", *comparison.names), strict=True):
            stream = shown[f"{name}:{side}" if side else name]
            _mark(spec, stream, alignments, side)
            stream.pop("words", None)
            stream["sinks"] = False
            if side:
                stream["label"] = label
                stream["quantities"] = [
                    one for one in stream.get("quantities", []) if one["name"] == "weight"
                ]
            for one in stream.get("quantities", []):
                one["carried"] = False
    models = dict.fromkeys(one.provenance.model for one in (comparison.a, comparison.b))
    names, own = " → ".join(comparison.names), [one for one in models if one]
    known = len(own) == 1 and own[0] not in comparison.names
    spec["title"] = f"{own[0]}: {names}" if known else names
    spec["notes"] = spec["notes"][1:]
    parts = [stream for stream in spec["streams"] if "pair" not in stream]
    spec["encoding"] = encoding_for(trace, parts)


def _mark(
    spec: Spec, stream: StreamSpec, alignments: tuple[Alignment, Alignment], side: str
) -> None:
    """Per token: the same in both, replaced, alone in one of them, or a gap in this one."""
    for end, alignment in zip(("query", "key"), alignments, strict=True):
        kinds = [
            "gap" if kind == GAPS.get(side) else "alone" if kind in GAPS.values() else kind
            for kind in alignment.kinds
        ]
        spec["sides"][stream[end]]["kinds"] = kinds  # type: ignore[literal-required, typeddict-item]
