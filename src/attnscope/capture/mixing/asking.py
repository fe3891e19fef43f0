"""What a module computes, learned from its answers: a linear module's matrix, a norm's parameters.

Asking is independent of how weights are stored: transposed, quantised, with an adapter on top, as
`1 + weight`. The answers hold for what the model computed only as far as they explain it; the
callers check that.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from attnscope.mixing import Norm

LOUD = 1024.0
"""A power of two: what rounding a bias into the answer costs is divided by it."""

PITCH = 100.0
"""Size of the numbers that a norm is asked with: its epsilon is nothing beside their square."""

FITS = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""How well a norm's answer must be explained, relative to its largest number."""


def asked_matrix(module: nn.Module, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[in, out] matrix and [out] bias of a linear module, asked with vectors such as `like`."""
    width = like.shape[-1]
    nothing = torch.zeros(1, width, dtype=like.dtype, device=like.device)
    units = LOUD * torch.eye(width, dtype=like.dtype, device=like.device)
    bias = module.forward(nothing)[0].detach()
    matrix = (module.forward(units).detach() - bias) / LOUD
    return matrix, bias


def asked_norm(module: nn.Module, source: torch.Tensor, result: torch.Tensor) -> Norm | None:
    """The norm that made `result` [query, model] of `source`; None if it is no such norm."""
    signs = torch.ones(1, source.shape[-1], dtype=source.dtype, device=source.device)
    level = PITCH * signs
    signs[:, 1::2] = -1
    bias, flat, high = (_answer(module, x) for x in (0 * level, level, PITCH * signs))
    asked = _wide(PITCH * signs)[0]
    centred = bool(np.abs(flat - bias).max() <= 0.01 * np.abs(high - bias).max())
    asked = asked - asked.mean() if centred else asked
    weight = (high - bias) * np.sqrt(np.mean(asked**2)) / asked
    states, made = _wide(source), _wide(result) - bias
    if centred:
        states = states - states.mean(-1, keepdims=True)
    shaped = states * weight
    spread = (shaped**2).sum(-1) / np.maximum((shaped * made).sum(-1), 1e-30)
    off = np.abs(made - shaped / spread[:, None]).max(initial=0)
    if not off <= FITS.get(source.dtype, 1e-4) * np.abs(made).max(initial=0):
        return None
    return Norm(centred, weight, bias, spread)


def _answer(module: nn.Module, given: torch.Tensor) -> np.ndarray:
    answer: np.ndarray = _wide(module.forward(given))[0]
    return answer


def _wide(tensor: torch.Tensor) -> np.ndarray:
    return np.array(tensor.detach().float().cpu().numpy())
