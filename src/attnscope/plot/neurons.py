"""Neuron view as a figure: one query's vector, every key's, and every step to the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.measures.known import position_of
from attnscope.plot.canvas import PAGE, axes_on, inches, plain, points, wrapped, write_title
from attnscope.plot.colors import WEIGHT, hexed, rgb, signed_ramp
from attnscope.plot.fonts import Letters, letters_for
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.part import Part, part_of
from attnscope.scores import QKLayer, vectors_of, widen
from attnscope.trace import Trace
from attnscope.views.base import stream_spec
from attnscope.views.neuron import check_vectors
from attnscope.wire.spec import Theme

NARROW = 330.0
"""Points of a figure below which titles are short and numbers stand close."""

SHORT = {
    "q, and below it k of every key": "q, k",
    "q × k, by neuron": "q × k",
    "softmax: weight": "weight",
}
"""Titles where there is little room."""

STRIP = 20.0
"""Least points of a vector."""

ROW, MOST_ROWS = 13.0, 48
"""Points of a row, and how many keys are shown: of more, those with the largest weights."""


@dataclass(frozen=True, eq=False)
class Steps:
    """One query of one head, for the keys shown.

    Attributes:
        query: [neuron].
        keys: [key, neuron].
        columns: each step's title and numbers; the last is the score.
        visible: whether the query may see the key.
        weights: the softmax's.
        scales: what vectors, and their products, are divided by before they become colours.
    """

    query: Float[np.ndarray, "neuron"]
    keys: Float[np.ndarray, "key neuron"]
    columns: list[tuple[str, Float[np.ndarray, "key"]]]
    visible: Bool[np.ndarray, "key"]
    weights: Float[np.ndarray, "key"]
    scales: tuple[float, float]


def neurons(
    trace: Trace,
    layer: int,
    head: int,
    query: int | str,
    *,
    ax: Any = None,
    title: str | None = None,
    tokens: Any = None,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
) -> Any:
    """Draw how a query's weights come about, neuron by neuron and step by step.

    Args:
        trace: what to draw; it must hold queries and keys (`attnscope.capture`).
        layer: the model's number of the layer.
        head: the model's number of the head.
        query: position or text of the query.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for the query, layer and head, "" for none.
        tokens: the keys shown: a slice, (slice of queries, slice of keys), or segments "A→B".
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: a page).

    Returns:
        The matplotlib Axes; its unit is a point.

    Raises:
        InputError: where the trace holds weights only, or lacks what was asked for.
    """
    part, ink = part_of(trace, stream, tokens), ink_of(theme)
    number, one = index_of("layer", layer), index_of("head", head)
    check_vectors(part.stream, stream_spec(part.stream, [number], [one]))
    at = position_of(part.stream.query, query)
    found, place = vectors_of(part.stream.layer(number)), part.stream.places(number, [one])[0]
    assert found is not None
    kept = _kept(found.rows([place], slice(at, at + 1))[0, 0], part.key)
    steps = steps_of(found, place, at, kept)
    name = part.stream.query.text[at]
    made = f"“{name}” (query {at}) · layer {number}, head {one}"
    if len(kept) < len(part.key):
        made += f" · the {len(kept)} largest of {len(part.key)} keys"
    letters = letters_for([made, *(part.stream.key.text[i] for i in kept)])
    ax = _drawn(ax, part, steps, kept, name, ink, letters, width)
    write_title(ax, title, made, ink, letters)
    return ax


def _kept(weights: np.ndarray, shown: range) -> list[int]:
    """Positions of the keys that get a row, in order."""
    if len(shown) <= MOST_ROWS:
        return list(shown)
    best = np.argsort(-weights[shown.start : shown.stop], kind="stable")[:MOST_ROWS]
    return sorted(int(place) + shown.start for place in best)


def steps_of(layer: QKLayer, place: int, at: int, kept: Sequence[int]) -> Steps:
    """Every step of the softmax formula (see `scores`) for one query and some keys."""
    spec = layer.spec
    query = widen(layer.queries[place, at])
    every = widen(layer.keys[layer.kv_head[place]])
    keys = every[list(kept)]
    dot = keys @ query
    columns = [("q · k", dot)]
    scaled = dot * spec.scaling
    if spec.scaling != 1:
        columns.append((scaling_text(spec.scaling, len(query)), scaled))
    if spec.softcap is not None:
        scaled = spec.softcap * np.tanh(scaled / spec.softcap)
        columns.append((f"softcap {spec.softcap:g}", scaled))
    bias = layer.bias_of([place])
    if bias is not None:
        columns += [
            ("+ bias", bias[0, at, list(kept)]),
            ("= score", scaled + bias[0, at, list(kept)]),
        ]
    mask = spec.mask(np.array([at]), layer.shape[2])
    visible = np.ones(len(kept), bool) if mask is None else mask[0, list(kept)]
    weights = layer.rows([place], slice(at, at + 1))[0, 0, list(kept)]
    q, k = (_magnitude(widen(layer.queries[place])), _magnitude(every))
    return Steps(query, keys, columns, visible, weights, (_nice(max(q, k)), _nice(q * k)))


def scaling_text(scaling: float, dim: int) -> str:
    """`÷ √64`, `÷ 16`, `× 0.3`: the scaling in its simplest form."""
    inverse = 1 / scaling
    square = round(inverse * inverse)
    if square < 2 or abs(inverse - math.sqrt(square)) >= 1e-5 * inverse:
        return f"× {scaling:.4g}"
    whole = math.isqrt(square)
    return f"÷ {whole}" if whole * whole == square and square != dim else f"÷ √{square}"


def _magnitude(values: np.ndarray) -> float:
    """Nine of ten numbers are no larger."""
    return float(np.quantile(np.abs(values), 0.9, method="lower"))


def _nice(value: float) -> float:
    """The largest of 1, 2, 5, 10, ... that is not above the value."""
    if not value > 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    lead = value / power
    return (5 if lead >= 5 else 2 if lead >= 2 else 1) * power


@dataclass(frozen=True)
class _Columns:
    """Left edges and widths in points; `strip` is the width of one vector."""

    names: float
    strip: float
    steps: float
    bars: float
    whole: float
    top: float = 2.6 * ROW

    @property
    def size(self) -> float:
        """Of numbers and titles."""
        return 7.5 if self.whole > NARROW else 6.5

    @property
    def vectors(self) -> float:
        return self.names + 6

    @property
    def products(self) -> float:
        return self.vectors + self.strip + 10

    def number(self, place: int) -> float:
        """The right edge of a step's numbers."""
        return self.products + self.strip + (place + 1) * self.steps


