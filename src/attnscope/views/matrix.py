"""Matrix view: one head, or a layer's heads put together, as a heat map of query × key."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

from attnscope import measures
from attnscope.errors import InputError
from attnscope.measures.known import known
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import (
    build_spec,
    chosen_streams,
    one_of,
    shown_head,
    shown_layer,
    state_spec,
)
from attnscope.views.methods import quantity_spec
from attnscope.views.neuron import add_rules, has_vectors
from attnscope.wire.replies import size_estimate
from attnscope.wire.spec import Spec, StreamSpec, Theme
from attnscope.words import stream_over_words

OVER = ("mean", "max")
COLORS = ("root", "linear", "log")
PRECISIONS = ("auto", "exact", "int8")
EXACT_BYTES = 50_000_000
"""Up to this size a page carries queries and keys exactly, unless it is told otherwise."""
WORDS_UP_TO = 4096
"""Tokens up to which a heat map can be shown over words: that takes whole rows."""
WORDS_CARRIED = 3_000_000
"""Weights between words that a saved page carries beside its own."""


def matrix_view(
    trace: Trace,
    layer: int | None = None,
    head: int | str | None = None,
    *,
    quantity: str = "weight",
    layers: int | Sequence[int] | None = None,
    heads: int | Sequence[int] | None = None,
    stream: str | None = None,
    words: bool = False,
    color: str = "root",
    precision: str = "auto",
    theme: Theme = "auto",
) -> Spec:
    """The matrix view's spec; see `Trace.matrix_view`."""
    one_of("color", color, COLORS)
    if not isinstance(words, bool):
        raise InputError(f"words must be True or False, got {words!r}.")
    quantity = known("quantity", quantity, measures.QUANTITIES)
    streams, first = chosen_streams(trace, stream, layers, heads)
    for shown in streams:
        add_map(trace, shown, quantity, words)
    row = shown_layer(trace, first, layer)
    state = state_spec(first["name"], row["layer"])
    state["quantity"] = quantity
    state["color"] = cast(Any, color)
    state["words"] = words and "words" in first
    state["head"] = row["heads"][0]
    if isinstance(head, str):
        one_of("head", head, OVER)
        state["over"] = cast(Any, head)
    elif head is not None:
        state["head"] = shown_head(trace.streams[first["name"]], row, head)
    measures.quantity(trace, quantity, first["name"])
    return with_precision(build_spec("matrix", trace, streams, state, theme), precision)


def with_precision(spec: Spec, precision: str) -> Spec:
    """The spec of heat maps whose page carries queries and keys exactly, or in eight bits a number.

    Raises:
        InputError: for another precision, or eight bits where no stream has queries and keys.
    """
    one_of("precision", precision, PRECISIONS)
    rules = any("rules" in row for stream in spec["streams"] for row in stream["layers"])
    if precision == "int8" and not rules:
        raise InputError(
            'precision="int8" is about queries and keys, and this trace has weights only: leave it '
            "out, or record the model with attnscope.capture."
        )
    large = size_estimate(spec) * 4 // 3 > EXACT_BYTES
    if rules and (precision == "int8" or (precision == "auto" and large)):
        spec["precision"] = "int8"
    return spec


def _has_words(stream: Stream) -> bool:
    """Whether some word has several tokens, in an input whose rows are computed in no time."""
    sides = (stream.query.words, stream.key.words)
    if max(len(stream.query), len(stream.key)) > WORDS_UP_TO:
        return False
    return any(a == b >= 0 for words in sides for a, b in pairwise(words))


def add_map(trace: Trace, shown: StreamSpec, quantity: str, words: bool = False) -> None:
    """Give a stream's spec what heat maps need: the rules of its layers, what can be shown.

    Of quantities that a page cannot make itself, a saved one carries the one shown first only:
    some take long to compute, and each is as large as the weights.
    """
    stream = trace.streams[shown["name"]]
    if has_vectors(stream, shown):
        add_rules(stream, shown)
    if _has_words(stream):
        over = stream_over_words(stream)
        heads = sum(len(row["heads"]) for row in shown["layers"])
        carried = words or heads * len(over.query) * len(over.key) <= WORDS_CARRIED
        shown["words"] = {"query": 0, "key": 0, "carried": carried}
    made = {"weight", "score"}
    with_it = {"difference", "before", "after"}  # a comparison is looked at from both sides
    wanted = with_it if quantity in with_it else {quantity} - made
    shown["quantities"] = [
        quantity_spec(name, carried=name in wanted)
        for name in measures.quantities_of(trace, stream.name)
    ]
