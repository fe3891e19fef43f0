"""Rows of weights in blocks, and what every measure of a head is made of.

A measure of a head is a mean over rows (queries) of one number a row, so that it is computed in
blocks that stay in the processor's cache and never needs all of a long input's weights at once.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from tqdm import tqdm

from attnscope._types import TokenMask, Weights
from attnscope.mixing import Mixing
from attnscope.scores import ALL, Layer, QKLayer
from attnscope.tokens import Tokens

BLOCK = 1_000_000
"""Weights computed at a time."""

RowValues = Float[np.ndarray, "head query"]


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of the keys of a stream, whatever the layer."""

    tokens: Tokens

    @cached_property
    def special(self) -> TokenMask:
        """Special tokens."""
        return self.tokens.special

    @cached_property
    def delimiter(self) -> TokenMask:
        """Special tokens that are not the first token: [SEP], </s>, <|im_end|>."""
        found: TokenMask = self.tokens.special & (np.arange(len(self.tokens)) > 0)
        return found

    @cached_property
    def punctuation(self) -> TokenMask:
        """Tokens of punctuation marks only."""
        marks = [bool(t) and all(c in string.punctuation for c in t) for t in self.tokens.text]
        found: TokenMask = np.array(marks, dtype=bool) & ~self.tokens.special
        return found

    @cached_property
    def kinds(self) -> Int[np.ndarray, "key"]:
        """A number for each token, the same for the same token."""
        named = self.tokens.raw if self.tokens.ids is None else self.tokens.ids
        _, numbers = np.unique(np.array(named), return_inverse=True)
        return np.asarray(numbers)


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of one layer.

    Attributes:
        weights: [head, query, key], missing ones 0; of a causal layer only the keys that some of
            these queries see, which are the first.
        total: [head, query], sums of the rows.
        query: positions of these rows.
        visible: how many keys each row may see.
        facts: of the keys.
        lengths: [head, key], how much each head moves from a key for a weight of 1; None where
            values were not recorded.
    """

    weights: Weights
    total: RowValues
    query: Int[np.ndarray, "query"]
    visible: Int[np.ndarray, "query"]
    facts: Facts
    lengths: Float[np.ndarray, "head key"] | None = None

    @property
    def key(self) -> Int[np.ndarray, "key"]:
        """Positions of the keys."""
        return np.arange(self.weights.shape[2])

    @cached_property
    def entropy(self) -> RowValues:
        """-Σ w ln w of each row; NaN where a weight is missing or below 0."""
        logs, products = np.empty_like(self.weights[0]), np.empty_like(self.total)
        for weights, out in zip(self.weights, products, strict=True):  # one head stays in cache
            np.add(weights, np.finfo(np.float32).tiny, out=logs)
            with np.errstate(invalid="ignore"):
                np.log(logs, out=logs)
            np.einsum("qk,qk->q", weights, logs, out=out)
        return np.asarray(np.maximum(-products, 0))

    @cached_property
    def copies(self) -> Bool[np.ndarray, "query key"]:
        """True where the key is an earlier copy of the query's token."""
        kinds, earlier = self.facts.kinds, self.key < self.query[:, None]
        alike = kinds[self.query][:, None] == kinds[: len(self.key)]
        found: Bool[np.ndarray, "query key"] = alike & earlier
        return found

    @cached_property
    def after_copies(self) -> Bool[np.ndarray, "query key"]:
        """True where the key follows an earlier copy of the query's token."""
        after = np.zeros_like(self.copies)
        after[:, 1:] = self.copies[:, :-1]
        return after

    def on(self, wanted: TokenMask) -> RowValues:
        """Weight on the wanted keys; NaN where there are none."""
        if not wanted.any():
            return np.full(self.total.shape, np.nan, np.float32)
        found: RowValues = np.matmul(self.weights, wanted[: len(self.key)].astype(np.float32))
        return found

    def at(self, offset: int) -> RowValues:
        """Weight on the key so many places after the query; NaN where there is none."""
        key = self.query + offset
        there = (key >= 0) & (key < len(self.facts.tokens))
        found = np.where(there, np.float32(0), np.float32(np.nan))
        found = np.repeat(found[None], len(self.weights), 0)
        there &= key < len(self.key)
        found[:, there] = self.weights[:, there, key[there]]
        return found

    def where(self, wanted: Bool[np.ndarray, "query key"]) -> RowValues:
        """Weight on the wanted pairs; NaN for rows that have none."""
        found = self.along(wanted.astype(np.float32))
        found[:, ~wanted.any(-1)] = np.nan
        return found

    def along(self, numbers: Float[np.ndarray, "query key"]) -> RowValues:
        """Σ w · number of each row."""
        summed: RowValues = np.einsum("hqk,qk->hq", self.weights, numbers)
        return summed

    def moved_on(self, wanted: TokenMask) -> RowValues:
        """Share of what is moved (norm-weighted attention) that comes from the wanted keys."""
        if self.lengths is None or not wanted.any():
            return np.full(self.total.shape, np.nan, np.float32)
        seen = slice(len(self.key))
        lengths = self.lengths[:, seen]
        pair = np.stack([lengths * wanted[seen], lengths], -1).astype(np.float32)
        some, whole = np.moveaxis(np.matmul(self.weights, pair), -1, 0)
        share = np.full(self.total.shape, np.nan, np.float32)
        np.divide(some, whole, out=share, where=whole > 0)
        return share


