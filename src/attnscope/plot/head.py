"""Heat map of one head: queries down, keys across, every weight a cell."""

from __future__ import annotations

from typing import Any

from attnscope._numbers import index_of
from attnscope.plot.canvas import (
    COLUMN,
    NAMED,
    PAGE,
    axes_on,
    inches,
    label_ticks,
    plain,
    points,
    quiet_frame,
    side_name,
    thinned,
    write_title,
)  # fmt: skip
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.maps import add_bar, draw_map, notes_of, scale_of
from attnscope.plot.part import Part, SideName, part_of
from attnscope.trace import Trace
from attnscope.views.display import switch
from attnscope.wire.spec import Theme

ROOM = 0.165
"""Inches of a cell, while there are few."""


def head(
    trace: Trace,
    layer: int,
    head: int | str | None = None,
    *,
    ax: Any = None,
    title: str | None = None,
    quantity: str = "weight",
    words: bool = False,
    tokens: Any = None,
    color: str = "linear",
    blocks: str = "max",
    vmax: float | None = None,
    cmap: Any = None,
    bar: bool = True,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
) -> Any:
    """Draw the weights of one head as a heat map.

    Args:
        trace: what to draw.
        layer: the model's number of the layer.
        head: the model's number of the head; `mean` (None, too) or `max` over the layer's heads.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for "Layer 5, head 11", "" for none.
        quantity: what to draw, one of `measures.QUANTITIES`: weight, score, rollout, ...
        words: one row and column a word instead of a token.
        tokens: a slice, (slice of queries, slice of keys), or segments as in "A→B".
        color: lightness is `linear` in the number, in its `root`, or in its `log`.
        blocks: where several numbers share a cell (above 1,024 tokens), their `max` or `mean`.
        vmax: the number with the full colour (None: the largest).
        cmap: a colour map of matplotlib, or its name (None: the matrix view's).
        bar: whether to draw a colour bar.
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: as the tokens need, a page at most).

    Returns:
        The matplotlib Axes.

    Raises:
        InputError: for something that the trace does not have, or a value that does not fit.
    """
    part, ink = part_of(trace, stream, tokens, words, quantity), ink_of(theme)
    number = index_of("layer", layer)
    block = part.block(number, head, blocks=blocks)
    scale = scale_of([block], part.quantity, ink, color, vmax, cmap)
    made = part.named(number, head, block.step, blocks)
    letters = letters_for([*part.texts("query"), *part.texts("key"), made])
    ax = framed_map(ax, part, ink, letters, bar, width, "word" if words else "token")
    image = draw_map(ax, block, scale, ink)
    if bar:
        add_bar(ax, image, scale, ink, notes_of([block]))
    write_title(ax, title, made, ink, letters)
    return ax


def framed_map(
    ax: Any, part: Part, ink: Ink, letters: Letters, bar: bool, width: float | None, one: str
) -> Any:
    """An Axes with limits, token names and axis names for one map."""
    n_query, n_key = len(part.query), len(part.key)
    named = _widest(part, "query", letters)
    beside = named + 0.35 + (0.65 if switch("bar", bar) else 0.1)
    natural = min(max(n_key * ROOM + beside, 2.0), PAGE)
    usual = COLUMN if COLUMN - 0.4 < natural < COLUMN else natural
    across = inches(width, usual) - beside
    below = _widest(part, "key", letters)
    high = across * n_query / n_key
    ax, sized = axes_on(ax, (across + beside, high + min(below, 1.5) + 0.65), ink)
    if not sized:
        across, high = (size / 72 for size in points(ax))
    ax.set(xlim=(0, n_key), ylim=(n_query, 0))
    quiet_frame(ax, ink)
    for side, room in (("query", 72 * high / n_query), ("key", 72 * across / n_key)):
        _name(ax, side, part, room, ink, letters, one)
    return ax


def _widest(part: Part, side: SideName, letters: Letters) -> float:
    """Inches of the longest name of a side."""
    return min(NAMED, max(letters.width(text, 8) for text in part.texts(side)[:400])) / 72


def _name(
    ax: Any, side: Any, part: Part, room: float, ink: Ink, letters: Letters, one: str
) -> None:
    """Names of the tokens of a side, as many as there is room for."""
    texts, special = part.texts(side), part.special(side)
    every, size = thinned(len(texts), room)
    at = range(0, len(texts), every)
    turned = side == "key" and max(letters.width(texts[i], size) for i in at) > room * every * 0.9
    label_ticks(
        ax, side, [i + 0.5 for i in at], [texts[i] for i in at], size, ink, letters,
        turned=turned, faint=[special[i] for i in at],
    )  # fmt: skip
    name = side_name(side, every, one)
    plain(ax.set_xlabel(name) if side == "key" else ax.set_ylabel(name))
