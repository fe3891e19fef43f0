"""What follows each attention call: output projection, residual and normalisation, found by value.

No architecture is known here. While a model runs, its linear and normalising modules are watched,
and what they pass on is recognised by its numbers:

    the projection   is the (outermost) linear module that takes the attention call's output
    the branch norm  is a normalisation that takes the projection's output
    the residual     is what a normalisation gets besides: its input less the branch must be what
                     the attention module was given (post-norm), or what that was made from by a
                     normalisation (pre-norm)

Modules are asked, not read (see `asking`). Whether Σ w f + b is what the projection gave is held on
a few rows, as `certify` does for the weights. What is not found is said in `Mixing.lacking`.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope.capture.asking import asked_matrix, asked_norm
from attnscope.capture.certify import ROWS, probes, tolerance
from attnscope.capture.streams import pattern_of
from attnscope.capture.tensors import probed, stored
from attnscope.mixing import Mixing
from attnscope.scores import QKLayer

NORMS_BACK = 6
"""Normalisations remembered before an attention call: its own, and those of queries and keys."""

FEW = 8
"""Queries from which a factor for each dimension of the branch can be told (LayerScale)."""


@dataclass(frozen=True)
class Place:
    """Where one item's rows are in the tensors of a forward pass."""

    index: int
    batch: int
    n_query: int

    def rows(self, tensor: Any) -> torch.Tensor | None:
        """[query, width] of this item in [batch, query, width] or [batch * query, width]."""
        if not isinstance(tensor, torch.Tensor) or tensor.ndim < 2:
            return None
        flat = tensor.detach().reshape(-1, tensor.shape[-1])
        if len(flat) == self.n_query:
            return flat
        if len(flat) != self.batch * self.n_query:
            return None
        return flat[self.index * self.n_query : (self.index + 1) * self.n_query]


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
        witness: [query, probe], the projected output's products with sign vectors.
        linear: the projection's module, for reruns.
        live: the attention call's output as autograd tracks it, where gradients are asked for.
    """

    name: str
    place: Place
    kinds: set[bool]
    output: torch.Tensor | None
    given: torch.Tensor | None
    before: torch.Tensor | None
    mixing: Mixing | None
    projection: Passed | None = None
    branch: Passed | None = None
    joined: Joined | None = None
    witness: np.ndarray | None = None
    linear: nn.Module | None = None
    live: torch.Tensor | None = None

    def settle(self) -> None:
        """Ask the modules that were found, and let modules and tensors go."""
        if self.joined is not None:
            self.kinds.add(self.joined.is_post)
        if self.mixing is not None:
            try:
                self.mixing, self.witness = _settled(self, self.mixing)
            except _Unknown as unknown:
                self.mixing = replace(self.mixing, lacking=str(unknown))
        self.linear = None if self.projection is None else self.projection.module
        self.output = self.given = self.before = None
        self.projection = self.branch = self.joined = None


class _Unknown(Exception):
    """Something was not found; the text is a sentence for people."""


class Follower:
    """Watches what follows the attention calls of one model."""

    def __init__(
        self,
        model: nn.Module,
        attention: Mapping[str, nn.Module],
        hears: Callable[[nn.Module], bool],
    ) -> None:
        """Watch `model` with these attention modules, in calls that `hears` says are ours."""
        self._model, self._attention, self._hears = model, attention, hears
        self._norms: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=NORMS_BACK)
        self._given: torch.Tensor | None = None
        self._now: Followed | None = None
        self._kinds: dict[str, set[bool]] = defaultdict(set)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch while the block runs."""
        with ExitStack() as stack:
            for module in self._attention.values():
                handle = module.register_forward_pre_hook(self._entering, with_kwargs=True)
                stack.callback(handle.remove)
            for module in self._model.modules():
                hook = self._hook_for(module)
                if hook is not None:
                    stack.callback(module.register_forward_hook(hook).remove)
            yield
        self.settle()
        self._norms.clear()
        self._given = None

    def _hook_for(self, module: nn.Module) -> Any:
        kind, weight = type(module).__name__.lower(), getattr(module, "weight", None)
        if "norm" in kind:
            return self._normalised
        is_matrix = isinstance(weight, torch.Tensor) and weight.ndim == 2
        is_linear = ("linear" in kind or is_matrix) and not isinstance(module, nn.Embedding)
        return self._multiplied if is_linear else None

    def heard(
        self, name: str, place: Place, output: torch.Tensor, mixing: Mixing | None
    ) -> Followed:
        """An attention call has returned [query, head, dim]; None where it is not to be kept."""
        self.settle()
        given = None if self._given is None else place.rows(self._given)
        before, kinds = place.rows(self._source_of(self._given)), self._kinds[pattern_of(name)]
        flat = output.reshape(len(output), -1)
        self._now = Followed(name, place, kinds, flat, given, before, mixing)
        return self._now

    def settle(self) -> None:
        """Another attention call begins, or the model is done: nothing more will be found."""
        now, self._now = self._now, None
        if now is not None:
            with torch.no_grad():
                now.settle()

    def _source_of(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        """What this was normalised from."""
        for source, normed in reversed(self._norms):
            if tensor is not None and normed.data_ptr() == tensor.data_ptr():
                return source
        return None

    def _entering(self, module: nn.Module, args: Any, kwargs: Mapping[str, Any]) -> None:
        if not self._hears(module):
            return
        for value in (kwargs.get("hidden_states"), *args, *kwargs.values()):
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 1:
                self._given = value.detach()
                return

    def _multiplied(self, module: nn.Module, args: Any, output: Any) -> None:
        now = self._now
        if now is None or now.output is None or now.joined or not args or not self._hears(module):
            return
        passed = _passed(now.place, module, args[0], output)
        if passed is not None and _equal(passed.source, now.output):
            now.projection = passed

    def _normalised(self, module: nn.Module, args: Any, output: Any) -> None:
        if not args or not self._hears(module) or not isinstance(output, torch.Tensor):
            return
        self._norms.append((args[0].detach(), output.detach()))
        now = self._now
        if now is None or now.projection is None or now.joined:
            return
        passed = _passed(now.place, module, args[0], output)
        if passed is None:
            return
        if _equal(passed.source, now.projection.result):
            now.branch = passed
        else:
            now.joined = _joined(now, passed)


def _passed(place: Place, module: nn.Module, source: Any, result: Any) -> Passed | None:
    rows, made = place.rows(source), place.rows(result)
    return None if rows is None or made is None else Passed(module, rows, made)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one, other.to(one.dtype)))


