"""Attention across layers: how much of each input token reaches each position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from attnscope.errors import InputError
from attnscope.trace import Trace

FUSIONS: dict[str, Callable[..., Any]] = {"mean": np.mean, "max": np.max, "min": np.min}


def rollout(
    trace: Trace,
    *,
    start_layer: int = 0,
    head_fusion: str = "mean",
    discard_ratio: float = 0.0,
    stream: str | None = None,
) -> Float[np.ndarray, "query key"]:
    """Attention rollout (Abnar & Zuidema 2020): the product over layers of (A + I) / 2.

    Args:
        trace: what to measure; its stream must have the same tokens on both sides.
        start_layer: number of the first layer taken.
        head_fusion: `mean` over heads (the paper), or `max` or `min`, renormalised.
        discard_ratio: share of the smallest weights of each layer set to 0 before, 0..1.
        stream: may be left out where there is only one.

    Returns:
        [query, key]: share of input token `key` in position `query` after the last layer; rows
        sum to 1.

    Raises:
        InputError: for a cross stream, an unknown fusion or layer, or a ratio outside 0..1.
    """
    found = trace.stream(stream)
    if found.query is not found.key:
        raise InputError(f"rollout needs the same tokens on both sides; {found.name} has not.")
    if head_fusion not in FUSIONS:
        raise InputError(f"head_fusion must be one of {sorted(FUSIONS)}, got {head_fusion!r}.")
    if not 0 <= discard_ratio < 1:
        raise InputError(f"discard_ratio must be at least 0 and below 1, got {discard_ratio}.")
    found.layer(start_layer)
    flow = np.eye(len(found.key))
    for number, layer in zip(found.numbers, found.layers, strict=True):
        if number < start_layer:
            continue
        fused = FUSIONS[head_fusion](np.nan_to_num(layer.rows()).astype(np.float64), axis=0)
        flow = _with_residual(_without_smallest(fused, discard_ratio)) @ flow
    return flow


def _without_smallest(weights: np.ndarray, ratio: float) -> np.ndarray:
    if not ratio:
        return weights
    drop = int(weights.size * ratio)
    smallest = np.argpartition(weights, drop, axis=None)[:drop]
    kept = weights.copy()
    kept.flat[smallest] = 0
    return kept


def _with_residual(weights: np.ndarray) -> np.ndarray:
    mixed = weights + np.eye(len(weights))
    mixed /= mixed.sum(-1, keepdims=True)
    return mixed
