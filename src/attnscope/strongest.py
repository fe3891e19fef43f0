"""The strongest cells of heads of any length: only blocks that can hold one are opened.

An overview has the largest weight of every block. Blocks are opened from the largest bound down,
until no bound is above the k-th best cell found: some dozen blocks of a million. Where all weights
are alike every block may have to be opened, which costs as much as the overview did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from attnscope._types import TokenMask
from attnscope.overview import overview
from attnscope.pooling import stripes
from attnscope.scores import Layer, QKLayer
from attnscope.tiles import tile

FIRST = 64
"""Blocks opened at first; then twice as many, and so on."""
ROUNDED = 2.0**-10
"""How far a block's float16 may be below its largest weight, as a share."""


@dataclass(eq=False)
class Strongest:
    """The best cells so far, largest first.

    Attributes:
        k: how many there may be.
        place, query, key: where they are: places of heads, positions of tokens.
        weight: their numbers.
    """

    k: int
    place: Int[np.ndarray, "cell"] = field(default_factory=lambda: np.zeros(0, np.int64))
    query: Int[np.ndarray, "cell"] = field(default_factory=lambda: np.zeros(0, np.int64))
    key: Int[np.ndarray, "cell"] = field(default_factory=lambda: np.zeros(0, np.int64))
    weight: Float[np.ndarray, "cell"] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def least(self) -> float:
        """What a cell must be above to matter."""
        return float(self.weight[-1]) if len(self.weight) == self.k else -np.inf

    def add(
        self,
        place: int,
        query: Int[np.ndarray, "query"],
        key: Int[np.ndarray, "key"],
        weights: Float[np.ndarray, "query key"],
    ) -> None:
        """Take what is among the best of these cells."""
        at = np.flatnonzero(weights > self.least)
        if len(at) > self.k:
            at = at[np.argpartition(weights.flat[at], -self.k)[-self.k :]]
        row, column = np.unravel_index(at, weights.shape)
        new = (np.full(len(at), place), query[row], key[column], weights[row, column])
        old = (self.place, self.query, self.key, self.weight)
        joined = [np.concatenate(pair) for pair in zip(old, new, strict=True)]
        order = np.lexsort((joined[2], joined[1], joined[0], -joined[3]))[: self.k]
        self.place, self.query, self.key, self.weight = (values[order] for values in joined)


def strongest(
    layer: Layer,
    places: Sequence[int],
    k: int,
    *,
    queries: TokenMask | None = None,
    keys: TokenMask | None = None,
) -> Strongest:
    """The k cells with the largest weights of some heads of a layer.

    Args:
        layer: any layer.
        places: places of the heads in the layer's arrays.
        k: how many, at least 1.
        queries: True for each query that counts; None for all.
        keys: likewise.

    Returns:
        At most k cells, the largest first (of equal ones, any). Hidden cells are none.
    """
    _, n_query, n_key = layer.shape
    live = (_all(queries, n_query), _all(keys, n_key))
    best = Strongest(k)
    if isinstance(layer, QKLayer):
        _open_blocks(layer, places, best, live)
        return best
    for place in places:
        for rows in stripes(range(n_query), n_key, 1):
            _look(layer, place, rows, slice(0, n_key), best, live)
    return best


def _all(mask: TokenMask | None, n: int) -> TokenMask:
    return np.ones(n, bool) if mask is None else mask


def _look(
    layer: Layer,
    place: int,
    queries: slice,
    keys: slice,
    best: Strongest,
    live: tuple[TokenMask, TokenMask],
) -> None:
    """Take the best of a range of cells, those that count."""
    cells = tile(layer, [place], queries, keys).mean[0]
    query, key = (
        np.flatnonzero(mask[part]) for mask, part in zip(live, (queries, keys), strict=True)
    )
    best.add(place, query + queries.start, key + keys.start, cells[np.ix_(query, key)])


def _open_blocks(
    layer: QKLayer, places: Sequence[int], best: Strongest, live: tuple[TokenMask, TokenMask]
) -> None:
    seen = [overview(layer, place) for place in places]
    bounds = np.stack([one.max for one in seen]).astype(np.float32)
    bounds = np.nan_to_num(bounds, nan=-np.inf) * (1 + ROUNDED) + np.finfo(np.float16).tiny
    order = np.argsort(-bounds, axis=None)
    start, count, sides = 0, FIRST, layer.shape[1:]
    while start < len(order):
        blocks = order[start : start + count]
        blocks = np.sort(blocks[bounds.flat[blocks] > best.least])
        if not len(blocks):
            return
        for at, row, columns in _runs(blocks, bounds.shape):
            queries, keys = (
                slice(part.start * seen[at].block, min(part.stop * seen[at].block, n))
                for part, n in zip((slice(row, row + 1), columns), sides, strict=True)
            )
            _look(layer, places[at], queries, keys, best, live)
        start, count = start + count, 2 * count


def _runs(
    blocks: Int[np.ndarray, "block"], shape: tuple[int, ...]
) -> Iterator[tuple[int, int, slice]]:
    """Neighbouring blocks of a row together: (head, row, columns)."""
    heads, rows, columns = np.unravel_index(blocks, shape)
    breaks = (np.diff(blocks) != 1) | (columns[1:] == 0)
    starts = np.concatenate([[0], np.flatnonzero(breaks) + 1])
    stops = np.concatenate([starts[1:], [len(blocks)]])
    for first, last in zip(starts, stops - 1, strict=True):
        yield (
            int(heads[first]),
            int(rows[first]),
            slice(int(columns[first]), int(columns[last]) + 1),
        )
