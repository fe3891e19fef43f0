"""Layers from attention functions: queries, keys and a score spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
import torch

from attnscope._numbers import spans_of
from attnscope.capture.calls.call import Cut
from attnscope.capture.calls.masks import MaskReader
from attnscope.capture.certify import Witness
from attnscope.capture.places.layout import Layout, Unresolved
from attnscope.capture.places.placing import Place
from attnscope.capture.tensors import Item, as_multiplied, precision, probed, stored
from attnscope.errors import InputError
from attnscope.scores import Layer, QKLayer, ScoreSpec


@dataclass(frozen=True, eq=False)
class Attended:
    """A call of an attention function: weights x values; see `recorder.Heard`.

    Attributes:
        given: `query`, `key`, `value` [item x part, head, token, dim], `attention_mask`, ...
        out: [item x part, head, query, dim], what it returned.
    """

    name: str
    implementation: str
    place: Place
    layout: Layout
    given: Mapping[str, Any]
    out: torch.Tensor
    unseen: str

    @property
    def sizes(self) -> tuple[int, int]:
        return self.given["query"].shape[2], self.given["key"].shape[2]

    @property
    def n_heads(self) -> int:
        return int(self.given["query"].shape[1])

    @property
    def dtype(self) -> str:
        return precision(as_multiplied(self.given["query"]))

    def layer(self, item: Item, heads: Sequence[int], masks: MaskReader, cut: Cut) -> QKLayer:
        query = as_multiplied(self.given["query"])[:, :, cut.rows]
        key = as_multiplied(self.given["key"])[:, :, cut.columns]
        groups, kv_head = _groups(tuple(heads), query.shape[1] // key.shape[1])
        return QKLayer(
            queries=stored(query, item, heads),
            keys=stored(key, item, groups),
            spec=_spec(self.implementation, self.given, item, heads, masks),
            heads=tuple(heads),
            kv_head=kv_head,
            name=self.name,
            dtype=self.dtype,
            kv_numbers=groups,
        )

    def witness(self, layer: Layer, item: Item, cut: Cut) -> Witness | None:
        if self.unseen:
            return None
        groups = list(cast(QKLayer, layer).kv_numbers)
        values, out = item.of(self.given["value"]), item.of(self.out)
        return Witness(
            probed(values, groups, cut.columns), probed(out, list(layer.heads), cut.rows)
        )


@cache
def _groups(heads: tuple[int, ...], each: int) -> tuple[tuple[int, ...], np.ndarray]:
    """The key heads of these heads, `each` of which share one, and the place of each head's."""
    groups, kv_head = np.unique(np.array(heads) // each, return_inverse=True)
    return tuple(groups.tolist()), kv_head


def chosen(heads: Sequence[int] | None, n_heads: int, name: str) -> list[int]:
    """The heads to keep of those that a module has.

    Raises:
        InputError: when it has not got one of them.
    """
    if heads is None:
        return list(range(n_heads))
    for head in heads:
        if not 0 <= head < n_heads:
            there = spans_of("head", range(n_heads))
            raise InputError(f"head {head} is not in {name}, which has {there}.")
    return list(heads)


def arranged(output: Any, dim: int) -> torch.Tensor:
    """[item x part, head, query, dim] of what an attention function returns."""
    out = output[0] if isinstance(output, tuple | list) else output
    found: torch.Tensor = out.reshape(*out.shape[:2], -1, dim).transpose(1, 2)
    return found


def check_shapes(name: str, query: Any, key: Any) -> None:
    """Raise Unresolved where queries and keys are not [item x part, head, token, dim]."""
    if query.ndim != 4 or key.ndim != 4 or query.shape[1] % key.shape[1]:
        raise Unresolved(
            f"{name} computes attention with queries {tuple(query.shape)} and keys "
            f"{tuple(key.shape)}, expected [batch, head, token, dim]."
        )


def dropping(implementation: str, given: Mapping[str, Any]) -> bool:
    """True where dropout changed this call's weights: eager code asks the module as well."""
    active = implementation != "eager" or given["module"].training
    return bool(given.get("dropout") or 0.0) and active


def module_name(given: Mapping[str, Any]) -> str:
    """What to call a module in a sentence."""
    return type(given["module"]).__name__


def _spec(
    implementation: str,
    given: Mapping[str, Any],
    item: Item,
    heads: Sequence[int],
    masks: MaskReader,
) -> ScoreSpec:
    """Everything else that enters the softmax, as this implementation understands it."""
    fields = masks.fields(implementation, given, item)
    n_heads, dim = given["query"].shape[1], given["query"].shape[3]
    if len(heads) < n_heads and fields.get("bias") is not None and len(fields["bias"]) > 1:
        fields["bias"] = fields["bias"][list(heads)]
    if implementation != "sdpa":  # which takes neither softcap nor sinks into account
        fields["softcap"] = given.get("softcap")
        sinks = given.get("s_aux") if given.get("s_aux") is not None else given.get("sinks")
        if sinks is not None and sinks.numel() != n_heads:
            raise Unresolved(
                f"{module_name(given)} has learned sinks {tuple(sinks.shape)}, one for each query: "
                "those are not recorded yet."
            )
        if sinks is not None:
            fields["sinks"] = sinks.detach().float().cpu().reshape(n_heads).numpy()[list(heads)]
    scaling = given.get("scaling")
    return ScoreSpec(dim**-0.5 if scaling is None else float(scaling), **fields)
