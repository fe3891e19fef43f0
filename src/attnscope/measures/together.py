"""Heads and layers put together: the mean over layers of one head, or of all heads' mean or max."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from attnscope._row_bar import row_bar
from attnscope.stream import Stream

BLOCK = 8_000_000
"""Numbers of one layer computed at a time."""


def together(
    stream: Stream, layers: Sequence[int], head: int | str, queries: slice = slice(None)
) -> Float[np.ndarray, "query key"]:
    """The mean over these layers of one head, or of the `mean` or `max` over all heads.

    Args:
        stream: what is put together, in whatever quantity.
        layers: numbers of layers.
        head: number of a head, `mean` or `max`.
        queries: the rows computed.

    Returns:
        [query, key]; missing numbers are left out of means, and missing where all are.
    """
    total: Any = 0.0
    present: Any = 0
    for number in layers:
        layer = stream.layer(number)
        joined = fused(layer.rows(_heads(stream, number, head), queries), head)
        there = ~np.isnan(joined)
        total, present = total + np.where(there, joined, 0), present + there
    with np.errstate(invalid="ignore"):
        made: Float[np.ndarray, "query key"] = (total / present).astype(np.float32)
    return made


def received(stream: Stream, layers: Sequence[int], head: int | str) -> Float[np.ndarray, "key"]:
    """What each key gets from all queries: the mean over the rows of `together`, block by block."""
    total, present = np.zeros(len(stream.key)), np.zeros(len(stream.key))
    taken = [stream.layer(number) for number in layers]
    with row_bar("attention received", taken) as bar:
        for queries in _blocks(stream, layers):
            rows = together(stream, layers, head, queries)
            there = ~np.isnan(rows)
            total += np.where(there, rows, 0).sum(0, dtype=np.float64)
            present += there.sum(0)
            bar.update(len(rows) * sum(len(layer.heads) for layer in taken))
    with np.errstate(invalid="ignore"):
        return (total / present).astype(np.float32)


def _heads(stream: Stream, layer: int, head: int | str) -> list[int]:
    return stream.places(layer, None if isinstance(head, str) else [head])


def fused(weights: Float[np.ndarray, "head query key"], head: int | str) -> Any:
    """[query, key]: the heads put together, cell by cell; what is missing is left out of means."""
    missing = np.isnan(weights)
    if head == "max":
        made = np.where(missing, -np.inf, weights).max(0)
    else:
        made = np.where(missing, 0, weights).sum(0) / np.maximum((~missing).sum(0), 1)
    return np.where(missing.all(0), np.nan, made)


def _blocks(stream: Stream, layers: Sequence[int]) -> Iterator[slice]:
    heads = max(len(stream.layer(number).heads) for number in layers)
    step = max(1, BLOCK // max(1, heads * len(stream.key)))
    for start in range(0, len(stream.query), step):
        yield slice(start, start + step)