def _drawn(
    ax: Any, part: Part, steps: Steps, kept: Sequence[int], name: str, ink: Ink, letters: Letters,
    width: float | None,
) -> Axes:  # fmt: skip
    rows = len(kept)
    ax, made = axes_on(ax, (inches(width, PAGE), (rows + 4.8) * ROW / 72 + 0.3), ink)
    whole = 72 * inches(width, PAGE) - 8 if made else points(ax)[0]
    texts = [part.stream.key.text[at] or "∅" for at in kept]
    names = min(whole * 0.2, max(letters.width(text, 8) for text in [*texts, name, "query"]) + 4)
    step, bars = (46.0, 90.0) if whole > NARROW else (32.0, 58.0)
    least = names + step * len(steps.columns) + bars + 26 + 2 * STRIP
    if whole < least:
        raise InputError(
            f"the steps need {least / 72 + 0.1:.1f} inches across, and there are {whole / 72:.1f}."
        )
    strip = STRIP + (whole - least) / 2
    columns = _Columns(names, strip, step, bars, whole)
    ax.set(xlim=(0, whole), ylim=(columns.top + (rows + 1.8) * ROW, 0))
    ax.axis("off")
    _strips(ax, steps, columns, ink)
    _titles(ax, steps, columns, name, ink, letters)
    for row, text in enumerate(texts):
        _row(ax, steps, columns, row, text, ink, letters)
    _explain(ax, steps, columns, rows, ink, letters)
    ax.set(xlim=(0, whole), ylim=(columns.top + (rows + 1.8) * ROW, 0), aspect="auto")
    return ax


