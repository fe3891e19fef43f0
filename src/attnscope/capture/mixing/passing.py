"""What passes through modules after an attention call, and how it is recognised by its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope.mixing import Mixing

FEW = 8
"""Queries from which a factor for each dimension of the branch can be told (LayerScale)."""


@dataclass(frozen=True)
class Place:
    """Where one item's rows are in the tensors of a forward pass, the first few left out."""

    index: int
    batch: int
    n_query: int
    skip: int = 0

    def rows(self, tensor: Any) -> torch.Tensor | None:
        """[query, width] of this item in [batch, query, width] or [batch * query, width]."""
        if not isinstance(tensor, torch.Tensor) or tensor.ndim < 2:
            return None
        flat = tensor.detach().reshape(-1, tensor.shape[-1])
        if len(flat) == self.n_query:
            return flat[self.skip :]
        if len(flat) != self.batch * self.n_query:
            return None
        start = self.index * self.n_query
        return flat[start + self.skip : start + self.n_query]


@dataclass(frozen=True, eq=False)
class Passed:
    """What went through a module, [query, model] of the item."""

    module: nn.Module
    source: torch.Tensor
    result: torch.Tensor


@dataclass(frozen=True, eq=False)
class Joined:
    """Where the branch was added to a state that is known: `norm` got known + share * branch."""

    known: torch.Tensor
    share: torch.Tensor
    is_post: bool
    norm: Passed


@dataclass(eq=False)
class Followed:
    """One attention call, what has been seen of what follows it, and at last its `Mixing`.

    Attributes:
        name: the module that called, for texts.
        place: picks the item's rows of a tensor.
        kinds: whether calls of this stack were found to be post-norm: True, False, both, none yet.
        output: [query, head * dim], what the attention call returned.
        given: what the attention module was given.
        before: what that was normalised from, or None.
        projection, branch: what the output, and then the projection's, went through.
        joined: where it was added to the residual.
        mixing: the values; all that was found, once the next attention call has begun; None where
            the layer is not to be kept.
        gain: what each head's output was multiplied by before the projection got it, by an
            intervention; None for 1.
        witness: [query, probe], the projected output's products with sign vectors.
        linear, turn: the projection's module, and how often it had been called before this call.
        live: the attention call's output as autograd tracks it, where gradients are asked for.
        earlier: a call of the same layer before this one, whose projection is not asked again.
    """

    name: str
    place: Place
    kinds: set[bool]
    output: torch.Tensor | None
    given: torch.Tensor | None
    before: torch.Tensor | None
    mixing: Mixing | None
    gain: torch.Tensor | None = None
    projection: Passed | None = None
    branch: Passed | None = None
    joined: Joined | None = None
    witness: np.ndarray | None = None
    linear: nn.Module | None = None
    turn: int = 0
    live: torch.Tensor | None = None
    earlier: Followed | None = None


def passed(place: Place, module: nn.Module, source: Any, result: Any) -> Passed | None:
    """What went through a module, if it has the item's rows on both sides."""
    rows, made = place.rows(source), place.rows(result)
    return None if rows is None or made is None else Passed(module, rows, made)


def gain_of(output: torch.Tensor, passed_on: torch.Tensor) -> torch.Tensor:
    """[head]: the factor of each head's output [query, head, dim] in what was passed on; else 1.

    (Where a head was replaced there is no factor, and the projection will not be explained.)
    """
    output, passed_on = output.float(), passed_on.float()
    factor = (output * passed_on).sum((0, 2)) / output.square().sum((0, 2)).clamp_min(1e-30)
    off = (passed_on - factor[:, None] * output).abs().amax((0, 2))
    explained = off <= 1e-2 * passed_on.abs().amax((0, 2))
    return torch.where(explained, factor, torch.ones_like(factor))


def equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors hold the same numbers."""
    return one.shape == other.shape and bool(torch.equal(one, other.to(one.dtype)))


def joined(now: Followed, norm: Passed) -> Joined | None:
    """Whether this normalisation's input is a known state and the branch."""
    last = now.branch or now.projection
    assert last is not None
    for known, is_post in ((now.given, True), (now.before, False)):
        if known is None or not known.shape == last.result.shape == norm.source.shape:
            continue
        share = _share(norm.source, known, last.result)
        if share is not None:
            return Joined(known, share, is_post, norm)
    return None


def _share(state: torch.Tensor, known: torch.Tensor, branch: torch.Tensor) -> torch.Tensor | None:
    """The factor of the branch in state = known + factor * branch; None where that does not hold.

    One for most models, a number (Granite) or one a dimension (LayerScale) for some.
    """
    eps = max(torch.finfo(tensor.dtype).eps for tensor in (state, known, branch))
    state, known, branch = state.float(), known.float(), branch.float()
    gap, size = state - known, state.abs() + known.abs() + branch.abs()
    both, square = gap * branch, (branch * branch).clamp_min(1e-30)
    factors = [torch.ones(()), both.sum() / square.sum()]
    if len(state) >= FEW:
        factors.append(both.sum(0) / square.sum(0))
    for factor in factors:
        part = factor.to(branch.device) * branch
        off = (gap - part).abs()
        if (off <= 4 * eps * size).all() and off.norm() < 0.3 * part.norm():
            return factor
    return None
