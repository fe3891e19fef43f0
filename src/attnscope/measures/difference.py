"""The difference of two layers over merged tokens, and how far two of their rows are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from attnscope.measures.align import Alignment
from attnscope.scores import ALL, Layer, QKLayer
from attnscope.stream import Stream

BLOCK = 4_000_000
"""Weights computed at a time."""

Distributions = Float[np.ndarray, "query key_and_rest"]
"""Rows that sum to 1."""


@dataclass(frozen=True, eq=False)
class Difference:
    """Weights of layer `b` minus those of layer `a`, over the merged tokens of both.

    `rows()` gives -1..1, NaN where one of the two lacks the query or the key.

    Attributes:
        a, b: the layers, with the same heads.
        query, key: their tokens, merged.
    """

    a: Layer
    b: Layer
    query: Alignment
    key: Alignment

    @property
    def heads(self) -> tuple[int, ...]:
        return self.a.heads

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.heads), len(self.query.kinds), len(self.key.kinds)

    @property
    def sums_to_one(self) -> bool:
        return False

    @property
    def causal(self) -> bool:
        return self.a.causal and self.b.causal

    @property
    def nbytes(self) -> int:
        return self.a.nbytes + self.b.nbytes

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        return queries + 1 if self.causal else np.full(len(queries), self.shape[2])

    def rows(
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL
    ) -> Float[np.ndarray, "head query key"]:
        a, b = self.both(heads, queries)
        return np.asarray(b - a)

    def halves(
        self, heads: Sequence[int] | slice = ALL
    ) -> Float[np.ndarray, "two_heads query key"]:
        """What each head gained, 0..1, and behind all of them what each lost: one of both is 0."""
        rows = self.rows(heads)
        return np.concatenate([np.maximum(rows, 0), np.maximum(-rows, 0)])

    def both(
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL
    ) -> tuple[Float[np.ndarray, "head query key"], Float[np.ndarray, "head query key"]]:
        """The weights of each layer over the merged tokens, NaN where it lacks one."""
        return (
            _spread(self.a, heads, self.query.a[queries], self.key.a),
            _spread(self.b, heads, self.query.b[queries], self.key.b),
        )

    def changes(self, place: int) -> Float[np.ndarray, "measure query"]:
        """Total variation and Jensen-Shannon divergence of a head's rows; NaN where one lacks it.

        Only keys of both count; what a row gives to other keys (or to a learned sink) is taken as
        one key more, so that rows of both sum to 1.
        """
        shared = self.key.both
        step = max(1, BLOCK // max(1, len(shared)))
        parts = []
        for start in range(0, self.shape[1], step):
            both = self.both([place], slice(start, start + step))
            a, b = (_with_rest(weights[0][:, shared]) for weights in both)
            parts.append(np.stack([total_variation(a, b), jensen_shannon(a, b)]))
        return np.concatenate(parts, axis=1)


def why_no_weights(stream: Stream) -> str:
    """A comparison holds differences, which no measure of weights may take for weights."""
    if any(isinstance(layer, Difference) for layer in stream.layers):
        return "this is a comparison of two traces: show 'difference', 'before' or 'after'."
    return ""


def _spread(
    layer: Layer,
    heads: Sequence[int] | slice,
    at_query: Int[np.ndarray, "query"],
    at_key: Int[np.ndarray, "key"],
) -> Float[np.ndarray, "head query key"]:
    """A layer's rows at these places of its queries and keys; NaN where a place is -1."""
    n_heads = len(np.arange(len(layer.heads))[heads])
    out = np.full((n_heads, len(at_query), len(at_key)), np.nan, np.float32)
    there, seen = at_query >= 0, at_key >= 0
    wanted = at_query[there]
    if len(wanted):
        first = int(wanted.min())
        rows = layer.rows(heads, slice(first, int(wanted.max()) + 1))
        out[:, there[:, None] & seen] = rows[:, wanted - first][:, :, at_key[seen]].reshape(
            n_heads, -1
        )
    return out


def spread_vectors(
    layer: QKLayer, at_query: Int[np.ndarray, "query"], at_key: Int[np.ndarray, "key"]
) -> QKLayer:
    """A layer's queries and keys at these places, 0 where a place is -1: a key that no query sees.

    Scores are those of the layer wherever it has both tokens. What is said by positions (windows,
    offsets, explicit masks) becomes an explicit mask, because positions change.
    """
    spec, n_keys = layer.spec, layer.shape[2]
    if np.array_equal(at_query, np.arange(layer.shape[1])) and len(at_key) == n_keys:
        return layer
    there, seen = at_query >= 0, at_key >= 0

    def put(cells: np.ndarray, missing: float | bool) -> np.ndarray:
        out = np.full((*cells.shape[:-2], len(at_query), len(at_key)), missing, cells.dtype)
        out[..., there[:, None] & seen] = cells[..., at_query[there], :][..., at_key[seen]].reshape(
            *cells.shape[:-2], -1
        )
        return out

    def rows(vectors: np.ndarray, places: np.ndarray) -> np.ndarray:
        out = np.zeros((len(vectors), len(places), vectors.shape[2]), vectors.dtype)
        out[:, places >= 0] = vectors[:, places[places >= 0]]
        return out

    mask = spec.mask(np.arange(layer.shape[1]), n_keys)
    keys = np.zeros(len(at_key), bool)
    keys[seen] = True
    made = replace(
        spec, causal=False, offset=0, window=None, keys=keys,
        visible=None if mask is None else put(mask, False),
        bias=None if spec.bias is None else put(spec.bias, 0),
    )  # fmt: skip
    return replace(
        layer, queries=rows(layer.queries, at_query), keys=rows(layer.keys, at_key), spec=made,
        mixing=None,
    )  # fmt: skip


def _with_rest(rows: Float[np.ndarray, "query key"]) -> Distributions:
    """Rows with one more key that takes what is missing to 1, in double precision."""
    wide = rows.astype(np.float64)
    rest = np.maximum(1 - wide.sum(-1, keepdims=True), 0)
    return np.concatenate([wide, rest], axis=-1)


def total_variation(a: Distributions, b: Distributions) -> Float[np.ndarray, "query"]:
    """Σ|b - a| / 2 of each row: the share of its weight that has moved, 0..1."""
    return np.asarray(np.abs(b - a).sum(-1) / 2)


def jensen_shannon(a: Distributions, b: Distributions) -> Float[np.ndarray, "query"]:
    """Jensen-Shannon divergence of each row in nats, 0..ln 2 (Lin 1991)."""
    middle = (a + b) / 2
    return np.asarray((_relative(a, middle) + _relative(b, middle)) / 2)


def _relative(a: Distributions, b: Distributions) -> Any:
    """Σ a ln(a/b), where b is 0 only if a is; NaN where a is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(a == 0, 0, a * np.log(a / b))
    return terms.sum(-1)
