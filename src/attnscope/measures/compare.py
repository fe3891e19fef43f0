"""What changed between two traces: two inputs, two checkpoints, before and after an intervention.

    comparison = attnscope.compare(trace_a, trace_b)
    comparison.heads()          # the heads that changed most, first
    comparison.pairs()          # the pairs of tokens whose weight changed most
    comparison.difference       # a Trace of b's weights minus a's, -1..1
    comparison.head_view()      # both side by side, or their difference

Tokens are aligned as a diff does it (see `measures.align`); rows and keys of tokens that one side
lacks have no difference: they are NaN in `difference`, and left out of the means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from attnscope._numbers import index_of, spans_of
from attnscope.errors import InputError
from attnscope.measures.align import Alignment, align
from attnscope.measures.difference import BLOCK, Difference
from attnscope.measures.table import Table
from attnscope.provenance import Provenance
from attnscope.shows_compared import ComparedShows
from attnscope.stream import Stream
from attnscope.trace import Trace

Sides = Mapping[str, tuple[Alignment, Alignment]]
"""For each stream the merged tokens of its queries and of its keys."""


class Comparison(ComparedShows):
    """Two traces, their tokens aligned.

    Attributes:
        a, b: what was compared.
        names: what they are called where both are shown.
        replaced: whether a token that stands where another one stood is taken for it.
        sides: for each stream the merged queries and the merged keys, see `measures.align`.
        difference: a Trace over the merged tokens whose weights are b's minus a's, -1..1, NaN
            where one of the two lacks the token.
    """

    def __init__(
        self, a: Trace, b: Trace, sides: Sides, names: tuple[str, str], replaced: bool = True
    ) -> None:
        """Made by `compare`."""
        self.a, self.b, self.sides = a, b, MappingProxyType(dict(sides))
        self.names, self.replaced = names, replaced
        streams = [_difference(a.streams[name], b.streams[name], *sides[name]) for name in sides]
        self.difference = Trace(streams, _provenance(a, b, sides))

    def tokens(self, *, stream: str | None = None) -> Table:
        """How the queries were aligned; see `measures.align.Alignment.table`.

        Raises:
            InputError: for a stream that is not there, or None where there are several.
        """
        return self.sides[self.difference.stream(stream).name][0].table()

    def heads(self, *, stream: str | None = None) -> Table:
        """How much every head changed, the most changed first.

        Two rows of weights are compared over the keys that both traces have; what a row gives to
        other keys (or a learned sink) is put together as one more key, so that both rows sum to 1
        and a token of one trace alone makes no difference by itself. Means are over the queries
        that both have.

        Returns:
            Columns `layer`, `head`;
            `change`: mean total variation distance, Σ|b - a| / 2: the share of a row's weight that
            has moved, 0..1;
            `js`: mean Jensen-Shannon divergence in nats, 0..ln 2 (Lin 1991; between heads: Clark
            et al. 2019);
            `largest`, `query`, `token`: the change of the row that changed most, its place among
            the merged tokens, and its text.

        Raises:
            InputError: for a stream that is not there, or None where there are several.
        """
        found = self.difference.stream(stream)
        rows = [
            {"layer": number, "head": head, **_change_of_head(layer, place, found.query.text)}
            for number, layer in zip(found.numbers, found.layers, strict=True)
            for place, head in enumerate(layer.heads)
        ]
        return Table({name: [row[name] for row in rows] for name in rows[0]}).sort("change")

    def pairs(
        self,
        k: int = 20,
        *,
        layer: int | None = None,
        head: int | None = None,
        stream: str | None = None,
    ) -> Table:
        """The weights that changed most, over all heads or those asked for.

        Returns:
            Columns `layer`, `head`, `query`, `query_token`, `key`, `key_token` (places among the
            merged tokens), `a` and `b` (the weights, 0..1) and `difference` (b - a), largest
            change first.

        Raises:
            InputError: for a layer, head or stream that is not there, or k below 1.
        """
        found, most = self.difference.stream(stream), index_of("k", k)
        if most < 1:
            raise InputError(f"k must be at least 1, got {most}.")
        heads = None if head is None else [head]
        rows = [
            row
            for number in (found.numbers if layer is None else [layer])
            for place in found.places(number, heads)
            for row in _largest(found, number, place, most)
        ]
        rows.sort(key=lambda row: -abs(row["difference"]))
        return Table({name: [row[name] for row in rows[:most]] for name in PAIR_COLUMNS})

    def __repr__(self) -> str:
        made_by = self.difference.provenance
        return "\n".join([made_by.model, *(f"  {note}" for note in made_by.notes)])


PAIR_COLUMNS = (
    "layer", "head", "query", "query_token", "key", "key_token", "a", "b", "difference",
)  # fmt: skip


def compare(
    a: Any, b: Any, *, names: Sequence[str] | None = None, replaced: bool = True
) -> Comparison:
    """Compare two traces: two inputs, two checkpoints, or before and after an intervention.

    Args:
        a: what to start from.
        b: what it became.
        names: what to call the two in pictures (None: their models, where these differ, or first
            and second).
        replaced: take a token that stands where another one stood (`She` for `He`) for its
            replacement, so that their rows and keys are compared.

    Returns:
        The comparison; differences are b minus a.

    Raises:
        InputError: where the two have different streams, layers or heads (the text says which
            dimension), or not one token in common; for names that are not two different texts.
    """
    for name, given in (("first", a), ("second", b)):
        if not isinstance(given, Trace):
            raise InputError(
                f"the {name} argument of compare is {type(given).__name__}, expected a Trace: "
                "attnscope.capture(model, tokenizer, text)."
            )
    if set(a.streams) != set(b.streams):
        raise InputError(
            f"the traces have different streams: {', '.join(a.streams)} and "
            f"{', '.join(b.streams)}. Compare models of the same kind."
        )
    for name in a.streams:
        _check_heads(a.streams[name], b.streams[name])
    sides = {name: _aligned(a.streams[name], b.streams[name], replaced) for name in a.streams}
    return Comparison(a, b, sides, _names(a, b, names), replaced)


def _names(a: Trace, b: Trace, given: Any) -> tuple[str, str]:
    if given is None:
        models = a.provenance.model, b.provenance.model
        return models if all(models) and models[0] != models[1] else ("first", "second")
    named = [] if isinstance(given, str) else list(given)
    if len(named) != 2 or not all(isinstance(one, str) and one for one in named):
        raise InputError(
            f'names must be two texts, such as names=("before", "after"), got {given!r}.'
        )
    if named[0] == named[1]:
        raise InputError(f"names must be two different texts, got {named[0]!r} twice.")
    return named[0], named[1]


def _check_heads(a: Stream, b: Stream) -> None:
    """InputError that names the first dimension in which two streams do not match."""
    if a.numbers != b.numbers:
        raise InputError(
            f"the traces have different layers in the {a.name} stream: "
            f"{spans_of('layer', a.numbers)} and {spans_of('layer', b.numbers)}. "
            "Capture both with layers= numbers that both models have."
        )
    for number, mine, yours in zip(a.numbers, a.layers, b.layers, strict=True):
        if mine.heads != yours.heads:
            raise InputError(
                f"the traces have different heads in layer {number} of the {a.name} stream: "
                f"{spans_of('head', mine.heads)} and {spans_of('head', yours.heads)}. "
                "Capture both with heads= numbers that both models have."
            )


def _aligned(a: Stream, b: Stream, replaced: bool) -> tuple[Alignment, Alignment]:
    """The merged queries and keys of a stream; one object where both sides are the same tokens."""
    query = align(a.query, b.query, replaced=replaced)
    one_side = a.query is a.key and b.query is b.key
    key = query if one_side else align(a.key, b.key, replaced=replaced)
    for side, alignment, mine, yours in (
        ("query", query, a.query, b.query),
        ("key", key, a.key, b.key),
    ):
        if not alignment.both.any():
            raise InputError(
                f"the traces have no {side} token of the {a.name} stream in common: "
                f"{' '.join(mine.text[:8])!r} and {' '.join(yours.text[:8])!r}. Compare texts "
                "that share words, tokenized the same way."
            )
    return query, key


def _difference(a: Stream, b: Stream, query: Alignment, key: Alignment) -> Stream:
    layers = zip(a.layers, b.layers, strict=True)
    return Stream(
        name=a.name,
        numbers=a.numbers,
        layers=tuple(Difference(mine, yours, query, key) for mine, yours in layers),
        query=query.tokens,
        key=key.tokens,
    )


def _provenance(a: Trace, b: Trace, sides: Sides) -> Provenance:
    names = [trace.provenance.model or "arrays" for trace in (a, b)]
    title = names[0] if names[0] == names[1] else f"{names[1]} minus {names[0]}"
    notes = ["Weights of the second trace minus those of the first."]
    for name, (query, _) in sides.items():
        counts = {kind: query.kinds.count(kind) for kind in dict.fromkeys(query.kinds)}
        listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        notes.append(f"{name}: {len(query.kinds)} tokens, {listed}.")
    return Provenance(model=f"Difference: {title}", notes=tuple(notes))


def _change_of_head(layer: Any, place: int, texts: Sequence[str]) -> dict[str, Any]:
    moved, divergence = layer.changes(place)
    live = np.isfinite(moved)
    if not live.any():
        return {"change": np.nan, "js": np.nan, "largest": np.nan, "query": -1, "token": ""}
    query = int(np.argmax(np.where(live, moved, -1)))
    return {
        "change": float(moved[live].mean()),
        "js": float(divergence[live].mean()),
        "largest": float(moved[query]),
        "query": query,
        "token": texts[query],
    }


def _largest(stream: Stream, number: int, place: int, most: int) -> list[dict[str, Any]]:
    """The cells of one head that changed most, at most so many."""
    layer: Any = stream.layer(number)
    _, n_query, n_key = layer.shape
    step = max(1, BLOCK // max(1, n_key))
    rows = []
    for start in range(0, n_query, step):
        a, b = (weights[0] for weights in layer.both([place], slice(start, start + step)))
        size = np.nan_to_num(np.abs(b - a), nan=-1).ravel()
        best = np.argsort(-size, kind="stable")[:most]
        for query, key in zip(*np.unravel_index(best[size[best] >= 0], a.shape), strict=True):
            rows.append((start + int(query), int(key), float(a[query, key]), float(b[query, key])))
    rows.sort(key=lambda row: -abs(row[3] - row[2]))
    return [
        {
            "layer": number,
            "head": layer.heads[place],
            "query": query,
            "query_token": stream.query.text[query],
            "key": key,
            "key_token": stream.key.text[key],
            "a": a,
            "b": b,
            "difference": b - a,
        }
        for query, key, a, b in rows[:most]
    ]
