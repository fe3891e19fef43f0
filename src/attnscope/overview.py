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
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float
from tqdm.auto import tqdm

from attnscope.pooling import Canvas, Cells, Pixels, stripes
from attnscope.scores import Layer, QKLayer

BLOCK = 32
MOST_BLOCKS = 1024

LONG_INPUT = 1024
AFFORDABLE = 8e9
"""Scores that take about half a minute on one core (64 numbers a key)."""

RowSums = Float[np.ndarray, "query"]


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
        locks: by a head's place, so that an overview that several ask for is computed once.
    """

    sums: Float[np.ndarray, "head query"]
    overviews: dict[int, Overview] = field(default_factory=dict)
    locks: dict[int, threading.Lock] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known about a layer, as a file keeps it.

    Attributes:
        layer: the layer.
        sums: [head, query] row sums, NaN where not computed.
        places: places of the heads that have an overview.
        overviews: theirs.
    """

    layer: QKLayer
    sums: Float[np.ndarray, "head query"]
    places: tuple[int, ...]
    overviews: tuple[Overview, ...]


_KNOWN: WeakKeyDictionary[QKLayer, Known] = WeakKeyDictionary()
_LOCK = threading.Lock()


def known_of(layer: QKLayer) -> Known:
    """What is known about a layer; it may be added to."""
    with _LOCK:
        if layer not in _KNOWN:
            _KNOWN[layer] = Known(np.full(layer.shape[:2], np.nan, np.float32))
        return _KNOWN[layer]


def seen_of(layer: QKLayer) -> Seen | None:
    """What is known about a layer, for a file; None where nothing is."""
    known = known_of(layer)
    if np.isnan(known.sums).all():
        return None
    return Seen(layer, known.sums, tuple(known.overviews), tuple(known.overviews.values()))


def remember(seen: Seen) -> None:
    """Know again what a file says of a layer."""
    whole = len(seen.places) == seen.layer.shape[0]
    sums = seen.sums if whole else seen.sums.copy()
    with _LOCK:
        _KNOWN[seen.layer] = Known(sums, dict(zip(seen.places, seen.overviews, strict=True)))


def block_of(layer: QKLayer) -> int:
    """Tokens a block: 32, doubled until a side has at most 1,024 blocks."""
    block = BLOCK
    while max(layer.shape[1:]) > block * MOST_BLOCKS:
        block *= 2
    return block


def overview(layer: QKLayer, place: int) -> Overview:
    """The overview of a head, by its place in the layer; computed once."""
    known = known_of(layer)
    with known.locks.setdefault(place, threading.Lock()):
        if place not in known.overviews:
            block = block_of(layer)
            sums, *pictures = computed(layer, place, block)
            known.sums[place] = sums
            mean, most = (picture.astype(np.float16) for picture in pictures)
            known.overviews[place] = Overview(block, mean, most)
        return known.overviews[place]


def overviews_of(layers: Sequence[Layer], wanted: bool | None = None) -> None:
    """Compute the overviews of all heads, where that is worth it.

    Args:
        layers: those of a trace; layers that hold weights have no overview.
        wanted: None for inputs from 1,024 tokens, if it takes no longer than about half a minute;
            True for all; False for none.
    """
    found = [layer for layer in layers if isinstance(layer, QKLayer)]
    if wanted is None:
        found = [layer for layer in found if max(layer.shape[1:]) >= LONG_INPUT]
        cells = sum(np.prod(layer.shape, dtype=float) / (1 + layer.causal) for layer in found)
        found = found if cells <= AFFORDABLE else []
    todo = [
        (layer, place) for layer in found if wanted is not False for place in range(layer.shape[0])
    ]
    for layer, place in tqdm(todo, "overviews", disable=len(todo) < 2, leave=False, delay=2):
        overview(layer, place)


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
    return sums, *weights_of(means / canvas.sizes, logs)


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
