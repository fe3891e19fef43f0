"""Head view: one layer, several heads as coloured lines between query and key tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from attnscope._numbers import numbers_of
from attnscope.measures.known import position_of
from attnscope.trace import Trace
from attnscope.views.base import build_spec, chosen_streams, shown_layer, state_spec
from attnscope.views.display import Display, set_display
from attnscope.views.matrix import with_precision
from attnscope.views.neuron import explain_weights
from attnscope.views.predictions import add_predictions
from attnscope.wire.parts import is_windowed
from attnscope.wire.spec import Spec, Theme

PART = 128
"""Tokens of a side that a long input shows at a time."""


def head_view(
    trace: Trace,
    layer: int | None = None,
    heads: int | Sequence[int] | None = None,
    *,
    query: int | str | None = None,
    layers: int | Sequence[int] | None = None,
    stream: str | None = None,
    theme: Theme = "auto",
    **display: Unpack[Display],
) -> Spec:
    """The head view's spec; see `Trace.head_view`."""
    streams, first = chosen_streams(trace, stream, layers, None)
    number = shown_layer(trace, first, layer)["layer"]
    state = state_spec(first["name"], number)
    if heads is not None:
        state["heads"] = numbers_of("heads", heads)
        trace.streams[first["name"]].places(number, state["heads"])
    elif display.get("mean"):
        state["heads"] = []
    if query is not None:
        place = position_of(trace.streams[first["name"]].query, query)
        state["pinned"] = {"side": "query", "index": place}
    set_display(state, trace, streams, display)
    for shown in streams:
        if is_windowed(trace.streams[shown["name"]], (row["layer"] for row in shown["layers"])):
            shown["part"] = PART
    spec = explain_weights(trace, build_spec("head", trace, streams, state, theme))
    add_predictions(spec, trace)
    return with_precision(spec, "auto") if any("part" in shown for shown in streams) else spec
