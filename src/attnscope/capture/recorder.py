"""What is kept of each attention call.

A `Recording` listens to one model on one thread and makes a `Call` of every attention call: the
item's queries and keys, the score spec, and a witness of what the model made of them. It never
raises inside the model's forward pass: what goes wrong is kept in `problems` and raised by
`verify()`, when the model is done and everything is as it was before.

Calls come from three sources: attention functions of Transformers (`registry`),
`F.scaled_dot_product_attention`, and softmaxes in a model's own code (both in `mode`). What each
gives the model passes one place, `listeners.through`, where interventions change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope._numbers import item_of
from attnscope.capture.calls.bands import Band
from attnscope.capture.calls.call import DROPOUT, Call, Cut, call_of
from attnscope.capture.calls.keeping import Keeping
from attnscope.capture.calls.layers import Attended, arranged, check_shapes, chosen, dropping
from attnscope.capture.calls.masks import MaskReader
from attnscope.capture.calls.problems import named, not_finite, unexplained
from attnscope.capture.calls.wholes import joined, joined_witness
from attnscope.capture.certify import Witness, tolerance
from attnscope.capture.hearing.listeners import inside, listener_of
from attnscope.capture.hearing.mode import Watch
from attnscope.capture.hearing.registry import listening
from attnscope.capture.hearing.tap import Tap
from attnscope.capture.mixing.following import Follower, Handed
from attnscope.capture.mixing.passing import Followed, gain_of
from attnscope.capture.mixing.passing import Place as Rows
from attnscope.capture.places.layout import Layout, Unresolved, layout_of
from attnscope.capture.places.placing import Place, Placing
from attnscope.capture.places.streams import Stack
from attnscope.capture.places.where import Running, attention_modules, caller, plain, watching
from attnscope.capture.tensors import Item, keep_alive, stored
from attnscope.capture.trimming import LARGE, give_back
from attnscope.errors import AttnscopeError, CaptureError
from attnscope.mixing import Mixing
from attnscope.provenance import Certificate

Heard = Attended | Tap | Band
"""An attention call as it was heard, for all items of the batch.

