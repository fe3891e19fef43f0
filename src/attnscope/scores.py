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
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped

from attnscope._stored import widen as widen
from attnscope._types import Bias, Sinks, TokenMask, Visible, Weights
from attnscope.mixing import Mixing

ALL = slice(None)


@dataclass(frozen=True, eq=False)
class ScoreSpec:
    """What turns q.k into weights, for all heads of one layer.

    Attributes:
        scaling: factor on q.k (usually 1/sqrt(dim); T5 has 1).
        causal: key j is hidden from query i when j > i + offset.
        offset: position of query 0 among the keys (0 in a plain forward pass).
        window: key j is hidden from query i when j <= i + offset - window (causal sliding window).
        keys: True where the key may be seen by any query (padding), or None.
        visible: an explicit [query, key] mask where the three above do not say it all, or None.
        bias: added to the scores, [1 or head, query, key], or None.
        softcap: scores become softcap * tanh(score / softcap), or None.
        sinks: one extra logit a head, or None.
    """

    scaling: float
    causal: bool = False
    offset: int = 0
    window: int | None = None
    keys: TokenMask | None = None
    visible: Visible | None = None
    bias: Bias | None = None
    softcap: float | None = None
    sinks: Sinks | None = None

    def mask(self, queries: np.ndarray, n_keys: int) -> Visible | None:
        """[query, key] for the given query positions: True where visible; None: all visible."""
        seen: np.ndarray | None = None
        key = np.arange(n_keys)
        at = (queries + self.offset)[:, None]
        if self.causal:
            seen = key <= at
        if self.window is not None:
            near = key > at - self.window
            seen = near if seen is None else seen & near
        if self.keys is not None:
            seen = self.keys[None, :] if seen is None else seen & self.keys
        if self.visible is not None:
            seen = self.visible[queries] if seen is None else seen & self.visible[queries]
        return None if seen is None else np.broadcast_to(seen, (len(queries), n_keys))


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
    np.divide(scores, total, out=scores, where=total > 0)
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
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL
    ) -> Float[np.ndarray, "head query key"]:
        """Scores [head, query, key] after scaling, softcap, bias and mask; -inf where hidden."""
        spec, places = self.spec, np.arange(len(self.heads))[heads]
        q = widen(self.queries[places, queries])
        k = widen(self.keys[self.kv_head[places]])
        scores: Float[np.ndarray, "head query key"] = np.matmul(q, k.transpose(0, 2, 1))
        scores *= np.float32(spec.scaling)
        if spec.softcap is not None:
            scores /= np.float32(spec.softcap)
            np.tanh(scores, out=scores)
            scores *= np.float32(spec.softcap)
        if spec.bias is not None:
            scores += spec.bias[places if len(spec.bias) > 1 else [0], queries]
        position = np.arange(self.queries.shape[1])[queries]
        visible = spec.mask(position, self.keys.shape[1])
        if visible is not None:
            scores[:, ~visible] = -np.inf
        return scores

    def rows(self, heads: Sequence[int] | slice = ALL, queries: slice = ALL) -> Weights:
        places = np.arange(len(self.heads))[heads]
        sinks = None if self.spec.sinks is None else self.spec.sinks[places]
        return softmax_rows(self.scores(heads, queries), sinks)


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
