"""Which attention calls are edited: interventions of this thread, matched to layers and streams.

An `Intervention` is on while its block runs, for one model and this thread. Each attention call of
the model is offered to the interventions that are on, the outermost first; one that has an edit for
its layer changes what the call is given, or what the model gets from it. Nothing of the model is
touched but hooks that come off again.

Layers and streams are named as in a Trace. Which streams there are is known when a forward pass
has run, so what was asked for is held against it then: a layer that is not there is an error of the
forward pass, not an ablation that silently did nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from attnscope._numbers import spans_of
from attnscope.capture.editing.edits import Edit, Given, Site
from attnscope.capture.hearing.listeners import _here
from attnscope.capture.hearing.mode import Watch
from attnscope.capture.hearing.registry import editing
from attnscope.capture.inputs.checks import past_length
from attnscope.capture.places.placing import Place, Placing
from attnscope.capture.places.streams import Stack, stream_names
from attnscope.capture.places.where import NOTHING, caller, plain, watching
from attnscope.capture.running import uncompiled
from attnscope.errors import CaptureError, InputError

Heads = Mapping[int, tuple[int, ...] | None]
"""By layer: the heads to edit, None for all of them."""

READ = ("decoder_input_ids", "decoder_inputs_embeds", "input_ids", "inputs_embeds")
"""Arguments with what a forward pass reads; the first that is given."""


@dataclass
class _Pass:
    """One forward pass: what it reads, and the attention calls so far.

    Attributes:
        running: names of the models inside one another whose forward runs.
        stop: position after the last token that it reads; None where that is not known.
        n_read: tokens that it reads.
        placing: tells which layer a call belongs to.
        numbers: of the layers of each stack.
        unread: why an attention call could not be read, if one could not.
    """

    running: list[str] = field(default_factory=list)
    stop: int | None = None
    n_read: int = 0
    placing: Placing | None = None
    numbers: dict[Stack, set[int]] = field(default_factory=dict)
    unread: CaptureError | None = None


@dataclass(eq=False)
class Intervention:
    """An edit of some heads of one model.

    Attributes:
        model: the model.
        edit: what is done to them.
        heads: which; None for every head of every layer.
        stream: in which stream; None where the model has one.
        about: one line for people, kept in the notes of traces that are captured inside.
        queries: positions at which to edit; None for all.
    """

    model: nn.Module
    edit: Edit
    heads: Heads | None
    stream: str | None
    about: str
    queries: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self._names = {id(module): plain(name) for name, module in self.model.named_modules()}
        self._pass = _Pass()
        self._seen: dict[tuple[str, bool], Stack] = {}
        self._reached = 0

    def owns(self, module: Any) -> bool:
        return id(module) in self._names

    def edit_of(self, implementation: str, given: Given) -> tuple[Edit, Site] | None:
        """What to do to this attention call of the model's, if anything; counts it.

        Raises:
            InputError: for a head that the layer has not got.
        """
        module, query, key = given["module"], given["query"], given["key"]
        name = self._names[id(module)]
        sizes = query.shape[2], key.shape[2]
        # With a cache, layers that look back less far have fewer keys, and are of one stack still.
        alike = sizes[0] == self._pass.n_read
        stack, layer, _ = self._place(module, name, (0, 0) if alike else sizes, query, key)
        if not may_be(stack, self.stream) or not (self.heads is None or layer in self.heads):
            return None
        heads = None if self.heads is None else self.heads[layer]
        positions = self._positions(stack, *sizes)
        self._reached = max(self._reached, positions["first"] + sizes[0])
        return self.edit, Site(
            name=name,
            layer=layer,
            implementation=implementation,
            given=given,
            heads=_chosen(heads, query.shape[1], name),
            n_heads=query.shape[1],
            own=not stack.cross,
            queries=self.queries,
            **positions,
        )

    def unread(self, reason: CaptureError) -> None:
        """Keep why a call cannot be edited, for a pass in which none can."""
        self._pass.unread = reason

    def check_reached(self) -> None:
        """Raise InputError where a query to edit was in none of the forward passes."""
        beyond = [query for query in self.queries or () if query >= self._reached]
        if beyond and self._reached:
            raise InputError(
                f"queries: token {beyond[0]} was never read, so that nothing was done to it; the "
                f"forward passes inside the block read tokens 0 to {self._reached - 1}."
            )

    def _place(
        self, module: nn.Module, name: str, sizes: tuple[int, int], query: Any, key: Any
    ) -> Place:
        own, names = caller(self, module, name)
        self._pass.placing = self._pass.placing or Placing(self._names.values())
        place = self._pass.placing.place(own, names, sizes, query, key)
        self._pass.numbers.setdefault(place.stack, set()).add(place.number)
        return place

    def _positions(self, stack: Stack, n_query: int, n_key: int) -> dict[str, int]:
        """Where the call's first query and first key are among all tokens of the stream."""
        if stack.cross:
            return {"first": 0, "offset": 0}
        stop = n_key
        if self._pass.stop is not None and n_query == self._pass.n_read:
            stop = self._pass.stop
        return {"first": max(0, stop - n_query), "offset": max(0, stop - n_key)}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow the model's forward passes while the block runs."""
        with ExitStack() as hooks:
            hooks.enter_context(watching(self.model, self, lambda _: self in interventions()))
            for name, module in self.model.named_modules():
                if module is self.model or _is_model(module):
                    begin, end = self._beginning(name), self._ending(name)
                    handle = module.register_forward_pre_hook(begin, with_kwargs=True)
                    hooks.callback(handle.remove)
                    hooks.callback(module.register_forward_hook(self._checking(name)).remove)
                    hooks.callback(module.register_forward_hook(end, always_call=True).remove)
            yield

    def _beginning(self, name: str) -> Callable[..., None]:
        def begin(_: nn.Module, args: Any, kwargs: Mapping[str, Any] = NOTHING) -> None:
            if self not in interventions():
                return
            if not name or not self._pass.running:
                self._pass = _Pass()
            self._pass.running.append(name)
            if not name:
                self._pass.n_read = _tokens_read(args, kwargs)
                self._pass.stop = past_length(kwargs) + self._pass.n_read

        return begin

    def _checking(self, name: str) -> Callable[..., None]:
        def check(*_: Any) -> None:
            if self in interventions() and self._pass.running == [name]:
                self._check_pass(whole=not name)

        return check

    def _ending(self, name: str) -> Callable[..., None]:
        def end(*_: Any) -> None:
            if self in interventions() and self._pass.running[-1:] == [name]:
                self._pass.running.pop()

        return end

    def _check_pass(self, whole: bool) -> None:
        """Hold what was asked for against what a forward pass has called.

        Raises:
            CaptureError: when no attention call was seen, or none could be read.
            InputError: for a stream or a layer that is not there.
        """
        who = type(self.model).__name__
        if whole and not self._pass.numbers:
            raise self._pass.unread or CaptureError(
                f"nothing in {who} can be ablated or patched: no attention function was called, "
                "and there was no softmax of queries times keys."
            )
        now = {(stack.path, stack.cross): stack for stack in self._pass.numbers}
        earlier = [stack for about, stack in self._seen.items() if about not in now]
        self._seen |= now  # generation runs an encoder once, in a pass of its own
        names = stream_names((*earlier, *self._pass.numbers))
        wanted = {stack for stack in names if may_be(stack, self.stream)}
        if whole and (not wanted or {names[stack] for stack in wanted} != {self._one_of(names)}):
            listed = ", ".join(repr(name) for name in names.values())
            if self.stream is None:
                raise InputError(f"{who} has several streams: pass stream= one of {listed}.")
            raise InputError(f"no stream {self.stream!r} in {who}; it has {listed}.")
        for stack in wanted & set(self._pass.numbers):
            missing = sorted(set(self.heads or ()) - self._pass.numbers[stack])
            if missing:
                there = spans_of("layer", sorted(self._pass.numbers[stack]))
                raise InputError(
                    f"layer {missing[0]} is not in the {names[stack]} stream of {who}, which has "
                    f"{there}."
                )

    def _one_of(self, names: Mapping[Stack, str]) -> str | None:
        """The stream's name; None, and so none of them, where it is left out and there are many."""
        return self.stream if self.stream or len(names) > 1 else next(iter(names.values()))


