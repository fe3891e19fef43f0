"""BertViz's small helpers, which other projects import; any framework's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attnscope.bertviz._given import WRONG_RANK
from attnscope.errors import InputError

SPACES = str.maketrans("Ġ▁", "  ")
"""What tokenizers write for a space."""


def format_attention(attention: Any, layers: Any = None, heads: Any = None) -> Any:
    """Layers [1, head, query, key] as one array [layer, head, query, key].

    Args:
        attention: one array a layer.
        layers: the layers to take (None or empty: all).
        heads: the heads to take (None or empty: all).

    Returns:
        A torch tensor when the layers are tensors, else a NumPy array.

    Raises:
        InputError: a ValueError, when a layer does not have four axes.
    """
    taken = list(attention) if layers is None or not len(layers) else [attention[n] for n in layers]
    squeezed = []
    for layer in taken:
        array = layer if hasattr(layer, "shape") else np.asarray(layer)
        if len(array.shape) != 4:
            raise InputError(f"{WRONG_RANK} A layer has shape {tuple(array.shape)}.")
        array = array[0] if array.shape[0] == 1 else array
        squeezed.append(array if heads is None or not len(heads) else array[list(heads)])
    if hasattr(squeezed[0], "detach"):
        import torch

        return torch.stack(squeezed)
    return np.stack(squeezed)


def num_layers(attention: Any) -> int:
    """How many layers there are."""
    return len(attention)


def num_heads(attention: Any) -> int:
    """How many heads the first layer has."""
    return int(attention[0][0].shape[0])


def format_special_chars(tokens: Sequence[str]) -> list[str]:
    """Pieces with `Ġ` and `▁` as spaces and without `</w>`, as BertViz shows them."""
    return [piece.translate(SPACES).replace("</w>", "") for piece in tokens]
