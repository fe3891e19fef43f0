"""A trace without some keys: their weight is taken away, and what is left of each row is one whole.

What stays is how the attention is divided among the other tokens, as if nobody had attended to the
tokens dropped: usually the special ones, or the first, which soak up most of the weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from attnscope._numbers import index_of
from attnscope._types import Weights
from attnscope.computed import ComputedLayer
from attnscope.errors import InputError
from attnscope.scores import ALL
from attnscope.tokens import Tokens
from attnscope.trace import Trace


@dataclass(frozen=True, eq=False)
class NormalisedLayer(ComputedLayer):
    """The attention of one layer without some keys, computed when asked for.

    Attributes:
        base: the attention as it was.
        kept: False for keys whose weight is taken away.
    """

    kept: Bool[np.ndarray, "key"]

    @property
    def heads(self) -> tuple[int, ...]:
        return self.base.heads

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.base.shape

    @property
    def sums_to_one(self) -> bool:
        return True

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        """Kept keys among the first so many that a query sees."""
        so_far = np.concatenate([[0], np.cumsum(self.kept)])
        return np.asarray(so_far[self.base.visible_keys(queries)])

    def rows(self, heads: Sequence[int] | slice = ALL, queries: slice = ALL) -> Weights:
        weights = self.base.rows(heads, queries) * self.kept.astype(np.float32)
        total = np.nansum(weights, axis=-1, keepdims=True)
        np.divide(weights, total, out=weights, where=total > 0)
        return weights


def normalised(trace: Trace, drop: Any = "special") -> Trace:
    """The trace without the weight of some keys; see `Trace.normalised`."""
    streams = []
    for stream in trace.streams.values():
        kept = kept_keys(stream.key, drop, stream.name)
        if not kept.any():
            raise InputError(f"drop={drop!r} would leave no key of the {stream.name} stream.")
        layers = tuple(NormalisedLayer(layer, kept) for layer in stream.layers)
        streams.append(replace(stream, layers=layers, witnesses=()))
    return Trace(streams, trace.provenance, trace.generation)


def kept_keys(tokens: Tokens, drop: Any, stream: str) -> Bool[np.ndarray, "key"]:
    """Which keys are left without those named.

    Args:
        tokens: the keys.
        drop: `special`, `first`, positions, or None for nothing.
        stream: whose they are, for texts.

    Raises:
        InputError: for a name or position that is not there.
    """
    if drop is None:
        return np.ones(len(tokens), dtype=bool)
    if isinstance(drop, str):
        known = {"special": ~tokens.special, "first": np.arange(len(tokens)) > 0}
        if drop not in known:
            raise InputError(
                f"drop must be 'special', 'first', positions of keys, or None, got {drop!r}."
            )
        kept = known[drop]
    else:
        listed = drop if hasattr(drop, "__iter__") else [drop]
        places = [index_of("a position to drop", place) for place in listed]
        for place in places:
            if not 0 <= place < len(tokens):
                raise InputError(
                    f"key {place} is not in the {stream} stream, whose keys go from 0 to "
                    f"{len(tokens) - 1}."
                )
        kept = ~np.isin(np.arange(len(tokens)), places)
    return np.asarray(kept)
