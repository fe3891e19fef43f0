"""encode and decode: the stated errors hold for any weights."""

from __future__ import annotations

import zlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnscope.wire.encode import (
    GZIP,
    ROW_SUM_ERROR,
    WEIGHT_ERROR,
    Encoded,
    decode,
    encode,
    thumbnails,
)

ENCODINGS = ("sqrt8", "linear16")
peaks = st.floats(0, 40, width=32)


@st.composite
def attention(draw: st.DrawFn) -> np.ndarray:
    """Rows that sum to 1, from uniform to one-hot, of any length a view may have."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 600)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = rng.standard_normal(shape) * draw(peaks)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(weights=attention())
@settings(max_examples=100, deadline=None)
def test_the_stated_errors_hold(encoding: str, weights: np.ndarray) -> None:
    decoded = decode(encode(weights, encoding))
    assert np.abs(decoded - weights).max() <= WEIGHT_ERROR[encoding]
    assert np.abs(decoded.sum(-1, dtype=np.float64) - 1).max() <= ROW_SUM_ERROR


@pytest.mark.parametrize("n", [1, 2, 255, 512, 3000, 60_000])
def test_equal_weights_all_round_the_same_way_and_still_sum_to_one(n: int) -> None:
    decoded = decode(encode(np.full((1, 2, n), 1 / n, np.float32), "sqrt8"))
    assert np.abs(decoded.sum(-1, dtype=np.float64) - 1).max() <= ROW_SUM_ERROR
    assert np.abs(decoded - 1 / n).max() <= WEIGHT_ERROR["sqrt8"]


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(weights=attention())
@settings(max_examples=50, deadline=None)
def test_the_true_weight_lies_within_the_spread(encoding: str, weights: np.ndarray) -> None:
    encoded = encode(weights, encoding)
    codes = encoded.codes.astype(np.float64)
    steps, power = (254, 2) if encoding == "sqrt8" else (65534, 1)
    low = (np.maximum(codes - encoded.spread, 0) / steps) ** power
    high = ((codes + encoded.spread) / steps) ** power
    assert (low - 1e-7 <= weights).all()
    assert (weights <= high + 1e-7).all()


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(
    weights=hnp.arrays(
        np.float32, (2, 3, 5), elements=st.floats(-2, 3, width=32) | st.just(float("nan"))
    )
)
def test_missing_and_impossible_weights_are_missing(encoding: str, weights: np.ndarray) -> None:
    decoded = decode(encode(weights, encoding))
    outside = ~((weights >= -0.001) & (weights <= 1.001))
    np.testing.assert_array_equal(np.isnan(decoded), outside)
    assert np.nanmin(decoded, initial=0) >= 0
    assert np.nanmax(decoded, initial=0) <= 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_packed_bytes_inflate_to_the_codes(encoding: str) -> None:
    encoded = encode(np.random.default_rng(0).random((2, 3, 4)).astype(np.float32), encoding)
    raw = np.frombuffer(zlib.decompress(encoded.packed(), GZIP), np.uint8).astype(np.uint16)
    if encoding == "linear16":
        raw = raw[: raw.size // 2] * 256 + raw[raw.size // 2 :]
    np.testing.assert_array_equal(raw.reshape(2, 3, 4), encoded.codes)
    assert encoded.packed() == encoded.packed()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_thumbnails_keep_the_strongest_weight(query: int, key: int, seed: int) -> None:
    weights = np.random.default_rng(seed).random((2, query, key)).astype(np.float32)
    encoded = encode(weights, "sqrt8")
    pooled = thumbnails(encoded, (min(query, 8), min(key, 8)))
    assert pooled.shape == (2, min(query, 8), min(key, 8))
    np.testing.assert_array_equal(pooled.max((1, 2)), encoded.codes.max((1, 2)))
    if query <= 8 and key <= 8:
        np.testing.assert_array_equal(pooled, encoded.codes)


def test_thumbnails_of_sixteen_bits_are_eight() -> None:
    encoded = encode(np.full((1, 4, 4), 0.25, np.float32), "linear16")
    pooled = thumbnails(encoded, (2, 2))
    assert decode(Encoded(pooled, "sqrt8", 0.5)).tolist() == [[[0.25] * 2] * 2]
