"""The head view's picture: two columns of tokens, curves between them, boxes and numbers.

Used for the head view, for the head opened in the model view, and for the neuron view's lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from attnscope.plot.canvas import (
    COLUMN,
    TALL,
    axes_on,
    inches,
    plain,
    points,
    shortened,
    side_name,
    thinned,
    wrapped,
)
from attnscope.plot.colors import STRONG, Rgb, hexed, signed_colors
from attnscope.plot.curves import Frame, draw_curves, share_of
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink
from attnscope.plot.part import SIDES, Part, SideName, fused
from attnscope.wire.spec import PinnedSpec

ROW = 13.0
"""Points of a row, while there are few."""

LONGEST = 0.36
"""Share of the width that a column of texts may take; longer texts end in an ellipsis."""

NUMBER, SEGMENT = 26.0, 14.0
"""Points beside a column for numbers, and for the names of segments."""

NUMBERED, LEAST_NUMBER, LEAST_BOX = 12, 0.005, 1 / 510
FOOT = 7.0
"""Points of the text below the curves."""


@dataclass(frozen=True, eq=False)
class Picture:
    """What is drawn.

    Attributes:
        part: the tokens.
        maps: weights [query, key] a head; or differences, where the part's quantity has a sign.
        colors: one a head.
        pinned: the token singled out.
        threshold: smaller weights are not drawn.
        notes: what else is not as usual, in words.
    """

    part: Part
    maps: Sequence[np.ndarray]
    colors: Sequence[Rgb]
    pinned: PinnedSpec | None
    threshold: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def signed(self) -> bool:
        """Whether numbers below 0 are drawn too, in a colour of their own."""
        return self.part.quantity.signed

    @property
    def strength(self) -> int:
        """What a number is multiplied by to be drawn like a weight."""
        return STRONG if self.signed else 1

    def halves(self, ink: Ink) -> tuple[list[np.ndarray], list[Rgb]]:
        """What is drawn, 0..1, and its colour: of differences what was gained, then lost."""
        if not self.signed:
            return list(self.maps), list(self.colors)
        signs, colors = (1, -1), signed_colors(ink.mode)
        parts = [np.clip(sign * STRONG * one, 0, 1) for sign in signs for one in self.maps]
        return parts, [color for color in colors for _ in self.maps]


@dataclass(frozen=True, eq=False)
class Layout:
    """Where columns lie, in points; `every` token gets its text, in this size."""

    row: float
    every: int
    size: float
    query: tuple[float, float]
    key: tuple[float, float]
    whole: float
    outside: float

    @property
    def frame(self) -> Frame:
        """Where the curves run."""
        return Frame(self.row, self.query[1] + 2, self.key[0] - 2)


def draw_picture(
    ax: Any, picture: Picture, ink: Ink, width: float | None, names: Sequence[str]
) -> Any:
    """Tokens, curves, boxes and numbers of the token singled out, which colour is which head."""
    part = picture.part
    letters = letters_for([*part.texts("query"), *part.texts("key")])
    rows = max(len(part.query), len(part.key))
    wide = inches(width, COLUMN)
    across, high = 72 * wide - 6, min(rows * ROW, 72 * TALL)
    foot = Foot(picture, names, thinned(rows, high / rows)[0], rows)
    ax, made = axes_on(ax, (wide, (high + foot.height(across, letters)) / 72 + 0.3), ink)
    across, high = (across, high) if made else points(ax)
    layout = _layout(part, letters, (across, high), rows, bool(picture.pinned))
    ax.set(xlim=(0, layout.whole), ylim=(rows * layout.row, 0))
    ax.axis("off")
    if picture.pinned:
        _boxes(ax, picture, layout, ink)
    halves, colors = picture.halves(ink)
    least, n_heads = min(1.0, picture.strength * picture.threshold), len(picture.maps)
    for start in range(0, len(halves), n_heads):
        only = [_only(weights, picture) for weights in halves[start : start + n_heads]]
        draw_curves(ax, only, colors[start : start + n_heads], layout.frame, foot.share, least)
    for side in SIDES:
        _column(ax, picture, side, layout, ink, letters)
        _segments(ax, part, side, layout, ink, letters)
    foot.draw(ax, across, ink, letters)
    return ax


def _layout(
    part: Part, letters: Letters, room: tuple[float, float], rows: int, pinned: bool
) -> Layout:
    """Columns as wide as their texts, curves between them."""
    whole, high = room
    row = high / rows
    every, size = thinned(rows, row)
    number, segment = NUMBER * pinned, SEGMENT * _has_segments(part)
    space = whole - 2 * (number + segment)
    each = max(20.0, LONGEST * space)
    query, key = (
        min(each, max(letters.width(text, size) for text in part.texts(side)[:2000]) + 10)
        for side in SIDES
    )
    gap = min(max(space - query - key, 20.0), 230.0)
    left = (whole - query - gap - key) / 2
    return Layout(
        row, every, size, (left, left + query), (left + query + gap, left + query + gap + key),
        whole, number + 5,
    )  # fmt: skip


def _only(weights: np.ndarray, picture: Picture) -> np.ndarray:
    """The weights of the token singled out, or all."""
    if not picture.pinned:
        return weights
    side, index = picture.pinned["side"], picture.pinned["index"]
    at = index - getattr(picture.part, side).start
    kept = np.zeros_like(weights)
    place = (at, slice(None)) if side == "query" else (slice(None), at)
    kept[place] = weights[place]
    return kept


def _column(
    ax: Any, picture: Picture, side: SideName, layout: Layout, ink: Ink, letters: Letters
) -> None:
    """The tokens of one side; the one singled out stands in a frame."""
    part, pinned = picture.part, picture.pinned
    left, right = layout.query if side == "query" else layout.key
    at = pinned["index"] - getattr(part, side).start if pinned and pinned["side"] == side else None
    texts, special = part.texts(side), part.special(side)
    for place in sorted({*range(0, len(texts), layout.every), *([] if at is None else [at])}):
        faint = special[place] or (at is not None and place != at)
        plain(ax.text(
            right - 5 if side == "query" else left + 5, layout.frame.middle(place),
            letters.shown(shortened(texts[place], right - left - 8, layout.size, letters)),
            ha="right" if side == "query" else "left", va="center_baseline", fontsize=layout.size,
            fontfamily=list(letters.family), color=ink.quiet if faint else ink.ink,
        ))  # fmt: skip
    if at is not None:
        box = (left, at * layout.row + 0.5), right - left, layout.row - 1
        ax.add_patch(
            Rectangle(*box, facecolor=ink.wash, edgecolor=ink.accent, linewidth=0.8, zorder=0.5)
        )


def _boxes(ax: Any, picture: Picture, layout: Layout, ink: Ink) -> None:
    """Beside each token of the other side: a box a head as strong as its weight, and the mean."""
    assert picture.pinned
    own, index = picture.pinned["side"], picture.pinned["index"]
    other: SideName = "key" if own == "query" else "query"
    at = index - getattr(picture.part, own).start
    rows = [m[at] if own == "query" else m[:, at] for m in picture.maps]
    left, right = layout.key if other == "key" else layout.query
    width, least = (right - left) / len(rows), max(LEAST_BOX, picture.threshold)
    gained, lost = signed_colors(ink.mode)
    for head, (row, own_color) in enumerate(zip(rows, picture.colors, strict=True)):
        for place in np.flatnonzero(np.isnan(row) | (np.abs(row) >= least)):
            box = (left + head * width, place * layout.row + 0.5), width, layout.row - 1
            color = own_color if not picture.signed else lost if row[place] < 0 else gained
            alpha = min(1.0, picture.strength * abs(float(row[place])))
            look = {"facecolor": hexed(color), "alpha": alpha}
            if np.isnan(row[place]):
                look = {"fill": False, "edgecolor": ink.quiet, "hatch": "/////"}
            ax.add_patch(Rectangle(*box, zorder=0.5, linewidth=0, **look))
    means = fused(np.stack(rows)[:, None], "mean")[0]
    signed = "+" if picture.signed else ""
    _numbers(ax, means, max(LEAST_NUMBER, picture.threshold), other, layout, ink, signed)


def _numbers(
    ax: Any,
    means: np.ndarray,
    least: float,
    side: SideName,
    layout: Layout,
    ink: Ink,
    signed: str,
) -> None:
    """The strongest means, beside their tokens."""
    size = np.abs(np.nan_to_num(means))
    best = np.argsort(-size, kind="stable")[:NUMBERED]
    x, align = (layout.key[1] + 3, "left") if side == "key" else (layout.query[0] - 3, "right")
    look = {"fontsize": layout.size * 0.85, "color": ink.quiet, "va": "center_baseline"}
    for place in best[size[best] >= least]:
        text = f"{means[place]:{signed}.3f}".replace("-", "−")
        ax.text(x, layout.frame.middle(int(place)), text, ha=align, **look)


def _has_segments(part: Part) -> bool:
    return len(part.stream.query.segments) > 1 or len(part.stream.key.segments) > 1


def _segments(
    ax: Any, part: Part, side: SideName, layout: Layout, ink: Ink, letters: Letters
) -> None:
    """A bar along each named run of tokens, with its name."""
    shown = getattr(part, side)
    segments = getattr(part.stream, side).segments
    if len(segments) < 2:
        return
    x = layout.query[0] - layout.outside if side == "query" else layout.key[1] + layout.outside
    for segment in segments:
        start, stop = max(segment.start, shown.start), min(segment.stop, shown.stop)
        if start >= stop:
            continue
        top, bottom = ((place - shown.start) * layout.row for place in (start, stop))
        ax.add_line(Line2D([x, x], [top + 1.5, bottom - 1.5], color=ink.strong, linewidth=1.2))
        name = shortened(segment.name, bottom - top - 4, 7, letters)
        plain(ax.text(
            x + (-2 if side == "query" else 2), (top + bottom) / 2, letters.shown(name),
            rotation=90 if side == "query" else -90, ha="right" if side == "query" else "left",
            va="center", fontsize=7, color=ink.quiet, fontfamily=list(letters.family),
        ))  # fmt: skip


@dataclass(frozen=True, eq=False)
class Foot:
    """Which colour is which head, and what is to be known of the curves."""

    picture: Picture
    names: Sequence[str]
    every: int
    rows: int

    @property
    def share(self) -> float:
        """What weights are multiplied by to give opacities."""
        return 1.0 if self.picture.pinned else share_of(len(self.names), self.rows)

    @property
    def _named(self) -> bool:
        """Whether each head has a colour, which is named."""
        return len(self.names) > 1 and not self.picture.signed

    def notes(self, room: float, letters: Letters) -> str:
        """Lines of text."""
        drawn = f"difference × {STRONG}" if self.picture.signed else "weight"
        opacity = drawn if self.share == 1 else f"{drawn} × {self.share:.2f}"
        notes = [f"opacity = {opacity}"]
        notes += [side_name("", self.every).strip(" ()")] if self.every > 1 else []
        notes += self.picture.notes
        if self.picture.threshold:
            notes.append(f"weights below {self.picture.threshold:g} are not drawn")
        first = ["head"] if len(self.names) > 1 and not self.picture.signed else []
        if self.picture.signed:
            first = ["heads " + ", ".join(filter(None, self.names))] if len(self.names) > 1 else []
            first.append("blue: more, orange: less")
        words = " · ".join([*first, *notes]).split(" ")
        return wrapped(words, " ", room * 0.95, FOOT, letters)

    def columns(self, room: float, letters: Letters) -> int:
        """How many names stand side by side."""
        widest = max(letters.width(name, FOOT) for name in self.names) + 18
        return max(1, min(len(self.names), 12, int(room / widest)))

    def height(self, room: float, letters: Letters) -> float:
        """Its height in points."""
        lines = self.notes(room, letters).count("\n") + 1
        if self._named:
            lines += -(-len(self.names) // self.columns(room, letters))
        return lines * FOOT * 1.5

    def draw(self, ax: Any, room: float, ink: Ink, letters: Letters) -> None:
        """Under the Axes."""
        said = self.notes(room, letters)
        if not self._named:
            look = {"fontsize": FOOT, "color": ink.quiet, "ha": "center", "va": "top"}
            plain(ax.annotate(said, (0.5, 0), (0, -3), "axes fraction", "offset points", **look))
            return
        colors = self.picture.colors
        handles = [Line2D([], [], color=hexed(color), linewidth=2.5) for color in colors]
        legend = ax.legend(
            handles, self.names, title=said, ncols=self.columns(room, letters), fontsize=FOOT,
            frameon=False, title_fontsize=FOOT, loc="upper center", bbox_to_anchor=(0.5, 0),
            handlelength=0.9, handletextpad=0.3, columnspacing=0.8, labelcolor=ink.ink,
            borderaxespad=0.3, borderpad=0.1,
        )  # fmt: skip
        legend.get_title().set(color=ink.quiet, multialignment="center")
