"""Which token attends most to which: weights, or any quantity of `quantities`, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attnscope._row_bar import row_bar
from attnscope._types import HeadWeights
from attnscope.measures.known import count_of, position_of
from attnscope.measures.quantities import QUANTITIES
from attnscope.measures.quantities import quantity as stream_with
from attnscope.measures.table import Table
from attnscope.stream import Stream
from attnscope.strongest import strongest
from attnscope.trace import Trace

BLOCK = 4_000_000
"""Numbers looked at a time."""


def top(
    trace: Trace,
    query: int | str,
    k: int = 5,
    *,
    layer: int | None = None,
    head: int | None = None,
    quantity: str = "weight",
    stream: str | None = None,
) -> Table:
    """The keys that a query attends to most.

    Args:
        trace: what to look at.
        query: position of the query, or its text (which must be there once).
        k: how many keys.
        layer: number of a layer; None takes the mean over all layers, or the last one of a
            quantity that goes across layers (rollout, ALTI).
        head: number of a head; None takes the mean over all heads.
        quantity: what is looked at of each pair, one of `measures.QUANTITIES`.
        stream: may be left out where there is only one.

    Returns:
        Columns `key` (position), `token`, and the quantity (`weight`: 0..1), largest first.

    Raises:
        InputError: for a query, layer, head, quantity or stream that is not there.
    """
    found = stream_with(trace, quantity, stream)
    row = position_of(found.query, query)
    numbers = np.nan_to_num(_mean(found, quantity, layer, head, slice(row, row + 1))[0])
    best = np.argsort(-numbers, kind="stable")[: count_of("k", k)]
    return Table({"key": best, "token": np.array(found.key.text)[best], quantity: numbers[best]})


def pairs(
    trace: Trace,
    k: int = 20,
    *,
    layer: int | None = None,
    head: int | None = None,
    special: bool = False,
    quantity: str = "weight",
    stream: str | None = None,
) -> Table:
    """The strongest pairs of tokens.

    Args:
        trace: what to look at.
        k: how many pairs.
        layer: number of a layer; None takes the mean over all layers, or the last one of a
            quantity that goes across layers (rollout, ALTI).
        head: number of a head; None takes the mean over all heads.
        special: count special tokens in.
        quantity: what is looked at of each pair, one of `measures.QUANTITIES`.
        stream: may be left out where there is only one.

    Returns:
        Columns `query`, `query_token`, `key`, `key_token`, and the quantity (`weight`: 0..1),
        largest first.

    Raises:
        InputError: for a layer, head, quantity or stream that is not there.
    """
    found, most = stream_with(trace, quantity, stream), count_of("k", k)
    n_query, n_key = len(found.query), len(found.key)
    if layer is not None and head is not None and n_query * n_key > BLOCK:
        one = found.layer(layer)
        live = [None if special else ~side.special for side in (found.query, found.key)]
        cells = strongest(one, found.places(layer, [head]), most, queries=live[0], keys=live[1])
        return _table(found, quantity, cells.query, cells.key, cells.weight)
    step = max(1, BLOCK // max(1, n_key * max(layer.shape[0] for layer in found.layers)))
    best, taken = np.zeros((3, 0)), [found.layer(n) for n in _numbers(found, quantity, layer)]
    with row_bar("pairs", taken) as bar:
        for start in range(0, n_query, step):
            rows = np.nan_to_num(_mean(found, quantity, layer, head, slice(start, start + step)))
            if not special:
                hidden = found.query.special[start : start + step, None] | found.key.special
                rows = np.where(hidden, -np.inf, rows)
            best = _strongest(best, rows, start, most)
            bar.update(len(rows) * sum(len(one.heads) for one in taken))
    query, key = best[:2].astype(int)
    return _table(found, quantity, query, key, best[2])


def _table(
    found: Stream, quantity: str, query: np.ndarray, key: np.ndarray, numbers: np.ndarray
) -> Table:
    return Table(
        {
            "query": np.array(found.query.numbered)[query],
            "query_token": np.array(found.query.text)[query],
            "key": key,
            "key_token": np.array(found.key.text)[key],
            quantity: numbers,
        }
    )


def _strongest(best: np.ndarray, rows: HeadWeights, start: int, most: int) -> np.ndarray:
    """[query, key, number; pair]: the strongest so far and of these rows, largest first."""
    order = np.argsort(-rows, axis=None, kind="stable")[:most]
    query, key = np.unravel_index(order, rows.shape)
    more = np.stack([query + start, key, rows[query, key]])
    both = np.concatenate([best, more[:, np.isfinite(more[2])]], axis=1)
    return both[:, np.argsort(-both[2], kind="stable")[:most]]


def _numbers(found: Stream, quantity: str, layer: int | None) -> Sequence[int]:
    """The layers that the mean is taken over."""
    if layer is not None:
        return [layer]
    return found.numbers[-1:] if QUANTITIES[quantity].across else found.numbers


def _mean(
    found: Stream, quantity: str, layer: int | None, head: int | None, queries: slice
) -> HeadWeights:
    """Rows of one head, or their mean over heads and layers."""
    means: list[Any] = [
        found.layer(n).rows(found.places(n, None if head is None else [head]), queries).mean(0)
        for n in _numbers(found, quantity, layer)
    ]
    mean: HeadWeights = np.mean(means, axis=0)
    return mean
