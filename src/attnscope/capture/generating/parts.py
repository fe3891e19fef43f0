"""What one attention call of a generation step adds to its layer, as short as it can be said.

Attention functions are given the whole key cache at every step. A `Part` keeps the queries and keys
that are new, where they belong (`Extent`), and what the new rows could not see (`Hiding`): in words
where there are any, so that a long generation does not keep a row of booleans a token and layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from attnscope._types import Bias, TokenMask, Visible
from attnscope.capture.calls.call import Call
from attnscope.capture.calls.masks import window_of
from attnscope.scores import ScoreSpec


@dataclass(frozen=True)
class Extent:
    """Which rows and columns of a call are new, by position in the whole sequence.

    Attributes:
        start, stop: position of the first new query, and after the last one.
        skip: rows of the call in front of it, read before (generation without a cache).
        first: position of the first new key; `n_key` where there is none.
        offset: position of the call's first column (a sliding window's cache drops old keys).
        n_key: keys up to the last one that may be seen; a static cache has empty places behind.
        once: an encoder's call, which is there once and new as a whole.
    """

    start: int
    stop: int
    skip: int
    first: int
    offset: int
    n_key: int
    once: bool = False

    @property
    def rows(self) -> slice:
        """The new rows of the call."""
        return slice(self.skip, None)

    @property
    def columns(self) -> slice:
        """Its new columns."""
        return slice(self.first - self.offset, self.n_key - self.offset)

    def placed(self, array: np.ndarray, missing: Any) -> np.ndarray:
        """The new rows of [..., query, key] over all keys, with `missing` where it has none."""
        rows = array[..., self.rows, : self.n_key - self.offset]
        before = [(0, 0)] * (array.ndim - 1) + [(self.offset, 0)]
        return np.pad(rows, before, constant_values=missing) if self.offset else rows


@dataclass(frozen=True, eq=False)
class Hiding:
    """What some rows cannot see.

    Attributes:
        causal: later keys, and the prompt's padding; otherwise they see all keys.
        window: and keys so far back; None: none of them.
        visible: [query, key] where neither says it.
    """

    causal: bool = True
    window: int | None = None
    visible: Visible | None = None

    def mask(self, extent: Extent, kept: TokenMask | None) -> Visible:
        """[query, key] of these rows: True where visible."""
        if self.visible is not None:
            return self.visible
        spec = causal_spec(extent, kept, self.window) if self.causal else ScoreSpec(1.0)
        n_query = extent.stop - extent.start
        said = spec.mask(np.arange(n_query), extent.n_key)
        return np.ones((n_query, extent.n_key), dtype=bool) if said is None else said


@dataclass(frozen=True, eq=False)
class Part:
    """What one attention call of a step adds to its layer.

    Attributes:
        extent: where it belongs.
        calls: the new queries and keys, one entry a beam (one where all beams are alike).
        hiding: what its rows cannot see.
        bias: [1 or head, query, key] of its rows, -inf where it has no key; or None.
    """

    extent: Extent
    calls: tuple[Call, ...]
    hiding: Hiding
    bias: Bias | None


def causal_spec(extent: Extent, kept: TokenMask | None, window: int | None) -> ScoreSpec:
    """Rows from `extent.start` on that see no later key, no padding, nothing outside a window."""
    keys = None
    if kept is not None and not kept.all():
        keys = np.ones(extent.n_key, dtype=bool)
        keys[: len(kept)] = kept[: extent.n_key]
    return ScoreSpec(1.0, causal=True, offset=extent.start, window=window, keys=keys)


def extent_of(
    step: tuple[int, int, int], sizes: tuple[int, int], cross: bool, is_first: bool
) -> Extent:
    """Where a call belongs, of a step (start, stop, skip); is it the first of its layer?"""
    start, stop, skip = step
    n_query, n_key = sizes
    if not stop or n_query != skip + stop - start:
        return Extent(0, n_query, 0, 0, 0, n_key, once=True)
    if cross:
        return Extent(start, stop, skip, 0 if is_first else n_key, 0, n_key)
    offset = max(0, stop - n_key)
    return Extent(start, stop, skip, offset if is_first else start, offset, stop)


def hiding_of(
    spec: ScoreSpec, extent: Extent, n_columns: int, kept: TokenMask | None, cross: bool
) -> Hiding:
    """What a call's new rows cannot see, out of the spec of the whole call."""
    if extent.once:
        return Hiding(causal=False)
    first_row = extent.start - extent.skip - extent.offset
    plain = spec.visible is None and spec.keys is None
    if plain and kept is None and spec.causal and spec.offset == first_row and not cross:
        return Hiding(window=spec.window)
    if plain and not spec.causal and cross:
        return Hiding(causal=False)
    n_query = extent.skip + extent.stop - extent.start
    whole = spec.mask(np.arange(n_query), n_columns)
    if whole is None:
        whole = np.ones((n_query, n_columns), dtype=bool)
    visible = extent.placed(whole, missing=False)
    if not cross:
        for window in (None, window_of(visible, extent.start)):
            hiding = Hiding(window=window)
            if np.array_equal(hiding.mask(extent, kept), visible):
                return hiding
    return Hiding(causal=False) if visible.all() else Hiding(visible=np.array(visible))
