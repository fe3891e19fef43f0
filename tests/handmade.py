"""Causal self-attention as people write it themselves, in a dozen ways."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

BATCH, N, HEADS, DIM = 2, 7, 4, 5

SIDE = HEADS * DIM


class Own(nn.Module):
    """Causal self-attention written by hand, in several ways."""

    def __init__(self, how: str = "matmul", layers: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(how) for _ in range(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


class Block(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.n_heads = how, HEADS
        self.qkv, self.out = nn.Linear(SIDE, 3 * SIDE), nn.Linear(SIDE, SIDE)
        self.router = nn.Linear(SIDE, 3)
        self.soft = nn.Softmax(dim=-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            t.unflatten(-1, (HEADS, DIM)).transpose(1, 2) for t in self.qkv(3 * x).chunk(3, -1)
        )
        self.expected = weights(q, k)
        gate = self.router(x).softmax(-1)
        return self.out(getattr(self, self.how)(q, k, v).transpose(1, 2).flatten(2)) * gate[..., :1]

    def sdpa(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    def masked_sdpa(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, causal(q))

    def merged_sdpa(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        merged = [t.flatten(0, 1) for t in (q, k, v)]
        return F.scaled_dot_product_attention(*merged, causal(q)).unflatten(0, (-1, HEADS))

    def matmul(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(DIM))
        return F.dropout(F.softmax(scores.masked_fill(~causal(q), -math.inf), -1), 0.5, False) @ v

    def in_place(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        scores = torch.matmul(q, k.mT)
        scores /= DIM**0.5
        scores += torch.zeros(N, N).masked_fill(~causal(q), torch.finfo(torch.float32).min)
        return self.soft(scores).type_as(v).matmul(v)

    def einsum(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        scores = torch.einsum("b h i d, b h j d -> b h i j", q * DIM**-0.5, k)
        return torch.einsum(
            "...ij,...jd->...id", torch.where(causal(q), scores, -1e4).softmax(-1), v
        )

    def heads_last(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        scores = torch.einsum("bqhd,bkhd->bqhk", q, k) / DIM**0.5
        found = scores.masked_fill(~causal(q)[:, None], -math.inf).softmax(dim=3)
        return torch.einsum("bkhd,bqhk->bhqd", v, found)

    def turned(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        scores = (k @ q.transpose(-2, -1)).transpose(-2, -1) / DIM**0.5
        return torch.softmax(scores.masked_fill(~causal(q), -math.inf), -1, dtype=torch.float32) @ v

    def merged(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        q, k, v = (t.flatten(0, 1) for t in (q, k, v))
        mask = torch.zeros(1, N, N).masked_fill(~causal(q), -math.inf)
        scores = torch.baddbmm(mask.expand(len(q), -1, -1), q, k.mT, alpha=DIM**-0.5)
        return torch.bmm(scores.softmax(-1), v).unflatten(0, (-1, HEADS))

    def by_head(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        """One factor a head, as in Swin v2."""
        factor = torch.full((HEADS, 1, 1), DIM**-0.5)
        return ((q @ k.mT) * factor).masked_fill(~causal(q), -math.inf).softmax(-1) @ v

    def capped(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        scores = torch.tanh(q @ k.mT / 5 / DIM**0.5) * 5
        found = scores.masked_fill(~causal(q), -math.inf).softmax(-1)
        self.expected = found
        return found @ v

    def with_bias(self, q: Any, k: Any, v: Any) -> torch.Tensor:
        """ALiBi: depends on head and key."""
        bias = -torch.arange(HEADS)[:, None, None] * torch.arange(N).flip(0) * 0.1
        found = (q @ k.mT / DIM**0.5 + bias).masked_fill(~causal(q), -math.inf).softmax(-1)
        self.expected = found
        return found @ v


def causal(q: torch.Tensor) -> torch.Tensor:
    return torch.ones(N, N, dtype=torch.bool).tril()


def weights(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    scores = q.double() @ k.double().transpose(-1, -2) / DIM**0.5
    hidden = scores.masked_fill(~causal(q), -math.inf)
    return (hidden - hidden.logsumexp(-1, keepdim=True)).exp()


QK = [
    "sdpa", "masked_sdpa", "merged_sdpa", "matmul", "in_place", "einsum", "heads_last", "turned",
    "merged", "by_head",
]  # fmt: skip
