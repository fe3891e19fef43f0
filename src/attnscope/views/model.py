"""Model view: every layer and head at a glance, one opened in detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, cast

from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import LINES_UP_TO, build_spec, chosen_streams, one_of, state_spec
from attnscope.views.display import Display, set_display
from attnscope.views.neuron import explain_weights
from attnscope.wire.spec import Spec, StreamSpec, Theme

CELLS = ("auto", "lines", "heat")
THUMBNAIL_FROM = 129
"""From so many tokens on, the grid is drawn from pooled images that come first."""


def model_view(
    trace: Trace,
    layers: int | Sequence[int] | None = None,
    heads: int | Sequence[int] | None = None,
    *,
    stream: str | None = None,
    cells: str = "auto",
    theme: Theme = "auto",
    **display: Unpack[Display],
) -> Spec:
    """The model view's spec; see `Trace.model_view`."""
    one_of("cells", cells, CELLS)
    streams, first = chosen_streams(trace, stream, layers, heads)
    for shown in streams:
        shown["thumbnail"] = thumbnail_size(trace.streams[shown["name"]], shown)
    state = state_spec(first["name"], first["layers"][0]["layer"])
    state["cells"] = cast(Any, cells)
    set_display(state, trace, streams, display)
    return explain_weights(trace, build_spec("model", trace, streams, state, theme))


def thumbnail_size(stream: Stream, shown: StreamSpec) -> list[int] | None:
    """[query, key] size of the pooled images; None where the weights themselves are small.

    A cell of a wide grid has few pixels, so its image needs no more.
    """
    sizes = len(stream.query), len(stream.key)
    if max(sizes) < THUMBNAIL_FROM:
        return None
    columns = max(len(row["heads"]) for row in shown["layers"])
    side = LINES_UP_TO if columns <= 16 else LINES_UP_TO // 2
    return [min(size, side) for size in sizes]
