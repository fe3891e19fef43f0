"""Attention across layers: how much of each input token reaches each position."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from attnscope._numbers import spans_of
from attnscope.errors import InputError
from attnscope.scores import Layer
from attnscope.stream import Stream
from attnscope.trace import Trace

FUSIONS: dict[str, Callable[..., Any]] = {"mean": np.mean, "max": np.max, "min": np.min}


def rollout(
    trace: Trace,
    *,
    start_layer: int | None = None,
    head_fusion: str = "mean",
    discard_ratio: float = 0.0,
    stream: str | None = None,
) -> Float[np.ndarray, "query key"]:
    """Attention rollout (Abnar & Zuidema 2020): the product over layers of (A + I) / 2.

    Args:
        trace: what to measure; its stream must have the same tokens on both sides.
        start_layer: number of the first layer taken; None for the first there is.
        head_fusion: `mean` over heads (the paper), or `max` or `min`, renormalised.
        discard_ratio: share of the smallest weights of each layer set to 0 before, 0..1.
        stream: may be left out where there is only one.

    Returns:
        [query, key]: share of input token `key` in position `query` after the last layer; rows
        sum to 1.

    Raises:
        InputError: for a cross stream, layers with gaps between them, an unknown fusion or layer,
            or a ratio outside 0..1.
    """
    found = trace.stream(stream)
    reason = why_no_flow(found)
    if reason:
        raise InputError(reason)
    if head_fusion not in FUSIONS:
        raise InputError(f"head_fusion must be one of {sorted(FUSIONS)}, got {head_fusion!r}.")
    if not 0 <= discard_ratio < 1:
        raise InputError(f"discard_ratio must be at least 0 and below 1, got {discard_ratio}.")
    layers = layers_from(found, start_layer)
    return Rollout(layers, head_fusion, discard_ratio).after(len(layers) - 1)


def why_no_flow(stream: Stream) -> str:
    """Whatever follows tokens across layers needs every layer, over one list of tokens."""
    if stream.query is not stream.key:
        return (
            f"rollout needs the same tokens on both sides; {stream.name} has not: it follows "
            "tokens from layer to layer of one stack."
        )
    if stream.numbers != tuple(range(stream.numbers[0], stream.numbers[-1] + 1)):
        return (
            f"rollout follows tokens through every layer, and this trace has "
            f"{spans_of('layer', stream.numbers)} only: capture without layers=."
        )
    return ""


def layers_from(stream: Stream, start: int | None) -> tuple[Layer, ...]:
    """The layers from this number on; an unknown number is an error."""
    if start is None:
        return stream.layers
    stream.layer(start)
    return stream.layers[stream.numbers.index(start) :]


@dataclass(eq=False)
class Rollout:
    """Rollout after each of several layers; each product is made once, when asked for."""

    layers: Sequence[Layer]
    head_fusion: str = "mean"
    discard_ratio: float = 0.0
    made: list[Float[np.ndarray, "query key"]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def after(self, place: int) -> Float[np.ndarray, "query key"]:
        """[query, key] after the layer at this place."""
        with self.lock:
            while len(self.made) <= place:
                mixed = self._mixed(self.layers[len(self.made)])
                self.made.append(mixed @ self.made[-1] if self.made else mixed)
        return self.made[place]

    def _mixed(self, layer: Layer) -> Float[np.ndarray, "query key"]:
        fused = FUSIONS[self.head_fusion](np.nan_to_num(layer.rows()).astype(np.float64), axis=0)
        return with_residual(_without_smallest(fused, self.discard_ratio))


def _without_smallest(weights: np.ndarray, ratio: float) -> np.ndarray:
    if not ratio:
        return weights
    drop = int(weights.size * ratio)
    smallest = np.argpartition(weights, drop, axis=None)[:drop]
    kept = weights.copy()
    kept.flat[smallest] = 0
    return kept


def with_residual(weights: Float[np.ndarray, "query key"]) -> Float[np.ndarray, "query key"]:
    """Weights and the residual connection, half each where a row sums to 1; rows sum to 1."""
    mixed = weights + np.eye(len(weights))
    mixed /= mixed.sum(-1, keepdims=True)
    return mixed
