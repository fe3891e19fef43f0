"""A long head's map from afar before its overview is computed: from some of its rows.

An overview of 32,768 tokens takes seconds, a picture may take one. A preview is right about the
rows that it is made from, a few of each block: of what repeats (columns, bands, diagonals) it shows
all, of single strong cells some. The page replaces it as soon as the overview is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from attnscope.overview import known_of
from attnscope.pooling import Canvas, Pixels, lengths, pooled
from attnscope.scores import QKLayer, softmax_rows

CELLS = 2**25
"""Weights computed for a preview: a third of a second."""

ALONE, TOGETHER = 2**33, 2**30
"""Cells of overviews that are computed while a page waits: of one head, and of several at once."""


def too_much(layer: QKLayer, places: Sequence[int]) -> bool:
    """Whether the overviews of these heads would keep a page waiting for long."""
    known = known_of(layer).overviews
    unknown = sum(place not in known for place in places)
    cells = unknown * layer.shape[1] * layer.shape[2] // (1 + layer.causal)
    return cells > (ALONE if len(places) == 1 else TOGETHER)


_LAST: WeakKeyDictionary[QKLayer, dict[tuple[object, ...], tuple[Pixels, Pixels]]]
_LAST = WeakKeyDictionary()


def preview(layer: QKLayer, places: Sequence[int], step: int, over: str) -> tuple[Pixels, Pixels]:
    """(mean, max) of blocks of `step` × `step` cells of the heads put together, NaN where hidden.

    The latest of a layer is kept: a page asks for it in parts.
    """
    what = (tuple(places), step, over)
    if what not in _LAST.get(layer, {}):
        _LAST[layer] = {what: _computed(layer, places, step, over)}
    return _LAST[layer][what]


def _computed(layer: QKLayer, places: Sequence[int], step: int, over: str) -> tuple[Pixels, Pixels]:
    _, n_query, n_key = layer.shape
    blocks = -(-n_query // step)
    rows = CELLS // (n_key * len(places))
    canvas = Canvas(range(n_query), range(n_key), (step, step))
    mean, most = canvas.blank(np.add), canvas.blank(np.maximum)
    alone = [layer.head(place) for place in places]
    widths = lengths(n_key, step)
    every = max(1, blocks // max(1, rows))
    for first in range(0, blocks, every):
        start, stop = first * step, min((first + 1) * step, n_query)
        stride = max(1, (stop - start) * blocks // max(rows, 1))
        some = slice(start + min(stride // 2, stop - start - 1), stop, stride)
        weights, visible = _rows(alone, some, over)
        columns = slice(0, -(-weights.shape[1] // step))
        here = slice(first, min(first + every, blocks))
        tall = (len(weights), step)
        mean[here, columns] = pooled(weights, tall, np.add) / len(weights) / widths[columns]
        most[here, columns] = pooled(np.where(visible, weights, -np.inf), tall, np.maximum)
    hidden = np.isneginf(most)
    mean[hidden] = most[hidden] = np.nan
    return mean, most


def _rows(
    heads: Sequence[QKLayer], queries: slice, over: str
) -> tuple[Float[np.ndarray, "query key"], np.ndarray]:
    """Weights of some rows of these heads put together, and which of them are visible."""
    keys = slice(0, heads[0].reach(slice(queries.start, queries.stop)).stop)
    total, visible = np.zeros(()), np.zeros((), bool)
    for head in heads:
        scores = head.scores(queries=queries, keys=keys)
        visible = visible | ~np.isneginf(scores[0])
        weights = softmax_rows(scores, head.spec.sinks)[0]
        total = np.maximum(total, weights) if over == "max" else total + weights / len(heads)
    return np.asarray(total, np.float32), visible
