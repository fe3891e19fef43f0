"""Layers under every rule that a model may add to its scores, and their weights written out."""

from __future__ import annotations

from typing import Any

import numpy as np

from attnscope.scores import QKLayer, ScoreSpec


def rules_of(rng: np.random.Generator, name: str, n: int) -> dict[str, Any]:
    """What a model may add to, or hide from, its scores."""
    seen = rng.random(n) < 0.8
    return {
        "plain": {},
        "causal": {"causal": True},
        "window": {"causal": True, "window": 3},
        "generated": {"causal": True, "offset": 2},
        "softcap": {"softcap": 2.0},
        "sinks": {"causal": True, "sinks": rng.normal(size=4).astype(np.float32)},
        "padding": {"keys": seen},
        "mask": {"visible": rng.random((n, n)) < 0.5},
        "bias": {"bias": rng.normal(size=(1, n, n)).astype(np.float32) * 3},
        "hiding bias": {"bias": np.where(rng.random((4, n, n)) < 0.3, -np.inf, 1).astype("f4")},
    }[name]


RULES = (
    "plain", "causal", "window", "generated", "softcap", "sinks", "padding", "mask", "bias",
    "hiding bias",
)  # fmt: skip


def stored(numbers: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers in another precision; bfloat16 as its bits."""
    if dtype == "bfloat16":
        return (numbers.view(np.uint32) >> 16).astype(np.uint16)
    return numbers.astype(dtype)


def layer_of(seed: int, name: str, n: int, size: float, dtype: str = "f4") -> QKLayer:
    """Four heads over two key heads, with dimensions that stand out, and a row of zeros."""
    rng = np.random.default_rng(seed)
    outliers = np.where(np.arange(8) == 3, 20, 1) * size
    queries, keys = (
        rng.normal(size=(h, n, 8)) * size + rng.normal(size=8) * outliers for h in (4, 2)
    )
    queries[1, n // 2] = 0
    spec = ScoreSpec(8**-0.5, **rules_of(rng, name, n))
    made = [stored(numbers.astype(np.float32), dtype) for numbers in (queries, keys)]
    return QKLayer(*made, spec, (0, 1, 2, 3), np.array([0, 0, 1, 1]))


def exact(layer: QKLayer, queries: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights and scores [head, query, key] in double precision, written out once more."""
    spec, n = layer.spec, keys.shape[1]
    scores = np.einsum("hqd,hkd->hqk", queries.astype(float), keys.astype(float)[layer.kv_head])
    scores *= spec.scaling
    if spec.softcap is not None:
        scores = np.tanh(scores / spec.softcap) * spec.softcap
    scores = scores + (0 if spec.bias is None else spec.bias)
    seen = spec.mask(np.arange(queries.shape[1]), n)
    scores = scores if seen is None else np.where(seen, scores, -np.inf)
    sinks = np.full((4, 1, 1), -1e9) if spec.sinks is None else spec.sinks[:, None, None]
    top = np.maximum(scores.max(-1, keepdims=True, initial=-np.inf), sinks)
    total = np.exp(scores - top).sum(-1, keepdims=True) + np.exp(sinks - top)
    return np.exp(scores - top) / total, scores
