"""Matrix view: one head, or a layer's heads put together, as a heat map of query × key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from attnscope import measures
from attnscope.trace import Trace
from attnscope.views.base import (
    build_spec,
    chosen_streams,
    one_of,
    shown_head,
    shown_layer,
    state_spec,
)
from attnscope.views.neuron import add_rules, has_vectors
from attnscope.wire.spec import Spec, StreamSpec, Theme

OVER = ("mean", "max")
COLORS = ("root", "linear", "log")


def matrix_view(
    trace: Trace,
    layer: int | None = None,
    head: int | str | None = None,
    *,
    quantity: str = "weight",
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    stream: str | None = None,
    color: str = "root",
    theme: Theme = "auto",
) -> Spec:
    """The matrix view's spec; see `Trace.matrix_view`."""
    one_of("color", color, COLORS)
    streams, first = chosen_streams(trace, stream, layers, heads)
    for shown in streams:
        add_map(trace, shown, quantity)
    row = shown_layer(trace, first, layer)
    state = state_spec(first["name"], row["layer"])
    state["quantity"] = quantity
    state["color"] = cast(Any, color)
    state["head"] = row["heads"][0]
    if isinstance(head, str):
        one_of("head", head, OVER)
        state["over"] = cast(Any, head)
    elif head is not None:
        state["head"] = shown_head(trace.streams[first["name"]], row, head)
    measures.quantity(trace, quantity, first["name"])
    return build_spec("matrix", trace, streams, state, theme)


def add_map(trace: Trace, shown: StreamSpec, quantity: str) -> None:
    """Give a stream's spec what heat maps need: the rules of its layers, what can be shown.

    Of quantities that a page cannot make itself, a saved one carries the one shown first only:
    some take long to compute, and each is as large as the weights.
    """
    stream = trace.streams[shown["name"]]
    if has_vectors(stream, shown):
        add_rules(stream, shown)
    made = {"weight", "score"}
    with_it = {"difference", "before", "after"}  # a comparison is looked at from both sides
    wanted = with_it if quantity in with_it else {quantity} - made
    shown["quantities"] = [
        {
            "name": one.name,
            "label": one.label,
            "about": one.about,
            "per": one.per,
            "high": one.high,
            "signed": one.signed,
            "carried": one.name in wanted,
        }
        for one in (
            measures.QUANTITIES[name] for name in measures.quantities_of(trace, stream.name)
        )
    ]
