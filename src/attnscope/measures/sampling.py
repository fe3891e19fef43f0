"""How sure a mean over texts is: bootstrap intervals."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def bootstrap(
    values: Float[np.ndarray, "text *what"],
    *,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "*what"], Float[np.ndarray, "*what"]]:
    """Percentile interval of the mean over texts (Efron 1979).

    Texts are drawn with replacement, all measures of a text together.

    Args:
        values: one row a text.
        samples: means drawn.
        level: share of them within the interval.
        seed: of the draws.

    Returns:
        (low, high); NaN for a single text, which says nothing about others.
    """
    n = len(values)
    if n < 2:
        missing = np.full(values.shape[1:], np.nan)
        return missing, missing.copy()
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), samples)
    flat = values.reshape(n, -1).astype(np.float64)
    means = (counts @ flat / n).reshape(samples, *values.shape[1:])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
