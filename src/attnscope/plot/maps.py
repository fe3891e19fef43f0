"""Heat maps: numbers of query × key as colours, with what is masked and what is missing told apart.

A masked cell is no zero: it is hatched, a missing number has a colour of its own, and a zero has
the ground's. Lightness is linear in the number (`linear`), in its root (`root`: faint weights stay
visible) or in its logarithm (`log`), as in the matrix view (web/src/draw/scale.ts).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, FuncNorm, ListedColormap, LogNorm, Normalize, PowerNorm
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from attnscope.errors import InputError
from attnscope.measures import Quantity
from attnscope.plot.canvas import plain
from attnscope.plot.colors import MAP_MISSING, hexed, ink_on, map_ramp, signed_map_ramp
from attnscope.plot.ink import Ink
from attnscope.plot.part import Block
from attnscope.views.base import one_of

TICKS = 0.15
"""Least distance of two ticks, in lengths of the bar."""

NUMBERS = 17.0
"""Points of a cell from which its number can be written into it."""

COLORS = ("linear", "root", "log")


@dataclass(frozen=True, eq=False)
class Scale:
    """How numbers become colours.

    Attributes:
        cmap: the colours.
        norm: numbers to 0..1; what is below is drawn as the lowest.
        label: what the numbers are.
    """

    cmap: Colormap
    norm: Normalize
    label: str


def scale_of(
    blocks: Sequence[Block], quantity: Quantity, ink: Ink, color: str, vmax: float | None,
    cmap: Any = None,
) -> Scale:  # fmt: skip
    """One scale for these maps; numbers below 0 get a diverging one.

    Args:
        blocks: what is drawn with it.
        quantity: what the numbers are.
        ink: the theme.
        color: `linear`, `root` or `log`.
        vmax: the number that gets the full colour; None for the largest there is.
        cmap: a colour map of matplotlib or its name, instead of ours.
    """
    one_of("color", color, COLORS)
    low, high = extent_of([block.values for block in blocks])
    label = quantity.label.lower().replace("alti", "ALTI")
    decades = decades_of(max(max(block.values.shape) * block.step for block in blocks))
    if low < 0:
        top = top_of(vmax, max(high, -low), 0)
        return Scale(colors_of(cmap, ink, signed=True), signed_norm(color, top, decades), label)
    low = low if quantity.low is None else quantity.low
    norm = _norm(color, low, top_of(vmax, high, low), decades)
    return Scale(colors_of(cmap, ink), norm, label)


def decades_of(tokens: int) -> int:
    """Powers of ten that a logarithmic scale spans: down to below an even share of a row."""
    return max(3, math.ceil(math.log10(tokens)) + 1)


def extent_of(values: Sequence[Float[np.ndarray, "row column"]]) -> tuple[float, float]:
    """The smallest and largest number; (0, 1) where there is none."""
    there = [part[np.isfinite(part)] for part in values]
    kept = [part for part in there if part.size]
    if not kept:
        return 0.0, 1.0
    return min(float(part.min()) for part in kept), max(float(part.max()) for part in kept)


def top_of(vmax: float | None, largest: float, low: float) -> float:
    """The number with the full colour: the one asked for, or the largest."""
    if vmax is None:
        return largest if largest > low else low + 1
    if isinstance(vmax, bool) or not isinstance(vmax, int | float | np.number) or not vmax > low:
        raise InputError(f"vmax must be a number above {low:g}, got {vmax!r}.")
    return float(vmax)


def colors_of(cmap: Any, ink: Ink, *, signed: bool = False) -> Colormap:
    """The colour map asked for, or the screen's; cells without a number are clear."""
    if cmap is None:
        ramp = signed_map_ramp(ink.mode) if signed else map_ramp(ink.mode)
        return ListedColormap(ramp / 255, "attnscope").with_extremes(bad=(0, 0, 0, 0))
    if not isinstance(cmap, Colormap) and not (isinstance(cmap, str) and cmap in colormaps):
        raise InputError(f"cmap must be a colour map of matplotlib or its name, got {cmap!r}.")
    return colormaps[cmap] if isinstance(cmap, str) else cmap


def _norm(color: str, low: float, top: float, decades: int) -> Normalize:
    if color == "log":
        return LogNorm(top / 10**decades, top, clip=True)
    if color == "root":
        return PowerNorm(0.5, low, top, clip=True)
    return Normalize(low, top)


def signed_norm(color: str, top: float, decades: int) -> Normalize:
    """-top to top, 0 in the middle; sizes on the scale asked for."""
    if color == "linear":
        return Normalize(-top, top)
    if color == "root":
        roots = (lambda x: np.sign(x) * np.sqrt(np.abs(x)), lambda y: y * np.abs(y))
        return FuncNorm(roots, -top, top)
    least = top / 10**decades

    def shares(x: Any) -> Any:
        return np.sign(x) * np.log10(np.maximum(np.abs(x), least) / least)

    return FuncNorm((shares, lambda y: np.sign(y) * least * 10.0 ** np.abs(y)), -top, top)


