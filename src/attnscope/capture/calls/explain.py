"""Which queries, keys, mask and bias give the weights that a softmax returned.

Kept are, in this order: queries, keys and mask, where these alone give the weights; these and a
bias, where something was added to the scores (ALiBi, relative positions); the weights themselves.
Whether they give them is computed for every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from attnscope.capture.calls.call import Cut
from attnscope.capture.tensors import Item, as_multiplied, precision, stored
from attnscope.scores import Layer, QKLayer, ScoreSpec, WeightsLayer

HIDDEN = -5e3
"""What is added to a score and is as low as this is a mask: -10,000, or the lowest number."""

SAME = {"float32": 5e-6, "float16": 2e-3, "bfloat16": 1.5e-2}
"""Differences of weights that rounding explains."""


def explained(
    name: str,
    given: Mapping[str, Any],
    item: Item,
    heads: Sequence[int],
    exact: bool,
    factor: Any,
    cut: Cut,
) -> Layer:
    """The layer of one item, or part of one.

    Args:
        name: the module's.
        given: `scores`, `weights`, `query` and `key` of all items.
        item: the one kept.
        heads: those kept.
        exact: whether the scores are known to be the product, multiplied with `factor`, plus
            something, so that the difference is a bias.
        factor: a number, or one for each head [head, 1, 1].
        cut: which queries and keys to keep; the score spec is that of all.
    """
    places = list(heads)
    scores, weights = (item.of(given[which])[places].float() for which in ("scores", "weights"))
    query, key = as_multiplied(given["query"]), as_multiplied(given["key"])
    if isinstance(factor, torch.Tensor):
        query, factor = query * factor.to(query.dtype), 1.0
    same = SAME.get(precision(query), SAME["float32"])
    q, k = (item.of(one)[places].float() for one in (query, key))
    product = factor * (q @ k.transpose(-1, -2))
    added = scores - product
    hidden = ~(added > HIDDEN)
    for bias in (None, added) if exact else (None,):
        if _give(product if bias is None else scores, hidden, weights, same):
            return QKLayer(
                queries=stored(query[:, :, cut.rows], item, places),
                keys=stored(key[:, :, cut.columns], item, places),
                spec=_spec(factor, hidden, bias),
                heads=tuple(places),
                kv_head=np.arange(len(places)),
                name=name,
                dtype=precision(query),
                kv_numbers=tuple(places),
            )
    dead = (scores <= HIDDEN).all(-1, keepdim=True)
    kept = weights.masked_fill(dead, 0).cpu().numpy()
    return WeightsLayer(np.ascontiguousarray(kept), tuple(places))


def _give(scores: torch.Tensor, hidden: torch.Tensor, weights: torch.Tensor, same: float) -> bool:
    """Whether a softmax of the scores gives the weights, in all rows that see something."""
    found = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    gap = (found - weights).abs().amax(-1)
    return bool((gap[~hidden.all(-1)] <= same).all())


def _spec(factor: float, hidden: torch.Tensor, added: torch.Tensor | None) -> ScoreSpec:
    alike = bool((hidden == hidden[:1]).all())
    visible = (~hidden[0]).cpu().numpy() if alike else None
    if added is None and alike:
        return ScoreSpec(factor, visible=visible)
    bias = torch.zeros_like(hidden, dtype=torch.float32) if added is None else added
    bias = bias.masked_fill(hidden, 0.0 if alike else -torch.inf)
    return ScoreSpec(factor, visible=visible, bias=_shortest(bias, hidden))


def _shortest(bias: torch.Tensor, hidden: torch.Tensor) -> np.ndarray:
    """The bias once for all heads, or for all queries, where it is the same (ALiBi)."""
    rounding = 4 * torch.finfo(torch.float32).eps * bias.masked_fill(hidden, 0).abs().max()
    if ((bias - bias[:1]).abs() <= rounding).all():
        bias = bias[:1]
    last = bias[:, -1:]
    if not hidden[:, -1].any() and ((bias - last).abs() <= rounding)[~hidden[: len(bias)]].all():
        return np.broadcast_to(last.cpu().numpy(), bias.shape)
    found: np.ndarray = bias.cpu().numpy()
    return found
