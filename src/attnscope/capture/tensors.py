"""From torch tensors to the NumPy arrays that a Trace keeps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped

from attnscope.capture.certify import probes

KEPT = (torch.float32, torch.float16, torch.bfloat16)


def item_of(tensor: torch.Tensor, index: int) -> torch.Tensor:
    """One batch item, on the CPU; an axis of length 1 is shared by all items."""
    return tensor.detach()[index if len(tensor) > 1 else 0].cpu()


def as_multiplied(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in the precision in which it is multiplied: autocast's, where that is on."""
    kind = tensor.device.type
    if tensor.dtype in KEPT and torch.is_autocast_enabled(kind):
        return tensor.to(torch.get_autocast_dtype(kind))
    return tensor


def stored(
    tensor: Shaped[torch.Tensor, "batch head token dim"], index: int, heads: Sequence[int]
) -> Shaped[np.ndarray, "kept token dim"]:
    """A copy of some heads of one item in the model's precision (bfloat16 as bits in uint16).

    A copy, because the model may reuse its memory, and because a view would keep alive all that
    shares its storage: values beside queries and keys, other items of the batch.
    """
    item = tensor.detach()[index if len(tensor) > 1 else 0]
    item = item if list(heads) == list(range(len(item))) else item[list(heads)]
    if item.dtype not in KEPT:
        item = item.float()
    if item.dtype == torch.bfloat16:
        return np.array(item.contiguous().view(torch.int16).cpu().numpy()).view(np.uint16)
    return np.array(item.cpu().numpy(), order="C")


def probed(
    tensor: Float[torch.Tensor, "head token dim"],
) -> Float[np.ndarray, "head token probe"]:
    """Each vector reduced to its products with a few fixed random signs; see `certify`."""
    signs = _signs(tensor.shape[-1], tensor.device)
    with torch.autocast(tensor.device.type, enabled=False):
        products: np.ndarray = (tensor.detach().float() @ signs).cpu().numpy()
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