def draw_map(
    ax: Axes, block: Block, scale: Scale, ink: Ink, at: tuple[float, float] = (0, 0)
) -> AxesImage:
    """Draw one map with its upper left corner at (x, y); a token is one unit, y grows downwards.

    The limits of the Axes are left alone.
    """
    x, y = at
    rows, columns = block.values.shape
    box = (x, x + columns * block.step, y + rows * block.step, y)
    numbers = np.ma.masked_invalid(block.values)
    image = ax.imshow(
        numbers, cmap=scale.cmap, norm=scale.norm, extent=box, interpolation="none", aspect="equal",
    )  # fmt: skip
    missing = np.isnan(block.values) & ~block.hidden
    hatch = {"facecolors": ink.bg, "edgecolors": ink.line, "hatch": "///"}
    flat = {"facecolors": hexed(MAP_MISSING[ink.mode]), "edgecolors": "none"}
    for cells, look in ((block.hidden, hatch), (missing, flat)):
        if cells.any():
            boxes = _boxes(runs_of(cells) * block.step, at, block.step)
            ax.add_collection(PolyCollection(boxes, linewidths=0, zorder=0.5, **look), False)
    return image


def write_numbers(
    ax: Axes, values: Float[np.ndarray, "row column"], scale: Scale, room: float,
    at: tuple[float, float] = (0, 0), *, brief: bool = False,
) -> None:  # fmt: skip
    """The numbers of a map, in black or white, whichever reads better on their cell.

    Args:
        ax: what the map is drawn on.
        values: NaN where there is no number.
        scale: what the map is coloured with.
        room: points of a cell.
        at: the map's upper left corner.
        brief: without the 0 in front of the point.
    """
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        red, green, blue, _ = scale.cmap(scale.norm(value), bytes=True)
        text = f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
        plain(ax.text(
            at[0] + column + 0.5, at[1] + row + 0.5,
            text.replace("0.", ".", 1) if brief and abs(value) < 1 else text,
            ha="center", va="center", fontsize=min(7, room * 0.33),
            color=ink_on((int(red), int(green), int(blue))),
        ))  # fmt: skip


def frame_cell(ax: Axes, query: int, key: int, ink: Ink) -> None:
    """A frame around the cell of a query and a key, by their places in the map."""
    ax.add_patch(Rectangle((key, query), 1, 1, fill=False, edgecolor=ink.accent, linewidth=1.5))


def runs_of(cells: np.ndarray) -> Int[np.ndarray, "run 3"]:
    """(row, first column, column after the last) of every run of true cells in a row."""
    edges = np.diff(cells.astype(np.int8), axis=1, prepend=0, append=0)
    row, start = np.nonzero(edges == 1)
    return np.stack([row, start, np.nonzero(edges == -1)[1]], 1)


def _boxes(
    runs: np.ndarray, at: tuple[float, float], height: float
) -> Float[np.ndarray, "run corner xy"]:
    x, y = at
    row, left, right = (runs + np.array([y, x, x])).T
    corners = [(left, row), (right, row), (right, row + height), (left, row + height)]
    return np.stack([np.stack(corner, -1) for corner in corners], 1)


def add_bar(
    ax: Axes, image: Any, scale: Scale, ink: Ink, note: str = "", *, below: bool = False
) -> None:
    """A colour bar beside or below the Axes; it says also what a hatch means, if there is one."""
    place = {"location": "bottom", "shrink": 0.4, "aspect": 40, "pad": 0.03} if below else {
        "fraction": 0.046, "pad": 0.02, "aspect": 22,
    }  # fmt: skip
    bar = ax.get_figure().colorbar(image, ax=ax, **place)
    if isinstance(scale.norm, PowerNorm):
        ticks = root_ticks(scale.norm)
        bar.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    bar.outline.set(edgecolor=ink.strong, linewidth=0.5)
    bar.ax.tick_params(length=2, width=0.5, labelsize=7, colors=ink.ink, color=ink.strong)
    bar.set_label(" · ".join(filter(None, [scale.label, note])), color=ink.quiet, fontsize=8)


def root_ticks(norm: Normalize) -> list[float]:
    """Round numbers that lie far enough apart on a root scale."""
    low, high = float(norm.vmin), float(norm.vmax)
    power = 10.0 ** math.floor(math.log10(high - low))
    round_ones = [lead * power * 0.1**down for down in range(5) for lead in (5, 2, 1)]
    kept: list[float] = []
    for tick in (number for number in round_ones if number <= high - low):
        far = [abs(float(norm(low + tick)) - float(norm(other))) > TICKS for other in kept]
        if all(far) and float(norm(low + tick)) > TICKS:
            kept.append(low + tick)
    return [low, *sorted(kept)]


def notes_of(blocks: Sequence[Block]) -> str:
    """What in these maps is no number, in words."""
    hidden = any(block.hidden.any() for block in blocks)
    missing = any((np.isnan(block.values) & ~block.hidden).any() for block in blocks)
    return " · ".join(["hatched: masked"] * hidden + ["flat: missing"] * missing)
