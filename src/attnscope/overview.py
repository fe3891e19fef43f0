"""A whole head at a glance, in one pass over its rows and with memory that grows with its length.

A head of n tokens has n × n weights: 4 GB at 32,768. What a map of it needs from afar is far less:
the mean and the largest weight of each block of 32 × 32 (of larger ones beyond 32,768 tokens, so
that a side has 1,024 blocks at most), and a number a row, its *row sum*: the log-sum-exp of its
scores, with which any weight follows from its own query and key alone, exp(score - row sum). Rows
are computed in stripes that fit a processor's cache, exactly, by the `Layer.scores` that everything
else is made from.

What was computed is kept for as long as its layer lives, and written by `trace.save`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from attnscope.scores import QKLayer

BLOCK = 32
MOST_BLOCKS = 1024
STRIPE = 2**20
"""Scores computed at a time: 4 MB."""

RowSums = Float[np.ndarray, "query"]
Cells = Float[np.ndarray, "query key"]
Pixels = Float[np.ndarray, "row column"]


@dataclass(frozen=True, eq=False)
class Overview:
    """One head in blocks.

    Attributes:
        block: queries and keys a block (fewer at the end).
        mean: [row, column], the mean weight of a block's cells, 0 for hidden ones; float16 (right
            to 0.05 %), NaN for a block without a visible cell.
        max: its largest weight, likewise.
    """

    block: int
    mean: Pixels
    max: Pixels


@dataclass(eq=False)
class Known:
    """What has been computed about a layer.

    Attributes:
        sums: [head, query] row sums (`Layer.normaliser`), NaN where not computed yet.
        overviews: by a head's place.
    """

    sums: Float[np.ndarray, "head query"]
    overviews: dict[int, Overview] = field(default_factory=dict)


_KNOWN: WeakKeyDictionary[QKLayer, Known] = WeakKeyDictionary()
_LOCK = threading.Lock()


def known_of(layer: QKLayer) -> Known:
    """What is known about a layer; it may be added to."""
    with _LOCK:
        if layer not in _KNOWN:
            _KNOWN[layer] = Known(np.full(layer.shape[:2], np.nan, np.float32))
        return _KNOWN[layer]


def block_of(layer: QKLayer) -> int:
    """Tokens a block: 32, doubled until a side has at most 1,024 blocks."""
    block = BLOCK
    while max(layer.shape[1:]) > block * MOST_BLOCKS:
        block *= 2
    return block


def overview(layer: QKLayer, place: int) -> Overview:
    """The overview of a head, by its place in the layer; computed once."""
    known = known_of(layer)
    if place not in known.overviews:
        block = block_of(layer)
        sums, mean, most = computed(layer, place, block)
        known.sums[place] = sums
        known.overviews[place] = Overview(block, mean.astype(np.float16), most.astype(np.float16))
    return known.overviews[place]


def computed(layer: QKLayer, place: int, block: int) -> tuple[RowSums, Pixels, Pixels]:
    """Row sums, mean and max of blocks of any size of one head, float32: one pass."""
    _, n_query, n_key = layer.shape
    alone = layer.head(place)
    sums = np.empty(n_query, np.float32)
    canvas = Canvas(range(n_query), range(n_key), (block, block))
    means, logs = canvas.blank(np.add), canvas.blank(np.maximum)
    for queries in stripes(canvas.queries, n_key, block):
        keys = canvas.covering(alone.reach(queries))
        scores = alone.scores(queries=queries, keys=keys)[0]
        sums[queries], weights = _normalise(alone, scores)
        canvas.pool(np.add, means, weights, queries, keys)
        canvas.pool(np.maximum, logs, scores, queries, keys)
    return sums, *weights_of(means / canvas.sizes(), logs)


def weights_of(means: Pixels, logs: Pixels) -> tuple[Pixels, Pixels]:
    """(mean, max), the largest weights from their logarithms; NaN where nothing is visible."""
    hidden, most = np.isneginf(logs), np.exp(logs)
    means[hidden] = most[hidden] = np.nan
    return means, most


def row_sums(layer: QKLayer, place: int, queries: range) -> RowSums:
    """Row sums of some rows of a head; those not known yet are computed."""
    sums = known_of(layer).sums[place]
    unknown = np.flatnonzero(np.isnan(sums[queries.start : queries.stop])) + queries.start
    if len(unknown):
        alone = layer.head(place)
        for rows in stripes(range(unknown[0], unknown[-1] + 1), layer.shape[2], 1):
            scores = alone.scores(queries=rows, keys=alone.reach(rows))[0]
            sums[rows] = _normalise(alone, scores)[0]
    found: RowSums = sums[queries.start : queries.stop]
    return found


def _normalise(layer: QKLayer, scores: Cells) -> tuple[RowSums, Cells]:
    """Row sums and weights of whole rows of one head; scores become logarithms of weights."""
    top = scores.max(axis=-1, initial=-np.inf)
    hidden = np.isneginf(top)
    top[hidden] = 0
    weights = scores - top[:, None]
    np.exp(weights, out=weights)
    with np.errstate(divide="ignore"):
        logs = np.log(weights.sum(axis=-1)) + top
    sums = layer.normaliser(logs[None])[0].astype(np.float32)
    weights *= np.exp(top - sums, where=~hidden, out=np.zeros_like(top))[:, None]
    scores -= sums[:, None]
    return sums, weights


def stripes(queries: range, n_key: int, step: int) -> Iterator[slice]:
    """Queries a bit at a time, so that their scores fit a cache: whole steps, or parts of one."""
    rows = max(1, STRIPE // max(1, n_key))
    steps = max(step, rows // step * step)
    for start in range(queries.start, queries.stop, steps):
        stop = min(start + steps, queries.stop)
        for part in range(start, stop, rows):
            yield slice(part, min(part + rows, stop))


class Canvas:
    """Which pixels the cells of a query range × key range fall on, and pooling into them."""

    def __init__(self, queries: range, keys: range, steps: tuple[int, int]) -> None:
        """Pixels of `steps` queries × keys, from the first of these positions on."""
        self.queries, self.keys, self.steps = queries, keys, steps

    def sizes(self) -> Pixels:
        """How many cells each pixel has: fewer in the last row and column."""
        rows, columns = (
            lengths(len(side), step)
            for side, step in zip((self.queries, self.keys), self.steps, strict=True)
        )
        sizes: Pixels = rows[:, None] * columns
        return sizes

    def blank(self, by: np.ufunc) -> Pixels:
        """Pixels to pool into."""
        return np.full_like(self.sizes(), NEUTRAL[by])

    def covering(self, reach: slice) -> slice:
        """The keys here that are in reach, and those before them that share a pixel."""
        start, stop = max(reach.start, self.keys.start), min(reach.stop, self.keys.stop)
        start -= (start - self.keys.start) % self.steps[1]
        return slice(start, max(start, stop))

    def pool(self, by: np.ufunc, pixels: Pixels, cells: Cells, queries: slice, keys: slice) -> None:
        """Add cells to the pixels (or keep the largest); their keys start at a pixel's first."""
        if not cells.size:
            return
        row = (queries.start - self.queries.start) // self.steps[0]
        column = (keys.start - self.keys.start) // self.steps[1]
        found = pooled(cells, self.steps, by)
        here = np.s_[row : row + found.shape[0], column : column + found.shape[1]]
        by(pixels[here], found, out=pixels[here])


NEUTRAL: dict[np.ufunc, float] = {np.add: 0.0, np.maximum: -np.inf, np.minimum: np.inf}


def pooled(cells: Cells, steps: tuple[int, int], by: np.ufunc) -> Pixels:
    """Neighbouring cells reduced to one; pixels over the edge are filled up with nothing."""
    over = [-n % step for n, step in zip(cells.shape, steps, strict=True)]
    if any(over):
        cells = np.pad(cells, [(0, more) for more in over], constant_values=NEUTRAL[by])
    down, across = steps
    if down > 1:
        cells = by.reduce(cells.reshape(-1, down, cells.shape[1]), axis=1)
    while across % 2 == 0:  # NumPy reduces a short last axis ten times as slowly
        cells, across = by(cells[:, ::2], cells[:, 1::2]), across // 2
    if across > 1:
        cells = by.reduce(cells.reshape(len(cells), -1, across), axis=2)
    return cells


def lengths(n: int, step: int) -> Float[np.ndarray, "pixel"]:
    """How many of n tokens each pixel has: all the same, the last one maybe fewer."""
    return np.minimum(step, n - np.arange(0, n, step)).astype(np.float32)
