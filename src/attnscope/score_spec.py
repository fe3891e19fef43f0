"""What turns q.k into weights: scaling, softcap, bias, sinks, and which keys a query may see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from attnscope._types import Bias, Sinks, TokenMask, Visible


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
        parts = (self.window, self.keys, self.visible)
        if not self.causal and all(part is None for part in parts):
            return None
        seen = np.ones((len(queries), n_keys), bool)
        self.hide(seen, False, queries, slice(0, n_keys))
        return seen

    def hide(
        self,
        cells: Shaped[np.ndarray, "*head query key"],
        value: float | bool,
        queries: Int[np.ndarray, "query"],
        keys: slice,
    ) -> None:
        """Put `value` wherever the key is hidden from the query, in place.

        Args:
            cells: what is written to, for these queries and keys.
            value: -inf in scores, False in a mask.
            queries: positions, in any order.
            keys: a range of positions, start and stop given.
        """
        if not len(queries):
            return
        key, at = np.arange(keys.start, keys.stop), (queries + self.offset)[:, None]
        if self.causal:
            late = max(0, at.min() + 1 - keys.start)
            np.copyto(cells[..., late:], value, where=key[late:] > at)
        if self.window is not None:
            early = max(0, at.max() - self.window + 1 - keys.start)
            np.copyto(cells[..., :early], value, where=key[:early] <= at - self.window)
        if self.keys is not None:
            np.copyto(cells, value, where=~self.keys[keys])
        if self.visible is not None:
            np.copyto(cells, value, where=~self.visible[queries, keys])

    def reach(self, queries: slice, n_keys: int) -> slice:
        """The keys outside of which causal mask and window hide all from these queries."""
        start, stop = 0, n_keys
        if self.causal:
            stop = min(stop, max(0, queries.stop + self.offset))
        if self.window is not None:
            start = min(stop, max(0, queries.start + self.offset - self.window + 1))
        return slice(start, stop)
