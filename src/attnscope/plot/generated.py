"""Generated tokens: above, what each segment of the text got at every step; below, one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.patches import Rectangle

from attnscope.plot.canvas import PAGE, axes_on, inches, plain, wrapped, write_title
from attnscope.plot.colors import NEUTRAL, Rgb, head_color, hexed
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink
from attnscope.plot.maps import add_bar
from attnscope.plot.prose import Paragraph, laid_out, write_prose

HIGH, WIDEST, NAMES = 66.0, 44.0, 9.0
"""Points of the highest and widest bar, and from which on a bar has its token below it."""

STRIP, TOLD, FOOT = 16.0, 6, 7.0
LONG, MOST = 300, 1_200
"""Tokens from which a strip shows the whole text, and of the text that is written out."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a generation.

    Attributes:
        at: which.
        rows: [step, key], what each step looked at.
        made: the tokens that were generated.
        keys: the tokens that were looked at.
        segments: names and places of the parts of the keys.
        hidden: the first token is left out.
    """

    at: int
    rows: Float[np.ndarray, "step key"]
    made: Sequence[str]
    keys: Sequence[str]
    segments: Sequence[tuple[str, range]]
    hidden: bool

    def shares(self) -> Float[np.ndarray, "step part"]:
        """What the first token gets, then each segment without it."""
        spans = [slice(max(run.start, 1), run.stop) for _, run in self.segments]
        parts = [self.rows[:, :1], *(self.rows[:, span] for span in spans)]
        return np.stack([part.sum(-1) for part in parts], -1)

    def parts(self, ink: Ink) -> list[tuple[str, Rgb]]:
        """Name and colour of each part."""
        ground = np.array([int(ink.bg[i : i + 2], 16) for i in (1, 3, 5)])
        red, green, blue = (ground + (np.array(NEUTRAL[ink.mode]) - ground) * 0.35).astype(int)
        first = (f"first token ({self.keys[0]})", (int(red), int(green), int(blue)))
        return [first, *((n, head_color(i, ink.mode)) for i, (n, _) in enumerate(self.segments))]

    def strongest(self) -> str:
        """The keys that the step looked at most, in words."""
        row = self.rows[self.at]
        best = [k for k in np.argsort(-row, kind="stable")[:TOLD].tolist() if row[k] >= 0.0005]
        return " · ".join(f"“{self.keys[k] or '∅'}” {row[k]:.3f} (key {k})" for k in best)


def draw_step(
    figure: Any, step: Step, paragraphs: Sequence[Paragraph], title: str, ink: Ink,
    width: float | None,
) -> None:  # fmt: skip
    """Draw bars, a strip where the text is long, and the text itself as far as it fits a page."""
    texts = [text for one in paragraphs for text in one.texts]
    letters = letters_for([*texts, *step.made, *step.keys, title])
    across = 72 * inches(width, PAGE) - 8
    kept, cut = _cut(paragraphs, len(texts))
    told = wrapped(
        f"Looked at most: {step.strongest()}{cut}".split(" "), " ", across, FOOT, letters
    )
    names = max(letters.width(text, 6) for text in step.made) if _named(step, across) else 0
    legend = _legend(step, ink, across, letters)
    lines = 1 + max((line for line, *_ in legend), default=0)
    strip = len(texts) >= LONG
    tops = np.cumsum([
        HIGH + names + 8, lines * FOOT * 1.6 + 6, (STRIP + 8) * strip,
        (told.count("\n") + 1) * FOOT * 1.45 + 6,
    ])  # fmt: skip
    high = tops[3] + laid_out(kept, across, letters)[2]
    ax, _ = axes_on(figure, (inches(width, PAGE), high / 72 + 0.75), ink)
    ax.set(xlim=(0, across), ylim=(high, 0))
    ax.axis("off")
    _bars(ax, step, across, ink, letters)
    for line, x, name, color in legend:
        y = tops[0] + line * FOOT * 1.6
        ax.add_patch(Rectangle((x, y), 7, 7, facecolor=hexed(color), linewidth=0))
        _say(ax, (x + 10, y + 3.5), name, ink.ink, letters, va="center_baseline")
    if strip:
        _strip(ax, step, paragraphs, tops[1], across, ink)
    _say(ax, (0, tops[2]), told, ink.quiet, letters, va="top", linespacing=1.3)
    write_prose(ax, kept, across, ink, letters, start=tops[3])
    scale = next(one.scale for one in paragraphs if one.scale)
    add_bar(ax, ScalarMappable(scale.norm, scale.cmap), scale, ink, below=True)
    write_title(ax, None, title, ink, letters)


def _cut(paragraphs: Sequence[Paragraph], tokens: int) -> tuple[list[Paragraph], str]:
    """The last paragraphs, as many as a page has room for; and what is left out, in words."""
    kept: list[Paragraph] = []
    room = MOST
    for one in reversed(paragraphs):
        if room <= 0:
            break
        gone = max(0, len(one.texts) - room)
        room -= len(one.texts)
        framed = {at - gone: color for at, color in one.framed.items() if at >= gone}
        quiet = frozenset(at - gone for at in one.quiet if at >= gone)
        kept.insert(0, Paragraph(
            one.texts[gone:], one.joined[gone:], one.numbers[gone:], one.scale, one.head, framed,
            quiet,
        ))  # fmt: skip
    note = f" · below are the last {MOST:,} of {tokens:,} tokens" if tokens > MOST else ""
    return kept, note


def _width(step: Step, across: float) -> float:
    return min(WIDEST, across / len(step.made))


def _named(step: Step, across: float) -> bool:
    return _width(step, across) >= NAMES


def _bars(ax: Any, step: Step, across: float, ink: Ink, letters: Letters) -> None:
    """A bar a step, the first token's share at the bottom."""
    wide, shares = _width(step, across), step.shares()
    gap = 1.0 if wide > 5 else 0.0
    bottom = np.full(len(step.made), HIGH)
    for part, (_, color) in enumerate(step.parts(ink)):
        high = shares[:, part] * HIGH
        for x, (y, h) in enumerate(zip(bottom - high, high, strict=True)):
            look = {"facecolor": hexed(color), "linewidth": 0, "gid": f"step-{x}-part-{part}"}
            ax.add_patch(Rectangle((x * wide, y), wide - gap, h, **look))
        bottom -= high
    frame = {"fill": False, "edgecolor": ink.ink, "linewidth": 1.4, "clip_on": False}
    ax.add_patch(Rectangle((step.at * wide, 0), wide - gap, HIGH, **frame))
    if _named(step, across):
        for x, text in enumerate(step.made):
            own = ink.ink if x == step.at else ink.quiet
            place = ((x + 0.5) * wide, HIGH + 3)
            _say(ax, place, text or "∅", own, letters, 6, rotation=90, ha="center", va="top")