Measure = Callable[[Rows], RowValues]


def blocks(layer: Layer, facts: Facts) -> Iterator[Rows]:
    """The rows of a layer, all heads, block by block; each is let go before the next is made."""
    n_heads, n_query, n_key = layer.shape
    lengths = lengths_of(layer)
    step = max(1, BLOCK // max(1, n_heads * n_key))
    for start in range(0, n_query, step):
        yield _block(layer, slice(start, min(start + step, n_query)), facts, lengths)


def _block(
    layer: Layer, queries: slice, facts: Facts, lengths: Float[np.ndarray, "head key"] | None
) -> Rows:
    query, weights = np.arange(queries.start, queries.stop), _seen(layer, queries)
    ones = np.ones(weights.shape[2], np.float32)
    total = np.matmul(weights, ones)
    if not np.isfinite(total).all():
        weights = np.nan_to_num(weights)
        total = np.matmul(weights, ones)
    return Rows(weights, total, query, layer.visible_keys(query), facts, lengths)


def _seen(layer: Layer, queries: slice) -> Weights:
    """The weights of these queries to every key, or to those that causal ones may see."""
    if not (isinstance(layer, QKLayer) and layer.causal):
        return layer.rows(ALL, queries)
    return layer.rows(ALL, queries, slice(0, min(queries.stop, layer.shape[2])))


def lengths_of(layer: Layer) -> Float[np.ndarray, "head key"] | None:
    """‖f_h(x)‖ of a layer whose values and projection are known, else None."""
    mixing: Mixing | None = getattr(layer, "mixing", None)
    if mixing is None or mixing.projection is None:
        return None
    lengths: Float[np.ndarray, "head key"] = np.linalg.norm(mixing.moved(), axis=-1)
    return lengths


def means(
    layer: Layer, facts: Facts, measures: Sequence[Measure], bar: tqdm[Any] | None = None
) -> Float[np.ndarray, "measure head"]:
    """The mean of each measure over the rows that have a say; NaN where none has."""
    sums = np.zeros((len(measures), len(layer.heads)))
    counts = np.zeros_like(sums)
    for rows in blocks(layer, facts):
        live = rows.total > 0
        for place, measured in enumerate(measures):
            values = measured(rows)
            says = live & np.isfinite(values)
            sums[place] += values.sum(-1, where=says, dtype=np.float64)
            counts[place] += says.sum(-1)
        if bar is not None:
            bar.update(live.size)
        del rows  # so that its memory is there for the next
    with np.errstate(invalid="ignore"):
        return sums / counts
