"""What a language model predicted at each of its tokens, where a trace was asked to keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class Predicted:
    """The most probable tokens at each query of a stream.

    Attributes:
        following: what comes after the token (causal models), not what stands in its place.
        tokens: as the tokenizer writes them, of each query, the most probable first.
        ids: the same as numbers.
        probabilities: 0..1, among all tokens that there are.
    """

    following: bool
    tokens: tuple[tuple[str, ...], ...]
    ids: Int[np.ndarray, "query rank"]
    probabilities: Float[np.ndarray, "query rank"]
