"""Masks: what an attention function was given, as fields of a ScoreSpec.

Two steps. `read` takes the mask of one batch item as it is (boolean, additive, two-dimensional,
none at all: what that means differs between implementations). `recognise` then looks for the short
description (causal, sliding window, hidden keys), so that an explicit [query, key] mask is kept
only where nothing shorter says the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from attnscope._types import Visible
from attnscope.capture.tensors import Item
from attnscope.scores import ScoreSpec

Fields = dict[str, Any]


class MaskReader:
    """Reads masks and biases of one batch item; a tensor shared by layers is read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def fields(self, implementation: str, given: Mapping[str, Any], item: Item) -> Fields:
        """`causal`, `offset`, `window`, `keys`, `visible` and `bias` of one attention call."""
        mask, position_bias = given.get("attention_mask"), given.get("position_bias")
        n_query, n_key = given["query"].shape[2], given["key"].shape[2]
        if mask is None or getattr(mask, "ndim", 4) == 2:
            fields = unmasked(implementation, given, n_query, n_key)
            if mask is not None:
                keys = self._once(mask, item, lambda: item.of(mask.bool()).cpu().numpy())
                fields["keys"] = keys
        else:
            fields = dict(self._once(mask, item, lambda: read(mask, item, n_query, n_key)))
        if position_bias is not None:
            n = (n_query, n_key)
            bias = self._once(position_bias, item, lambda: read_bias(position_bias, item, *n))
            fields["bias"] = _added(fields.get("bias"), bias)
        return fields

    def _once(self, tensor: Any, item: Item, make: Any) -> Any:
        about = (_identity(tensor), item)
        if about not in self._read:
            self._read[about] = (tensor, make())
        return self._read[about][1]


def _identity(mask: Any) -> Any:
    """What two views of the same numbers have in common (while one of them is kept)."""
    if not isinstance(mask, torch.Tensor):
        return id(mask)
    version = 0 if mask.is_inference() else mask._version
    return mask.data_ptr(), mask.shape, mask.stride(), mask.dtype, version


