"""A bar for work over all weights of a long text, which takes seconds to minutes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from tqdm import tqdm

from attnscope.scores import Layer

LONG = 300_000_000
"""Weights from which on a bar is shown: about a second's work."""


def row_bar(what: str, layers: Sequence[Layer]) -> tqdm[Any]:
    """A bar on stderr that counts rows of weights, one a head and query; silent for short work.

    Args:
        what: what is being made, in front of the bar.
        layers: all of whose rows will be gone through.
    """
    rows = sum(prod(layer.shape[:2]) for layer in layers)
    return tqdm(total=rows, desc=what, unit="row", disable=not is_much(layers), leave=False)


def is_much(layers: Sequence[Layer]) -> bool:
    """True where going through all weights of the layers takes a second or more."""
    return sum(prod(layer.shape) for layer in layers) >= LONG
