"""A view as a figure, in the state that it is in: the same layer, heads, tokens, colours, theme.

Nothing here touches pyplot.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnscope import plot
from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.measures import QUANTITIES
from attnscope.plot.canvas import PAGE, empty_figure, write_title
from attnscope.plot.colors import NEUTRAL, WEIGHT, layer_color, rgb
from attnscope.plot.cut import cut_part, cut_stream, note_of, place_in_cut
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import ink_of
from attnscope.plot.maps import frame_cell
from attnscope.plot.part import Part, ranges
from attnscope.plot.picture import Picture, draw_picture
from attnscope.plot.saving import save_drawn
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.display import CHECKS, Display
from attnscope.wire.spec import CellSpec, LayerSpec, PinnedSpec, Spec, StreamSpec

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
        trace, row["layer"], active_heads(spec, row), **_pinned(trace, spec), ax=figure,
        **common(spec), width=width, **display_of(spec),
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
    pinned = _pinned(trace, spec).get("query")
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


DRAWN: dict[str, Callable[[Trace, Spec, Figure, float | None], None]] = {
    "head": _head,
    "model": _model,
    "neuron": _neuron,
    "matrix": _matrix,
}
"""How each view is drawn."""


def common(spec: Spec) -> dict[str, Any]:
    """What all figures take from a state."""
    state = spec["state"]
    return {"stream": state["stream"], "tokens": state["filter"], "theme": spec["theme"]}


def display_of(spec: Spec) -> Display:
    """The options of the head and model view, as the reader has set them."""
    values: Any = {name: spec["state"][name] for name in CHECKS}  # type: ignore[literal-required]
    values["renormalise"] = values["renormalise"] and values["hide_special"]
    display: Display = values
    return display


def shown_stream(spec: Spec) -> StreamSpec:
    """The stream on the screen."""
    return next(s for s in spec["streams"] if s["name"] == spec["state"]["stream"])


def shown_row(spec: Spec, shown: StreamSpec) -> LayerSpec:
    """The layer on the screen: the state's, or the first where the stream lacks it."""
    rows = {row["layer"]: row for row in shown["layers"]}
    return rows.get(index_of("layer", spec["state"]["layer"]), shown["layers"][0])


def shown_head(spec: Spec, row: LayerSpec) -> int:
    """The one head on the screen: the state's, or the first where the layer lacks it."""
    head = spec["state"]["head"]
    return head if head is not None and head in row["heads"] else row["heads"][0]


def active_heads(spec: Spec, row: LayerSpec) -> list[int]:
    """The heads switched on; all where none is, and the mean is not."""
    state = spec["state"]
    chosen = state["heads"]
    active = [head for head in row["heads"] if chosen is None or head in chosen]
    return active or ([] if state["mean"] and len(row["heads"]) > 1 else row["heads"])


def opened_cell(spec: Spec) -> CellSpec | None:
    """The cell opened in detail, if the stream on the screen has it."""
    cell = spec["state"]["opened"]
    rows = {row["layer"]: row["heads"] for row in shown_stream(spec)["layers"]}
    if cell is None or cell["layer"] not in rows:
        return None
    there = spec["state"]["mean"] if cell["head"] is None else cell["head"] in rows[cell["layer"]]
    return cell if there else None


def part_shown(trace: Trace, spec: Spec) -> Part:
    """The heads and tokens on the screen."""
    shown = shown_stream(spec)
    heads = {row["layer"]: row["heads"] for row in shown["layers"]}
    tokens = spec["state"]["filter"]
    return cut_part(trace, shown["name"], tokens, False, heads, display_of(spec))


def pin_shown(trace: Trace, spec: Spec) -> PinnedSpec | None:
    """The pinned token by its place among those left, if it is among those shown."""
    pinned, shown = spec["state"]["pinned"], shown_stream(spec)
    if pinned is None:
        return None
    tokens: Tokens = getattr(trace.streams[shown["name"]], pinned["side"])
    hidden = spec["state"]["hide_special"]
    place = place_in_cut(tokens, pinned["index"], hide_special=hidden)
    if place is None or place not in getattr(part_shown(trace, spec), pinned["side"]):
        return None
    return {"side": pinned["side"], "index": place}


def _pinned(trace: Trace, spec: Spec) -> dict[str, Any]:
    """`query=` or `key=` of the pinned token, or neither."""
    pinned = spec["state"]["pinned"]
    shown = pinned is not None and pin_shown(trace, spec) is not None
    return {pinned["side"]: pinned["index"]} if pinned and shown else {}