def may_be(stack: Stack, stream: str | None) -> bool:
    """Whether calls of this stack belong to a stream, before the others are known."""
    if stack.cross or stream == "cross":
        return stack.cross and stream == "cross"
    if stream in (None, "self"):
        return True
    parts = stack.path.split(".")
    if stream in ("encoder", "decoder"):
        sides = [part for part in parts if part in ("encoder", "decoder")]
        return (sides or ["decoder"])[0] == stream
    return any(part.removesuffix("_model").removesuffix("_tower") == stream for part in parts)


def changes_of(model: nn.Module) -> list[str]:
    """What is being done to this model now on this thread, a sentence each."""
    return [f"Recorded with {one.about}." for one in interventions() if one.owns(model)]


def interventions() -> list[Any]:
    """Those that are on in this thread, the outermost first."""
    return _here.editors


@contextmanager
def intervening(intervention: Intervention) -> Iterator[Intervention]:
    """Edit the model's attention calls on this thread while the block runs."""
    model = intervention.model
    with (
        uncompiled(model),
        intervention.watching(),
        editing(model, intervention),
        Watch(intervention),
    ):
        yield intervention
    intervention.check_reached()


def _is_model(module: nn.Module) -> bool:
    """A model inside the model, such as an encoder: its call begins a pass over its layers."""
    return hasattr(type(module), "get_input_embeddings") and hasattr(module, "config")


def _tokens_read(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """Tokens that a forward pass reads: the decoder's, where there is one."""
    for name in READ:
        if kwargs.get(name) is not None:
            return int(kwargs[name].shape[1])
    tensors = (value for value in args if isinstance(value, torch.Tensor))
    first = next(tensors, None)
    return int(first.shape[1]) if first is not None and first.ndim > 1 else 0


def _chosen(heads: Sequence[int] | None, n_heads: int, name: str) -> tuple[int, ...]:
    for head in heads or ():
        if head >= n_heads:
            there = spans_of("head", range(n_heads))
            raise InputError(f"head {head} is not in {name}, which has {there}.")
    return tuple(range(n_heads)) if heads is None else tuple(heads)
