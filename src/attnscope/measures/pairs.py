"""Which token attends most to which: weights as tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from attnscope._numbers import index_of
from attnscope._types import HeadWeights
from attnscope.errors import InputError
from attnscope.measures.table import Table
from attnscope.tokens import Tokens
from attnscope.trace import Trace


def top(
    trace: Trace,
    query: int | str,
    k: int = 5,
    *,
    layer: int | None = None,
    head: int | None = None,
    stream: str | None = None,
) -> Table:
    """The keys that a query attends to most.

    Args:
        trace: what to look at.
        query: position of the query, or its text (which must be there once).
        k: how many keys.
        layer: number of a layer; None takes the mean over all layers.
        head: number of a head; None takes the mean over all heads.
        stream: may be left out where there is only one.

    Returns:
        Columns `key` (position), `token`, `weight` (0..1), largest first.
    """
    found = trace.stream(stream)
    row = position_of(found.query, query)
    weights = np.nan_to_num(_mean(trace, layer, head, stream)[row])
    best = np.argsort(-weights, kind="stable")[: _count(k)]
    return Table({"key": best, "token": np.array(found.key.text)[best], "weight": weights[best]})


def pairs(
    trace: Trace,
    k: int = 20,
    *,
    layer: int | None = None,
    head: int | None = None,
    special: bool = False,
    stream: str | None = None,
) -> Table:
    """The strongest pairs of tokens.

    Args:
        trace: what to look at.
        k: how many pairs.
        layer: number of a layer; None takes the mean over all layers.
        head: number of a head; None takes the mean over all heads.
        special: count special tokens in.
        stream: may be left out where there is only one.

    Returns:
        Columns `query`, `query_token`, `key`, `key_token`, `weight` (0..1), largest first.
    """
    found = trace.stream(stream)
    weights = np.nan_to_num(_mean(trace, layer, head, stream))
    if not special:
        weights = np.where(found.query.special[:, None] | found.key.special, -1, weights)
    order = np.argsort(-weights, axis=None, kind="stable")[: _count(k)]
    query, key = np.unravel_index(order, weights.shape)
    kept = weights[query, key] >= 0
    query, key = query[kept], key[kept]
    return Table(
        {
            "query": query,
            "query_token": np.array(found.query.text)[query],
            "key": key,
            "key_token": np.array(found.key.text)[key],
            "weight": weights[query, key],
        }
    )


def _mean(trace: Trace, layer: int | None, head: int | None, stream: str | None) -> HeadWeights:
    """Weights of one head, or their mean over heads and layers."""
    found = trace.stream(stream)
    numbers = found.numbers if layer is None else [layer]
    means: list[Any] = [
        found.layer(n).rows(found.places(n, None if head is None else [head])).mean(0)
        for n in numbers
    ]
    mean: HeadWeights = np.mean(means, axis=0)
    return mean


def _count(k: int) -> int:
    number = index_of("k", k)
    if number < 1:
        raise InputError(f"k must be at least 1, got {number}.")
    return number


def position_of(tokens: Tokens, query: int | str) -> int:
    """The position of a query given as such, or as a text that is there once."""
    if isinstance(query, str):
        places = [place for place, text in enumerate(tokens.text) if text == query]
        if len(places) == 1:
            return places[0]
        where = f"at {', '.join(map(str, places))}" if places else f"not among {list(tokens.text)}"
        raise InputError(f"query {query!r} is {where}: give its position as a number.")
    place = index_of("query", query)
    if not 0 <= place < len(tokens):
        raise InputError(f"query {place} is not there: tokens go from 0 to {len(tokens) - 1}.")
    return place
