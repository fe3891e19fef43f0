"""Names for the tokens of image models: patches by row and column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attnscope.tokens import Tokens


def patch_tokens(config: Any, pixels: Any, n_tokens: int) -> Tokens | None:
    """`[CLS]`, `r1c1`, `r1c2`, ...; None where image and patch size do not give n_tokens.

    Args:
        config: the model's configuration; the patch size is its own or its `vision_config`'s.
        pixels: what the model was given, [batch, channel, height, width].
        n_tokens: positions the model worked on.
    """
    size = getattr(getattr(config, "vision_config", config), "patch_size", None)
    if size is None or getattr(pixels, "ndim", 0) != 4:
        return None
    high, wide = size if isinstance(size, Sequence) else (size, size)
    rows, columns = pixels.shape[-2] // high, pixels.shape[-1] // wide
    extra = _extra_names(config, n_tokens - rows * columns)
    if extra is None:
        return None
    names = [f"r{row}c{column}" for row in range(1, rows + 1) for column in range(1, columns + 1)]
    special = np.arange(n_tokens) < len(extra)
    return replace(Tokens.plain([*extra, *names]), special=special, grid=(rows, columns))


def _extra_names(config: Any, n_extra: int) -> list[str] | None:
    """Names of the tokens in front of the patches."""
    if not 0 <= n_extra <= 16:
        return None
    if "deit" in getattr(config, "model_type", ""):
        return ["[CLS]", "[DIST]"][:n_extra]
    return ["[CLS]", *(f"[REG{number}]" for number in range(1, n_extra))][:n_extra]
