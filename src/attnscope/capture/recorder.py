"""What is kept of each attention call.

A `Recording` listens to one model on one thread (see `registry`) and makes a `Call` of every
attention call: the item's queries and keys, the score spec, and a witness of what the model made of
them. It never raises inside the model's forward pass: what goes wrong is kept in `problems` and
raised by `verify()`, when the model is done and everything is as it was before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope._numbers import spans_of
from attnscope.capture.certify import Witness, tolerance
from attnscope.capture.following import Follower
from attnscope.capture.masks import MaskReader
from attnscope.capture.passing import Followed, Place, gain_of
from attnscope.capture.registry import listener_of, listening
from attnscope.capture.streams import CROSS_INPUTS, Stack, stack_of
from attnscope.capture.tensors import as_multiplied, keep_alive, probed, stored
from attnscope.errors import AttnscopeError, CaptureError, InputError
from attnscope.mixing import Mixing
from attnscope.provenance import Certificate
from attnscope.scores import QKLayer, ScoreSpec, widen


@dataclass(frozen=True, eq=False)
class Call:
    """One attention call of the model, for one batch item.

    Attributes:
        stack, number: where it belongs, see `streams`.
        implementation: `sdpa`, `eager`, ... as the model's configuration names it.
        layer: queries, keys and score spec.
        witness: what the model computed, to hold the layer to; None where dropout was active.
        followed: what follows the call in the model, where values are asked for.
    """

    stack: Stack
    number: int
    implementation: str
    layer: QKLayer
    witness: Witness | None
    followed: Followed | None = None


@dataclass(eq=False)
class Recording:
    """The attention calls of one model on one thread, in order.

    Attributes:
        model: the model listened to.
        index: the batch item kept.
        batch: items in the batch, where known.
        layers, heads: numbers to keep, None for all.
        values: whether to keep what turns weights into the output, see `mixing`.
        gradient: whether to keep outputs for autograd, see `gradients`.
        tick: called after every attention call.
        calls: what was recorded.
        counts: attention calls of each stack, kept or not.
        ran: names of the modules called attention whose forward ran.
        problems: what could not be recorded.
    """

    model: nn.Module
    index: int = 0
    batch: int | None = None
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    values: bool = False
    gradient: bool = False
    tick: Callable[[], Any] = lambda: None
    calls: list[Call] = field(default_factory=list)
    counts: Counter[Stack] = field(default_factory=Counter)
    ran: dict[str, nn.Module] = field(default_factory=dict)
    heard_in: set[str] = field(default_factory=set)
    problems: list[AttnscopeError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = {id(module): name for name, module in self.model.named_modules()}
        self._crossing: set[int] = set()
        self._masks = MaskReader(self.index)
        self._follower: Follower | None = None
        if self.values:
            modules = attention_modules(self.model)
            self._follower = Follower(self.model, modules, lambda m: listener_of(m) is self)

    def owns(self, module: Any) -> bool:
        return id(module) in self._names

    def heard(
        self, implementation: str, given: Mapping[str, Any], output: Any, passed_on: Any
    ) -> None:
        """Keep one attention call of this model's; never raises (see `problems`).

        Weights are held to the function's own output, what follows to what the model got.
        """
        name = self._names[id(given["module"])].replace("_orig_mod.", "")
        self.heard_in.add(name)
        try:
            self._keep(name, implementation, given, output, passed_on)
        except Exception as problem:
            self.problems.append(_named(problem, name))
        self.tick()

    def _keep(
        self,
        name: str,
        implementation: str,
        given: Mapping[str, Any],
        output: Any,
        passed_on: Any,
    ) -> None:
        query, key = given["query"], given["key"]
        self._check_shapes(name, query, key)
        crossing = id(given["module"]) in self._crossing
        stack = stack_of(name, crossing, query.shape[2], key.shape[2])
        number = self.counts[stack]
        self.counts[stack] += 1
        if self.layers is not None and number not in self.layers:
            self._followed(name, given["value"], output, passed_on)
            return
        layer, groups = self._layer(name, implementation, given)
        witness = None
        if not dropping(implementation, given):
            witness = self._witness(layer, groups, given["value"], output)
        followed = self._followed(name, given["value"], output, passed_on, layer)
        self.calls.append(Call(stack, number, implementation, layer, witness, followed))

    def _layer(
        self, name: str, implementation: str, given: Mapping[str, Any]
    ) -> tuple[QKLayer, list[int]]:
        """The layer, and the numbers of the key/value heads it keeps."""
        query, key = as_multiplied(given["query"]), as_multiplied(given["key"])
        heads = _chosen(self.heads, query.shape[1], name)
        groups, kv_head = np.unique(
            np.array(heads) // (query.shape[1] // key.shape[1]), return_inverse=True
        )
        layer = QKLayer(
            queries=stored(query, self.index, heads),
            keys=stored(key, self.index, groups.tolist()),
            spec=self._spec(implementation, given, heads),
            heads=tuple(heads),
            kv_head=kv_head,
            name=name,
            dtype=str(query.dtype).removeprefix("torch."),
            kv_numbers=tuple(groups.tolist()),
        )
        return layer, groups.tolist()

    def _spec(
        self, implementation: str, given: Mapping[str, Any], heads: Sequence[int]
    ) -> ScoreSpec:
        """Everything else that enters the softmax, as this implementation understands it."""
        fields = self._masks.fields(implementation, given)
        n_heads, dim = given["query"].shape[1], given["query"].shape[3]
        if len(heads) < n_heads and fields.get("bias") is not None and len(fields["bias"]) > 1:
            fields["bias"] = fields["bias"][list(heads)]
        if implementation != "sdpa":  # which takes neither softcap nor sinks into account
            fields["softcap"] = given.get("softcap")
            sinks = given.get("s_aux") if given.get("s_aux") is not None else given.get("sinks")
            if sinks is not None:
                fields["sinks"] = sinks.detach().float().cpu().reshape(n_heads).numpy()[list(heads)]
        scaling = given.get("scaling")
        return ScoreSpec(dim**-0.5 if scaling is None else float(scaling), **fields)

    def _witness(
        self, layer: QKLayer, groups: list[int], value: torch.Tensor, output: Any
    ) -> Witness:
        values, item = self._item(value, output)
        heads = list(layer.heads)
        return Witness(values=probed(values[groups]), output=probed(item[:, heads].transpose(0, 1)))

    def _item(self, value: torch.Tensor, output: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Values [kv_head, key, dim] and attention output [query, head, dim] of the item."""
        out = (output[0] if isinstance(output, tuple | list) else output).detach()
        item = out[self.index if len(out) > 1 else 0]
        values = value.detach()[self.index if len(value) > 1 else 0]
        return values, item.reshape(len(item), -1, values.shape[-1])

    def _followed(
        self,
        name: str,
        value: torch.Tensor,
        output: Any,
        passed_on: Any,
        layer: QKLayer | None = None,
    ) -> Followed | None:
        """What follows the call, to be found while the model goes on; None where not asked for."""
        if self._follower is None:
            return None
        values, item = self._item(value, passed_on)
        place, kept, gain = Place(self.index, self.batch or 1, len(item)), None, None
        if layer is not None:
            kept = Mixing(stored(values[None], 0, range(len(values))), layer.kv_head)
        if passed_on is not output:
            gain = gain_of(self._item(value, output)[1], item)
        followed = self._follower.heard(name, place, item, kept, gain)
        if self.gradient and kept is not None:
            followed.live = keep_alive(output)
        return followed

    def _check_shapes(self, name: str, query: Any, key: Any) -> None:
        if query.ndim != 4 or key.ndim != 4 or query.shape[1] % key.shape[1]:
            raise CaptureError(
                f"{name} computes attention with queries {tuple(query.shape)} and keys "
                f"{tuple(key.shape)}, expected [batch, head, token, dim]: this layout is not "
                "recorded yet."
            )
        if self.batch is not None and query.shape[0] not in (1, self.batch):
            raise CaptureError(
                f"{name} computes attention for {query.shape[0]} items where the batch has "
                f"{self.batch}: attention within windows, or over several parts of an item, is "
                "not recorded yet."
            )

    def verify(self) -> Certificate:
        """Hold every call to what the model computed, on a few rows each.

        Not done during the forward pass, where NumPy's threads would compete with the model's.

        Raises:
            CaptureError: when a call could not be recorded, or its recording does not explain it.
            InputError: when a head asked for is not there.
        """
        if self.problems:
            raise self.problems[0]
        worst, n_rows, n_calls = 0.0, 0, 0
        for call in self.calls:
            if call.witness is None:
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                error, rows = self._held(call, call.witness)
            if not error <= tolerance(call.layer):
                raise CaptureError(_not_finite(call) or _unexplained(call, error))
            worst, n_rows, n_calls = max(worst, error), n_rows + rows, n_calls + 1
        return Certificate(worst, n_rows, n_calls, skipped=len(self.calls) - n_calls)

    def _held(self, call: Call, witness: Witness) -> tuple[float, int]:
        """(largest error, rows checked) of a call, for the certificate."""
        return witness.check_some(call.layer)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen while the block runs; afterwards everything is as it was before."""
        with ExitStack() as stack:
            for name, module in attention_modules(self.model).items():
                hook = self._note_run(name)
                handle = module.register_forward_pre_hook(hook, with_kwargs=True)
                stack.callback(handle.remove)
            if self._follower is not None:
                stack.enter_context(self._follower.running())
            stack.enter_context(listening(self.model, self))
            yield

    def _note_run(self, name: str) -> Callable[..., None]:
        def note(module: nn.Module, _: Any, kwargs: Mapping[str, Any]) -> None:
            if listener_of(module) is not self:  # another thread, or a capture inside this one
                return
            self.ran[name] = module
            crossing = any(kwargs.get(other) is not None for other in CROSS_INPUTS)
            (self._crossing.add if crossing else self._crossing.discard)(id(module))

        return note


ELSEWISE = (
    "Weights as the model itself gives them: load it with attn_implementation='eager', call it "
    "with output_attentions=True, and pass them on: "
    "attnscope.from_attention(outputs.attentions, tokens)."
)


def _unexplained(call: Call, error: float) -> str:
    what = "not a number" if np.isnan(error) else f"{error:.1e}"
    return (
        f"layer {call.number} ({call.layer.name}): the recorded queries, keys and mask do not "
        f"explain the attention output of the model. The error is {what}, at most "
        f"{tolerance(call.layer):.0e} is rounding in {call.layer.dtype}. No weights are shown "
        f"rather than wrong ones. {ELSEWISE}"
    )


def _not_finite(call: Call) -> str:
    """What to say where the model itself computed NaN or infinity; else nothing."""
    arrays = [widen(call.layer.queries), widen(call.layer.keys)]
    if call.witness is not None:
        arrays += [call.witness.values, call.witness.output]
    if all(np.isfinite(array).all() for array in arrays):
        return ""
    what = "NaN (not a number)" if any(np.isnan(a).any() for a in arrays) else "infinite numbers"
    return (
        f"the model computes {what} in layer {call.number} ({call.layer.name}), in "
        f"{call.layer.dtype}: there are no weights to show. In half precision, large numbers "
        "overflow: try model.float(). Otherwise look into the inputs, and into the weights: "
        "[name for name, weight in model.named_parameters() if not weight.isfinite().all()]."
    )


def attention_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Modules whose class is called attention, by name; torch's own are left alone.

    (A hook on `nn.MultiheadAttention` would switch its fast path off and change the last bits.)
    """
    return {
        name.replace("_orig_mod.", ""): module
        for name, module in model.named_modules()
        if "attention" in type(module).__name__.lower()
        and type(module).__module__.partition(".")[0] != "torch"
    }


def _named(problem: Exception, name: str) -> AttnscopeError:
    """The problem itself where it is one of ours, else one that says which module it came from."""
    if isinstance(problem, AttnscopeError):
        return problem
    error = CaptureError(f"the attention call in {name} could not be recorded: {problem!r}.")
    error.__cause__ = problem
    return error


def _chosen(heads: Sequence[int] | None, n_heads: int, name: str) -> list[int]:
    if heads is None:
        return list(range(n_heads))
    for head in heads:
        if not 0 <= head < n_heads:
            there = spans_of("head", range(n_heads))
            raise InputError(f"head {head} is not in {name}, which has {there}.")
    return list(heads)


def dropping(implementation: str, given: Mapping[str, Any]) -> bool:
    """True where dropout changed this call's weights: eager code asks the module as well."""
    active = implementation != "eager" or given["module"].training
    return bool(given.get("dropout") or 0.0) and active
