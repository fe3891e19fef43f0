"""Edits of what an attention function is given, so that a head's weights become others.

They need no code of their own for any model: a head whose queries are 0 has equal scores, an
additive mask is then the logarithm of its weights, and a hidden key is a hidden key. The model's
own function computes the rest, and a capture inside records these queries and masks, so that its
certificate holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float

from attnscope.capture.calls.masks import unmasked
from attnscope.capture.editing.edits import Edit, Given, Site, check_size
from attnscope.errors import CaptureError, InputError


@dataclass(frozen=True)
class Uniform(Edit):
    """Equal weights on all keys that a query sees (a learned sink keeps its logit)."""

    def inputs(self, site: Site, given: Given) -> Given:
        return _flat(site, given, {})


@dataclass(frozen=True, eq=False)
class Pattern(Edit):
    """Given weights [query, key] by (layer, head) instead of the model's."""

    weights: dict[tuple[int, int], Float[torch.Tensor, "query key"]]

    def inputs(self, site: Site, given: Given) -> Given:
        size = given["query"].shape[2], given["key"].shape[2]
        wanted = {head: self.weights[site.layer, head] for head in site.heads}
        for weights in wanted.values():
            check_size(site, "weights", tuple(weights.shape), size)
        if any(given.get(name) is not None for name in ("s_aux", "sinks")):
            raise CaptureError(
                f"{site.name} has a learned sink that takes part in its softmax: its weights "
                "cannot be replaced. Patch the head's output: what='output'."
            )
        return _flat(site, given, wanted)


@dataclass(frozen=True)
class Hide(Edit):
    """Keys that are not attended to, by position: the same for every item of a batch, or one each.

    Without `queries` no token may look at the hidden ones but each at itself, so that every row of
    self-attention keeps a key, and nothing that a hidden token reads gets out.
    """

    keys: tuple[tuple[int, ...], ...]
    queries: tuple[int, ...] | None = None

    def inputs(self, site: Site, given: Given) -> Given:
        hidden = self._hidden(site, given)
        if not hidden.any():
            return given
        mask = _mask(site, given)
        blocked = hidden[:, None]
        if not site.everywhere:
            blocked = blocked & _chosen(site, mask.device)[None, :, None, None]
        if mask.dtype == torch.bool:
            left = mask & ~blocked
            seen = left
        else:
            left = mask.masked_fill(blocked, torch.finfo(mask.dtype).min)
            seen = left > torch.finfo(mask.dtype).min / 2
        self._check_left(site, mask, seen)
        return _masked(given, left)

    def _hidden(self, site: Site, given: Given) -> Bool[torch.Tensor, "item query key"]:
        n_query, n_key = given["query"].shape[2], given["key"].shape[2]
        device = given["query"].device
        last = max((key for keys in self.keys for key in keys), default=0)
        if site.offset == 0 and site.first == 0 and last >= n_key:
            raise InputError(
                f"key {last} is not there: {site.name} attends to keys 0 to {n_key - 1}."
            )
        query = torch.arange(n_query, device=device) + site.first
        key = torch.arange(n_key, device=device) + site.offset
        named = [torch.tensor(keys, dtype=torch.long, device=device) for keys in self.keys]
        is_key = torch.stack([torch.isin(key, keys) for keys in named])[:, None]
        if self.queries is not None:
            hidden_from = torch.isin(query, torch.tensor(self.queries, device=device))[:, None]
        elif site.own:
            hidden_from = query[:, None] != key
        else:
            hidden_from = torch.ones(n_query, 1, dtype=torch.bool, device=device)
        return hidden_from & is_key

    def _check_left(self, site: Site, before: torch.Tensor, seen: torch.Tensor) -> None:
        low = torch.finfo(before.dtype).min / 2 if before.dtype != torch.bool else None
        saw = before if low is None else before > low
        emptied = saw.any(-1) & ~seen.any(-1)
        if emptied.any():
            query = int(emptied.nonzero()[0, -1]) + site.first
            raise InputError(
                f"without these keys, query {query} has no key left to attend to in {site.name}: "
                "leave it one, or leave the query out of queries=."
            )


def _flat(site: Site, given: Given, wanted: dict[int, torch.Tensor]) -> Given:
    """The call with queries 0 for the site's heads, and with log(weights) added where wanted.

    Position biases of these heads are dropped; what is hidden stays hidden.
    """
    query = given["query"]
    rows = site.rows(query.shape[2], query.device)
    flat = _chosen(site, query.device)[:, None, None] & rows[:, None]
    given = given | {"query": query.masked_fill(flat, 0)}
    bias = given.get("position_bias")
    if bias is not None:
        given["position_bias"] = _added(site, bias, wanted)
        return given
    mask = given.get("attention_mask")
    if wanted or (isinstance(mask, torch.Tensor) and mask.ndim == 4 and mask.dtype != torch.bool):
        return _masked(given, _added(site, _additive(site, given), wanted))
    return given


def _masked(given: Given, mask: torch.Tensor) -> Given:
    """The call with this mask, which then says by itself what is causal."""
    causal = {"is_causal": False} if given.get("is_causal") else {}
    return given | {"attention_mask": mask} | causal


def _added(site: Site, bias: torch.Tensor, wanted: dict[int, torch.Tensor]) -> torch.Tensor:
    """A bias whose heads at the site hold log(weights), or 0; hidden keys stay hidden."""
    low, rows = torch.finfo(bias.dtype).min, site.rows(bias.shape[2], bias.device)
    bias = bias.expand(-1, site.n_heads, -1, -1).clone()
    for head in site.heads:
        row = bias[:, head]
        logs = torch.zeros((), device=bias.device)
        if head in wanted:
            logs = wanted[head].to(bias.device).log().clamp_min(low)
        here = rows[:, None] & (row > low / 2)
        bias[:, head] = torch.where(here, logs.to(bias.dtype), row)
    return bias


def _mask(site: Site, given: Given) -> torch.Tensor:
    """The call's mask as [batch, head, query, key]: boolean, or added to the scores."""
    mask, query = given.get("attention_mask"), given["query"]
    n_query, n_key = query.shape[2], given["key"].shape[2]
    if mask is None and "flash" not in site.implementation:
        causal = unmasked(site.implementation, given, n_query, n_key).get("causal", False)
        full = torch.ones(n_query, n_key, dtype=torch.bool, device=query.device)
        mask = (full.tril() if causal else full)[None, None]
        return mask if "eager" not in site.implementation else _as_added(mask, query.dtype)
    if not isinstance(mask, torch.Tensor) or mask.ndim != 4:
        raise CaptureError(
            f"{site.name} runs on {site.implementation}, which takes no mask of single keys. Load "
            "the model with attn_implementation='sdpa'."
        )
    return mask[..., :n_query, :n_key]


def _additive(site: Site, given: Given) -> torch.Tensor:
    mask = _mask(site, given)
    mask = mask if mask.dtype != torch.bool else _as_added(mask, given["query"].dtype)
    size = given["query"].shape[2], given["key"].shape[2]
    return mask.expand(-1, -1, *size)


def _as_added(mask: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)


def _chosen(site: Site, device: torch.device) -> Bool[torch.Tensor, "head"]:
    chosen = torch.zeros(site.n_heads, dtype=torch.bool, device=device)
    chosen[list(site.heads)] = True
    return chosen
