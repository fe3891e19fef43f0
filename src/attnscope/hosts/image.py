"""A view as a figure, in the state that it is in: the same layer, heads, tokens, colours, theme.

Nothing here touches pyplot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnscope import plot
from attnscope.errors import InputError
from attnscope.hosts.image_patches import draw_image
from attnscope.hosts.image_texts import draw_generation, draw_texts
from attnscope.hosts.shown import (
    active_heads,
    common,
    display_of,
    opened_cell,
    part_shown,
    pin_shown,
    pinned_option,
    shown_head,
    shown_row,
    shown_stream,
)
from attnscope.measures import QUANTITIES
from attnscope.plot.canvas import PAGE, empty_figure, write_title
from attnscope.plot.colors import NEUTRAL, WEIGHT, layer_color, rgb
from attnscope.plot.cut import cut_stream, note_of
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import ink_of
from attnscope.plot.maps import frame_cell
from attnscope.plot.measure import draw_measure
from attnscope.plot.part import ranges
from attnscope.plot.picture import Picture, draw_picture
from attnscope.plot.saving import save_drawn
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.wire.spec import CellSpec, Spec, StreamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
LIMITS = {"dpi": (10, 2400), "width": (1, 60)}


def save_figure(
    trace: Trace, spec: Spec, path: Path, *, dpi: float | None = None, width: float | None = None
) -> Path:
    """Write a figure; the suffix says what: `.png`, `.svg` or `.pdf`. See `save_drawn`."""
    dots = DPI if dpi is None else _number("dpi", dpi)
    return save_drawn(lambda: figure_of(trace, spec, width=width), path, dots)


def figure_of(trace: Trace, spec: Spec, *, width: float | None = None) -> Figure:
    """A Figure of the view's state.

    Raises:
        InputError: for a view or a state that no figure can show.
    """
    if spec["view"] not in DRAWN:
        raise InputError(
            f"the {spec['view']} view cannot be drawn as a figure yet: save it as a page, whose "
            "Save button makes an SVG or PNG of the screen."
        )
    if any("pair" in shown for shown in spec["streams"]):
        raise InputError(
            "a comparison cannot be drawn as a figure from its view: save it as a page, whose Save "
            "button makes an SVG or PNG of the screen, or take comparison.difference."
            "matrix_view(..., quantity='difference')."
        )
    figure = empty_figure()
    DRAWN[spec["view"]](trace, spec, figure, None if width is None else _number("width", width))
    return figure


def _number(name: str, value: Any) -> float:
    low, high = LIMITS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(f"{name} must be a number from {low} to {high}, got {value!r}.")
    return float(value)


def _head(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    shown = shown_stream(spec)
    row = shown_row(spec, shown)
    plot.lines(
        trace, row["layer"], active_heads(spec, row) or None, ax=figure, width=width,
        **pinned_option(trace, spec), **common(spec), **display_of(spec),
    )  # fmt: skip


def _model(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """The grid, and beside it the head that is opened."""
    shown, opened = shown_stream(spec), opened_cell(spec)
    stream = trace.streams[shown["name"]]
    named = {
        "layers": [row["layer"] for row in shown["layers"]],
        "heads": None if _is_whole(stream, shown) else shown["layers"][0]["heads"],
        "cells": spec["state"]["cells"],
        **common(spec),
        **display_of(spec),
    }
    if opened is None:
        plot.model(trace, ax=figure, width=width, **named)
        return
    ink = ink_of(spec["theme"])
    rows = max(len(stream.query), len(stream.key))
    figure.set(size_inches=(width or PAGE, min(max(3.2, rows * 0.15), 8)), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    grid, detail = figure.subplots(1, 2, width_ratios=(1.5, 1))
    plot.model(trace, ax=grid, marked=opened, **named)
    mean = opened["head"] is None
    color = NEUTRAL[ink.mode] if mean else layer_color(opened["layer"], ink.mode)
    _one_head(trace, spec, detail, opened, color, None)


def _is_whole(stream: Stream, shown: StreamSpec) -> bool:
    """Whether all heads of the layers are shown."""
    return all(list(stream.layer(r["layer"]).heads) == r["heads"] for r in shown["layers"])


def _one_head(
    trace: Trace, spec: Spec, ax: Any, cell: CellSpec, color: Any, width: float | None
) -> None:
    """One head's curves in a colour of their own."""
    ink, display = ink_of(spec["theme"]), display_of(spec)
    part = part_shown(trace, spec)
    weights = part.weights(cell["layer"], cell["head"])
    pinned, least = pin_shown(trace, spec), display.get("threshold", 0.0)
    picture = Picture(part, [weights], [color], pinned, least, note_of(display))
    drawn = draw_picture(ax, picture, ink, width, [""])
    made = part.named(cell["layer"], cell["head"])
    write_title(drawn, None, made, ink, letters_for([made]))


