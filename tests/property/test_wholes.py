"""Parts of one layer (windows of an image), put together: every weight is that of its part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnscope.capture.calls.wholes import joined
from attnscope.capture.places.layout import Unresolved
from attnscope.scores import QKLayer, ScoreSpec

HEADS, DIM = 2, 4


@st.composite
def windows(draw: st.DrawFn) -> list[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """Queries, keys and fields of the score spec of each window; some have a bias or a mask."""
    n_parts, n = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_biases = draw(st.sampled_from([0, 1, HEADS]))
    parts = []
    for _ in range(n_parts):
        query, key = rng.normal(size=(2, HEADS, n, DIM)).astype(np.float32)
        bias = rng.normal(size=(n_biases, n, n)).astype(np.float32) if n_biases else None
        visible = rng.random((n, n)) < 0.7 if draw(st.booleans()) else None
        fields = {"bias": bias if draw(st.booleans()) else None, "visible": visible}
        parts.append((query, key, fields))
    return parts


def layer(query: np.ndarray, key: np.ndarray, fields: dict[str, Any]) -> QKLayer:
    return QKLayer(query, key, ScoreSpec(0.5, **fields), tuple(range(HEADS)), np.arange(HEADS))


@settings(max_examples=60)
@given(windows())
def test_weights_are_those_of_the_parts_and_0_between_them(parts: list[Any]) -> None:
    layers = [layer(*part) for part in parts]
    whole, n = joined(layers).rows(), layers[0].shape[1]
    for at, part in enumerate(layers):
        rows = whole[:, at * n : (at + 1) * n].copy()
        inside = slice(at * n, (at + 1) * n)
        np.testing.assert_allclose(rows[..., inside], part.rows(), atol=1e-6)
        rows[..., inside] = 0
        assert not rows.any()


def test_blocks_that_see_keys_of_other_blocks_are_not_guessed() -> None:
    rng = np.random.default_rng(0)
    query, key = rng.normal(size=(2, HEADS, 2, DIM)), rng.normal(size=(2, HEADS, 3, DIM))
    parts = [layer(q.astype(np.float32), key[0].astype(np.float32), {}) for q in query]
    with pytest.raises(Unresolved, match="see keys of other blocks"):
        joined(parts)