def _added(bias: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    return other if bias is None else bias if other is None else bias + other


def unmasked(implementation: str, given: Mapping[str, Any], n_query: int, n_key: int) -> Fields:
    """What "no mask" means: nothing hidden in eager code, maybe causal elsewhere.

    PyTorch's function puts query 0 at key 0 (so does `sdpa` here); flash attention aligns the last
    query with the last key and is told of the window by an argument.
    """
    is_causal = given.get("is_causal")
    if is_causal is None:
        is_causal = getattr(given["module"], "is_causal", True)
    if implementation.endswith("eager") or n_query == 1 or not is_causal:
        return {}
    if "flash" not in implementation:
        return {"causal": True}
    window = given.get("sliding_window") or n_key
    return {
        "causal": True,
        "offset": n_key - n_query,
        "window": window if window < n_key else None,
    }


def read(mask: Any, item: Item, n_query: int, n_key: int) -> Fields:
    """`visible` and `bias` of one batch item of a mask.

    A boolean mask has True where the key is visible; a floating one is added to the scores, where
    0 changes nothing and anything near the lowest number of its precision hides the key.
    """
    if not isinstance(mask, torch.Tensor):
        mask = _dense(mask, n_query, n_key)
    found = item.of(mask).cpu()[..., :n_query, :n_key]
    found = found.reshape(-1, *found.shape[-2:]).expand(-1, n_query, n_key)
    if found.dtype != torch.bool:
        return _read_additive(found)
    if (found == found[:1]).all():
        return {"visible": found[0].numpy()}
    return {"bias": np.where(found.numpy(), np.float32(0), -np.inf).astype(np.float32)}


def _read_additive(mask: torch.Tensor) -> Fields:
    hidden = mask <= torch.finfo(mask.dtype).min / 2
    added = mask.float().masked_fill(hidden, 0)
    if len(mask) == 1 and not added.any():
        return {"visible": (~hidden[0]).numpy()}
    return {"bias": mask.float().masked_fill(hidden, -torch.inf).numpy()}


def _dense(mask: Any, n_query: int, n_key: int) -> torch.Tensor:
    """A flex attention `BlockMask` as a boolean tensor."""
    from torch.nn.attention.flex_attention import create_mask

    batch, heads = mask.shape[:2]
    device = mask.kv_num_blocks.device
    return create_mask(mask.mask_mod, batch, heads, n_query, n_key, device=str(device))


def read_bias(bias: torch.Tensor, item: Item, n_query: int, n_key: int) -> np.ndarray | None:
    """[1 or head, query, key] of one batch item; None where it adds nothing."""
    found = item.of(bias).cpu()[..., :n_key].float()
    return found.expand(-1, n_query, n_key).numpy() if found.any() else None


def recognise(visible: Visible, offsets: Sequence[int] = ()) -> Fields:
    """The shortest fields that hide the same keys: causal, window, hidden keys, or the mask.

    `offsets` are further positions that the first query may have.
    """
    none: Fields = {"causal": False, "offset": 0, "window": None, "keys": None, "visible": None}
    n_query, n_key = visible.shape
    seen = visible.any(axis=0)
    keys = None if seen.all() else seen
    if (visible == seen).all():
        return none | {"keys": keys}
    for offset in dict.fromkeys((0, n_key - n_query, *offsets)):
        fields = none | {"causal": True, "offset": offset, "keys": keys}
        window = window_of(visible, offset)
        for candidate in (fields, fields | {"window": window}):
            said = ScoreSpec(1.0, **candidate).mask(np.arange(n_query), n_key)
            if said is not None and (said == visible).all():
                return candidate
    return none | {"visible": np.array(visible)}


def window_of(visible: Visible, offset: int) -> int:
    """How far back from itself the farthest-looking query sees, itself included."""
    at = np.arange(len(visible)) + offset
    back = np.where(visible.any(axis=1), at - visible.argmax(axis=1) + 1, 1)
    return max(1, int(back.max()))


class Trimmer:
    """Cuts padding out of score specs and shortens their masks; shared arrays stay shared."""

    def __init__(self, queries: Bool[np.ndarray, "query"], keys: Bool[np.ndarray, "key"]) -> None:
        self.queries, self.keys = queries, keys
        self._fields: dict[tuple[Any, ...], tuple[ScoreSpec, Fields]] = {}
        self._biases: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def hides_padding(self, spec: ScoreSpec) -> bool:
        """True where no kept query sees a dropped key, so that dropping it changes nothing."""
        if self.keys.all():
            return True
        visible = self._mask(spec)
        if spec.bias is not None:
            visible = visible & ~np.isneginf(spec.bias).all(axis=0)
        return not visible[self.queries][:, ~self.keys].any()

    def __call__(self, spec: ScoreSpec) -> ScoreSpec:
        """The same spec for the kept queries and keys."""
        whole = bool(self.queries.all() and self.keys.all())
        if whole and spec.visible is None:
            return spec
        about = (id(spec.visible), id(spec.keys), spec.causal, spec.offset, spec.window)
        if about not in self._fields:
            visible = self._mask(spec)[self.queries][:, self.keys]
            last = [visible.shape[1] - 1 - int(visible[0, ::-1].argmax())] if spec.causal else []
            self._fields[about] = (spec, recognise(visible, last))
        bias = spec.bias if whole or spec.bias is None else self._trimmed_bias(spec.bias)
        return replace(spec, bias=bias, **self._fields[about][1])

    def _trimmed_bias(self, bias: np.ndarray) -> np.ndarray:
        if id(bias) not in self._biases:
            self._biases[id(bias)] = (bias, bias[:, self.queries][:, :, self.keys])
        return self._biases[id(bias)][1]

    def _mask(self, spec: ScoreSpec) -> Bool[np.ndarray, "query key"]:
        visible = spec.mask(np.arange(len(self.queries)), len(self.keys))
        return np.ones((len(self.queries), len(self.keys)), bool) if visible is None else visible
