"""Where an answer comes from: for each part of the context its weight, and what happens without it.

A share of attention says where heads look. Whether the answer depends on what is there, only a
second run tells: the part's keys are hidden from all other tokens, in every layer and head, and the
answer's log-probability is asked for again. Both stand side by side here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attnscope.capture.forward import capture
from attnscope.capture.interventions import ablate
from attnscope.errors import InputError
from attnscope.measures.moved import layer_norms, why_not_moved
from attnscope.measures.table import Table
from attnscope.segments import Range, checked, marked
from attnscope.stream import Stream

Parts = Mapping[str, Sequence[int]]
"""Places of the context's tokens by the name of their part."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One answer of a model, and how it is asked for again.

    Attributes:
        model, inputs: what runs, and what it is called with.
        answer: the answer's tokens, one for each number that `score` gives.
        stream: where the answer's rows look at the context.
        rows: the answer's first row in that stream, and the one after its last.
        hide_in: the streams in which the context's keys are hidden.
        score: log-probability of each of the answer's tokens, from the model's output.
    """

    model: Any
    inputs: dict[str, torch.Tensor]
    answer: Sequence[str]
    stream: str
    rows: tuple[int, int]
    hide_in: Sequence[str]
    score: Callable[[Any], Float[torch.Tensor, "answer"]]

    def run(self) -> Any:
        """The model's output."""
        with torch.no_grad():
            return self.model(**self.inputs)

    @contextmanager
    def without(self, places: Sequence[int]) -> Iterator[None]:
        """Hide these keys from all other tokens, in every layer and head."""
        with ExitStack() as stack:
            for stream in self.hide_in:
                stack.enter_context(ablate(self.model, keys=list(places), stream=stream))
            yield


def effects(asked: Asked, parts: Parts) -> Table:
    """Columns `part`, `token` (number in the answer), `text`, `weight`, `norm`, `effect`."""
    trace = capture(asked.model, inputs=asked.inputs, values=True, progress=False)
    stream = trace.streams[asked.stream]
    weights, norms = _weights(stream, asked.rows), _norms(stream, asked.rows)
    kept = ~stream.key.special
    kept[0] = False
    with np.errstate(invalid="ignore"):
        of_kept = weights / weights[:, kept].sum(-1, keepdims=True)
    base = asked.score(asked.run()).double().cpu().numpy()
    rows: list[dict[str, Any]] = []
    for name, places in parts.items():
        with asked.without(places):
            effect = base - asked.score(asked.run()).double().cpu().numpy()
        inside = np.zeros(len(kept), dtype=bool)
        inside[list(places)] = True
        shares = (of_kept[:, inside & kept].sum(-1), norms[:, inside].sum(-1))
        weight, norm = (_as_many(len(effect), share) for share in shares)
        rows += [
            {"part": name, "token": at, "text": text, "weight": w, "norm": n, "effect": e}
            for at, (text, w, n, e) in enumerate(
                zip(asked.answer, weight, norm, effect.tolist(), strict=True)
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
