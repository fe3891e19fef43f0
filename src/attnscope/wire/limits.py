"""How much one request may ask for: what would fill the memory, or take minutes, is an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attnscope.errors import InputError
from attnscope.measures.flow import raise_if, why_too_long
from attnscope.measures.quantities import QUANTITIES
from attnscope.overview import AFFORDABLE, known_of
from attnscope.scores import Layer, QKLayer, vectors_of
from attnscope.stream import Stream
from attnscope.wire.spec import LayerSpec

MOST_NUMBERS = 5 * 10**8
"""Numbers of one reply: 2 GB before they are packed."""
LONG = 2048
"""Queries and keys from which thumbnails are made from overviews."""


def is_long(layer: Layer) -> bool:
    """True where an overview has enough blocks for a thumbnail."""
    return isinstance(layer, QKLayer) and min(layer.shape[1:]) >= LONG


def check_size(stream: Stream, row: LayerSpec, kind: str) -> None:
    """InputError where all of a layer's weights (or vectors, or its bias) are too many to send."""
    layer, heads = stream.layer(row["layer"]), len(row["heads"])
    _, n_query, n_key = layer.shape
    numbers = (1 if kind == "mask" else heads) * n_query * n_key
    vectors = vectors_of(layer)
    if kind in ("vectors", "rounded") and vectors is not None:
        numbers = heads * (n_query + n_key) * vectors.queries.shape[2]
    if numbers > MOST_NUMBERS:
        what = {
            "vectors": "queries and keys",
            "rounded": "queries and keys",
            "bias": "bias",
            "mask": "mask",
            "quantity": "numbers",
        }.get(kind, "weights")
        raise InputError(
            f"the {what} of layer {row['layer']} ({heads} heads, {n_query:,} queries, {n_key:,} "
            "keys) are too much to send whole: show fewer heads, heads=[...], or use the matrix "
            "view, which asks for the part that it shows."
        )


def check_quantity(stream: Stream, name: Any) -> None:
    """InputError where a quantity needs all weights of all heads at once, and they are too many."""
    if isinstance(name, str) and name in QUANTITIES and QUANTITIES[name].per == "layer":
        raise_if(why_too_long(stream, QUANTITIES[name].label))


def check_work(stream: Stream, rows: Sequence[LayerSpec]) -> None:
    """InputError where thumbnails of long heads need overviews that take too long to compute."""
    cells = 0
    for row in rows:
        layer = stream.layer(row["layer"])
        if is_long(layer):
            assert isinstance(layer, QKLayer)
            known = known_of(layer).overviews
            unknown = [p for p in stream.places(row["layer"], row["heads"]) if p not in known]
            cells += len(unknown) * layer.shape[1] * layer.shape[2] // (1 + layer.causal)
        else:
            check_size(stream, row, "layer")
    if cells > AFFORDABLE:
        raise InputError(
            "thumbnails of all heads of so long an input take minutes: compute them once, with "
            "trace.save(path, overviews=True), or show fewer layers or heads."
        )
