"""Numbers in the precision that a model ran in, as NumPy holds them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped


def widen(stored: Shaped[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """float32 of stored numbers. NumPy has no bfloat16: uint16 holds its bits."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    wide: Float[np.ndarray, "..."] = stored.astype(np.float32, copy=False)
    return wide
