"""Attention rollout as a heat map: how much of each input token reaches each position."""

from __future__ import annotations

from typing import Any

from attnscope.measures import QUANTITIES
from attnscope.measures import rollout as flow_of
from attnscope.measures.known import stream_of
from attnscope.plot.canvas import write_title
from attnscope.plot.fonts import letters_for
from attnscope.plot.head import framed_map
from attnscope.plot.ink import ink_of
from attnscope.plot.maps import add_bar, draw_map, scale_of
from attnscope.plot.part import MOST, Part, pooled, ranges
from attnscope.trace import Trace
from attnscope.wire.spec import Theme


def rollout(
    trace: Trace,
    *,
    start_layer: int = 0,
    head_fusion: str = "mean",
    discard_ratio: float = 0.0,
    ax: Any = None,
    title: str | None = None,
    tokens: Any = None,
    color: str = "linear",
    vmax: float | None = None,
    cmap: Any = None,
    bar: bool = True,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
) -> Any:
    """Draw attention rollout (Abnar & Zuidema 2020) after the last layer.

    Args:
        trace: what to draw; its stream must have the same tokens on both sides.
        start_layer: number of the first layer taken.
        head_fusion: `mean` over heads (the paper), or `max` or `min`, renormalised.
        discard_ratio: share of the smallest weights of each layer set to 0 before, 0..1.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for "Rollout", "" for none.
        tokens: a slice, (slice of queries, slice of keys), or segments as in "A→B".
        color: lightness is `linear` in the number, in its `root`, or in its `log`.
        vmax: the number with the full colour (None: the largest).
        cmap: a colour map of matplotlib, or its name (None: the matrix view's).
        bar: whether to draw a colour bar.
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: a page).

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: for a cross stream, or a value that does not fit.
    """
    ink, found = ink_of(theme), stream_of(trace, stream)
    part = Part(found, *ranges(found, tokens), QUANTITIES["rollout"])
    flow = flow_of(
        trace, start_layer=start_layer, head_fusion=head_fusion, discard_ratio=discard_ratio,
        stream=stream,
    )[part.query.start : part.query.stop, part.key.start : part.key.stop]  # fmt: skip
    block = pooled(flow, MOST)
    scale = scale_of([block], part.quantity, ink, color, vmax, cmap)
    letters = letters_for(part.texts("query"))
    ax = framed_map(ax, part, ink, letters, bar, width, "token")
    image = draw_map(ax, block, scale, ink)
    if bar:
        add_bar(ax, image, scale, ink, "")
    write_title(ax, title, part.titled("rollout"), ink, letters)
    return ax
