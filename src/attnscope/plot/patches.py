"""A picture in grey, each patch as strongly coloured as its weight; the same for every head."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from attnscope.plot.canvas import PAGE, inches, plain
from attnscope.plot.colors import patch_ramp, signed_patch_ramp
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import Ink
from attnscope.plot.maps import Scale, add_bar, signed_norm

GREY = np.array([0.2126, 0.7152, 0.0722])
FRAME = "#4fd1ff"
COLUMNS = 4


@dataclass(frozen=True, eq=False)
class Overlaid:
    """A picture and what is laid over it.

    Attributes:
        pixels: the picture.
        patches: weights of the heads together; NaN where missing.
        heads: the number and the weights of each head.
        active: the heads taken together.
        framed: row and column of the patch that it is about, if it is one.
        tops: the number with the full colour, of each head, and of all together (None); left out
            where each map goes up to its strongest patch.
        signed: whether the numbers are differences.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    patches: Float[np.ndarray, "row column"]
    heads: Sequence[tuple[int, Float[np.ndarray, "row column"]]]
    active: Sequence[int]
    framed: tuple[int, int] | None
    tops: Mapping[int | None, float] = field(default_factory=dict)
    signed: bool = False


def pixels_of(png: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in a PNG file."""
    pixels: UInt8[np.ndarray, "height width 3"] = np.rint(
        imread(io.BytesIO(png), format="png")[..., :3] * 255
    ).astype(np.uint8)
    return pixels


def draw_patches(
    figure: Any, shown: Overlaid, title: str, said: str, ink: Ink, width: float | None
) -> None:
    """The large picture, beside it the picture as it is and one a head."""
    figure.set(size_inches=size_of(shown, width), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    lay_patches(figure, shown, title, said, ink)


def size_of(shown: Overlaid, width: float | None) -> tuple[float, float]:
    """Inches that it takes."""
    many, (rows, columns) = len(shown.heads) > 1, _grid(shown)
    across = inches(width, PAGE if many else PAGE * 0.55)
    tall = shown.pixels.shape[0] / shown.pixels.shape[1]
    small = rows * across * 0.46 / columns * tall + rows * 0.16
    return across, min(max(0.5 * across * tall, small), 9.0) + 0.9


def _grid(shown: Overlaid) -> tuple[int, int]:
    """Rows and columns of the small pictures."""
    columns = min(COLUMNS, math.ceil(math.sqrt(len(shown.heads) + 1)))
    return -(-(len(shown.heads) + 1) // columns) if len(shown.heads) > 1 else 1, columns


def lay_patches(figure: Any, shown: Overlaid, title: str, said: str, ink: Ink) -> None:
    """The same on a figure, or a part of one, that has its size."""
    many, (rows, columns) = len(shown.heads) > 1, _grid(shown)
    large, *small = _axes(figure, rows if many else 0, columns)
    scale = _overlay(large, shown, shown.patches, None)
    add_bar(large, ScalarMappable(scale.norm, scale.cmap), scale, ink, below=True)
    letters = letters_for([title, said])
    family = list(letters.family)
    plain(large.set_title(letters.shown(said), fontsize=7, color=ink.quiet, fontfamily=family))
    plain(figure.suptitle(letters.shown(title), fontsize=9, color=ink.ink, fontfamily=family))
    if many:
        small[0].imshow(shown.pixels)
        _name(small[0], "picture", ink.quiet)
        for ax, (head, patches) in zip(small[1:], shown.heads, strict=False):
            _overlay(ax, shown, patches, head)
            _name(ax, f"head {head}", ink.ink if head in shown.active else ink.quiet)
    for ax in (large, *small):
        ax.axis("off")


def _axes(figure: Any, rows: int, columns: int) -> list[Any]:
    if not rows:
        return [figure.add_subplot()]
    one = figure.add_gridspec(1, 2, width_ratios=(1.05, 1))
    cells = one[1].subgridspec(rows, columns)
    large = figure.add_subplot(one[0])
    places = [figure.add_subplot(cells[i // columns, i % columns]) for i in range(rows * columns)]
    return [large, *places]


def _name(ax: Any, text: str, color: str) -> None:
    plain(ax.set_title(text, fontsize=6, color=color, pad=2))


def strongest(patches: np.ndarray) -> float:
    """The size of the number farthest from 0."""
    return float(np.nanmax(np.abs(patches), initial=0))


def _overlay(ax: Any, shown: Overlaid, patches: np.ndarray, head: int | None) -> Scale:
    """Draw the picture in grey and the patches over it, on a root scale up to the strongest."""
    height, width = shown.pixels.shape[:2]
    box = (0, width, height, 0)
    ax.imshow(shown.pixels / 255 @ GREY, cmap="gray", vmin=0, vmax=1, extent=box)
    top = shown.tops.get(head, strongest(patches)) or 1
    ramp = signed_patch_ramp() if shown.signed else patch_ramp()
    share = np.clip(np.nan_to_num(patches) / top, -1 if shown.signed else 0, 1)
    root = np.sign(share) * np.sqrt(np.abs(share))
    colors = ramp[np.rint(root * 64).astype(int) + (64 if shown.signed else 0)]
    colors[np.isnan(patches)] = (0.5, 0.5, 0.5, 0.9)
    ax.imshow(colors, extent=box, interpolation="none", aspect="equal")
    if head is None and shown.framed is not None:
        rows, columns = patches.shape
        row, column = shown.framed
        place, size = (
            (column * width / columns, row * height / rows),
            (width / columns, height / rows),
        )
        for line, color in ((2.4, "#000000"), (1.2, FRAME)):
            look = {"fill": False, "edgecolor": color, "linewidth": line, "clip_on": False}
            ax.add_patch(Rectangle(place, *size, **look))
    solid = ListedColormap(ramp[:, :3] * ramp[:, 3:] + 0.5 * (1 - ramp[:, 3:]))
    if shown.signed:
        return Scale(solid, signed_norm("root", top, 0), "difference")
    return Scale(solid, PowerNorm(0.5, 0, top), "weight")
