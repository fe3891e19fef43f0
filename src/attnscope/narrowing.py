"""Queries and keys (or weights) in fewer bits: half the memory of a float32 trace, half its file.

A weight w follows its score s, and rounding both vectors to float16 changes s by at most about
|q| |k| scaling / 1024, so that w changes by at most a quarter of twice that. Over the tests' models
it is 0.003 at most; what it is in a capture its certificate says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from attnscope.errors import InputError
from attnscope.scores import Layer, QKLayer, WeightsLayer, widen

PRECISIONS = ("float16", "float32")


def precision_of(dtype: Any) -> str | None:
    """`float16`, `float32` or None, of a name, a NumPy type or a torch type.

    Raises:
        InputError: for any other.
    """
    if dtype is None:
        return None
    given = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype))
    name = str(given).removeprefix("torch.")
    if name not in PRECISIONS:
        raise InputError(f"dtype must be 'float16', 'float32' or None, got {dtype!r}.")
    return name


def narrowed(layer: Layer, dtype: str) -> Layer:
    """The same layer with queries and keys (or weights) in another precision.

    Raises:
        InputError: where a number is too large for it.
    """
    if isinstance(layer, WeightsLayer):
        return replace(layer, weights=layer.weights.astype(dtype))
    if not isinstance(layer, QKLayer):
        return layer
    with np.errstate(over="ignore"):
        queries, keys = (widen(array).astype(dtype) for array in (layer.queries, layer.keys))
    if not (np.isfinite(queries).all() and np.isfinite(keys).all()):
        raise InputError(
            f"{layer.name or 'a layer'} has queries or keys beyond 65504, the largest number in "
            "float16: leave dtype= out."
        )
    return replace(layer, queries=queries, keys=keys, dtype=dtype)
