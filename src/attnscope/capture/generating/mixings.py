"""What a layer makes of its weights, step by step (`values=True`), put together.

Every step has seen its own rows' residuals and norms, and its own keys' values. The projection is
the same for all steps: whether it explains each of them is checked as for one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attnscope.capture.mixing.passing import Followed
from attnscope.mixing import Mixing, Norm


def until(followed: Followed, n_query: int, n_key: int) -> Followed:
    """The same of the first of its rows and keys."""
    mixing, witness = followed.mixing, followed.witness
    assert mixing is not None
    n_row = len(followed.witness) if followed.witness is not None else n_query
    rows, keys = np.arange(n_row) < n_query, np.arange(mixing.values.shape[1]) < n_key
    kept = None if witness is None else witness[:n_query]
    return replace(followed, mixing=mixing.trim(rows, keys), witness=kept)


def followed_together(steps: Sequence[Followed | None], lost: int) -> Followed | None:
    """What followed a layer's calls, as one call; `lost` keys in front of them were never seen."""
    found = [step for step in steps if step is not None]
    mixings = [step.mixing for step in found if step.mixing is not None]
    if not mixings or len(mixings) < len(steps):
        return None
    witnesses = [step.witness for step in found if step.witness is not None]
    whole = len(witnesses) == len(found)
    return replace(
        found[0],
        mixing=_together(mixings, lost),
        witness=np.concatenate(witnesses) if whole else None,
    )


def behind(lost: int, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """[head, key, number] one behind the other, zeros for the keys that were lost."""
    whole = np.concatenate(arrays, axis=1)
    return np.pad(whole, ((0, 0), (lost, 0), (0, 0))) if lost else whole


def _together(mixings: Sequence[Mixing], lost: int) -> Mixing:
    residuals = [one.residual for one in mixings if one.residual is not None]
    return replace(
        mixings[0],
        values=behind(lost, [one.values for one in mixings]),
        branch=_norm([one.branch for one in mixings]),
        residual=np.concatenate(residuals) if len(residuals) == len(mixings) else None,
        norm=_norm([one.norm for one in mixings]),
        lacking=next((one.lacking for one in mixings if one.lacking), ""),
    )


def _norm(norms: Sequence[Norm | None]) -> Norm | None:
    """One norm over the rows of all steps; None where a step had none."""
    known = [norm for norm in norms if norm is not None]
    if len(known) < len(norms):
        return None
    return replace(known[0], spread=np.concatenate([norm.spread for norm in known]))
