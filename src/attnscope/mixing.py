"""What a layer makes of its weights: values, output projection, residual and normalisation.

With weights w and values v a Transformer's attention block computes, for query i (Vaswani et al.
2017; the grouping by keys is Kobayashi et al.'s, 2020),

    a_i = Σ_j Σ_h w_ij f_h(x_j) + b,   f_h(x_j) = v_j W_h         (output projection W, bias b)
    y_i = norm(residual_i + branch(a_i))                          (each norm where there is one)

so that what token j puts into position i can be told exactly. Measures that weigh a weight by what
it moves (norm-weighted, ALTI, gradient × attention) read a `Mixing`; capture records it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from attnscope._precision import widen

ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Norm:
    """A normalisation as it was applied to one text: weight * (x - mean) / spread + bias.

    Attributes:
        centred: whether the mean over dimensions is taken off (LayerNorm; not RMSNorm).
        weight, bias: [model].
        spread: what each query's state was divided by.
    """

    centred: bool
    weight: Float[np.ndarray, "model"]
    bias: Float[np.ndarray, "model"]
    spread: Float[np.ndarray, "query"]

    def linear(
        self, states: Float[np.ndarray, "*more query model"]
    ) -> Float[np.ndarray, "*more query model"]:
        """The part that is linear in the state: without the bias, with the spread of the text."""
        if self.centred:
            states = states - states.mean(-1, keepdims=True)
        normed: np.ndarray = states * (self.weight / self.spread[:, None])
        return normed

    def __call__(
        self, states: Float[np.ndarray, "query model"]
    ) -> Float[np.ndarray, "query model"]:
        """The normalised states."""
        normed: np.ndarray = self.linear(states) + self.bias
        return normed

    def trim(self, queries: Bool[np.ndarray, "query"]) -> Norm:
        """The same without padding."""
        return replace(self, spread=self.spread[queries])


@dataclass(frozen=True, eq=False)
class Mixing:
    """What one layer makes of its weights, for the heads that are kept.

    Attributes:
        values: [kv_head, key, dim] in the model's precision (bfloat16 as bits in uint16).
        kv_head: for each head, its place in `values`.
        projection: [head, dim, model], the output projection of each head; None where unknown.
        bias: [model], the projection's bias.
        branch: the normalisation of the projected output before it is added (Gemma 2), or None.
        residual: [query, model], what is added to it; None where unknown.
        norm: the normalisation of the sum (post-norm models: BERT), or None.
        gradient: [head, query, dim], derivative of an objective by weights x values; or None.
        zeroed: [query, key], value zeroing, see `measures.value_zeroing`; or None.
        lacking: why something is unknown, a sentence; "" where nothing is.
    """

    values: Shaped[np.ndarray, "kv_head key dim"]
    kv_head: Int[np.ndarray, "head"]
    projection: Shaped[np.ndarray, "head dim model"] | None = None
    bias: Float[np.ndarray, "model"] | None = None
    branch: Norm | None = None
    residual: Shaped[np.ndarray, "query model"] | None = None
    norm: Norm | None = None
    gradient: Float[np.ndarray, "head query dim"] | None = None
    zeroed: Float[np.ndarray, "query key"] | None = None
    lacking: str = ""

    def moved(self) -> Float[np.ndarray, "head key model"]:
        """f_h(x_j): what head h moves from key j for a weight of 1."""
        assert self.projection is not None
        moved: Float[np.ndarray, "head key model"] = np.matmul(
            widen(self.values)[self.kv_head], widen(self.projection)
        )
        return moved

    def projected(
        self, weights: Float[np.ndarray, "head query key"]
    ) -> Float[np.ndarray, "query model"]:
        """a_i of the rows with these weights: all that the heads move, and the bias."""
        assert self.projection is not None
        assert self.bias is not None
        heads = np.matmul(weights, widen(self.values)[self.kv_head])
        summed: Float[np.ndarray, "query model"] = self.bias + np.einsum(
            "hqd,hdm->qm", heads, widen(self.projection), optimize=True
        )
        return summed

    def residual_wide(self) -> Float[np.ndarray, "query model"]:
        """The residual in float32."""
        assert self.residual is not None
        return widen(self.residual)

    def trim(self, queries: Bool[np.ndarray, "query"], keys: Bool[np.ndarray, "key"]) -> Mixing:
        """The same without padding."""
        return replace(
            self,
            values=self.values[:, keys],
            residual=None if self.residual is None else self.residual[queries],
            branch=self.branch and self.branch.trim(queries),
            norm=self.norm and self.norm.trim(queries),
            gradient=None if self.gradient is None else self.gradient[:, queries],
            zeroed=None if self.zeroed is None else self.zeroed[queries][:, keys],
        )
