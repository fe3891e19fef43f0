"""Which axes of an attention call are batch items, parts of an item, and heads.

Most models call attention with [batch, head, token, dim]. Others put windows of an image into the
batch axis (Swin), heads into the batch axis (BLOOM, `nn.MultiheadAttention`), or have an axis more.
A `Layout` brings all of them to [item x part, head, token, dim]. What cannot be told apart is an
error: a weight of another item or head would look as good as the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from attnscope.errors import CaptureError

HEAD_COUNTS = (
    "num_attention_heads",
    "num_heads",
    "num_attn_heads",
    "n_heads",
    "n_head",
    "nhead",
    "heads",
)


class Unresolved(CaptureError):
    """One call whose layout is not known; the model's others may well be."""


class Layout(NamedTuple):
    """How the axes in front of token and dim are made of items, parts and heads.

    Attributes:
        items, parts, heads: how many of each.
        heads_first: of two axes behind the batch, the first one holds heads, the second one parts.
    """

    items: int
    parts: int
    heads: int
    heads_first: bool = False

    def unfold(self, tensor: torch.Tensor, heads: int | None = None) -> torch.Tensor:
        """[item x part, head, token, dim] of a tensor with this layout."""
        heads, rest = heads or self.heads, tensor.shape[-2:]
        if self.heads_first:
            tensor = tensor.reshape(self.items, heads, self.parts, *rest).transpose(1, 2)
        return tensor.reshape(self.items * self.parts, heads, *rest)

    def fold(self, tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """The other way round."""
        rest = tensor.shape[-2:]
        if self.heads_first:
            apart = tensor.reshape(self.items, self.parts, self.heads, *rest)
            tensor = apart.transpose(1, 2)
        return tensor.reshape(*shape)

    def places(self, item: int) -> list[int]:
        """Where the parts of an item are along the first axis of what `unfold` gives."""
        return [item * self.parts + part for part in range(self.parts)]


def layout_of(lead: Sequence[int], batch: int | None, module: Any, name: str) -> Layout:
    """The layout of a call whose tensors have these axes in front of token and dim.

    Args:
        lead: their lengths.
        batch: items in the batch, as far as the inputs tell.
        module: the module that makes the call; its number of heads is asked for.
        name: the module's, for errors.

    Raises:
        Unresolved: when the axes do not tell which head, or which item of several, is which.
    """
    heads = None if len(lead) == 2 else head_count(module)  # which takes a while to ask
    layout = _layout(tuple(lead), batch, heads)
    if layout is None:
        heads = head_count(module)
        raise Unresolved(
            f"{name} computes attention with the axes {tuple(lead)} in front of tokens, which "
            f"are not batch ({batch or 'of unknown size'}) and heads ({heads or 'unknown'})."
        )
    merged = layout.parts > 1 or len(lead) != 2
    if layout.items > 1 and merged and not _is_known(module):
        raise Unresolved(
            f"{name} puts heads or parts of an item into the batch axis, {tuple(lead)}, and with "
            f"{layout.items} items it is not certain which are whose: give one item alone."
        )
    return layout


def _layout(lead: tuple[int, ...], batch: int | None, heads: int | None) -> Layout | None:
    if len(lead) == 0:
        return Layout(1, 1, 1)
    if len(lead) == 1:
        return _merged(lead[0], batch, heads)
    if len(lead) == 2:
        items = _items(lead[0], batch)
        return items and Layout(*items, lead[1])
    return _three(lead, heads) if len(lead) == 3 else None


def _items(length: int, batch: int | None) -> tuple[int, int] | None:
    """(items, parts) of a batch axis; an axis of length 1 is shared by all items."""
    if batch is None or length in (1, batch):
        return length, 1
    return (batch, length // batch) if length % batch == 0 else None


def _merged(length: int, batch: int | None, heads: int | None) -> Layout | None:
    """An axis of items x heads, or of items, or of heads."""
    if heads is None or length % heads:
        return Layout(length, 1, 1) if batch in (None, length) else None
    items = _items(length // heads, batch)
    if items is not None:
        return Layout(*items, heads)
    return Layout(length, 1, 1) if length == batch else None


def _three(lead: tuple[int, ...], heads: int | None) -> Layout | None:
    """[batch, head, part] or [batch, part, head]."""
    items, first, second = lead
    if heads is None or (first == heads) == (second == heads):
        return None
    return Layout(items, first * second // heads, heads, heads_first=first == heads)


def head_count(module: Any) -> int | None:
    """The number of heads as the module or its configuration has it."""
    for holder in (module, getattr(module, "config", None)):
        for name in HEAD_COUNTS:
            if type(count := getattr(holder, name, None)) is int:
                return count
    return None


def _is_known(module: nn.Module) -> bool:
    """Code that is known to put the batch first; tests/zoo compares both items of a batch."""
    return type(module).__module__.partition(".")[0] in ("transformers", "torch")
