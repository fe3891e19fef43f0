"""The softmax formula of Transformer attention, written once.

Every model that attnscope records computes, per head and query row,

    weights = softmax( softcap(scaling * q.k) + bias + mask  [, sink] )

(Vaswani et al. 2017; softcap: Gemma 2; sinks: gpt-oss, whose extra logit joins the softmax and is
then dropped, so that a row sums to less than one). A layer therefore keeps queries, keys and a
`ScoreSpec`, and derives the weights that somebody looks at: `QKLayer`. Where only weights are
known (arrays from the user) `WeightsLayer` keeps those. Both have `rows()`, and nothing above this
file knows which one it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from attnscope._precision import widen
from attnscope._types import Bias, Sinks, Weights
from attnscope.mixing import Mixing
from attnscope.score_spec import ScoreSpec

__all__ = [
    "ALL",
    "Layer",
    "QKLayer",
    "ScoreSpec",
    "WeightsLayer",
    "softmax_rows",
    "vectors_of",
    "widen",
]

ALL = slice(None)
Scores = Float[np.ndarray, "head query key"]
RowSums = Float[np.ndarray, "head query"]


def softmax_rows(
    scores: Float[np.ndarray, "head query key"], sinks: Sinks | None = None
) -> Weights:
    """Softmax over keys, in place; -inf is hidden; a row with every key hidden becomes 0.

    With `sinks` the extra logit takes its share of each row, so that the row sums to less than 1.
    """
    top = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    if sinks is not None:
        top = np.maximum(top, sinks[:, None, None])
    top = np.where(np.isneginf(top), np.float32(0), top)
    np.subtract(scores, top, out=scores)
    np.exp(scores, out=scores)
    total = scores.sum(axis=-1, keepdims=True)
    if sinks is not None:
        total = total + np.exp(sinks[:, None, None] - top)
    np.divide(scores, np.where(total > 0, total, np.float32(1)), out=scores)
    return scores


@runtime_checkable
class Layer(Protocol):
    """The attention of one layer of a stream, whatever it is kept as."""

    @property
    def heads(self) -> tuple[int, ...]:
        """The model's numbers of the heads kept here, in order."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(heads kept, queries, keys)."""

    @property
    def sums_to_one(self) -> bool:
        """False where part of a row may be missing by design (a learned sink)."""

    @property
    def causal(self) -> bool:
        """True where no query sees a later key."""

    @property
    def nbytes(self) -> int:
        """Bytes held by this layer (arrays shared between layers count in each)."""

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        """How many keys each of these queries may see."""

    def rows(self, heads: Sequence[int] | slice = ALL, queries: slice = ALL) -> Weights:
        """Weights [head, query, key], float32; `heads` are places in `self.heads`."""