def _strips(ax: Axes, steps: Steps, columns: _Columns, ink: Ink) -> None:
    """Vectors as rows of cells: blue positive, orange negative, intensity tanh(|v| / scale)."""
    ramp = LinearSegmentedColormap.from_list("signed", signed_ramp(ink.mode) / 255, 511)
    vector, product = steps.scales
    end = columns.top + len(steps.keys) * ROW
    hidden = ~steps.visible[:, None]
    products = np.where(hidden, np.nan, steps.keys * steps.query)
    for values, scale, left, top, bottom in (
        (
            steps.query[None],
            vector,
            columns.vectors,
            columns.top - 1.3 * ROW,
            columns.top - 0.5 * ROW,
        ),
        (steps.keys, vector, columns.vectors, columns.top, end),
        (products, product, columns.products, columns.top, end),
    ):
        box = (left, left + columns.strip, bottom, top)
        look = {"cmap": ramp, "vmin": -1, "vmax": 1, "interpolation": "none", "aspect": "auto"}
        ax.imshow(np.tanh(values / scale), extent=box, **look)


def _titles(
    ax: Axes, steps: Steps, columns: _Columns, name: str, ink: Ink, letters: Letters
) -> None:
    look = {"fontsize": columns.size, "color": ink.quiet, "va": "center"}
    y = columns.top - 0.9 * ROW
    _token(ax, columns.names, y, name, ink.ink, letters)
    wide = columns.whole > NARROW
    places = [
        (0, y - ROW, "query"),
        (columns.vectors, y - ROW, "q, and below it k of every key"),
        (columns.products, y, "q × k, by neuron"),
        (columns.whole - columns.bars + 8, y, "softmax: weight"),
    ]
    for x, height, said in places:
        plain(ax.text(x, height, said if wide else SHORT.get(said, said), **look))
    for place, (title, _) in enumerate(steps.columns):
        plain(ax.text(columns.number(place), y, title, ha="right", **look))


def _token(ax: Axes, right: float, y: float, text: str, color: str, letters: Letters) -> None:
    plain(ax.text(
        right, y, letters.shown(text), ha="right", va="center", fontsize=8, color=color,
        fontfamily=list(letters.family),
    ))  # fmt: skip


def _row(
    ax: Axes, steps: Steps, columns: _Columns, row: int, text: str, ink: Ink, letters: Letters
) -> None:
    """A key: its token, the number of each step, and its weight as a bar."""
    y, seen = columns.top + (row + 0.5) * ROW, bool(steps.visible[row])
    color = ink.ink if seen else ink.quiet
    _token(ax, columns.names, y, text, color, letters)
    look = {"va": "center", "ha": "right", "fontsize": columns.size, "color": color}
    for place, (_, numbers) in enumerate(steps.columns):
        said = f"{numbers[row]:.3f}".replace("-", "−") if seen else "masked" * (place == 0)
        ax.text(columns.number(place), y, said, **look)
    left, room = columns.whole - columns.bars + 8, columns.bars - 8 - 4.3 * columns.size
    weight = float(steps.weights[row])
    fill = hexed(rgb(WEIGHT[ink.mode]))
    for long, shade in ((room, ink.line), (room * weight, fill)):
        ax.add_patch(Rectangle((left, y - 3.5), long, 7, facecolor=shade, linewidth=0))
    ax.text(columns.whole, y, "<0.001" if 0 < weight < 0.0005 else f"{weight:.3f}", **look)


def _explain(
    ax: Axes, steps: Steps, columns: _Columns, rows: int, ink: Ink, letters: Letters
) -> None:
    vector, product = steps.scales
    said = (
        f"blue: positive, orange: negative; intensity tanh(|value| ÷ {vector:g}) for q and k, "
        f"÷ {product:g} for q × k"
    )
    y, size = columns.top + (rows + 0.3) * ROW, 6.5 if columns.whole > NARROW else 5.0
    lines = wrapped(said.split(" "), " ", columns.whole, size, letters)
    plain(ax.text(0, y, lines, fontsize=size, color=ink.quiet, va="top"))
