"""A view as a figure, in the state that it is in: the same layer, heads, tokens, colours, theme.

Nothing here touches pyplot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnscope import plot
from attnscope._numbers import is_number
from attnscope.errors import InputError
from attnscope.hosts.image_compared import draw_compared
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
    quantity_shown,
    shown_head,
    shown_row,
    shown_stream,
)
from attnscope.hosts.windowed import only_part
from attnscope.measures import QUANTITIES
from attnscope.plot.canvas import PAGE, empty_figure, inches, write_title
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
DPI_LIMITS = 10, 2400


def save_figure(
    trace: Trace, spec: Spec, path: Path, *, dpi: float | None = None, width: float | None = None
) -> Path:
    """Write a figure; the suffix says what: `.png`, `.svg` or `.pdf`. See `save_drawn`."""
    dots, (low, high) = DPI if dpi is None else dpi, DPI_LIMITS
    if not is_number(dots) or not low <= dots <= high:
        raise InputError(f"dpi must be a number from {low} to {high}, got {dpi!r}.")
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
    figure, across = empty_figure(), None if width is None else inches(width, PAGE)
    if any("pair" in shown for shown in spec["streams"]):
        draw_compared(
            COMPARED.get(spec["view"], [DRAWN[spec["view"]]]), trace, spec, figure, across
        )
    else:
        DRAWN[spec["view"]](*only_part(trace, spec), figure, across)
    return figure


def _head(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    shown = shown_stream(spec)
    row = shown_row(spec, shown)
    plot.lines(
        trace, row["layer"], active_heads(spec, row) or None, ax=figure, width=width,
        quantity=quantity_shown(spec), **pinned_option(trace, spec), **common(spec),
        **display_of(spec),
    )  # fmt: skip


def _model(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """The grid, and beside it the head that is opened."""
    opened = opened_cell(spec)
    if opened is None:
        _grid(trace, spec, figure, width)
        return
    shown, ink = shown_stream(spec), ink_of(spec["theme"])
    stream = trace.streams[shown["name"]]
    rows = max(len(stream.query), len(stream.key))
    figure.set(size_inches=(inches(width, PAGE), min(max(3.2, rows * 0.15), 8)), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    grid, detail = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _grid(trace, spec, grid, None)
    _opened(trace, spec, detail, None)


def _grid(trace: Trace, spec: Spec, ax: Any, width: float | None) -> None:
    """Every head shown; the one that is opened has a frame."""
    shown = shown_stream(spec)
    whole = _is_whole(trace.streams[shown["name"]], shown)
    plot.model(
        trace, [row["layer"] for row in shown["layers"]],
        None if whole else shown["layers"][0]["heads"], cells=spec["state"]["cells"],
        quantity=quantity_shown(spec), marked=opened_cell(spec), ax=ax, width=width,
        **common(spec), **display_of(spec),
    )  # fmt: skip


def _opened(trace: Trace, spec: Spec, ax: Any, width: float | None) -> None:
    """The head that is opened in the model view, as curves in its layer's colour."""
    ink, opened = ink_of(spec["theme"]), opened_cell(spec)
    assert opened is not None
    mean = opened["head"] is None
    color = NEUTRAL[ink.mode] if mean else layer_color(opened["layer"], ink.mode)
    _one_head(trace, spec, ax, opened, color, width)


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
    shown, ink = shown_stream(spec), ink_of(spec["theme"])
    opened = opened_cell(spec)
    if opened is None or opened["head"] is None:
        _measured(trace, spec, figure, width)
        return
    tall = 0.3 * len(shown["layers"]) + 1
    figure.set(size_inches=(inches(width, PAGE), min(max(3.0, tall), 8)), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    grid, detail = figure.subplots(1, 2)
    _measured(trace, spec, grid, None)
    _opened_map(trace, spec, detail, None)


def _measured(_: Trace, spec: Spec, ax: Any, width: float | None) -> None:
    """The map of the measure; the head that is opened has a frame."""
    shown, ink = shown_stream(spec), ink_of(spec["theme"])
    given = next((m for m in shown["measures"] if m["name"] == spec["state"]["measure"]), None)
    measure = given or shown["measures"][0]
    draw_measure(ax, shown["layers"], measure, ink, opened_cell(spec), width)


def _opened_map(trace: Trace, spec: Spec, ax: Any, width: float | None) -> None:
    """The head that is opened in the heads view, as a heat map."""
    opened, state = opened_cell(spec), spec["state"]
    assert opened is not None
    plot.head(
        trace, opened["layer"], opened["head"], stream=state["stream"], ax=ax,
        tokens=state["filter"], theme=spec["theme"], color=state["color"],
        quantity=quantity_shown(spec), width=width,
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

COMPARED: dict[str, Sequence[Callable[[Trace, Spec, Any, float | None], None]]] = {
    "model": (_grid, _opened),
    "heads": (_measured, _opened_map),
}
"""What draws a view of comparisons, and the head opened in it, where the two are drawn apart."""