@dataclass(frozen=True, eq=False)
class QKLayer:
    """Queries, keys and a score spec: weights are computed when asked for.

    Attributes:
        queries: [head, query, dim] in the model's precision (bfloat16 as the bits in uint16).
        keys: [kv_head, key, dim], one entry a key/value head (grouped-query attention).
        spec: what turns q.k into weights.
        heads: the model's numbers of the heads kept.
        kv_head: for each head kept, its place in `keys`.
        kv_numbers: the model's number of each key/value head kept; () where it is its place.
        name: the module that was recorded, for error texts.
        mixing: what the layer makes of its weights, where values were recorded.
    """

    queries: Shaped[np.ndarray, "head query dim"]
    keys: Shaped[np.ndarray, "kv_head key dim"]
    spec: ScoreSpec
    heads: tuple[int, ...]
    kv_head: Int[np.ndarray, "head"]
    name: str = ""
    dtype: str = field(default="float32")
    kv_numbers: tuple[int, ...] = ()
    mixing: Mixing | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.heads), self.queries.shape[1], self.keys.shape[1]

    @property
    def sums_to_one(self) -> bool:
        return self.spec.sinks is None

    @property
    def causal(self) -> bool:
        return self.spec.causal and self.spec.offset == 0

    @property
    def nbytes(self) -> int:
        return self.queries.nbytes + self.keys.nbytes

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        mask = self.spec.mask(queries, self.shape[2])
        return np.full(len(queries), self.shape[2]) if mask is None else np.asarray(mask.sum(-1))

    def kv_places(self, heads: Sequence[int]) -> list[int]:
        """Places in `keys` of the key/value heads that serve these heads, each once."""
        return sorted({int(self.kv_head[place]) for place in heads})

    def bias_of(self, heads: Sequence[int]) -> Bias | None:
        """[1 or head, query, key]: what is added to the scores of these heads, or None."""
        bias = self.spec.bias
        return bias if bias is None or len(bias) == 1 else bias[list(heads)]

    def scores(
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL, keys: slice = ALL
    ) -> Scores:
        """Scores [head, query, key] after scaling, softcap, bias and mask; -inf where hidden.

        `keys` is a range: a slice without a step.
        """
        spec, places = self.spec, np.arange(len(self.heads))[heads]
        keys = slice(*keys.indices(self.keys.shape[1])[:2])
        scores = self._products(places, queries, keys)
        if spec.softcap is not None:
            np.tanh(scores, out=scores)
            scores *= np.float32(spec.softcap)
        if spec.bias is not None:
            scores += spec.bias[places if len(spec.bias) > 1 else [0], queries, keys]
        spec.hide(scores, -np.inf, np.arange(self.queries.shape[1])[queries], keys)
        return scores

    def _products(self, places: Int[np.ndarray, "head"], queries: slice, keys: slice) -> Scores:
        """q.k by the scaling (over the softcap, where there is one); key heads are read once."""
        spec = self.spec
        scaling = np.float32(spec.scaling / (1 if spec.softcap is None else spec.softcap))
        n_query = len(range(*queries.indices(self.queries.shape[1])))
        n_key = keys.stop - keys.start
        scores = np.empty((len(places), n_query, n_key), np.float32)
        start = 0
        for kv, run in groupby(self.kv_head[places].tolist()):
            stop = start + len(list(run))
            q = widen(self.queries[places[start:stop], queries]) * scaling
            out = scores[start:stop].reshape((stop - start) * n_query, n_key)
            np.matmul(q.reshape(-1, q.shape[-1]), widen(self.keys[kv, keys]).T, out=out)
            start = stop
        return scores

    def normaliser(self, sums: RowSums) -> RowSums:
        """What to take off a row's scores to get the logarithms of its weights.

        `sums` are the logarithms of the sums of exp(score) over all keys; where every key is
        hidden they are -inf, and 0 comes back.
        """
        if self.spec.sinks is not None:
            sums = np.logaddexp(sums, self.spec.sinks[:, None])
        return np.where(np.isneginf(sums), np.float32(0), sums)

    def reach(self, queries: slice) -> slice:
        """The range of keys outside of which none is visible to these queries."""
        return self.spec.reach(queries, self.shape[2])

    def head(self, place: int) -> QKLayer:
        """One head alone, in float32: for many calls about it."""
        one, kv = slice(place, place + 1), int(self.kv_head[place])
        bias, sinks = self.spec.bias, self.spec.sinks
        spec = replace(
            self.spec,
            bias=bias if bias is None or len(bias) == 1 else bias[one],
            sinks=None if sinks is None else sinks[one],
        )
        return replace(
            self,
            queries=widen(self.queries[one]),
            keys=widen(self.keys[kv : kv + 1]),
            spec=spec,
            heads=self.heads[one],
            kv_head=np.zeros(1, np.int64),
            kv_numbers=self.kv_numbers[kv : kv + 1],
            mixing=None,
        )

    def rows(
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL, keys: slice = ALL
    ) -> Weights:
        """As `Layer.rows`; `keys` may be a range that holds every key that these queries see."""
        places = np.arange(len(self.heads))[heads]
        sinks = None if self.spec.sinks is None else self.spec.sinks[places]
        return softmax_rows(self.scores(heads, queries, keys), sinks)


def vectors_of(layer: Layer) -> QKLayer | None:
    """The queries and keys that explain a layer's weights; None where it has weights only.

    A layer that shows another one's weights (see `computed`) may know that one's.
    """
    found: QKLayer | None = layer if isinstance(layer, QKLayer) else getattr(layer, "vectors", None)
    return found


@dataclass(frozen=True, eq=False)
class WeightsLayer:
    """The weights themselves, where nothing else is known (arrays from the user).

    Attributes:
        weights: [head, query, key], 0..1; NaN where missing.
        heads: the model's numbers of the heads kept.
        mixing: what the layer makes of its weights, where values were recorded.
    """

    weights: Float[np.ndarray, "head query key"]
    heads: tuple[int, ...]
    mixing: Mixing | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        head, query, key = self.weights.shape
        return head, query, key

    @property
    def sums_to_one(self) -> bool:
        return True

    @cached_property
    def causal(self) -> bool:
        _, query, key = self.weights.shape
        return query == key and query > 1 and not np.triu(np.nan_to_num(self.weights), 1).any()

    @property
    def nbytes(self) -> int:
        return self.weights.nbytes

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        return queries + 1 if self.causal else np.full(len(queries), self.shape[2])

    def rows(self, heads: Sequence[int] | slice = ALL, queries: slice = ALL) -> Weights:
        return self.weights[np.arange(len(self.heads))[heads], queries].astype(np.float32)