def _neuron(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    shown, state = shown_stream(spec), spec["state"]
    row = shown_row(spec, shown)
    head = shown_head(spec, row)
    if not state["expanded"]:
        cell: CellSpec = {"layer": row["layer"], "head": head}
        color = rgb(WEIGHT[ink_of(spec["theme"]).mode])
        _one_head(trace, spec, figure, cell, color, width)
        return
    pinned = pinned_option(trace, spec).get("query")
    if pinned is None:
        raise InputError(
            "the neuron view shows no query's steps yet: pin a query by a click, by "
            'widget.pinned = {"side": "query", "index": 3}, or by neuron_view(layer, head, query).'
        )
    plot.neurons(trace, row["layer"], head, pinned, ax=figure, **common(spec), width=width)


def _matrix(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    shown, state = shown_stream(spec), spec["state"]
    row, stream = shown_row(spec, shown), trace.streams[shown["name"]]
    if not _is_whole(stream, shown):
        named = {r["layer"]: r["heads"] for r in shown["layers"]}
        trace = Trace([cut_stream(stream, named)], trace.provenance)
    window = state["window"]
    tokens = state["filter"] if window is None else tuple(
        slice(max(0, math.floor(start)), math.ceil(stop))
        for start, stop in (window["query"], window["key"])
    )  # fmt: skip
    ax = plot.head(
        trace, row["layer"], shown_head(spec, row) if state["over"] == "head" else state["over"],
        quantity=state["quantity"], words=state["words"], tokens=tokens, color=state["color"],
        blocks=state["blocks"], vmax=None if state["fit"] else QUANTITIES[state["quantity"]].high,
        ax=figure, stream=shown["name"], theme=spec["theme"], width=width,
    )  # fmt: skip
    cursor, (query, key) = state["cursor"], ranges(stream, tokens)
    if cursor and cursor["query"] in query and cursor["key"] in key:
        place = cursor["query"] - query.start, cursor["key"] - key.start
        frame_cell(ax, *place, ink_of(spec["theme"]))


def _heads(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """The map of the measure, and beside it the head that is opened."""
    shown, opened, ink = shown_stream(spec), opened_cell(spec), ink_of(spec["theme"])
    given = next((m for m in shown["measures"] if m["name"] == spec["state"]["measure"]), None)
    measure = given or shown["measures"][0]
    if opened is None or opened["head"] is None:
        draw_measure(figure, shown["layers"], measure, ink, None, width)
        return
    tall = 0.3 * len(shown["layers"]) + 1
    figure.set(size_inches=(width or PAGE, min(max(3.0, tall), 8)), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    grid, detail = figure.subplots(1, 2)
    draw_measure(grid, shown["layers"], measure, ink, opened, None)
    tokens = spec["state"]["filter"]
    plot.head(
        trace, opened["layer"], opened["head"], stream=shown["name"], ax=detail, tokens=tokens,
        theme=spec["theme"], color=spec["state"]["color"],
    )  # fmt: skip


DRAWN: dict[str, Callable[[Trace, Spec, Figure, float | None], None]] = {
    "head": _head,
    "model": _model,
    "neuron": _neuron,
    "matrix": _matrix,
    "heads": _heads,
    "text": draw_texts,
    "generation": draw_generation,
    "image": draw_image,
}
"""How each view is drawn."""
