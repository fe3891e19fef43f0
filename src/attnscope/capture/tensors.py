"""From torch tensors to the NumPy arrays that a Trace keeps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped

from attnscope.capture.certify import probes

AT_ONCE = 4096
"""Vectors that are reduced at a time: a head of a long text, all heads of a short one."""

KEPT = (torch.float32, torch.float16, torch.bfloat16)


class Item(NamedTuple):
    """One batch item, or one part of it (a window of an image), along the first axis of tensors.

    Attributes:
        number, items: the item, and how many there are.
        part, parts: the part of it; an item's parts lie one behind the other.
    """

    number: int
    items: int = 1
    part: int = 0
    parts: int = 1

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """What belongs to it; an axis of length 1 is shared, one as long as `parts` by items."""
        place = self.number * self.parts + self.part
        if len(tensor) == 1:
            place = 0
        elif self.parts > 1 and len(tensor) == self.parts != self.items * self.parts:
            place = self.part
        elif self.parts > 1 and len(tensor) == self.items:
            place = self.number
        return tensor.detach()[place]


def precision(tensor: torch.Tensor) -> str:
    """`float32`, `bfloat16`, ..."""
    return str(tensor.dtype).removeprefix("torch.")


def as_multiplied(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in the precision in which it is multiplied: autocast's, where that is on."""
    kind = tensor.device.type
    if tensor.dtype in KEPT and torch.is_autocast_enabled(kind):
        return tensor.to(torch.get_autocast_dtype(kind))
    return tensor


def stored(
    tensor: Shaped[torch.Tensor, "batch head token dim"], item: Item, heads: Sequence[int]
) -> Shaped[np.ndarray, "kept token dim"]:
    """A copy of some heads of one item in the model's precision (bfloat16 as bits in uint16).

    A copy, because the model may reuse its memory, and because a view would keep alive all that
    shares its storage: values beside queries and keys, other items of the batch.
    """
    found = item.of(tensor)
    found = found if list(heads) == list(range(len(found))) else found[list(heads)]
    if found.dtype not in KEPT:
        found = found.float()
    if found.dtype == torch.bfloat16:
        return np.array(found.contiguous().view(torch.int16).cpu().numpy()).view(np.uint16)
    return np.array(found.cpu().numpy(), order="C")


def probed(
    tensor: Float[torch.Tensor, "head token dim"], heads: Sequence[int], tokens: slice
) -> Float[np.ndarray, "kept kept_token probe"]:
    """Some vectors, each reduced to its products with a few fixed random signs; see `certify`."""
    signs = _signs(tensor.shape[-1], tensor.device)
    n_tokens = len(range(*tokens.indices(tensor.shape[1])))
    products = np.empty((len(heads), n_tokens, signs.shape[1]), np.float32)
    kept, many = tensor.detach()[:, tokens], max(1, AT_ONCE // max(1, n_tokens))
    with torch.autocast(tensor.device.type, enabled=False):
        for start in range(0, len(heads), many):
            found = kept[list(heads[start : start + many])].float() @ signs
            products[start : start + many] = found.cpu().numpy()
    return products


@cache
def _signs(dim: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(probes(dim)).to(device)


def keep_alive(output: Any) -> torch.Tensor:
    """The attention call's output, tracked by autograd from here on."""
    live: torch.Tensor = output[0] if isinstance(output, tuple | list) else output
    if not live.requires_grad:
        live.requires_grad_(True)
    return live