Both have `name`, `implementation`, `place`, `layout`, `sizes` (queries, keys), `n_heads`, `dtype`,
`unseen` (why there is no witness), and make the layer and witness of one item.
"""


@dataclass(eq=False)
class Recording:
    """The attention calls of one model on one thread, in order.

    Attributes:
        model: the model listened to.
        index: the batch item kept; None where there must be only one.
        batch: items in the batch, as far as the inputs tell.
        layers, heads: numbers to keep, None for all.
        keeping: which queries to keep, and in how many bits.
        values: whether to keep what turns weights into the output, see `mixing`.
        gradient: whether to keep outputs for autograd, see `gradients`.
        tick: called after every attention call.
        calls: what was recorded.
        numbers: those of the layers of each stack, kept or not.
        ran: the modules whose forward ran, by name.
        heard_in: names of the modules that made attention calls.
        unresolved: why calls of some modules are not recorded.
        problems: what went wrong.
    """

    model: nn.Module
    index: int | None = 0
    batch: int | None = None
    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    keeping: Keeping = field(default_factory=Keeping)
    values: bool = False
    gradient: bool = False
    tick: Callable[[], Any] = lambda: None
    calls: list[Call] = field(default_factory=list)
    numbers: dict[Stack, set[int]] = field(default_factory=dict)
    ran: dict[str, nn.Module] = field(default_factory=dict)
    heard_in: set[str] = field(default_factory=set)
    unresolved: dict[str, str] = field(default_factory=dict)
    problems: list[AttnscopeError] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._names = {id(module): plain(name) for name, module in self.model.named_modules()}
        self._placing = Placing(self._names.values())
        self._masks = MaskReader()
        self._follower: Follower | None = None
        self._first: dict[tuple[Stack, int], Followed] = {}
        if self.values:
            modules = attention_modules(self.model)
            self._follower = Follower(self.model, modules, self._hears)

    def owns(self, module: Any) -> bool:
        return id(module) in self._names

    def _hears(self, module: nn.Module) -> bool:
        return listener_of(module) is self

    def heard(
        self, implementation: str, given: Mapping[str, Any], output: Any, passed_on: Any
    ) -> None:
        """Keep one attention call of this model's; never raises (see `problems`).

        Weights are held to the function's own output, what follows to what the model got.
        """
        with self.noting(given["module"]) as name:
            dim = given["value"].shape[-1]
            out, got = (arranged(one, dim) for one in (output, passed_on))
            tap: Tap | None = given.get("tap")
            if tap is not None and tap.kept:
                raise Unresolved(f"{name} computes weights that are used far from there.")
            if tap is None or tap.edited:
                self._attended(name, implementation, given, out, got, output)
            else:
                self._kept_with_values(tap, given["value"], out, got, output)
        self.tick()

    def tapped(self, tap: Tap) -> None:
        """A softmax has returned weights; they are kept with what they are multiplied with."""
        product, parts = tap.product, tap.layout.parts
        sizes = parts * tap.sizes[0], parts * tap.sizes[1]
        module = tap.given["module"]
        tap.place = self.place(module, tap.name, sizes, product.left, product.right)

    def untapped(self, tap: Tap, above: Running | None) -> None:
        """The module of a softmax has ended; that above may multiply the weights with values."""
        if tap.kept:
            return
        if above is not None:
            above.at_end.append(lambda: self.untapped(tap, None))
            return
        with inside(), self.noting(tap.given["module"]):
            self.keep(tap)
        tap.kept = True

    def banded(self, band: Band) -> None:
        """The windows of one forward pass of a Longformer's module."""
        with self.noting(band.here.module):
            band.place = self.place(band.here.module, band.name, band.sizes, None, None)
            self.keep(band)
        self.tick()

    def _attended(
        self,
        name: str,
        implementation: str,
        given: Mapping[str, Any],
        out: torch.Tensor,
        got: torch.Tensor,
        output: Any,
    ) -> None:
        query, key, module = given["query"], given["key"], given["module"]
        check_shapes(name, query, key)
        tap: Tap | None = given.get("tap")
        layout = given.get("layout") or layout_of(query.shape[:2], self.batch, module, name)
        sizes = layout.parts * query.shape[2], layout.parts * key.shape[2]
        place = self.place(module, name, sizes, query, key) if tap is None else tap.place
        unseen = DROPOUT if dropping(implementation, given) else ""
        heard = Attended(name, implementation, place, layout, given, out, unseen)
        if tap is not None:
            tap.kept = True
        calls = self.keep(heard)
        self.follow(calls, heard, given["value"], out, got, output)

    def _kept_with_values(
        self, tap: Tap, value: torch.Tensor, out: torch.Tensor, got: torch.Tensor, output: Any
    ) -> None:
        calls = self.keep(tap)
        tap.kept = True
        self.follow(calls, tap, value, out, got, output)

    def place(
        self, module: nn.Module, name: str, sizes: tuple[int, int], query: Any, key: Any
    ) -> Place:
        """Where a call in this module, of so many queries and keys, belongs."""
        own, names = caller(self, module, name)
        if query is not None and query.nbytes >= LARGE and query.device.type == "cpu":
            own.at_end.append(give_back)
        self.heard_in.add(own.name)
        place = self._placing.place(own, names, sizes, query, key)
        self.numbers.setdefault(place.stack, set()).add(place.number)
        return place

    def wanted(self, place: Place) -> bool:
        """Whether a call is to be kept."""
        return place.role != "again" and (self.layers is None or place.number in self.layers)

    def keep(self, heard: Heard) -> list[Call]:
        """Keep a call, or add to the one that it is a part of; [] where it is not asked for."""
        if not self.wanted(heard.place):
            return []
        items = self.items(heard.layout)
        heads = chosen(self.heads, heard.n_heads, heard.name)
        layers = [heard.layer(item, heads, self._masks, Cut()) for item in items]
        parts = zip(layers, items, strict=True)
        witness = joined_witness([heard.witness(layer, item, Cut()) for layer, item in parts])
        if heard.place.role == "part":
            call = self.calls[-1]
            call.layer = joined([call.layer, *layers])
            call.witness = joined_witness([call.witness, witness])
            return [call]
        self.finish()
        self.calls.append(call_of(heard, joined(layers), witness, Cut()))
        return [self.calls[-1]]

    def finish(self) -> None:
        """Cut the last call to what is asked for: no part of it is to come."""
        if self.calls and not self.keeping.cut(self.calls[-1]):
            self.calls.pop()

    def items(self, layout: Layout) -> list[Item]:
        """The parts of the item to keep.

        Raises:
            InputError: when there are several items and none was chosen.
        """
        several = max(layout.items, self.batch or 1)
        index = item_of(self.index, several, "the model works on", "record")
        return [Item(index, layout.items, part, layout.parts) for part in range(layout.parts)]

    def follow(
        self,
        calls: Sequence[Call],
        heard: Heard,
        value: torch.Tensor,
        out: torch.Tensor,
        got: torch.Tensor,
        output: Any,
    ) -> None:
        """Look for what follows a call while the model goes on, where values are asked for.

        `calls` is empty for one that is not kept. `value`, `out` and what the model `got` are
        [item x part, head, token, dim]; `output` is the model's own tensor.
        """
        if self._follower is None or heard.layout.parts > 1 or heard.place.role != "first":
            return
        kept: Sequence[Call | None] = calls or [None]
        items = zip(self.items(heard.layout), kept, strict=False)
        handed = [self._handed(item, call, value, out, got) for item, call in items]
        followed = self._follower.heard(heard.name, handed, self._first.get(heard.place[:2]))
        for call, one in zip(calls, followed, strict=False):
            self._first.setdefault(heard.place[:2], one)
            call.followed = one
            if self.gradient:
                one.live = keep_alive(output)

    def _handed(
        self,
        item: Item,
        call: Call | None,
        value: torch.Tensor,
        out: torch.Tensor,
        got: torch.Tensor,
    ) -> Handed:
        """What an item's call handed on: its new rows; with their values, where it is kept."""
        values, passed_on = item.of(value), item.of(got).transpose(0, 1)
        gain = None if got is out else gain_of(item.of(out).transpose(0, 1), passed_on)
        cut = Cut() if call is None else call.cut
        skip = cut.rows.start or 0
        place, kept = Rows(item.number, item.items, len(passed_on), skip), None
        if call is not None:
            heads = getattr(call.layer, "kv_head", np.arange(len(values)))
            new = values[None, :, cut.columns]
            kept = Mixing(stored(new, Item(0), range(len(values))), heads)
        return Handed(place, passed_on[skip:], kept, gain)

    @contextmanager
    def noting(self, module: nn.Module) -> Iterator[str]:
        """Note what goes wrong in the block, which gets the module's name, and go on."""
        name = self._names[id(module)]
        try:
            yield name
        except Unresolved as problem:
            self.unresolved[name] = str(problem)
        except Exception as problem:
            self.problems.append(named(problem, name))

    def verify(self) -> Certificate:
        """Hold every call to what the model computed, on a few rows each.

        Not done during the forward pass, where NumPy's threads would compete with the model's.

        Raises:
            CaptureError: when a call could not be recorded, or its recording does not explain it.
            InputError: when a head asked for is not there.
        """
        if self.problems:
            raise self.problems[0]
        self.finish()
        worst, n_rows, n_calls = 0.0, 0, 0
        for call in self.calls:
            if call.witness is None:
                continue
            with np.errstate(invalid="ignore", over="ignore"):
                error, rows = self._held(call, call.witness)
            if not error <= tolerance(call.layer, call.precision):
                raise CaptureError(not_finite(call) or unexplained(call, error))
            worst, n_rows, n_calls = max(worst, error), n_rows + rows, n_calls + 1
        reasons = dict.fromkeys(call.unseen for call in self.calls if call.witness is None)
        return Certificate(worst, n_rows, n_calls, len(self.calls) - n_calls, tuple(reasons))

    def _held(self, call: Call, witness: Witness) -> tuple[float, int]:
        """(largest error, rows checked) of a call, for the certificate."""
        return witness.check_some(call.layer)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen while the block runs; afterwards everything is as it was before."""
        with ExitStack() as stack:
            stack.enter_context(watching(self.model, self, self._hears, self.ran))
            if self._follower is not None:
                stack.enter_context(self._follower.running())
            stack.enter_context(listening(self.model, self))
            stack.enter_context(Watch(self))
            yield
