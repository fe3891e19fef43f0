"""The attention calls of `model.generate()`, step by step.

A *step* is one forward pass: it reads the prompt (or a chunk of it), later one token. Of every call
only what is new is kept (`parts`), so that a recording grows by one row a token and not by one
cache. Which of several beams is returned is known at the end only: until then the rows of each are
kept. `joining` makes one layer of all steps again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from torch import nn

from attnscope._types import TokenMask
from attnscope.capture.calls.call import Call, Cut, call_of
from attnscope.capture.calls.layers import chosen
from attnscope.capture.calls.masks import MaskReader
from attnscope.capture.certify import Witness
from attnscope.capture.generating.parts import Extent, Hiding, Part, extent_of, hiding_of
from attnscope.capture.hearing.listeners import listener_of
from attnscope.capture.inputs.checks import past_length
from attnscope.capture.places.layout import Layout, Unresolved
from attnscope.capture.places.placing import Place, Placing
from attnscope.capture.places.streams import Stack
from attnscope.capture.places.where import NOTHING
from attnscope.capture.recorder import Heard, Recording
from attnscope.capture.tensors import Item
from attnscope.scores import QKLayer, ScoreSpec

READ = ("decoder_input_ids", "decoder_inputs_embeds", "input_ids", "inputs_embeds")
"""Arguments with what a step reads; the first that is given."""


@dataclass(eq=False)
class Step:
    """One forward pass.

    Attributes:
        start, stop: position of the first token that is read for the first time; after the last.
        skip: tokens in front of it that are read again.
        ids: [beam, token], None where the model was given embeddings.
        placing: places its attention calls.
        hidings: of the masks, which layers share.
    """

    start: int = 0
    stop: int = 0
    skip: int = 0
    ids: np.ndarray | None = None
    placing: Placing | None = None
    hidings: dict[tuple[Any, ...], Hiding] = field(default_factory=dict)


@dataclass(eq=False)
class Stepwise(Recording):
    """The attention calls of one `model.generate()`.

    Attributes:
        n_prompts: prompts in the batch.
        prompt: the one recorded.
        sample: which of its sequences, where several are sampled.
        beams: True for beam search.
        kept: [token] of the prompt, False for padding; None where there is none.
        stepped: called with the number of tokens that a step reads.
        steps: the forward passes.
        parts: what was recorded, by stack (its sizes left out) and number of the layer.
        certified_from: the row from which on every one is held to what the model computed.
    """

    n_prompts: int = 1
    prompt: int = 0
    sample: int = 0
    beams: bool = False
    kept: TokenMask | None = None
    stepped: Callable[[int], Any] = lambda _: None
    steps: list[Step] = field(default_factory=list)
    parts: dict[tuple[Stack, int], list[Part]] = field(default_factory=dict)
    certified_from: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._step: Step | None = Step()  # an encoder runs before the first step
        self._cache: Any = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listen while the block runs; afterwards everything is as it was before."""
        handle = self.model.register_forward_pre_hook(self._begin, with_kwargs=True)
        try:
            with super().running():
                yield
        finally:
            handle.remove()

    def _begin(self, model: nn.Module, _: Any, kwargs: Mapping[str, Any] = NOTHING) -> None:
        """A forward pass begins: a step, or (classifier-free guidance) one beside it."""
        if listener_of(model) is not self:
            return
        if self._step is not None:
            self._step.hidings.clear()
            self._step.placing = None
            self._masks = MaskReader()
        self._step = self._next_step(kwargs)
        if self._step is not None:
            self.steps.append(self._step)
            self.stepped(self._step.stop - self._step.start)

    def _next_step(self, kwargs: Mapping[str, Any]) -> Step | None:
        """The step that a forward pass with these arguments is; None for one that is none."""
        given = next((kwargs[name] for name in READ if kwargs.get(name) is not None), None)
        if given is None:
            return None
        cache, n = kwargs.get("past_key_values"), given.shape[1]
        places = kwargs.get("cache_position")  # up to transformers 4.57
        past = past_length(kwargs) if places is None else int(places[0])
        n_read = self.steps[-1].stop if self.steps else 0
        whole = past == 0 and n == n_read + 1
        other = self._cache is not None and cache is not self._cache
        if other and not whole and not isinstance(cache, tuple):  # old caches: a new one a step
            return None
        self._cache = cache
        skip = n_read if whole and kwargs.get("use_cache") is False else 0
        step = Step(past + skip, past + n, skip)
        if given.ndim == 2:
            step.ids = given[self._rows(len(given), alike=not self.steps), skip:].cpu().numpy()
        return step

    def _rows(self, batch: int, alike: bool) -> list[int]:
        """Rows of the batch to keep: one, or every beam as soon as they differ."""
        each = max(1, batch // self.n_prompts)
        first = self.prompt * each if batch > 1 else 0
        if self.beams:
            return list(range(first, first + (1 if alike else each)))
        return [first + min(self.sample, each - 1)]

    def place(
        self, module: nn.Module, name: str, _: tuple[int, int], query: Any, key: Any
    ) -> Place:
        """Where a call belongs; the sizes of a step's are not those of its stream."""
        if self._step is not None:
            self._placing = self._step.placing or Placing(self._names.values())
            self._step.placing = self._placing
        return super().place(module, name, (0, 0), query, key)

    def keep(self, heard: Heard) -> list[Call]:
        """Keep what is new of a call, once for each beam."""
        step, (stack, number, _) = self._step, heard.place
        if step is None or not self.wanted(heard.place):
            return []
        parts = self.parts.setdefault((stack, number), [])
        extent = extent_of((step.start, step.stop, step.skip), heard.sizes, stack.cross, not parts)
        cut = Cut(extent.rows, extent.columns)
        calls = [self._call(heard, item, cut) for item in self.items(heard.layout)]
        parts.append(self._part(step, extent, calls, heard.sizes[1]))
        return calls

    def items(self, layout: Layout) -> list[Item]:
        """The rows of the batch to keep of a call."""
        rows = self._rows(layout.items, alike=len(self.steps) < 2)
        return [Item(row, layout.items) for row in rows]

    def _call(self, heard: Heard, item: Item, cut: Cut) -> Call:
        """The call for one row of the batch, cut to what is new."""
        heads = chosen(self.heads, heard.n_heads, heard.name)
        layer = heard.layer(item, heads, self._masks, cut)
        if not isinstance(layer, QKLayer) or heard.layout.parts > 1 or heard.place.role == "part":
            raise Unresolved(
                f"{heard.name} computes attention in a way that is not recorded while a model "
                "generates. Capture the finished text: attnscope.capture(model, tokenizer, text)."
            )
        return call_of(heard, layer, heard.witness(layer, item, cut), cut)

    def _part(self, step: Step, extent: Extent, calls: Sequence[Call], n_columns: int) -> Part:
        """The part that these calls are, its mask as short as can be."""
        spec, cross = cast(QKLayer, calls[0].layer).spec, calls[0].stack.cross
        about = (extent, cross, id(spec.visible), id(spec.keys), spec.causal, spec.window)
        if about not in step.hidings:
            kept = None if cross or extent.once else self.kept
            step.hidings[about] = hiding_of(spec, extent, n_columns, kept, cross)
        bias = None if spec.bias is None else extent.placed(spec.bias, -np.inf)
        plain = ScoreSpec(spec.scaling, softcap=spec.softcap, sinks=spec.sinks)
        kept_spec = spec if extent.once else plain
        for call in calls:
            call.layer = replace(cast(QKLayer, call.layer), spec=kept_spec)
        return Part(extent, tuple(calls), step.hidings[about], bias)

    def _held(self, call: Call, witness: Witness) -> tuple[float, int]:
        error, rows = super()._held(call, witness)
        written = self.parts[call.stack._replace(n_query=0, n_key=0), call.number]
        if written[0].extent.once:
            return error, rows
        worst, more = witness.check(call.layer, slice(self.certified_from, None))
        return max(error, worst), rows + more
