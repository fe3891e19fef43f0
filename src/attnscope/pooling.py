"""Cells of a query range × key range reduced to pixels, a stripe of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from jaxtyping import Float

from attnscope.stopping import check_wanted

STRIPE = 2**20
"""Scores computed at a time: 4 MB, which fits a processor's cache."""

Cells = Float[np.ndarray, "query key"]
Pixels = Float[np.ndarray, "row column"]
NEUTRAL: dict[np.ufunc, float] = {np.add: 0.0, np.maximum: -np.inf, np.minimum: np.inf}


def stripes(queries: range, n_key: int, step: int) -> Iterator[slice]:
    """Queries a bit at a time, so that their scores fit a cache: whole steps, or parts of one.

    Raises:
        Stopped: between two of them, once nobody waits for what is made of them.
    """
    rows = max(1, STRIPE // max(1, n_key))
    steps = max(step, rows // step * step)
    for start in range(queries.start, queries.stop, steps):
        stop = min(start + steps, queries.stop)
        for part in range(start, stop, rows):
            check_wanted()
            yield slice(part, min(part + rows, stop))


class Canvas:
    """Which pixels the cells of a query range × key range fall on, and pooling into them."""

    def __init__(self, queries: range, keys: range, steps: tuple[int, int]) -> None:
        """Pixels of `steps` queries × keys, from the first of these positions on."""
        self.queries, self.keys, self.steps = queries, keys, steps

    @cached_property
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
        return np.full_like(self.sizes, NEUTRAL[by])

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
