"""All heads of a layer as small heat maps, side by side on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attnscope._numbers import index_of, numbers_of
from attnscope.errors import InputError
from attnscope.plot.canvas import (
    NAMED,
    PAGE,
    TALL,
    axes_on,
    inches,
    label_ticks,
    plain,
    points,
    side_name,
    thinned,
    write_title,
)  # fmt: skip
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.maps import add_bar, draw_map, notes_of, scale_of
from attnscope.plot.part import Part, part_of
from attnscope.trace import Trace
from attnscope.views.display import switch
from attnscope.wire.spec import Theme

MOST = 256
"""Cells a side of one head's map."""

NAME = 11.0
"""Points above a map for its head's number, and between maps."""

BETWEEN = 7.0


def layer(
    trace: Trace,
    layer: int,
    heads: int | Sequence[int] | None = None,
    *,
    cols: int = 4,
    ax: Any = None,
    title: str | None = None,
    quantity: str = "weight",
    words: bool = False,
    tokens: Any = None,
    color: str = "linear",
    vmax: float | None = None,
    cmap: Any = None,
    bar: bool = True,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
) -> Any:
    """Draw the heads of a layer as a grid of heat maps on one colour scale.

    Args:
        trace: what to draw.
        layer: the model's number of the layer.
        heads: numbers of the heads, in this order (None: all).
        cols: maps in a row.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for "Layer 5", "" for none.
        quantity: what to draw, one of `measures.QUANTITIES`.
        words: one row and column a word instead of a token.
        tokens: a slice, (slice of queries, slice of keys), or segments as in "A→B".
        color: lightness is `linear` in the number, in its `root`, or in its `log`.
        vmax: the number with the full colour (None: the largest).
        cmap: a colour map of matplotlib, or its name (None: the matrix view's).
        bar: whether to draw a colour bar.
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: a page).

    Returns:
        The matplotlib Axes that all maps are drawn on; each is one of its `images`.

    Raises:
        InputError: for something that the trace does not have, or a value that does not fit.
    """
    part, ink = part_of(trace, stream, tokens, words, quantity), ink_of(theme)
    number = index_of("layer", layer)
    shown = part.heads(number, None if heads is None else numbers_of("heads", heads))
    grid = _Grid(part, len(shown), _columns(cols, len(shown)))
    blocks = [part.block(number, one, MOST) for one in shown]
    scale = scale_of(blocks, part.quantity, ink, color, vmax, cmap)
    letters = letters_for([*part.texts("query"), *part.texts("key")])
    ax = grid.framed(ax, ink, letters, bar, width, "word" if words else "token")
    images = [draw_map(ax, block, scale, ink, grid.at(i)) for i, block in enumerate(blocks)]
    for place, one in enumerate(shown):
        grid.frame(ax, place, f"head {one}", ink)
    if bar:
        add_bar(ax, images[0], scale, ink, notes_of(blocks))
    write_title(ax, title, part.titled(f"layer {number}"), ink, letters)
    return ax


def _columns(cols: int, count: int) -> int:
    number = index_of("cols", cols)
    if number < 1:
        raise InputError(f"cols must be at least 1, got {number}.")
    return min(number, count)


class _Grid:
    """Where the maps lie: in units of a token, x to the right, y downwards."""

    def __init__(self, part: Part, count: int, cols: int) -> None:
        self.part = part
        self.cols, self.rows = cols, -(-count // cols)
        self.size = len(part.key), len(part.query)
        self.pitch = float(self.size[0]), float(self.size[1])

    def at(self, place: int) -> tuple[float, float]:
        """The upper left corner of a map."""
        return place % self.cols * self.pitch[0], place // self.cols * self.pitch[1]

    def framed(
        self, ax: Any, ink: Ink, letters: Letters, bar: bool, width: float | None, one: str
    ) -> Any:
        """An Axes with limits and names of tokens along its left and lower edge."""
        widest = max(letters.width(text, 6) for text in self.part.texts("query")[:400])
        beside = min(NAMED, widest) / 72 + 0.35
        across = inches(width, PAGE) - beside - (0.6 if switch("bar", bar) else 0.1)
        n_key, n_query = self.size
        cell = min(72 * across / self.cols - BETWEEN, 72 * 2.2)
        cell = min(cell, (72 * TALL / self.rows - NAME - BETWEEN) * n_key / n_query)
        high = self.rows * (cell * n_query / n_key + NAME + BETWEEN) / 72 + 1.0
        whole = self.cols * (cell + BETWEEN) / 72 + beside + (0.6 if bar else 0.1)
        ax, made = axes_on(ax, (whole, high), ink)
        if not made:
            room = points(ax)
            cell = min(room[0] / self.cols - BETWEEN,
                       (room[1] / self.rows - NAME - BETWEEN) * n_key / n_query)  # fmt: skip
        unit = max(cell, 4) / n_key
        self.pitch = n_key + BETWEEN / unit, n_query + (NAME + BETWEEN) / unit
        right, bottom = (count * pitch for count, pitch in
                         zip((self.cols, self.rows), self.pitch, strict=True))  # fmt: skip
        ax.set(
            xlim=(0, right - BETWEEN / unit), ylim=(bottom - (NAME + BETWEEN) / unit, -NAME / unit)
        )
        for spine in ax.spines.values():
            spine.set_visible(False)
        for side, places in (("query", self.rows), ("key", self.cols)):
            self._name(ax, side, places, unit, ink, letters, one)
        return ax

    def _name(
        self, ax: Any, side: Any, maps: int, unit: float, ink: Ink, letters: Letters, one: str
    ) -> None:
        texts, special = self.part.texts(side), self.part.special(side)
        every, size = thinned(len(texts), unit)
        pitch = self.pitch[0 if side == "key" else 1]
        at = [(a, i) for a in range(maps) for i in range(0, len(texts), every)]
        label_ticks(
            ax, side, [a * pitch + i + 0.5 for a, i in at], [texts[i] for _, i in at],
            min(size, 7), ink, letters, turned=side == "key", faint=[special[i] for _, i in at],
        )  # fmt: skip
        label = ax.set_xlabel if side == "key" else ax.set_ylabel
        plain(label(side_name(side, every, one), color=ink.quiet, fontsize=8))

    def frame(self, ax: Any, place: int, name: str, ink: Ink) -> None:
        """A thin line around a map, and its head's number above it."""
        from matplotlib.patches import Rectangle

        x, y = self.at(place)
        ax.add_patch(
            Rectangle(
                (x, y), *self.size, fill=False, edgecolor=ink.strong, linewidth=0.5, clip_on=False
            )
        )
        ax.annotate(
            name, (x, y), (0, 2), textcoords="offset points", fontsize=7, color=ink.quiet,
            annotation_clip=False,
        )  # fmt: skip
