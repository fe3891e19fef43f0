"""The softmax formula at its edges."""

from __future__ import annotations

import numpy as np
import pytest

from attnscope.scores import Layer, QKLayer, ScoreSpec, WeightsLayer, softmax_rows, widen


def layer(spec: ScoreSpec, n_heads: int = 1) -> QKLayer:
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, n_heads, 5, 4)).astype(np.float32)
    return QKLayer(queries, keys, spec, tuple(range(n_heads)), np.arange(n_heads))


def test_widen_bfloat16_and_others() -> None:
    exact = np.array([0.0, 1.0, -2.5, 3.0e38, np.inf], np.float32)
    bits = (exact.view(np.uint32) >> 16).astype(np.uint16)
    np.testing.assert_allclose(widen(bits), exact, rtol=2**-7)
    assert widen(exact) is exact
    assert widen(exact[:3].astype(np.float16)).dtype == np.float32


def test_a_row_with_every_key_hidden_is_zero() -> None:
    visible = np.ones((5, 5), bool)
    visible[2] = False
    rows = layer(ScoreSpec(1.0, visible=visible)).rows()
    assert not rows[:, 2].any()
    np.testing.assert_allclose(rows.sum(-1)[:, [0, 1, 3, 4]], 1, rtol=1e-6)


def test_scores_far_beyond_exp_do_not_overflow() -> None:
    scores = np.array([[[1e5, 1e5, -1e5]]], np.float32)
    assert softmax_rows(scores).tolist() == [[[0.5, 0.5, 0.0]]]


def test_a_sink_takes_its_share() -> None:
    weights = softmax_rows(np.zeros((2, 1, 3), np.float32), np.array([0.0, -np.inf], np.float32))
    np.testing.assert_allclose(weights.sum(-1), [[0.75], [1.0]], rtol=1e-6)


def test_a_sink_larger_than_every_score() -> None:
    weights = softmax_rows(np.zeros((1, 1, 3), np.float32), np.array([1e4], np.float32))
    assert weights.tolist() == [[[0.0, 0.0, 0.0]]]


def test_no_mask_is_none() -> None:
    assert ScoreSpec(1.0).mask(np.arange(3), 4) is None


@pytest.mark.parametrize(
    ("spec", "rows"),
    [
        (ScoreSpec(1.0, causal=True), ["100", "110", "111"]),
        (ScoreSpec(1.0, causal=True, offset=1), ["110", "111", "111"]),
        (ScoreSpec(1.0, causal=True, window=2), ["100", "110", "011"]),
        (ScoreSpec(1.0, window=2), ["111", "111", "011"]),
        (ScoreSpec(1.0, keys=np.array([1, 0, 1], bool)), ["101", "101", "101"]),
        (ScoreSpec(1.0, causal=True, visible=np.eye(3) == 0), ["000", "100", "110"]),
    ],
)
def test_masks(spec: ScoreSpec, rows: list[str]) -> None:
    mask = spec.mask(np.arange(3), 3)
    assert mask is not None
    assert ["".join(str(int(seen)) for seen in row) for row in mask] == rows
    last = spec.mask(np.array([2]), 3)
    assert last is not None
    assert np.array_equal(last[0], mask[2])


def test_facts_about_layers() -> None:
    qk = layer(ScoreSpec(1.0, causal=True), n_heads=2)
    assert isinstance(qk, Layer)
    assert qk.shape == (2, 5, 5)
    assert qk.nbytes == 2 * 2 * 5 * 4 * 4
    assert qk.causal
    assert qk.sums_to_one
    assert not layer(ScoreSpec(1.0, sinks=np.zeros(1, np.float32))).sums_to_one
    assert not layer(ScoreSpec(1.0, causal=True, offset=2)).causal
    given = WeightsLayer(qk.rows(), (0, 1))
    assert isinstance(given, Layer)
    assert given.shape == qk.shape
    assert given.causal
    assert np.array_equal(given.rows([1], slice(2, 4)), qk.rows([1], slice(2, 4)))


def test_rows_of_given_weights_are_not_a_window_into_them() -> None:
    given = WeightsLayer(np.full((1, 2, 2), 0.5, np.float32), (0,))
    given.rows()[:] = 0
    assert (given.rows() == 0.5).all()
