"""Parts of a context × tokens of the answer: shares of attention beside the effect of each part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import Normalize

from attnscope.errors import InputError
from attnscope.measures.table import Table
from attnscope.plot.canvas import (
    PAGE,
    TALL,
    axes_on,
    inches,
    label_ticks,
    points,
    thinned,
    write_title,
)  # fmt: skip
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.maps import (
    NUMBERS,
    Scale,
    add_bar,
    colors_of,
    draw_map,
    extent_of,
    top_of,
    write_numbers,
)
from attnscope.plot.part import Block
from attnscope.views.display import switch
from attnscope.wire.spec import Theme

COLUMNS = ("weight", "norm", "effect")
BESIDE = 16
"""Tokens up to which the three maps stand side by side."""

CELL = 0.36
"""Inches of a cell where there is room."""

GAP = 0.35
"""Between maps, in inches."""


def sources(
    table: Any,
    *,
    ax: Any = None,
    title: str | None = None,
    bar: bool = True,
    theme: Theme = "light",
    width: float | None = None,
) -> Any:
    """Draw where an answer comes from: three maps, parts down, tokens of the answer across.

    Args:
        table: what `attnscope.sources` gives, or `find_answer(...).sources`.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for "Where the answer comes from", "" for none.
        bar: whether to draw colour bars: shares (`weight`, `norm`) have one, effects another.
        theme: `light` or `dark`.
        width: inches of a new figure (None: as the cells need, a page at most).

    Returns:
        The matplotlib Axes that all maps are drawn on. A share that is not known is flat.

    Raises:
        InputError: for a table of something else.
    """
    ink = ink_of(theme)
    parts, tokens, maps = _maps(table)
    letters = letters_for([*parts, *tokens])
    blocks = [Block(values, np.zeros(values.shape, bool)) for values in maps]
    shares, effect = _scales(maps, ink)
    ax, corners, cell = _framed(ax, parts, tokens, ink, letters, bar, width)
    images = []
    for name, block, scale, at in zip(
        COLUMNS, blocks, (shares, shares, effect), corners, strict=True
    ):
        images.append(draw_map(ax, block, scale, ink, at))
        look = {"fontsize": 8, "color": ink.quiet, "annotation_clip": False}
        ax.annotate(name, at, (0, 3), textcoords="offset points", **look)
        if cell >= NUMBERS:
            write_numbers(ax, block.values, scale, cell, at)
    if bar:
        add_bar(ax, images[2], effect, ink)
        add_bar(ax, images[0], shares, ink)
    write_title(ax, title, "Where the answer comes from", ink, letters)
    return ax


def _maps(table: Any) -> tuple[list[str], list[str], list[np.ndarray]]:
    """Names of the parts, texts of the answer's tokens (none for the whole), [part, token] each."""
    if not isinstance(table, Table) or not {"part", *COLUMNS} <= set(table.columns):
        what = ", ".join(table.columns) if isinstance(table, Table) else type(table).__name__
        raise InputError(
            "sources draws the table of attnscope.sources (part, weight, norm, effect), "
            f"got {what}."
        )
    parts = list(dict.fromkeys(table["part"].tolist()))
    first = table["part"] == parts[0]
    tokens = table["text"][first].tolist() if "text" in table.columns else []
    return parts, tokens, [table[name].reshape(len(parts), -1).astype(float) for name in COLUMNS]


def _scales(maps: list[np.ndarray], ink: Ink) -> tuple[Scale, Scale]:
    """Of the shares, from 0; and of the effects, with 0 in the middle."""
    top = top_of(None, extent_of(maps[:2])[1], 0)
    far = top_of(None, float(np.nanmax(np.abs(maps[2]))), 0)
    shares = Scale(colors_of(None, ink), Normalize(0, top), "share")
    return shares, Scale(colors_of(None, ink, signed=True), Normalize(-far, far), "effect (nats)")


@dataclass(frozen=True)
class _Grid:
    """Where the maps lie: side by side, or one above the other; in units of a cell."""

    n_part: int
    n_token: int

    @property
    def cols(self) -> int:
        return 3 if self.n_token <= BESIDE else 1

    def cell(self, across: float, high: float) -> float:
        """Inches of a cell where the maps have so many."""
        rows = 3 // self.cols
        wide = (across - (self.cols - 1) * GAP) / (self.cols * self.n_token)
        return max(min(CELL, wide, (high / rows - GAP) / self.n_part), 0.02)

    def size(self, cell: float) -> tuple[float, float]:
        """Inches of all maps."""
        across = self.cols * (self.n_token * cell + GAP) - GAP
        return across, 3 // self.cols * (self.n_part * cell + GAP)

    def corners(self, cell: float) -> tuple[list[float], list[float]]:
        """Upper left corners of the three."""
        pitch = self.n_token + GAP / cell, self.n_part + GAP / cell
        places = [divmod(place, self.cols) for place in range(3)]
        return [col * pitch[0] for _, col in places], [row * pitch[1] for row, _ in places]


def _framed(
    ax: Any, parts: list[str], tokens: list[str], ink: Ink, letters: Letters, bar: bool,
    width: float | None,
) -> tuple[Any, list[tuple[float, float]], float]:  # fmt: skip
    """An Axes with names of parts and tokens, the corners of the maps, and points of a cell."""
    grid = _Grid(len(parts), max(1, len(tokens)))
    beside = (
        max(letters.width(text, 7) for text in parts) / 72
        + 0.15
        + (1.3 if switch("bar", bar) else 0.1)
    )
    cell = grid.cell(inches(width, PAGE) - beside, TALL)
    across, high = grid.size(cell)
    ax, made = axes_on(ax, (across + beside, high + 0.7), ink)
    if not made:
        cell = grid.cell(*(room / 72 for room in points(ax)))
    x, y = grid.corners(cell)
    ax.set(xlim=(0, x[-1] + grid.n_token), ylim=(y[-1] + grid.n_part, -0.5 * GAP / cell))
    for spine in ax.spines.values():
        spine.set_visible(False)
    for side, corners, texts in (("query", y, parts), ("key", x, tokens)):
        every, size = thinned(max(1, len(texts)), 72 * cell)
        at = [(c + i, i) for c in sorted(set(corners)) for i in range(0, len(texts), every)]
        label_ticks(
            ax, side, [place + 0.5 for place, _ in at], [texts[i] for _, i in at], min(size, 7),
            ink, letters, turned=side == "key",
        )  # fmt: skip
    return ax, list(zip(x, y, strict=True)), 72 * cell
