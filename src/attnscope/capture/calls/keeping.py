"""What is kept of a call where less than all is asked for: some of its queries, or fewer bits.

A call is cut as soon as the next one comes, so that at most one layer is whole at a time. Queries
are numbered as they are shown, without padding; what a row sees is cut to the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from attnscope._numbers import index_of, spans_of
from attnscope._types import Bias, TokenMask
from attnscope.capture.calls.call import Call, Picked
from attnscope.capture.calls.masks import recognise
from attnscope.capture.places.streams import Stack
from attnscope.errors import InputError
from attnscope.narrowing import narrowed
from attnscope.scores import Layer, QKLayer, ScoreSpec, WeightsLayer

Positions = Int[np.ndarray, "row"]


class Queries(NamedTuple):
    """The queries asked for: a slice of those there are, or their numbers."""

    given: slice | tuple[int, ...]

    def among(self, n: int) -> Positions:
        """Those of n queries, rising, each once; numbers below 0 count from the end."""
        if isinstance(self.given, slice):
            return np.unique(np.arange(n)[self.given])
        wanted = np.array(self.given, dtype=np.int64)
        wanted = np.where(wanted < 0, wanted + n, wanted)
        return np.unique(wanted[(wanted >= 0) & (wanted < n)])

    def check(self, sizes: set[int]) -> None:
        """Raise InputError where a query is in no stream; `sizes` are their numbers of queries."""
        most = max(sizes)
        if not isinstance(self.given, slice):
            wrong = [n for n in self.given if not -most <= n < most]
            if wrong:
                there = spans_of("query token", range(most)).replace("query tokens", "queries")
                raise InputError(f"query {wrong[0]} is not in the trace, which has {there}.")
        elif not any(len(self.among(n)) for n in sizes):
            raise InputError(f"queries={self.given} names none of the {most} queries.")


def queries_of(given: Any) -> Queries | None:
    """What `queries=` asks for; None for all.

    Raises:
        InputError: for an empty list, or what are no whole numbers.
    """
    if given is None or isinstance(given, slice):
        return given if given is None else Queries(given)
    listed = given if hasattr(given, "__iter__") and not isinstance(given, str) else [given]
    numbers = tuple(index_of("query", number) for number in listed)
    if not numbers:
        raise InputError(
            "queries= is empty: give at least one number, a slice such as slice(-100, None) for "
            "the last hundred, or None for all."
        )
    return Queries(numbers)


@dataclass(eq=False)
class Keeping:
    """Cuts calls to what is asked for.

    Attributes:
        queries: those to keep, None for all.
        dtype: `float16` or `float32` to keep vectors (or weights) in, None as the model has them.
        shown: which of so many queries of a stack are no padding.
        sizes: how many queries the calls had.
    """

    queries: Queries | None = None
    dtype: str | None = None
    shown: Callable[[Stack, int], TokenMask] = lambda _, n: np.ones(n, dtype=bool)
    sizes: set[int] = field(default_factory=set)

    def cut(self, call: Call) -> bool:
        """Cut a call; False where none of its queries is wanted."""
        if self.queries is not None and call.picked is None:
            n = call.layer.shape[1]
            shown = np.flatnonzero(self.shown(call.stack, n))
            self.sizes.add(len(shown))
            rows = shown[self.queries.among(len(shown))]
            if not len(rows):
                return False
            call.layer, call.picked = with_rows(call.layer, rows), Picked(rows, n)
            if call.witness is not None:
                call.witness = replace(call.witness, output=call.witness.output[:, rows])
        if self.dtype is not None and call.stored != self.dtype:
            call.layer, call.stored = narrowed(call.layer, self.dtype), self.dtype
        return True


def with_rows(layer: Layer, rows: Positions) -> Layer:
    """The layer with these queries only."""
    if isinstance(layer, WeightsLayer):
        return replace(layer, weights=layer.weights[:, rows])
    assert isinstance(layer, QKLayer)
    spec = _seen_by(layer.spec, rows, layer.shape[1:])
    return replace(layer, queries=layer.queries[:, rows], spec=spec)


def _seen_by(spec: ScoreSpec, rows: Positions, sizes: Sequence[int]) -> ScoreSpec:
    """The spec for these rows of so many queries and keys; a run of them stays short."""
    bias = None if spec.bias is None else _bias_of(spec.bias, rows)
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and spec.visible is None:
        return replace(spec, offset=spec.offset + first, bias=bias)
    visible, (n_query, n_key) = spec.mask(rows, sizes[1]), sizes
    offsets = (first, first + n_key - n_query)
    fields = {} if visible is None else recognise(visible, offsets)
    return replace(spec, bias=bias, **fields)


def _bias_of(bias: Bias, rows: Positions) -> Float[np.ndarray, "#head row key"]:
    """The rows of a bias; one that is the same for all queries takes no room (ALiBi)."""
    if bias.strides[1] == 0:
        return np.broadcast_to(bias[:, :1], (len(bias), len(rows), bias.shape[2]))
    return bias[:, rows]
