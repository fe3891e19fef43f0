"""Where an answer comes from: for each part of the context its weight, and what happens without it.

A share of attention says where heads look. Whether the answer depends on what is there, only a
second run tells: the part's keys are hidden from all other tokens, in every layer and head, and the
answer's log-probability is asked for again. Both stand side by side here. All parts are hidden in
one batch, each from an item of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float

from attnscope.capture.editing.matching import Intervention, intervening
from attnscope.capture.editing.patterns import Hide
from attnscope.capture.forward import capture
from attnscope.capture.inputs.checks import taken
from attnscope.capture.places.layout import Unresolved
from attnscope.errors import InputError
from attnscope.measures.moved import layer_norms, why_not_moved
from attnscope.measures.table import Table
from attnscope.segments import Range, checked, marked
from attnscope.stream import Stream
from attnscope.tokens import Tokens

Parts = Mapping[str, Sequence[int]]
"""Places of the context's tokens by the name of their part."""

TOKENS = 8192
"""Tokens of a batch of runs without parts, at most; one run at least."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question to a model that is asked again with parts of its context hidden.

    Attributes:
        model, inputs: what runs, and what it is called with: one item.
        hide_in: the streams in which the context's keys are hidden.
        read: what is kept of the output, one row an item.
        options: passed on where the model takes them.
    """

    model: Any
    inputs: dict[str, torch.Tensor]
    hide_in: Sequence[str]
    read: Callable[[Any], Float[torch.Tensor, "item ..."]]
    options: Mapping[str, Any] = field(default_factory=lambda: {"use_cache": False})

    def without(self, hidden: Sequence[Sequence[int]]) -> Float[np.ndarray, "run ..."]:
        """What is read when these keys are hidden from all other tokens, a run each."""
        longest = max(tensor.shape[1] for tensor in self.inputs.values())
        step = max(1, TOKENS // longest)
        try:
            return self._batches(hidden, step)
        except Unresolved:  # which item is which is not known of this model: one at a time
            return self._batches(hidden, 1)

    def _batches(self, hidden: Sequence[Sequence[int]], size: int) -> Float[np.ndarray, "run ..."]:
        starts = range(0, len(hidden), size)
        return np.concatenate([self._runs(hidden[start : start + size]) for start in starts])

    def _runs(self, hidden: Sequence[Sequence[int]]) -> Float[np.ndarray, "run ..."]:
        items = {k: one.expand(len(hidden), *one.shape[1:]) for k, one in self.inputs.items()}
        edit = Hide(tuple(tuple(places) for places in hidden))
        with ExitStack() as stack, torch.no_grad():
            for stream in self.hide_in:
                stack.enter_context(intervening(Intervention(self.model, edit, None, stream, "")))
            output = self.model(**items, **taken(self.model, self.options))
        read: np.ndarray = self.read(output).double().cpu().numpy()
        return read


@dataclass(frozen=True, eq=False)
class Answered:
    """Where in the model the answer is.

    Attributes:
        tokens: the answer's, one for each of its scores.
        stream: where the answer's rows look at the context.
        rows: the answer's first row in that stream, and the one after its last.
    """

    tokens: Sequence[str]
    stream: str
    rows: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Shares:
    """What the answer's rows get from each token of the context.

    Attributes:
        weights: share of the weight of the tokens that are `kept`, mean over layers and heads.
        norms: share in what is moved, mean over layers; NaN where that is not known.
        kept: False for the sink (the first token) and special tokens.
        model: the model's name.
    """

    weights: Float[np.ndarray, "query key"]
    norms: Float[np.ndarray, "query key"]
    kept: Bool[np.ndarray, "key"]
    model: str


def shares_of(asked: Asked, answered: Answered, tokens: Tokens) -> Shares:
    """Run the model once more, and look at the answer's rows; `tokens` are those of the context."""
    trace = capture(asked.model, inputs=asked.inputs, values=True, progress=False)
    stream = trace.streams[answered.stream]
    weights, norms = _weights(stream, answered.rows), _norms(stream, answered.rows)
    kept = np.ones(len(stream.key), bool)
    kept[: len(tokens)] = ~tokens.special
    kept[0] = False
    with np.errstate(invalid="ignore"):
        of_kept = weights / weights[:, kept].sum(-1, keepdims=True)
    return Shares(of_kept, norms, kept, trace.provenance.model)


def effects(
    found: Shares, answered: Answered, parts: Parts, scores: Float[np.ndarray, "run answer"]
) -> Table:
    """Columns `part`, `token` (number in the answer), `text`, `weight`, `norm`, `effect`.

    `scores`: of the answer's tokens in the model as it is, and then without each part.
    """
    rows: list[dict[str, Any]] = []
    for (name, places), effect in zip(parts.items(), scores[0] - scores[1:], strict=True):
        inside = np.zeros(len(found.kept), dtype=bool)
        inside[list(places)] = True
        counted = inside & found.kept
        shares = (found.weights[:, counted].sum(-1), found.norms[:, inside].sum(-1))
        weight, norm = (_as_many(len(effect), share) for share in shares)
        rows += [
            {"part": name, "token": at, "text": text, "weight": w, "norm": n, "effect": e}
            for at, (text, w, n, e) in enumerate(
                zip(answered.tokens, weight, norm, effect.tolist(), strict=True)
            )
        ]
    return Table({name: [row[name] for row in rows] for name in rows[0]})


def _as_many(n: int, shares: np.ndarray) -> list[float]:
    """A share for each number of the answer; one mean where the answer has one number."""
    found: list[float] = (shares if len(shares) == n else shares.mean(keepdims=True)).tolist()
    return found


def over_answer(table: Table) -> Table:
    """One row a part: weights and norms are means over the answer's tokens, effects are added."""
    parts = list(dict.fromkeys(table["part"].tolist()))
    masks = [table["part"] == part for part in parts]
    return Table(
        {
            "part": parts,
            "weight": [table["weight"][mask].mean() for mask in masks],
            "norm": [table["norm"][mask].mean() for mask in masks],
            "effect": [table["effect"][mask].sum() for mask in masks],
        }
    )


def ranges_of(text: str, ranges: Any, markers: Any, otherwise: Callable[[], Any]) -> list[Range]:
    """The parts of a context, by ranges of characters or by markers.

    Raises:
        InputError: when both are given, or they do not fit the text.
    """
    if ranges is not None and markers is not None:
        raise InputError("give ranges= or markers=, not both.")
    if markers is not None:
        return marked(text, markers)
    return checked(otherwise() if ranges is None else ranges, text)


def _weights(stream: Stream, rows: tuple[int, int]) -> Float[np.ndarray, "query key"]:
    """Weights of these rows, the mean over layers and heads."""
    means = [layer.rows(queries=slice(*rows)).mean(0) for layer in stream.layers]
    mean: np.ndarray = np.mean(means, axis=0)
    return mean


def _norms(stream: Stream, rows: tuple[int, int]) -> Float[np.ndarray, "query key"]:
    """Share of each key in what is moved to these rows, the mean over layers; NaN if unknown."""
    if why_not_moved(stream):
        return np.full((rows[1] - rows[0], len(stream.key)), np.nan)
    norms = [layer_norms(layer, slice(*rows)) for layer in stream.layers]
    shares = [one / np.maximum(one.sum(-1, keepdims=True), 1e-30) for one in norms]
    mean: np.ndarray = np.mean(shares, axis=0)
    return mean
