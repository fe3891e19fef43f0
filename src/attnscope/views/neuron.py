"""Neuron view: one head, from queries and keys to weights, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from attnscope._numbers import index_of, spans_of
from attnscope.errors import InputError
from attnscope.measures.known import place_of, position_of
from attnscope.scores import QKLayer, vectors_of
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import (
    build_spec,
    chosen_streams,
    shown_head,
    shown_layer,
    state_spec,
)
from attnscope.wire.encode import DTYPES
from attnscope.wire.replies import size_estimate
from attnscope.wire.spec import LayerSpec, RulesSpec, Spec, StreamSpec, Theme


def neuron_view(
    trace: Trace,
    layer: int | None = None,
    head: int | None = None,
    query: int | str | None = None,
    *,
    layers: int | Sequence[int] | None = None,
    heads: int | Sequence[int] | None = None,
    stream: str | None = None,
    theme: Theme = "auto",
) -> Spec:
    """The neuron view's spec; see `Trace.neuron_view`."""
    streams, first = chosen_streams(trace, stream, layers, heads)
    check_vectors(trace.streams[first["name"]], first)
    streams = [s for s in streams if has_vectors(trace.streams[s["name"]], s)]
    return neuron_spec(trace, streams, first, layer, head, query, theme)


def neuron_spec(
    trace: Trace,
    streams: list[StreamSpec],
    first: StreamSpec,
    layer: int | None,
    head: int | None,
    query: int | str | None,
    theme: Theme,
) -> Spec:
    """The spec of these streams' neurons; one without is the difference of two others."""
    for shown in streams:
        if has_vectors(trace.streams[shown["name"]], shown):
            add_rules(trace.streams[shown["name"]], shown)
    row = shown_layer(trace, first, layer)
    state = state_spec(first["name"], row["layer"])
    found = trace.streams[first["name"]]
    state["head"] = row["heads"][0] if head is None else shown_head(found, row, head)
    if query is not None:
        state["pinned"] = {"side": "query", "index": _shown_query(found, query)}
        state["expanded"] = True
    return build_spec("neuron", trace, streams, state, theme)


CARRIED = 1_000_000
"""Bytes that queries and keys may add to any page; to a large one, a quarter of it."""


def explain_weights(trace: Trace, spec: Spec) -> Spec:
    """Let the page tell how each weight comes about, wherever queries and keys were recorded.

    The page carries them where that adds little, or where it makes the part that it shows of them;
    else it asks Python, where there is one.
    """
    for shown in spec["streams"]:
        if has_vectors(trace.streams[shown["name"]], shown):
            add_rules(trace.streams[shown["name"]], shown)
    spec["carries"] = "weights"
    if any("part" in shown for shown in spec["streams"]):
        return spec
    weights = size_estimate(spec)
    more = size_estimate({**spec, "carries": "both"}) - weights
    if 0 < more * 4 / 3 <= max(CARRIED, weights / 3):
        spec["carries"] = "both"
    return spec


def has_vectors(stream: Stream, shown: StreamSpec) -> bool:
    """Whether all layers shown keep queries and keys."""
    return all(vectors_of(stream.layer(row["layer"])) is not None for row in shown["layers"])


def check_vectors(stream: Stream, shown: StreamSpec) -> None:
    """InputError where a layer shown keeps weights only, which have no neurons."""
    if has_vectors(stream, shown):
        return
    lacking = [
        row["layer"] for row in shown["layers"] if vectors_of(stream.layer(row["layer"])) is None
    ]
    hold = "holds" if len(lacking) == 1 else "hold"
    raise InputError(
        f"the neuron view needs queries and keys, and {spans_of('layer', lacking)} of the "
        f"{stream.name} stream {hold} weights only. Record the model's queries and keys: "
        "attnscope.capture(model, tokenizer, text).neuron_view(). Weights alone can be shown by "
        "head_view() and model_view()."
    )


def _shown_query(stream: Stream, query: int | str) -> int:
    if isinstance(query, str):
        return position_of(stream.query, query)
    index = index_of("query", query)
    if stream.query.numbers:
        return place_of(stream.query, index)
    if not 0 <= index < len(stream.query):
        raise InputError(
            f"query {index} is not in the {stream.name} stream, which has "
            f"{spans_of('query token', range(len(stream.query)))}."
        )
    return index


def add_rules(stream: Stream, shown: StreamSpec) -> None:
    """Give each layer of the stream's spec its rules; equal arrays are named once."""
    first_with: dict[tuple[str, bytes], int] = {}

    def named(kind: str, array: np.ndarray | None, number: int) -> int | None:
        if array is None:
            return None
        digest = hashlib.blake2b(repr(array.shape).encode() + array.tobytes()).digest()
        return first_with.setdefault((kind, digest), number)

    rows: list[LayerSpec] = []
    for row in shown["layers"]:
        layer = vectors_of(stream.layer(row["layer"]))
        assert layer is not None
        places = stream.places(row["layer"], row["heads"])
        rules = _rules(layer, places)
        rules["bias"] = named("bias", layer.bias_of(places), row["layer"])
        rules["mask"] = named("mask", layer.spec.visible, row["layer"])
        rows.append({**row, "rules": rules})  # streams of other quantities may share the row
    shown["layers"] = rows


def _rules(layer: QKLayer, places: Sequence[int]) -> RulesSpec:
    kept, spec = layer.kv_places(places), layer.spec
    serving = [int(layer.kv_head[place]) for place in places]
    return {
        "dim": layer.queries.shape[2],
        "dtype": DTYPES[layer.queries.dtype.name],
        "scaling": float(spec.scaling),
        "causal": spec.causal,
        "offset": int(spec.offset),
        "window": None if spec.window is None else int(spec.window),
        "softcap": None if spec.softcap is None else float(spec.softcap),
        "sinks": spec.sinks is not None,
        "key_place": [kept.index(place) for place in serving],
        "key_head": [layer.kv_numbers[p] if layer.kv_numbers else p for p in serving],
        "bias": None,
        "mask": None,
    }
