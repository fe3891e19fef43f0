"""Weights as labelled arrays and tables of other libraries (extra `frames`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attnscope._numbers import numbers_of
from attnscope.errors import InputError, MissingDependencyError
from attnscope.stream import Stream
from attnscope.trace import Trace

MOST = 100_000_000
"""Weights put into one object at most."""


def to_xarray(trace: Trace, layers: Any = None, stream: str | None = None) -> Any:
    """See `Trace.to_xarray`."""
    try:
        from xarray import DataArray
    except ImportError as cause:
        raise MissingDependencyError(
            "to_xarray needs xarray: pip install 'attnscope[frames]'. Without it, "
            "trace.weights(layer) gives a NumPy array."
        ) from cause
    found, numbers = _chosen(trace, layers, stream)
    kept = [found.layer(number) for number in numbers]
    if len({layer.heads for layer in kept}) > 1:
        raise InputError(
            "layers have different heads, which do not fit one array: pass layers= of one kind."
        )
    _check_size(kept, "to_xarray")
    return DataArray(
        np.stack([layer.rows() for layer in kept]),
        dims=("layer", "head", "query", "key"),
        coords={
            "layer": numbers,
            "head": list(kept[0].heads),
            "query": list(found.query.numbered),
            "key": list(found.key.numbered),
            "query_token": ("query", list(found.query.text)),
            "key_token": ("key", list(found.key.text)),
        },
        name="weight",
        attrs={"model": trace.provenance.model, "stream": found.name},
    )


def to_pandas(trace: Trace, layers: Any = None, stream: str | None = None) -> Any:
    """See `Trace.to_pandas`."""
    try:
        from pandas import Categorical, DataFrame
    except ImportError as cause:
        raise MissingDependencyError(
            "to_pandas needs pandas: pip install 'attnscope[frames]'. Without it, "
            "trace.weights(layer) gives a NumPy array."
        ) from cause
    found, numbers = _chosen(trace, layers, stream)
    kept = [found.layer(number) for number in numbers]
    _check_size(kept, "to_pandas")
    weights = np.concatenate([layer.rows().reshape(-1) for layer in kept])
    sizes = [int(np.prod(layer.shape)) for layer in kept]
    places = [np.indices(layer.shape, dtype=np.int32).reshape(3, -1) for layer in kept]
    heads = [np.array(layer.heads)[at[0]] for layer, at in zip(kept, places, strict=True)]
    _, query, key = np.concatenate(places, axis=1)

    def named(at: np.ndarray, texts: Sequence[str]) -> Any:
        kinds, codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
        return Categorical.from_codes(codes[at], categories=kinds)

    return DataFrame(
        {
            "layer": np.repeat(numbers, sizes),
            "head": np.concatenate(heads),
            "query": np.array(found.query.numbered)[query],
            "query_token": named(query, found.query.text),
            "key": key,
            "key_token": named(key, found.key.text),
            "weight": weights,
        }
    )


def _chosen(trace: Trace, layers: Any, stream: str | None) -> tuple[Stream, list[int]]:
    found = trace.stream(stream)
    if layers is None:
        return found, list(found.numbers)
    numbers = numbers_of("layers", layers)
    for number in numbers:
        found.layer(number)
    return found, numbers


def _check_size(layers: Sequence[Any], what: str) -> None:
    total = sum(int(np.prod(layer.shape)) for layer in layers)
    if total > MOST:
        raise InputError(
            f"{what} would make {total:,} weights, more than {MOST:,}: pass layers= with fewer "
            "layers, or take what you need with trace.rows(layer, head, queries)."
        )
