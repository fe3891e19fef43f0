"""Matrix view: one head, or a layer's heads put together, as a heat map of query × key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

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
from attnscope.wire.spec import Spec, Theme

OVER = ("mean", "max")
COLORS = ("root", "linear", "log")


def matrix_view(
    trace: Trace,
    layer: int | None = None,
    head: int | str | None = None,
    *,
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
        if has_vectors(trace.streams[shown["name"]], shown):
            add_rules(trace.streams[shown["name"]], shown)
    row = shown_layer(trace, first, layer)
    state = state_spec(first["name"], row["layer"])
    state["color"] = cast(Any, color)
    state["head"] = row["heads"][0]
    if isinstance(head, str):
        one_of("head", head, OVER)
        state["over"] = cast(Any, head)
    elif head is not None:
        state["head"] = shown_head(trace.streams[first["name"]], row, head)
    return build_spec("matrix", trace, streams, state, theme)
