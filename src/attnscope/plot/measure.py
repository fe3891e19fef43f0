"""Layer × head map of one measure: the overview figure of most papers on attention heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize

from attnscope.measures import heads as table_of
from attnscope.plot.canvas import (
    COLUMN,
    PAGE,
    TALL,
    axes_on,
    inches,
    points,
    quiet_frame,
    write_title,
)
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.maps import (
    NUMBERS,
    Scale,
    add_bar,
    colors_of,
    draw_map,
    extent_of,
    frame_cell,
    top_of,
    write_numbers,
)
from attnscope.plot.part import Block
from attnscope.trace import Trace
from attnscope.views.display import switch
from attnscope.wire.spec import CellSpec, LayerSpec, MeasureSpec, Theme

ROOM, LARGE = 0.22, 0.4
"""Inches of a cell, where there are many and where there are few."""

UNITS = {"entropy": "nats", "distance": "tokens"}


def measure(
    trace: Trace,
    name: str,
    *,
    ax: Any = None,
    title: str | None = None,
    vmax: float | None = None,
    cmap: Any = None,
    bar: bool = True,
    numbers: bool = False,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
) -> Any:
    """Draw a measure of every head: layers down, heads across.

    Args:
        trace: what to measure.
        name: one of `measures.MEASURES`: entropy, distance, previous_token, ...
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for the measure's name, "" for none.
        vmax: the number with the full colour (None: the largest).
        cmap: a colour map of matplotlib, or its name (None: the matrix view's).
        bar: whether to draw a colour bar.
        numbers: whether to write each number into its cell, where it fits.
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: as the heads need, a page at most).

    Returns:
        The matplotlib Axes. Where a layer has no such head, or it has no such number, is hatched.

    Raises:
        InputError: for an unknown measure, or one that has no meaning for this stream.
    """
    ink = ink_of(theme)
    values, layers, heads = _square(trace, name, stream)
    scale = _scale(name, values, ink, vmax, cmap)
    ax = _drawn(ax, (values, layers, heads), scale, ink, bar, numbers, width)
    write_title(ax, title, named(name).capitalize(), ink, letters_for([name]))
    return ax


def draw_measure(
    ax: Any, rows: Sequence[LayerSpec], measure: MeasureSpec, ink: Ink, marked: CellSpec | None,
    width: float | None,
) -> None:  # fmt: skip
    """The map of the heads view: its layers and heads, shares from 0 to 1, one head in a frame."""
    layers = [row["layer"] for row in rows]
    heads = list(dict.fromkeys(head for row in rows for head in row["heads"]))
    values = np.full((len(layers), len(heads)), np.nan)
    for place, (row, given) in enumerate(zip(rows, measure["values"], strict=True)):
        at = [heads.index(head) for head in row["heads"]]
        values[place, at] = [np.nan if number is None else number for number in given]
    name, largest = measure["name"], max(map(abs, extent_of([values])))
    scale = _scale(name, values, ink, 1.0 if largest <= 1 else None, None)
    ax = _drawn(ax, (values, layers, heads), scale, ink, True, True, width)
    if marked is not None and marked["head"] is not None:
        frame_cell(ax, layers.index(marked["layer"]), heads.index(marked["head"]), ink)
    write_title(ax, None, named(name).capitalize(), ink, letters_for([name]))


def named(name: str) -> str:
    """A measure's name as people write it."""
    return name.replace("_", " ")


def _scale(name: str, values: np.ndarray, ink: Ink, vmax: float | None, cmap: Any) -> Scale:
    """Numbers to colours; 0 is the middle where some are below it."""
    low, high = extent_of([values])
    top = top_of(vmax, max(high, -low), 0)
    label = " ".join([named(name), *([f"({UNITS[name]})"] if name in UNITS else [])])
    norm = Normalize(-top if low < 0 else 0, top)
    return Scale(colors_of(cmap, ink, signed=low < 0), norm, label)


def _drawn(
    ax: Any, square: tuple[np.ndarray, list[int], list[int]], scale: Scale, ink: Ink, bar: bool,
    numbers: bool, width: float | None,
) -> Any:  # fmt: skip
    values, layers, heads = square
    ax, room = _framed(ax, layers, heads, ink, bar, width)
    image = draw_map(ax, Block(values, np.isnan(values)), scale, ink)
    if bar:
        add_bar(ax, image, scale, ink, "hatched: no such head" if np.isnan(values).any() else "")
    if numbers and room >= NUMBERS:
        write_numbers(ax, values, scale, room, brief=True)
    return ax


def _square(trace: Trace, name: str, stream: str | None) -> tuple[np.ndarray, list[int], list[int]]:
    """[layer, head] with NaN where a layer lacks the head; the numbers of layers and heads."""
    table = table_of(trace, [name], stream=stream)
    layers, row = np.unique(table["layer"], return_inverse=True)
    heads, column = np.unique(table["head"], return_inverse=True)
    values = np.full((len(layers), len(heads)), np.nan)
    values[row, column] = table[name]
    return values, layers.tolist(), heads.tolist()


def _framed(
    ax: Any, layers: list[int], heads: list[int], ink: Ink, bar: bool, width: float | None
) -> tuple[Any, float]:
    """An Axes with axis names and numbers, and the points of a cell."""
    beside = 0.55 + (0.65 if switch("bar", bar) else 0.1)
    natural = max(len(heads) * ROOM, min(COLUMN - beside, len(heads) * LARGE)) + beside
    across = inches(width, min(natural, PAGE)) - beside
    cell = min(across / len(heads), TALL / len(layers))
    ax, made = axes_on(ax, (across + beside, cell * len(layers) + 0.75), ink)
    if made:
        cell *= 72
    else:
        cell = min(
            size / count for size, count in zip(points(ax), (len(heads), len(layers)), strict=True)
        )
    ax.set(xlim=(0, len(heads)), ylim=(len(layers), 0), xlabel="head", ylabel="layer")
    quiet_frame(ax, ink)
    every = max(1, round(13 / max(cell, 1)))
    for axis, numbers in ((ax.xaxis, heads), (ax.yaxis, layers)):
        at = range(0, len(numbers), every)
        axis.set_ticks([i + 0.5 for i in at], [str(numbers[i]) for i in at], fontsize=7)
    return ax, cell
