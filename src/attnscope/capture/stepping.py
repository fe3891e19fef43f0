"""The attention calls of `model.generate()`, step by step.

A *step* is one forward pass: it reads the prompt (or a chunk of it), later one token. Of every call
only what is new is kept (`parts`), so that a recording grows by one row a token and not by one
cache. Which of several beams is returned is known at the end only: until then the rows of each are
kept. `joining` makes one layer of all steps again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import nn

from attnscope._types import TokenMask
from attnscope.capture.certify import Witness
from attnscope.capture.checks import past_length
from attnscope.capture.masks import MaskReader
from attnscope.capture.parts import Extent, Hiding, Part, extent_of, hiding_of
from attnscope.capture.recorder import Call, Recording, dropping
from attnscope.capture.registry import listener_of
from attnscope.capture.streams import Stack, stack_of
from attnscope.scores import ScoreSpec

READ = ("decoder_input_ids", "decoder_inputs_embeds", "input_ids", "inputs_embeds")
"""Arguments with what a step reads; the first that is given."""


@dataclass(eq=False)
class Step:
    """One forward pass.

    Attributes:
        start, stop: position of the first token that is read for the first time; after the last.
        skip: tokens in front of it that are read again.
        ids: [beam, token], None where the model was given embeddings.
        counts: attention calls so far of each stack (its sizes left out).
        readers, hidings: of the masks, which layers share.
    """

    start: int = 0
    stop: int = 0
    skip: int = 0
    ids: np.ndarray | None = None
    counts: Counter[Stack] = field(default_factory=Counter)
    readers: dict[int, MaskReader] = field(default_factory=dict)
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

    def _begin(self, model: nn.Module, _: Any, kwargs: Mapping[str, Any]) -> None:
        """A forward pass begins: a step, or (classifier-free guidance) one beside it."""
        if listener_of(model) is not self:
            return
        if self._step is not None:
            self._step.readers.clear()
            self._step.hidings.clear()
        self._step = self._next_step(kwargs)
        if self._step is not None:
            self.steps.append(self._step)
            self.stepped(self._step.stop - self._step.start)

    def _next_step(self, kwargs: Mapping[str, Any]) -> Step | None:
        """The step that a forward pass with these arguments is; None for one that is none."""
        given = next((kwargs[name] for name in READ if kwargs.get(name) is not None), None)
        if given is None:
            return None
        cache, past, n = kwargs.get("past_key_values"), past_length(kwargs), given.shape[1]
        n_read = self.steps[-1].stop if self.steps else 0
        whole = past == 0 and n == n_read + 1
        if self._cache is not None and cache is not self._cache and not whole:
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

    def _keep(
        self,
        name: str,
        implementation: str,
        given: Mapping[str, Any],
        output: Any,
        _passed_on: Any,
    ) -> None:
        step = self._step
        if step is None:
            return
        self._check_shapes(name, given["query"], given["key"])
        stack = stack_of(name, id(given["module"]) in self._crossing, 0, 0)
        number = step.counts[stack]
        step.counts[stack] += 1
        self.counts[stack] = max(self.counts[stack], number + 1)
        if self.layers is not None and number not in self.layers:
            return
        parts = self.parts.setdefault((stack, number), [])
        extent = extent_of((step.start, step.stop, step.skip), given, stack.cross, not parts)
        rows = self._rows(len(given["query"]), alike=len(self.steps) < 2)
        self._masks = step.readers.setdefault(rows[0], MaskReader(rows[0]))
        calls = self._calls(stack, number, name, implementation, given, output, extent, rows)
        parts.append(self._part(step, extent, calls, given["key"].shape[2]))

    def _calls(
        self,
        stack: Stack,
        number: int,
        name: str,
        implementation: str,
        given: Mapping[str, Any],
        output: Any,
        extent: Extent,
        rows: Sequence[int],
    ) -> list[Call]:
        """The call once for each of these rows of the batch, cut to what is new."""
        fresh = {**given, "query": given["query"][:, :, extent.rows], "whole": given}
        fresh |= {side: given[side][:, :, extent.columns] for side in ("key", "value")}
        out = (output[0] if isinstance(output, tuple | list) else output)[:, extent.rows]
        calls = []
        for self.index in rows:
            layer, groups = self._layer(name, implementation, fresh)
            witness = None
            if not dropping(implementation, given):
                witness = self._witness(layer, groups, fresh["value"], out)
            calls.append(Call(stack, number, implementation, layer, witness))
        return calls

    def _spec(
        self, implementation: str, given: Mapping[str, Any], heads: Sequence[int]
    ) -> ScoreSpec:
        return super()._spec(implementation, given["whole"], heads)

    def _part(self, step: Step, extent: Extent, calls: Sequence[Call], n_columns: int) -> Part:
        """The part that these calls are, its mask as short as can be."""
        spec, cross = calls[0].layer.spec, calls[0].stack.cross
        about = (extent, cross, id(spec.visible), id(spec.keys), spec.causal, spec.window)
        if about not in step.hidings:
            kept = None if cross or extent.once else self.kept
            step.hidings[about] = hiding_of(spec, extent, n_columns, kept, cross)
        bias = None if spec.bias is None else extent.placed(spec.bias, -np.inf)
        plain = ScoreSpec(spec.scaling, softcap=spec.softcap, sinks=spec.sinks)
        kept_spec = spec if extent.once else plain
        short = (replace(c, layer=replace(c.layer, spec=kept_spec)) for c in calls)
        return Part(extent, tuple(short), step.hidings[about], bias)

    def _held(self, call: Call, witness: Witness) -> tuple[float, int]:
        error, rows = super()._held(call, witness)
        written = self.parts[call.stack._replace(n_query=0, n_key=0), call.number]
        if written[0].extent.once:
            return error, rows
        worst, more = witness.check(call.layer, slice(self.certified_from, None))
        return max(error, worst), rows + more
