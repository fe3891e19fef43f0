"""Value zeroing: what a block's output loses when one token's value is taken away.

Every kept layer is run again once for each of its keys, on the states that it was given, with that
key's value set to zero (Mohebbi et al. 2023). Nothing is known of architectures: the value is taken
out of what the output projection gets (its input less weight × value), and the block is the module
in whose name the layers of the stack differ. The model runs once on copies of the item, so that
masks, positions and caches of a batch are its own, and in each block's call the block is repeated.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope.capture.calls.call import Call
from attnscope.capture.inputs.prepare import Prepared
from attnscope.capture.places.streams import pattern_of
from attnscope.capture.places.where import NOTHING
from attnscope.capture.recorder import Recording
from attnscope.capture.running import explained, uncompiled
from attnscope.errors import InputError
from attnscope.scores import widen

AT_ONCE = 4096
"""Tokens run at a time."""

COPIES = 64
"""Copies of the item at most."""


@dataclass(eq=False)
class _Zeroed:
    """One call whose values are to be taken away: its block, and the distances found."""

    call: Call
    block: nn.Module
    linear: nn.Module
    turn: int
    distances: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.distances = np.zeros(self.call.layer.shape[1:], np.float32)


def add_zeroing(recording: Recording, prepared: Prepared, bar: Callable[[str, int], Any]) -> None:
    """Give each recorded call's mixing the distances [query, key] that value zeroing makes.

    Raises:
        InputError: for a model in training mode, where two runs differ anyway, and for a
            key/value cache.
    """
    check_zeroing(recording.model, prepared)
    wanted = [one for one in map(_zeroed(recording), recording.calls) if one is not None]
    if not wanted:
        return
    longest = max(max(one.distances.shape) for one in wanted)
    copies = max(1, min(COPIES, AT_ONCE // longest, longest))
    inputs = _copied(recording.model, prepared, copies)
    runs = sum(-(-one.distances.shape[1] // copies) for one in wanted)
    with bar("value zeroing", runs) as progress:
        rerunner = _Rerunner(wanted, copies, progress.update)
        with (
            torch.no_grad(),
            uncompiled(recording.model),
            rerunner.watching(),
            explained(recording.model, inputs),
        ):
            recording.model(**inputs)
    for one in wanted:
        followed = one.call.followed
        assert followed is not None
        assert followed.mixing is not None
        followed.mixing = replace(followed.mixing, zeroed=one.distances)


def check_zeroing(model: nn.Module, prepared: Prepared) -> None:
    """See `add_zeroing`."""
    if model.training:
        raise InputError(
            "value_zeroing=True compares runs of the model, which differ by themselves in training "
            "mode: call model.eval() first."
        )
    if prepared.inputs.get("past_key_values") is not None:
        raise InputError(
            "value_zeroing=True runs layers several times, which would fill past_key_values: pass "
            "the whole text instead."
        )


def _zeroed(recording: Recording) -> Callable[[Call], _Zeroed | None]:
    modules = {
        name.replace("_orig_mod.", ""): module for name, module in recording.model.named_modules()
    }

    def made(call: Call) -> _Zeroed | None:
        followed = call.followed
        if followed is None or followed.linear is None:
            return None
        block = modules[block_name(call.name, recording.heard_in)]
        return _Zeroed(call, block, followed.linear, followed.turn)

    return made


def block_name(name: str, names: Iterator[str] | set[str]) -> str:
    """The module that is one layer of a stack: up to the number in which its calls' names differ.

    `encoder.layer.3` of `encoder.layer.3.attention.self`; where all calls have the same name
    (ALBERT, a model of one layer) up to the first number.
    """
    parts = name.split(".")
    alike = [other.split(".") for other in names if pattern_of(other) == pattern_of(name)]
    numbers = [place for place, part in enumerate(parts) if part.isdigit()]
    differing = [place for place in numbers if len({other[place] for other in alike}) > 1]
    chosen = (differing or numbers or [len(parts) - 2])[0]
    return ".".join(parts[: chosen + 1])


def _copied(model: nn.Module, prepared: Prepared, copies: int) -> dict[str, Any]:
    """The item's inputs, so many times; without a cache to fill."""
    item = slice(prepared.index, prepared.index + 1)
    inputs = {
        name: value[item].repeat(copies, *[1] * (value.ndim - 1))
        if isinstance(value, torch.Tensor) and value.ndim and len(value) == prepared.batch
        else value
        for name, value in prepared.inputs.items()
    }
    if "use_cache" in signature(model.forward).parameters:
        inputs["use_cache"] = False
    return inputs


