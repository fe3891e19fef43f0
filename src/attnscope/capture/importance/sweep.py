"""Passes of one model over examples with heads ablated or gated, many heads in one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope.capture.editing.edits import Edit, Gate, Scale, Survey
from attnscope.capture.editing.matching import Intervention, intervening
from attnscope.capture.importance.examples import Example, Score, padded, wanted_rows
from attnscope.capture.importance.replay import Recorded, blocks_of
from attnscope.capture.inputs.checks import taken
from attnscope.capture.running import device_of
from attnscope.errors import InputError


@dataclass(frozen=True, eq=False)
class Sweep:
    """Passes of one model over examples, with heads ablated or gated.

    Attributes:
        model: the model.
        pad: id of the padding.
        score: one number an item, from the model's output.
        stream: where there are several.
        edit: what is done to an ablated head.
        batch: items of a batch, at most.
        unembedding: makes logits, and only those that the score reads are asked of it; None where
            the score takes the model's whole output.
    """

    model: Any
    pad: int
    score: Score
    stream: str | None
    edit: Edit
    batch: int
    unembedding: nn.Module | None = None

    def survey(self, examples: Sequence[Example]) -> Survey:
        """Layers of the stream: their heads, and where they are."""
        found = Survey()
        with torch.no_grad():
            self._output(self._inputs(examples[:1]), found, None)
        return found

    def base(self, examples: Sequence[Example]) -> list[float]:
        """Scores of the model as it is."""
        scores = self._scores(examples, Edit(), None)
        _check_finite(scores, examples, "the model as it is")
        return scores

    def recorded(
        self, examples: Sequence[Example], layers: Survey, times: int
    ) -> tuple[list[float], Recorded]:
        """Scores of the model as it is, and the pass to begin ablated ones with.

        That is tried: begun at the last layer, with the logits that are read and no others, a pass
        must give the same scores. Where it does not, or is an error, nothing is kept, and the model
        is run whole each time.
        """
        n, last = len(examples), max(layers.heads)
        record = Recorded(self.model, blocks_of(layers.names), n, self.unembedding)
        with record.recording():
            scores = self.base(examples)
        gate = Gate({last: torch.ones(times * n, layers.heads[last])}, self.edit)
        try:
            with record.before(last, times):
                again = self._scores([*examples] * times, gate, {last: None}, record)
        except Exception:  # a model that hands things on in ways of its own
            again = []
        same = len(again) == times * n and np.allclose(again, scores * times, 1e-4, 1e-5)
        return (again[:n], record) if same else (scores, Recorded(self.model, {}, n))

    def ablated(
        self,
        examples: Sequence[Example],
        layer: int,
        heads: Sequence[int],
        n_heads: int,
        record: Recorded,
    ) -> dict[int, list[float]]:
        """Scores without each of these heads, all in one batch."""
        n = len(examples)
        factors = torch.ones(len(heads), n, n_heads)
        for place, head in enumerate(heads):
            factors[place, :, head] = 0
        gate = Gate({layer: factors.flatten(0, 1)}, self.edit)
        with record.before(layer, len(heads)):
            scores = self._scores([*examples] * len(heads), gate, {layer: None}, record)
        parts = {head: scores[at * n : (at + 1) * n] for at, head in enumerate(heads)}
        for head, part in parts.items():
            _check_finite(part, examples, f"head {layer}.{head} ablated")
        return parts

    def gradients(
        self, examples: Sequence[Example], shape: Mapping[int, int]
    ) -> dict[tuple[int, int], list[float]]:
        """|d score / d gate| of every head, from one backward pass."""
        gates = {layer: torch.ones(len(examples), n) for layer, n in shape.items()}
        gates = {k: g.to(device_of(self.model)).requires_grad_() for k, g in gates.items()}
        with torch.inference_mode(False), torch.enable_grad():
            scores = self._run(examples, Gate(gates, Scale(0.0)), None)
            if not scores.requires_grad:
                raise InputError(
                    "method='gradient' needs a metric that can be differentiated: `loss`, "
                    "`logit_difference`, or a callable that makes its numbers with torch."
                )
            found = torch.autograd.grad(scores.sum(), list(gates.values()))
        values = {
            (layer, head): grad[:, head].abs().tolist()
            for layer, grad in zip(gates, found, strict=True)
            for head in range(shape[layer])
        }
        for (layer, head), part in values.items():
            _check_finite(part, examples, f"the gradient by head {layer}.{head}")
        return values

    def _scores(
        self, examples: Sequence[Example], edit: Edit, heads: Any, record: Recorded | None = None
    ) -> list[float]:
        with torch.no_grad(), ExitStack() as stack:
            if record is not None:
                stack.enter_context(record.only(*wanted_rows(examples)))
            scores: list[float] = self._run(examples, edit, heads).double().tolist()
        return scores

    def _run(self, examples: Sequence[Example], edit: Edit, heads: Any) -> torch.Tensor:
        inputs = self._inputs(examples)
        return self.score(self._output(inputs, edit, heads), inputs, examples)

    def _inputs(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        return padded(examples, self.pad, device_of(self.model))

    def _output(self, inputs: Mapping[str, Any], edit: Edit, heads: Any) -> Any:
        quick = taken(self.model, {"use_cache": False})
        with intervening(Intervention(self.model, edit, heads, self.stream, "")):
            return self.model(**inputs, **quick)


def _check_finite(scores: Sequence[float], examples: Sequence[Example], what: str) -> None:
    for score, example in zip(scores, examples, strict=True):
        if not np.isfinite(score):
            raise InputError(
                f"the metric is {score} for {example.text[:60]!r} with {what}: it must be a "
                "finite number."
            )
