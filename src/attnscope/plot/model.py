"""Model view as a figure: every head of every layer as a small picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from attnscope.measures import heads as table_of
from attnscope.measures.known import stream_of
from attnscope.plot.canvas import PAGE, axes_on, inches, plain, points, quiet_frame, write_title
from attnscope.plot.colors import (
    CELL_GROUND,
    MISSING,
    NEUTRAL,
    STRONG,
    Rgb,
    heat_ramp,
    hexed,
    layer_color,
    signed_colors,
    signed_map_ramp,
)
from attnscope.plot.curves import VECTORS
from attnscope.plot.cut import cut_part
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.part import Block, Part
from attnscope.trace import Trace
from attnscope.views.base import LINES_UP_TO, one_of, stream_spec
from attnscope.views.display import Display, checked
from attnscope.views.model import CELLS
from attnscope.wire.spec import CellSpec, Theme

GAP = 0.06
"""Between cells, in cells; `INSET` between a cell's edge and its lines."""

INSET = 0.06
DOTS = 96
"""Dots a side of a cell's heat map."""

LEAST_ALPHA = 3 / 255


def model(
    trace: Trace,
    layers: int | Sequence[int] | None = None,
    heads: int | Sequence[int] | None = None,
    *,
    cells: str = "auto",
    marked: CellSpec | None = None,
    ax: Any = None,
    title: str | None = None,
    quantity: str = "weight",
    words: bool = False,
    tokens: Any = None,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
    **display: Unpack[Display],
) -> Any:
    """Draw every layer and head at a glance, as the model view does.

    Args:
        trace: what to draw.
        layers: numbers of the layers, as rows in this order (None: all).
        heads: numbers of the heads, as columns (None: all).
        cells: `lines`, `heat` (lightness is the root of the weight), or `auto`: lines up to 64
            tokens, heat maps above.
        marked: the cell with a frame, `{"layer": 4, "head": 5}`.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for the model's name, "" for none.
        quantity: `weight`; or `difference`, of `comparison.difference`, in two colours.
        words: one row and column a word instead of a token.
        tokens: a slice, (slice of queries, slice of keys), or segments as in "A→B".
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: a page at most).
        **display: `sort` (heads by a measure), `mean` (over heads, as one more), `hide_special`,
            `renormalise`, `threshold`: see `attnscope.views.display.Display`.

    Returns:
        The matplotlib Axes; its unit is a cell.

    Raises:
        InputError: for something that the trace does not have, or a value that does not fit.
    """
    one_of("cells", cells, CELLS)
    ink, options = ink_of(theme), checked(display)
    chosen = stream_spec(stream_of(trace, stream), layers, heads)["layers"]
    named = {row["layer"]: row["heads"] for row in chosen}
    part = cut_part(trace, stream, tokens, words, named, options, quantity)
    rows = _rows(trace, stream, named, options)
    ax = _framed(ax, rows, ink, width)
    style = cells
    if cells == "auto":
        style = "lines" if max(len(part.query), len(part.key)) <= LINES_UP_TO else "heat"
    _draw_all(ax, part, rows, style, options.get("threshold", 0.0), ink)
    _mark(ax, rows, marked, ink)
    if part.quantity.signed:
        said = f"blue: more, orange: less · full colour from ±{1 / STRONG:g}"
        look = {"fontsize": 7, "color": ink.quiet, "ha": "center", "va": "top"}
        plain(ax.annotate(said, (0.5, 0), (0, -4), "axes fraction", "offset points", **look))
    write_title(ax, title, trace.provenance.model, ink, letters_for([trace.provenance.model]))
    return ax


Rows = Mapping[int, Sequence[int | None]]
"""Numbers of the heads of each layer; None for their mean."""


def _rows(
    trace: Trace, stream: str | None, named: Mapping[int, Sequence[int]], display: Display
) -> Rows:
    """The heads of each layer as they are sorted, their mean in front."""
    sort = display.get("sort", "number")
    values: dict[tuple[int, int], float] = {}
    if sort != "number":
        table = table_of(trace, [sort], stream=stream)
        cells = zip(table["layer"].tolist(), table["head"].tolist(), strict=True)
        values = dict(zip(cells, np.nan_to_num(table[sort], nan=-np.inf), strict=True))
    first: list[int | None] = [None] if display.get("mean") else []
    rows = {}
    for layer, heads in named.items():
        rank = {head: -values.get((layer, head), 0.0) for head in heads}
        rows[layer] = [*first, *sorted(heads, key=rank.__getitem__)]
    return rows


