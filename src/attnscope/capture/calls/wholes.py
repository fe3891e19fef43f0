"""One layer of several parts that see nothing of each other: windows, images, packed texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from attnscope.capture.certify import Witness
from attnscope.capture.places.layout import Unresolved
from attnscope.scores import Layer, QKLayer, WeightsLayer


def joined(layers: Sequence[Layer]) -> Layer:
    """The parts' queries and keys one behind the other; what is not in the same part is hidden."""
    if len(layers) == 1:
        return layers[0]
    if all(isinstance(layer, WeightsLayer) for layer in layers):
        weights = [cast(WeightsLayer, layer).weights for layer in layers]
        return WeightsLayer(_diagonal(weights), layers[0].heads)
    parts = [cast(QKLayer, layer) for layer in layers]
    first, rest = parts[0], parts[1:]
    if any(_about(part) != _about(first) for part in rest):
        raise Unresolved(f"{first.name} computes attention in parts of different kinds.")
    if _share_keys(parts):
        raise Unresolved(
            f"{first.name} computes attention in blocks of {first.shape[1]} queries that see keys "
            f"of other blocks ({first.shape[2]} keys each): which token is which key is not known."
        )
    visible = _diagonal([_mask(part)[None] for part in parts])[0]
    only = {"causal": False, "offset": 0, "window": None, "keys": None, "visible": visible}
    return replace(
        first,
        queries=np.concatenate([part.queries for part in parts], axis=1),
        keys=np.concatenate([part.keys for part in parts], axis=1),
        spec=replace(first.spec, bias=_joined_bias(parts), **only),
    )


def _share_keys(parts: Sequence[QKLayer]) -> bool:
    """Whether blocks that see more keys than they have queries see the same ones."""
    if all(part.shape[1] == part.shape[2] for part in parts):
        return False
    keys = [{key.tobytes() for key in part.keys[0] if key.any()} for part in parts]
    return sum(map(len, keys)) > len(set().union(*keys))


def joined_witness(witnesses: Sequence[Witness | None]) -> Witness | None:
    """What such a layer is held to; None where one of the parts has none."""
    if len(witnesses) == 1:
        return witnesses[0]
    seen = [witness for witness in witnesses if witness is not None]
    if len(seen) < len(witnesses):
        return None
    return Witness(
        values=np.concatenate([witness.values for witness in seen], axis=1),
        output=np.concatenate([witness.output for witness in seen], axis=1),
    )


def _about(layer: QKLayer) -> tuple[Any, ...]:
    """What parts of one layer have in common."""
    spec = layer.spec
    sinks = None if spec.sinks is None else spec.sinks.tobytes()
    return layer.heads, layer.kv_numbers, spec.scaling, spec.softcap, sinks, layer.dtype


def _mask(layer: QKLayer) -> np.ndarray:
    _, n_query, n_key = layer.shape
    mask = layer.spec.mask(np.arange(n_query), n_key)
    return np.ones((n_query, n_key), bool) if mask is None else mask


def _joined_bias(parts: Sequence[QKLayer]) -> np.ndarray | None:
    biases = [part.spec.bias for part in parts]
    if all(bias is None for bias in biases):
        return None
    n_heads = max(len(bias) for bias in biases if bias is not None)
    zeros = [np.zeros((n_heads, *part.shape[1:]), np.float32) for part in parts]
    return _diagonal([z if b is None else z + b for z, b in zip(zeros, biases, strict=True)])


def _diagonal(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """[head, query, key] with the blocks on its diagonal and zeros elsewhere."""
    n_query, n_key = (sum(block.shape[axis] for block in blocks) for axis in (1, 2))
    whole = np.zeros((len(blocks[0]), n_query, n_key), blocks[0].dtype)
    row = column = 0
    for block in blocks:
        whole[:, row : row + block.shape[1], column : column + block.shape[2]] = block
        row, column = row + block.shape[1], column + block.shape[2]
    return whole
