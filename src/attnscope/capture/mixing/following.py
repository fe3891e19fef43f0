"""What follows each attention call: output projection, residual and normalisation, found by value.

No architecture is known here. While a model runs, its linear and normalising modules are watched,
and what they pass on is recognised by its numbers (`passing`):

    the projection   is the (outermost) linear module that takes the attention call's output
    the branch norm  is a normalisation that takes the projection's output
    the residual     is what a normalisation gets besides: its input less the branch must be what
                     the attention module was given (post-norm), or what that was made from by a
                     normalisation (pre-norm)

`mixing` makes numbers of what was found.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from attnscope.capture.mixing.matrices import settle
from attnscope.capture.mixing.passing import Followed, Place, equal, joined, passed
from attnscope.capture.places.streams import pattern_of
from attnscope.capture.places.where import NOTHING
from attnscope.mixing import Mixing


class Handed(NamedTuple):
    """What the model got from an attention call for one item.

    Attributes:
        place: picks the item's rows of a tensor.
        output: [query, head, dim].
        mixing: the values; None where the call is not to be kept.
        gain: see `Followed`.
    """

    place: Place
    output: torch.Tensor
    mixing: Mixing | None
    gain: torch.Tensor | None


NORMS_BACK = 6
"""Normalisations remembered before an attention call: its own, and those of queries and keys."""


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
        self._now: list[Followed] = []
        self._kinds: dict[str, set[bool]] = defaultdict(set)
        self._turns: Counter[nn.Module] = Counter()

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
        self, name: str, handed: Sequence[Handed], earlier: Followed | None
    ) -> list[Followed]:
        """The model got this from a call, one entry an item that is listened to.

        `earlier` is the first call of the same layer, where a model runs step by step.
        """
        self.settle()
        source, kinds = self._source_of(self._given), self._kinds[pattern_of(name)]
        for place, output, mixing, gain in handed:
            flat = output.reshape(len(output), -1)
            about = (flat, place.rows(self._given), place.rows(source), mixing, gain)
            self._now.append(Followed(name, place, kinds, *about, earlier=earlier))
        return self._now

    def settle(self) -> None:
        """Another attention call begins, or the model is done: nothing more will be found."""
        now, self._now = self._now, []
        for one in now:
            settle(one)
            if one.linear is not None:
                one.turn = self._turns[one.linear]
        self._turns.update({one.linear for one in now if one.linear is not None})

    def _source_of(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        """What this was normalised from."""
        for source, normed in reversed(self._norms):
            if tensor is not None and normed.data_ptr() == tensor.data_ptr():
                return source
        return None

    def _entering(self, module: nn.Module, args: Any, kwargs: Mapping[str, Any] = NOTHING) -> None:
        if not self._hears(module):
            return
        for value in (kwargs.get("hidden_states"), *args, *kwargs.values()):
            if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 1:
                self._given = value.detach()
                return

    def _multiplied(self, module: nn.Module, args: Any, output: Any) -> None:
        if not self._now or not args or not self._hears(module):
            return
        for now in self._now:
            if now.output is None or now.joined:
                continue
            through = passed(now.place, module, args[0], output)
            if through is not None and equal(through.source, now.output):
                now.projection = through

    def _normalised(self, module: nn.Module, args: Any, output: Any) -> None:
        if not args or not self._hears(module) or not isinstance(output, torch.Tensor):
            return
        self._norms.append((args[0].detach(), output.detach()))
        for now in self._now:
            if now.projection is None or now.joined:
                continue
            through = passed(now.place, module, args[0], output)
            if through is None:
                continue
            if equal(through.source, now.projection.result):
                now.branch = through
            else:
                now.joined = joined(now, through)
