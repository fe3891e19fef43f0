"""Where a figure is drawn: a given Axes, a given empty Figure, or a new figure of pyplot.

Token texts are never read as TeX or mathtext: "$" is a dollar.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from attnscope._numbers import is_number
from attnscope.errors import InputError
from attnscope.plot.fonts import Letters
from attnscope.plot.ink import Ink

COLUMN = 3.4
"""Inches of a column of a two-column paper."""

PAGE = 6.9
"""Inches of the text of a page."""

WIDEST = 60
"""Inches of a figure at most."""

TALL = 9.0
NAMED = 95.0
"""Points of a token's name on an axis; longer ones end in an ellipsis."""

LARGEST, SMALLEST = 8.0, 5.0
"""Points of token labels: never larger, and thinned out rather than smaller."""


def axes_on(ax: Any, size: tuple[float, float], ink: Ink) -> tuple[Axes, bool]:
    """The Axes to draw on, its ground painted; and whether its figure got the size asked for.

    Args:
        ax: an Axes; an empty Figure, which gets the size and one Axes; None for a new figure of
            pyplot, which is then pyplot's current one.
        size: width and height of a figure that has none yet, in inches.
        ink: the theme.

    Raises:
        InputError: for anything else.
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure()
    made = isinstance(ax, Figure)
    if made:
        ax.set_size_inches(*size)
        ax.set_facecolor(ink.bg)
        ax.set_layout_engine("constrained")
        ax = ax.add_subplot()
    if not isinstance(ax, Axes):
        raise InputError(f"ax must be a matplotlib Axes, an empty Figure or None, got {ax!r}.")
    ax.set_facecolor(ink.bg)
    ax.grid(visible=False)
    return ax, made


def inches(width: Any, usual: float) -> float:
    """The width asked for, or the usual one.

    Raises:
        InputError: for what is no width of a figure.
    """
    if width is None:
        return usual
    if not is_number(width) or not 1 <= width <= WIDEST:
        raise InputError(f"width must be a number from 1 to {WIDEST}, got {width!r}.")
    return float(width)


def empty_figure() -> Figure:
    """A figure that pyplot does not know."""
    return Figure()


def points(ax: Axes) -> tuple[float, float]:
    """Width and height of an Axes, in points, as the figure's layout has it."""
    figure = ax.get_figure(root=True)
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
    box = ax.get_window_extent()
    scale = 72 / figure.dpi
    return box.width * scale, box.height * scale


def plain(text: Any) -> Any:
    """The text artist, told to take its text as it is."""
    text.set_parse_math(False)
    text.set_usetex(False)
    return text


def write_title(ax: Axes, given: str | None, made: str, ink: Ink, letters: Letters) -> None:
    """The title: the user's own (mathtext works there), "" for none, or ours, as large as fits."""
    if given is not None:
        ax.set_title(given, fontsize=9, color=ink.ink)
        return
    room = max(points(ax)[0], 72 * ax.get_figure(root=True).get_size_inches()[0] * 0.9)
    size = max(6.0, 9 * min(1.0, room / max(letters.width(made, 9), 1)))
    named = {"fontsize": size, "color": ink.ink, "fontfamily": list(letters.family)}
    plain(ax.set_title(letters.shown(made), **named))


def wrapped(words: Sequence[str], between: str, room: float, size: float, letters: Letters) -> str:
    """The words in as many lines as they need, each at most `room` points wide if possible."""
    lines = [words[0]]
    for word in words[1:]:
        longer = lines[-1] + between + word
        if letters.width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def shortened(text: str, room: float, size: float, letters: Letters) -> str:
    """The text, or as much of it as there is room for and an ellipsis."""
    if letters.width(text, size) <= room:
        return text
    fitting = bisect_right(
        range(1, len(text)), room, key=lambda n: letters.width(f"{text[:n]}…", size)
    )
    return text[:fitting] + "…"


def thinned(count: int, room: float) -> tuple[int, float]:
    """(every how many tokens get a label, its size in points) for rows of `room` points."""
    every = max(1, -(-int(SMALLEST * 1.15 * 100) // max(int(room * 100), 1)))
    return min(every, count), min(LARGEST, max(SMALLEST, room * every * 0.85))


def side_name(side: str, every: int, one: str = "token") -> str:
    """`query`, or `query (every 4th token named)`."""
    return side if every == 1 else f"{side} (every {_ordinal(every)} {one} named)"


def _ordinal(number: int) -> str:
    tail = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"


def label_ticks(
    ax: Axes, side: str, places: Sequence[float], texts: Sequence[str], size: float,
    ink: Ink, letters: Letters, *, turned: bool = False, faint: Sequence[bool] = (),
) -> None:  # fmt: skip
    """Name places on an axis by texts, as they are."""
    axis = ax.xaxis if side == "key" else ax.yaxis
    names = [shortened(text, NAMED, size, letters) for text in texts]
    axis.set_ticks(list(places), [letters.shown(name) for name in names])
    ax.tick_params(axis=axis.axis_name, length=0, pad=2, labelcolor=ink.ink)
    for place, label in enumerate(axis.get_ticklabels()):
        plain(label).set(fontsize=size, fontfamily=list(letters.family), rotation=90 * turned)
        if turned:
            label.set(verticalalignment="top", horizontalalignment="center")
        if faint and faint[place]:
            label.set_color(ink.quiet)


def quiet_frame(ax: Axes, ink: Ink) -> None:
    """Thin, grey spines and grey axis names."""
    for spine in ax.spines.values():
        spine.set(color=ink.strong, linewidth=0.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(color=ink.quiet, fontsize=8)
    ax.tick_params(length=0, colors=ink.ink)
