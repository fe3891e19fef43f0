"""Running text, each token shaded by what it gets from a query, gives to a key, or gets in all."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.measures.known import position_of
from attnscope.plot.canvas import PAGE, axes_on, inches, points, write_title
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.maps import add_bar, scale_of
from attnscope.plot.part import Block, Part, SideName, part_of
from attnscope.plot.prose import SIZE, Paragraph, laid_out, write_prose
from attnscope.plot.wrapping import joined_in
from attnscope.trace import Trace
from attnscope.views.display import switch
from attnscope.wire.spec import Theme

LEAST_SIZE = 4.0


def text(
    trace: Trace,
    query: int | str | None = None,
    key: int | str | None = None,
    *,
    layer: int | None = None,
    head: int | None = None,
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
    """Draw the tokens as running text, shaded by their numbers.

    Args:
        trace: what to draw.
        query: position or text of a query: each key is shaded by what it gets from it.
        key: position or text of a key: each query is shaded by what it gives to it. With neither,
            each key is shaded by the mean of what it gets.
        layer: the model's number of a layer; None takes the mean over all.
        head: the model's number of a head; None takes the mean over all.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for a line that says what the shades are, "" for none.
        quantity: what to draw, one of `measures.QUANTITIES`.
        words: words instead of tokens.
        tokens: a slice, (slice of queries, slice of keys), or segments as in "A→B".
        color: lightness is `linear` in the number, in its `root`, or in its `log`.
        vmax: the number with the full colour (None: the largest).
        cmap: a colour map of matplotlib, or its name (None: the matrix view's).
        bar: whether to draw a colour bar.
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: a page).

    Returns:
        The matplotlib Axes; its unit is a point.

    Raises:
        InputError: for something that the trace does not have, or a value that does not fit.
    """
    part, ink = part_of(trace, stream, tokens, words, quantity), ink_of(theme)
    at = _single(part, query, key)
    numbers = _numbers(part, layer, head, at)
    side: SideName = "query" if at and at[0] == "key" else "key"
    shown = getattr(part, side)
    block = Block(numbers[None, shown.start : shown.stop], np.zeros((1, len(shown)), bool))
    scale = scale_of([block], part.quantity, ink, color, vmax, cmap)
    made = _said(part, at, layer, head)
    letters = letters_for([*part.texts(side), made])
    own = at and getattr(part.stream, at[0]) is getattr(part.stream, side)
    paragraph = Paragraph(
        part.texts(side), joined_in(getattr(part.stream, side), shown), block.values[0], scale,
        framed={at[1] - shown.start: ink.accent} if at and own else {},
    )  # fmt: skip
    ax = _written(ax, paragraph, ink, letters, width, bar)
    write_title(ax, title, made, ink, letters)
    return ax


def _single(part: Part, query: Any, key: Any) -> tuple[str, int] | None:
    if query is not None and key is not None:
        raise InputError("shade by a query or by a key, not both: give query= or key=.")
    if query is not None:
        return "query", position_of(part.stream.query, query)
    return None if key is None else ("key", position_of(part.stream.key, key, "key"))


def _numbers(
    part: Part, layer: int | None, head: int | None, at: tuple[str, int] | None
) -> Float[np.ndarray, "token"]:
    """A row, a column, or the mean over queries, as a mean over the layers and heads asked for."""
    stream = part.stream
    layers = stream.numbers if layer is None else [index_of("layer", layer)]
    queries = slice(at[1], at[1] + 1) if at and at[0] == "query" else slice(None)
    kept = []
    for number in layers:
        places = stream.places(number, None if head is None else [head])
        for place in places:
            rows = stream.layer(number).rows([place], queries)[0]
            kept.append(rows[:, at[1]] if at and at[0] == "key" else _mean_down(rows))
    stacked = np.stack(kept)
    there = ~np.isnan(stacked)
    total = np.where(there, stacked, 0).sum(0)
    return np.where(there.any(0), total / np.maximum(there.sum(0), 1), np.nan)


def _mean_down(rows: np.ndarray) -> np.ndarray:
    there = ~np.isnan(rows)
    return np.where(
        there.any(0), np.where(there, rows, 0).sum(0) / np.maximum(there.sum(0), 1), np.nan
    )


def _said(part: Part, at: tuple[str, int] | None, layer: int | None, head: int | None) -> str:
    where = "all layers" if layer is None else f"layer {layer}"
    which = "mean of heads" if head is None else f"head {head}"
    if at is None:
        return f"What each key gets in the mean · {where}, {which}"
    name = getattr(part.stream, at[0]).text[at[1]]
    link = "What “{}” attends to" if at[0] == "query" else "What attends to “{}”"
    return f"{link.format(name)} · {where}, {which}"


def _written(
    ax: Any, paragraph: Paragraph, ink: Ink, letters: Letters, width: float | None, bar: bool
) -> Any:
    """An Axes with the tokens in it, in smaller letters where they would not fit."""
    across, size = 72 * inches(width, PAGE) - 8, SIZE
    high = laid_out([paragraph], across, letters)[2]
    ax, made = axes_on(ax, (inches(width, PAGE), high / 72 + 0.35 + 0.5 * switch("bar", bar)), ink)
    scale = paragraph.scale
    if bar and scale:
        add_bar(ax, ScalarMappable(scale.norm, scale.cmap), scale, ink, below=True)
    if not made:
        across, high = points(ax)
        while size > LEAST_SIZE and laid_out([paragraph], across, letters, size)[2] > high:
            size *= 0.93
    ax.set(xlim=(0, across), ylim=(max(high, laid_out([paragraph], across, letters, size)[2]), 0))
    ax.axis("off")
    write_prose(ax, [paragraph], across, ink, letters, size)
    return ax