def _draw_all(ax: Axes, part: Part, rows: Rows, style: str, threshold: float, ink: Ink) -> None:
    draw = _lines if style == "lines" else _heat
    for y, (layer, heads) in enumerate(rows.items()):
        for x, head in enumerate(heads):
            block = part.block(layer, head, DOTS)
            block.values[np.abs(block.values) < threshold] = 0
            color = NEUTRAL[ink.mode] if head is None else layer_color(layer, ink.mode)
            colors = signed_colors(ink.mode) if part.quantity.signed else (color,)
            draw(ax, block, layer, colors, (x * (1 + GAP), y * (1 + GAP)), ink)
    many = sum(len(lines.get_segments()) for lines in ax.collections) > VECTORS
    for lines in ax.collections:
        lines.set_rasterized(many)


def _framed(ax: Any, rows: Rows, ink: Ink, width: float | None) -> Axes:
    columns = max(len(heads) for heads in rows.values())
    across, down = (count * (1 + GAP) - GAP for count in (columns, len(rows)))
    cell = min((inches(width, PAGE) - 0.55) / across, 0.9 if width is None else 9.0)
    ax, made = axes_on(ax, (cell * across + 0.55, cell * down + 0.75), ink)
    if not made:
        cell = (
            min(size / count for size, count in zip(points(ax), (across, down), strict=True)) / 72
        )
    ax.set(xlim=(0, across), ylim=(down, 0), aspect="equal", xlabel="head", ylabel="layer")
    ax.set_anchor("N")
    quiet_frame(ax, ink)
    for spine in ax.spines.values():
        spine.set_visible(False)
    heads = max(rows.values(), key=len)
    alike = all(list(own) == list(heads[: len(own)]) for own in rows.values())
    names = ["mean" if head is None else str(head) for head in heads] if alike else []
    every = max(1, round(13 / (72 * cell)))
    for axis, texts in ((ax.xaxis, names), (ax.yaxis, [str(layer) for layer in rows])):
        at = range(0, len(texts), every)
        axis.set_ticks([i * (1 + GAP) + 0.5 for i in at], [texts[i] for i in at], fontsize=7)
    ax.xaxis.set_label_position("top")
    ax.xaxis.tick_top()
    return ax


Colors = Sequence[Rgb]
"""The colour of a head's weights; or two, of what it gained and of what it lost."""


def _heat(
    ax: Axes, block: Block, layer: int, colors: Colors, at: tuple[float, float], ink: Ink
) -> None:
    missing = np.isnan(block.values)
    if len(colors) > 1:
        share = np.clip(STRONG * np.nan_to_num(block.values), -1, 1)
        codes = np.rint((np.sign(share) * np.sqrt(np.abs(share)) + 1) * 127.5).astype(int)
        image = signed_map_ramp(ink.mode)[codes]
    else:
        codes = np.rint(np.sqrt(np.clip(np.nan_to_num(block.values), 0, 1)) * 254).astype(int)
        image = heat_ramp(layer, ink.mode)[codes]
    image[missing & ~block.hidden] = MISSING[ink.mode]
    box = (at[0], at[0] + 1, at[1] + 1, at[1])
    ax.imshow(image, extent=box, interpolation="none", aspect="equal")


def _lines(
    ax: Axes, block: Block, _layer: int, colors: Colors, at: tuple[float, float], ink: Ink
) -> None:
    """Straight lines from the queries at the left to the keys at the right."""
    x, y = at
    ax.add_patch(Rectangle(at, 1, 1, facecolor=hexed(CELL_GROUND[ink.mode]), linewidth=0))
    weights = np.nan_to_num(block.values) * (STRONG if len(colors) > 1 else 1)
    query, key = np.nonzero(np.abs(weights) >= LEAST_ALPHA)
    pitch = (1 - 2 * INSET) / max(weights.shape)
    ends = np.empty((len(query), 2, 2))
    ends[:, :, 0] = x + INSET, x + 1 - INSET
    ends[:, :, 1] = y + INSET + (np.stack([query, key], 1) + 0.5) * pitch
    inks = np.empty((len(query), 4))
    inks[:, :3] = np.array(colors)[(weights[query, key] < 0).astype(int)] / 255
    inks[:, 3] = np.clip(np.abs(weights[query, key]), 0, 1)
    wide = min(1.0, 0.4 * pitch * points(ax)[0] / (ax.get_xlim()[1] - ax.get_xlim()[0]))
    ax.add_collection(LineCollection(list(ends), colors=inks, linewidths=wide), autolim=False)


def _mark(ax: Axes, rows: Rows, marked: CellSpec | None, ink: Ink) -> None:
    for y, (layer, heads) in enumerate(rows.items()):
        if marked and layer == marked["layer"] and marked["head"] in heads:
            corner = heads.index(marked["head"]) * (1 + GAP), y * (1 + GAP)
            look = {"edgecolor": ink.accent, "linewidth": 1.4, "clip_on": False, "zorder": 3}
            ax.add_patch(Rectangle(corner, 1, 1, fill=False, **look))
