"""What `generate(output_attentions=True)` returns, put together to one matrix a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from attnscope.arrays import _to_numpy
from attnscope.errors import InputError


def is_generated(given: Any) -> bool:
    """True for a tuple of steps, each a tuple of layers [batch, head, query, key]."""
    if not isinstance(given, list | tuple) or not given or not isinstance(given[0], list | tuple):
        return False
    first = next((layer for layer in given[0] if layer is not None), None)
    return len(getattr(first, "shape", ())) == 4


def stitched(name: str, steps: Sequence[Any]) -> list[Float[np.ndarray, "b h q k"] | None]:
    """One matrix a layer over the prompt and what was generated.

    The first step has a row for each token of the prompt, every later one a row for the token it
    read. Keys that a row could not see yet get weight 0. In cross-attention all rows see the same
    keys.

    Raises:
        InputError: when the steps do not have the same layers.
    """
    counts = {len(step) for step in steps}
    if len(counts) > 1:
        raise InputError(
            f"the {name} attention of generate() has steps with {sorted(counts)} layers: expected "
            "the same layers in every step."
        )
    return [_one_layer(name, number, steps) for number in range(counts.pop())]


def _one_layer(name: str, number: int, steps: Sequence[Any]) -> Float[np.ndarray, "b h q k"] | None:
    if steps[0][number] is None:
        return None
    parts = [_to_numpy(f"{name} layer {number}", step[number]) for step in steps]
    if len({part.shape[:2] for part in parts}) > 1:
        raise InputError(
            f"{name} layer {number} of generate() changes its number of heads or sequences from "
            "step to step."
        )
    n = sum(part.shape[2] for part in parts)
    n_keys = parts[-1].shape[3] if name == "cross" else n
    whole = np.zeros((*parts[0].shape[:2], n, n_keys), np.float32)
    row = 0
    for part in parts:
        stop = row + part.shape[2]
        # A sliding window's cache holds the last keys only, a static one empty places behind.
        first = 0 if name == "cross" else max(0, stop - part.shape[3])
        last = n_keys if name == "cross" else stop
        whole[:, :, row:stop, first:last] = part[..., : last - first]
        row = stop
    return whole
