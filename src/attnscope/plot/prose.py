"""Paragraphs of running text, each token in a box as strongly coloured as its number.

Everything lies on one Axes whose unit is a point, y downwards, so that a height is known before
anything is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.patches import Rectangle

from attnscope.plot.canvas import PAGE, axes_on, inches, plain, wrapped, write_title
from attnscope.plot.colors import SHADE, SIGNED, Mode, hexed, ink_on
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink
from attnscope.plot.maps import Scale, add_bar, signed_norm
from attnscope.plot.wrapping import PADDING, Placed, flowed

SIZE, HEAD = 8.5, 7.0
"""Points of the text, and of the line above a paragraph."""

LEADING = 1.75
"""From line to line, in sizes of the text."""

BETWEEN = 5.0
"""Points between paragraphs."""


@dataclass(frozen=True, eq=False)
class Paragraph:
    """Tokens that run on.

    Attributes:
        texts: what is written.
        joined: which follow the one before without a space.
        numbers: NaN where missing.
        scale: how numbers become colours; None leaves the tokens plain.
        head: a line above, "" for none.
        framed: colours of the lines around some tokens, by their places.
        quiet: tokens written in grey.
    """

    texts: Sequence[str]
    joined: Sequence[bool]
    numbers: Float[np.ndarray, "token"]
    scale: Scale | None
    head: str = ""
    framed: Mapping[int, str] = field(default_factory=dict)
    quiet: frozenset[int] = frozenset()


def shades_of(top: float, label: str, mode: Mode, *, signed: bool = False) -> Scale:
    """The text view's colours: from the ground to orange, on a root scale up to `top`.

    With `signed` orange is below 0, and blue above.
    """
    ground = np.array({"light": (255, 255, 255), "dark": (19, 21, 25)}[mode])
    share = np.arange(256)[:, None] / 255
    ramp = ground + (np.array(SHADE[mode]) - ground) * share
    if signed:
        above = ground + (np.array(SIGNED[mode]) - ground) * share
        ramp = np.concatenate([ramp[:0:-1], above])
        return Scale(ListedColormap(ramp / 255), signed_norm("root", top or 1, 0), label)
    return Scale(ListedColormap(ramp / 255), PowerNorm(0.5, 0, top or 1, clip=True), label)


def laid_out(
    paragraphs: Sequence[Paragraph], across: float, letters: Letters, size: float = SIZE
) -> tuple[list[list[Placed]], list[float], float]:
    """Where the tokens of each paragraph stand, the y of each paragraph, and the height of all."""
    placed = [flowed(one.texts, one.joined, across, size, letters) for one in paragraphs]
    heights = [
        head_lines(one, across, letters).count("\n") * HEAD * 1.4
        + (HEAD * 1.6 if one.head else 0)
        + (where[-1].line + 1) * size * LEADING
        + BETWEEN
        for one, where in zip(paragraphs, placed, strict=True)
    ]
    tops = [0.0, *accumulate(heights)]
    return placed, tops[:-1], tops[-1] - BETWEEN


def head_lines(paragraph: Paragraph, across: float, letters: Letters) -> str:
    """The line above a paragraph, in as many lines as it needs."""
    return wrapped(paragraph.head.split(" "), " ", across, HEAD, letters)


def write_prose(
    ax: Any, paragraphs: Sequence[Paragraph], across: float, ink: Ink, letters: Letters,
    size: float = SIZE, start: float = 0,
) -> None:  # fmt: skip
    """Write the paragraphs from y `start` on; box `token-i` is that of the i-th token of all."""
    placed, tops, _ = laid_out(paragraphs, across, letters, size)
    counts = accumulate((len(one.texts) for one in paragraphs), initial=0)
    for one, where, top, first in zip(paragraphs, placed, tops, counts, strict=False):
        y = start + top
        if one.head:
            said = head_lines(one, across, letters)
            look = {"fontsize": HEAD, "fontfamily": list(letters.family), "va": "top"}
            plain(
                ax.text(0, y, letters.shown(said), color=ink.quiet, linespacing=1.25, **look)
            ).set_in_layout(False)
            y += said.count("\n") * HEAD * 1.4 + HEAD * 1.6
        for at in where:
            _write_token(ax, one, at, (y, first), size, ink, letters)


def _write_token(
    ax: Any, paragraph: Paragraph, at: Placed, origin: tuple[float, int], size: float, ink: Ink,
    letters: Letters,
) -> None:  # fmt: skip
    top = origin[0] + at.line * size * LEADING
    high, number = size * (LEADING - 0.2), float(paragraph.numbers[at.token])
    box = Rectangle((at.x, top), at.width, high, gid=f"token-{origin[1] + at.token}", linewidth=0)
    color = ink.quiet if at.token in paragraph.quiet else ink.ink
    scale = paragraph.scale
    if scale is None:
        box.set(fill=False)
    elif np.isnan(number):
        box.set(fill=False, hatch="//////", edgecolor=ink.strong)
    else:
        red, green, blue, _ = (int(v) for v in scale.cmap(scale.norm(number), bytes=True))
        box.set_facecolor(hexed((red, green, blue)))
        color = color if at.token in paragraph.quiet else ink_on((red, green, blue))
    if at.token in paragraph.framed:
        box.set(edgecolor=paragraph.framed[at.token], linewidth=1.2, zorder=1.5)
    ax.add_patch(box)
    look = {"fontsize": size, "fontfamily": list(letters.family), "va": "center_baseline"}
    written = letters.shown(paragraph.texts[at.token])
    plain(
        ax.text(at.x + PADDING * size, top + high / 2, written, color=color, **look)
    ).set_in_layout(False)


def draw_prose(
    figure: Any, paragraphs: Sequence[Paragraph], title: str, ink: Ink, width: float | None
) -> None:
    """A figure of paragraphs; one colour bar, in shares where each has a scale of its own."""
    texts = [text for one in paragraphs for text in [*one.texts, one.head]]
    letters = letters_for([*texts, title])
    across = 72 * inches(width, PAGE) - 8
    high = laid_out(paragraphs, across, letters)[2] if paragraphs else SIZE
    ax, _ = axes_on(figure, (inches(width, PAGE), high / 72 + 0.85), ink)
    ax.set(xlim=(0, across), ylim=(high, 0))
    ax.axis("off")
    write_prose(ax, paragraphs, across, ink, letters)
    scales = [one.scale for one in paragraphs if one.scale]
    if scales:
        own = len({scale.norm.vmax for scale in scales}) > 1
        scale = shades_of(1, "share of the largest in its text", ink.mode) if own else scales[0]
        add_bar(ax, ScalarMappable(scale.norm, scale.cmap), scale, ink, below=True)
    write_title(ax, None, title, ink, letters)
