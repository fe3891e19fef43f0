"""Longformer's windows: weights of a band around each query, as weights over all keys.

Longformer and LED compute their scores in chunks and keep them as [item, query, head, column]: the
columns are the keys from `window` before to `window` behind the query, and in front of them those
with global attention, where there are any. Their own queries see everything, in a second softmax.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from attnscope.capture.calls.call import Cut
from attnscope.capture.calls.masks import MaskReader
from attnscope.capture.certify import Witness
from attnscope.capture.places.layout import Layout
from attnscope.capture.places.placing import Place
from attnscope.capture.places.where import Running
from attnscope.capture.tensors import Item, precision
from attnscope.scores import Layer, WeightsLayer

WINDOW = "one_sided_attn_window_size"
"""What such a module calls half its window."""

IN_CHUNKS = "its windows are multiplied with values in chunks"


def is_band(here: Running) -> bool:
    """Whether a module attends in a band."""
    return type(getattr(here.module, WINDOW, None)) is int


class Band:
    """The softmaxes of one forward pass of such a module; see `recorder.Heard`."""

    implementation = "softmax"
    unseen = IN_CHUNKS
    place: Place

    def __init__(self, here: Running, n_tokens: int | None, weights: torch.Tensor) -> None:
        """Of the first softmax; `n_tokens` are what the model was given, before its padding."""
        self.here, self.name = here, here.name
        self.weights, self.dtype = weights, precision(weights)
        items, n, self.n_heads, _ = weights.shape
        self.layout = Layout(items, 1, self.n_heads)
        self.n_tokens = min(n, n_tokens or n)
        self.sizes = self.n_tokens, self.n_tokens
        self.seeing_all: torch.Tensor | None = None

    def layer(self, item: Item, heads: Sequence[int], _: MaskReader, __: Cut) -> Layer:
        found = dense(item.of(self.weights).float(), self._window(), self._global(item))
        if self.seeing_all is not None and (places := self._global(item)):
            rows = self.seeing_all.detach().unflatten(0, (self.layout.items, -1))[item.number]
            found[:, places] = rows[:, : len(places)].float()
        hidden = self._given("is_index_masked")
        if hidden is not None:
            found[:, hidden[item.number].cpu()] = 0
        kept = found[list(heads), : self.n_tokens, : self.n_tokens].cpu().numpy()
        return WeightsLayer(np.ascontiguousarray(kept), tuple(heads))

    def witness(self, _: Layer, __: Item, ___: Cut) -> Witness | None:
        return None

    def _window(self) -> int:
        return int(getattr(self.here.module, WINDOW))

    def _given(self, name: str) -> Any:
        return self.here.given.get(name)

    def _global(self, item: Item) -> list[int]:
        """Positions with global attention."""
        if not self._given("is_global_attn"):
            return []
        places: list[int] = (
            self._given("is_index_global_attn")[item.number].nonzero()[:, 0].tolist()
        )
        return places


def dense(band: torch.Tensor, window: int, first: Sequence[int]) -> torch.Tensor:
    """[head, query, key] of [query, head, column].

    Args:
        band: the columns are keys of `first`, then those from -window to +window of the query.
        window: half the width of the band.
        first: positions of the keys in front; columns left over stand for none.
    """
    n, heads, columns = band.shape
    n_front = columns - 2 * window - 1
    whole = band.new_zeros(heads, n, n + 2 * window)
    at = torch.arange(n, device=band.device)[:, None] + torch.arange(2 * window + 1).to(band.device)
    whole.scatter_(2, at.expand(heads, -1, -1), band[..., n_front:].transpose(0, 1))
    found = whole[..., window : window + n].clone()
    found[..., list(first)] += band[..., : len(first)].transpose(0, 1)
    return found


def tokens_given(stack: Sequence[Running]) -> int | None:
    """How many tokens the outermost module that runs was given."""
    given: Mapping[str, Any] = next((entry.given for entry in stack if entry.given), {})
    for name in ("input_ids", "inputs_embeds"):
        if isinstance(given.get(name), torch.Tensor):
            return int(given[name].shape[1])
    return None