class _Rerunner:
    """Repeats every block right after the model has run it, with values taken away."""

    def __init__(self, wanted: Sequence[_Zeroed], copies: int, tick: Callable[[], Any]) -> None:
        self._wanted, self._copies, self._tick = wanted, copies, tick
        self._thread = threading.get_ident()
        self._turns: Counter[nn.Module] = Counter()
        self._given: dict[nn.Module, tuple[Any, Any, Counter[nn.Module]]] = {}
        self._edit: tuple[nn.Module, int, torch.Tensor] | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Repeat while the block runs."""
        with ExitStack() as stack:
            for linear in {one.linear: None for one in self._wanted}:
                stack.callback(linear.register_forward_pre_hook(self._projecting).remove)
            for block in {one.block: None for one in self._wanted}:
                hook = block.register_forward_pre_hook(self._entering, with_kwargs=True)
                stack.callback(hook.remove)
                stack.callback(block.register_forward_hook(self._leaving).remove)
            yield

    def _projecting(self, module: nn.Module, args: tuple[Any, ...]) -> Any:
        """Take weight × value out of what the projection gets, in its turn."""
        if threading.get_ident() != self._thread:
            return None
        turn = self._turns[module]
        self._turns[module] += 1
        if self._edit is None or self._edit[:2] != (module, turn):
            return None
        heads, *others = args
        return heads - self._edit[2].to(heads.dtype).reshape(heads.shape), *others

    def _entering(self, module: nn.Module, args: Any, kwargs: Mapping[str, Any] = NOTHING) -> None:
        if self._edit is None and threading.get_ident() == self._thread:
            kept = _cloned(args), _cloned(dict(kwargs))
            self._given[module] = *kept, Counter(self._turns)

    def _leaving(self, module: nn.Module, _: Any, output: Any) -> None:
        if self._edit is not None or threading.get_ident() != self._thread:
            return
        args, kwargs, before = self._given.pop(module)
        after = Counter(self._turns)
        states = _states(output, self._copies)[0]
        for one in self._wanted:
            if one.block is module and before[one.linear] <= one.turn < after[one.linear]:
                self._repeat(one, args, kwargs, before, states)
        self._turns, self._edit = after, None

    def _repeat(
        self, one: _Zeroed, args: Any, kwargs: Any, before: Counter[nn.Module], plain: torch.Tensor
    ) -> None:
        n_key = one.distances.shape[1]
        for start in range(0, n_key, self._copies):
            keys = np.arange(start, start + self._copies).clip(max=n_key - 1)
            self._turns = Counter(before)
            taken = torch.from_numpy(weight_times_value(one.call, keys)).to(plain.device)
            self._edit = one.linear, one.turn, taken
            output = one.block.forward(*_cloned(args), **_cloned(kwargs))
            found = _distances(_states(output, self._copies), plain)
            one.distances[:, keys] = found.T.cpu().numpy()
            self._tick()


def weight_times_value(call: Call, keys: np.ndarray) -> np.ndarray:
    """[key, query, head * dim]: what each of these keys gives to the attention call's output."""
    layer, followed = call.layer, call.followed
    assert followed is not None
    assert followed.mixing is not None
    values = widen(followed.mixing.values)[followed.mixing.kv_head][:, keys]
    weights = np.nan_to_num(layer.rows())[:, :, keys]
    parts: np.ndarray = np.einsum("hqk,hkd->kqhd", weights, values)
    return parts.reshape(len(keys), layer.shape[1], -1)


def _states(output: Any, copies: int) -> torch.Tensor:
    """[copy, query, model] of what a block returned."""
    states = output[0] if isinstance(output, tuple | list) else output
    return torch.as_tensor(states).reshape(copies, -1, states.shape[-1])


def _distances(states: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
    """Cosine distances [copy, query]; as half a squared length, which keeps small ones exact."""
    units = [nn.functional.normalize(x.double(), dim=-1) for x in (states, plain[None])]
    return (units[0] - units[1]).square().sum(-1) / 2


def _cloned(value: Any) -> Any:
    """A copy of all tensors in arguments, as blocks may work in place."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if type(value) in (tuple, list):
        return type(value)(_cloned(part) for part in value)
    if type(value) is dict:
        return {name: _cloned(part) for name, part in value.items()}
    return value