def _legend(
    step: Step, ink: Ink, across: float, letters: Letters
) -> list[tuple[int, float, str, Rgb]]:
    """Line, x, name with its share at this step, and colour of each part."""
    made, line, x = [], 0, 0.0
    shares = step.shares()[step.at]
    for part, (name, color) in enumerate(step.parts(ink)):
        if part == 0 and step.hidden:
            continue
        said = f"{name} {100 * shares[part]:.1f} %"
        wide = letters.width(said, FOOT) + 24
        if x and x + wide > across:
            line, x = line + 1, 0.0
        made.append((line, x, said, color))
        x += wide
    return made


def _strip(
    ax: Any, step: Step, paragraphs: Sequence[Paragraph], top: float, across: float, ink: Ink
) -> None:
    """The whole text as a row of dots, the strongest of those that share one; segments below."""
    scale = next(one.scale for one in paragraphs if one.scale)
    row = step.rows[step.at]
    dots = min(len(row), 600)
    strongest = np.maximum.reduceat(row, np.linspace(0, len(row), dots, endpoint=False).astype(int))
    box = (0, across, top + STRIP - 4, top)
    look = {"cmap": scale.cmap, "norm": scale.norm, "interpolation": "none", "aspect": "auto"}
    ax.imshow(strongest[None], extent=box, **look)
    ax.set(xlim=(0, across), ylim=ax.get_ylim())
    for part, (_, run) in enumerate(step.segments):
        left, right = (place / len(row) * across for place in (run.start, run.stop))
        color = hexed(head_color(part, ink.mode))
        place = (left, top + STRIP - 3)
        ax.add_patch(Rectangle(place, right - left, 3, facecolor=color, linewidth=0))


def _say(
    ax: Any, at: tuple[float, float], text: str, color: str, letters: Letters, size: float = FOOT,
    **look: Any,
) -> None:  # fmt: skip
    family = list(letters.family)
    plain(
        ax.text(*at, letters.shown(text), color=color, fontsize=size, fontfamily=family, **look)
    ).set_in_layout(False)
