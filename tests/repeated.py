"""Texts whose words can be told from those before; what a table of heads says of each."""

from __future__ import annotations

from typing import Any

import numpy as np


def repeated(n: int, seed: int = 0, length: int = 12) -> list[str]:
    """Texts that say everything twice: the second half can be told by induction."""
    rng = np.random.default_rng(seed)
    halves = [rng.permutation(np.arange(1, 32))[:length] for _ in range(n)]
    return ["<|end|> " + " ".join(f"w{i}" for i in [*half, *half]) for half in halves]


def cut(texts: list[str]) -> tuple[list[str], list[str]]:
    """Texts without their last word, and that word."""
    parts = [text.rpartition(" ") for text in texts]
    return [before for before, _, _ in parts], [last for _, _, last in parts]


def of(table: Any, column: str = "importance") -> dict[tuple[int, int], float]:
    return {(row["layer"], row["head"]): row[column] for row in table.rows()}