def _joined(now: Followed, norm: Passed) -> Joined | None:
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


def _settled(found: Followed, mixing: Mixing) -> tuple[Mixing, np.ndarray]:
    """The mixing as far as it was found, and the witness of the projected output."""
    projection, joined = found.projection, found.joined
    if projection is None:
        raise _Unknown(
            f"no linear module took the attention output of {found.name} as it was, so its output "
            "projection is not known"
        )
    matrix, bias = asked_matrix(projection.module, projection.source)
    added, branch = projection.result.float(), None
    if found.branch is not None:
        branch = asked_norm(found.branch.module, found.branch.source, found.branch.result)
    if joined is not None and branch is not None:
        share = joined.share.cpu().numpy()
        branch = replace(branch, weight=branch.weight * share, bias=branch.bias * share)
    elif joined is not None and (joined.share != 1).any():
        share = joined.share.to(matrix.device)
        matrix, bias, added = matrix * share, bias * share, added * share.to(added.device)
    shaped = matrix.reshape(len(mixing.kv_head), mixing.values.shape[2], -1)
    mixing = replace(
        mixing,
        projection=stored(shaped[None], 0, range(len(shaped))),
        bias=bias.float().cpu().numpy(),
        branch=branch,
        lacking=_lacking(found, branch),
    )
    if joined is not None and not mixing.lacking:
        mixing = _with_residual(mixing, joined, found.name)
    return mixing, probed(added[None])[0]


def _lacking(found: Followed, branch: Any) -> str:
    if found.branch is not None and branch is None:
        return f"the normalisation of the output of {found.name} is of an unknown kind"
    if found.joined is None:
        return (
            f"what the output of {found.name} is added to was not found: attention and MLP run "
            "side by side, or the residual connection is of an unknown kind"
        )
    return ""


def _with_residual(mixing: Mixing, joined: Joined, name: str) -> Mixing:
    norm = joined.norm
    asked = asked_norm(norm.module, norm.source, norm.result) if joined.is_post else None
    if joined.is_post and asked is None:
        return replace(mixing, lacking=f"the normalisation after {name} is of an unknown kind")
    return replace(mixing, residual=stored(joined.known[None, None], 0, [0])[0], norm=asked)


def mixing_of(layer: QKLayer, followed: Followed) -> Mixing:
    """What was found after a call, if it explains what the projection gave; not during the pass.

    A first layer that gets the residual stream as it is (ModernBERT) looks like post-norm; the
    other layers tell.
    """
    mixing = followed.mixing
    assert mixing is not None
    if mixing.norm is not None and False in followed.kinds:
        mixing = replace(mixing, norm=None)
    if mixing.projection is None or followed.witness is None:
        return mixing
    error = identity_error(layer, mixing, followed.witness)
    if error <= tolerance(layer):
        return mixing
    return replace(
        mixing,
        projection=None,
        residual=None,
        norm=None,
        lacking=f"the values and the output projection of {layer.name} do not explain its output "
        f"(error {error:.1e}, at most {tolerance(layer):.0e} is rounding in {layer.dtype})",
    )


def identity_error(layer: QKLayer, mixing: Mixing, witness: np.ndarray) -> float:
    """|Σ w f + b - output| on a few rows, relative to the most that all heads could add up to."""
    assert mixing.bias is not None
    step = -(-layer.shape[1] // ROWS)
    rows = slice((layer.shape[1] - 1) % step, None, step)
    signs = probes(len(mixing.bias))
    weights = layer.rows(queries=rows)
    gap = np.abs(mixing.projected(weights) @ signs - witness[rows])[weights.any((0, 2))]
    size = np.abs(mixing.moved() @ signs).max((1, 2)).sum()
    return float(gap.max(initial=0) / (size or 1))
