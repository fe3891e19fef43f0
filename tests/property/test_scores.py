"""What holds for the weights of any layer, whatever goes into its softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from attnscope.capture.calls.masks import recognise
from attnscope.scores import QKLayer, ScoreSpec

few = settings(max_examples=60, deadline=None)
sizes = st.integers(1, 7)


@st.composite
def layers(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of a spec and of its layer: any mixture of ingredients, groups and orders of heads.

    (Only the fields: the run-time type checker draws random numbers, which a strategy must not.)
    """
    n_query, n_key, dim, n_groups = draw(sizes), draw(sizes), draw(sizes), draw(st.integers(1, 3))
    heads = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def numbers(*shape: int) -> np.ndarray:
        return rng.normal(0, draw(st.sampled_from([0.1, 1.0, 5.0])), shape).astype(np.float32)

    def maybe(value: Any) -> Any:
        return draw(st.sampled_from([None, value]))

    n_head = len(heads)
    spec: dict[str, Any] = {
        "scaling": draw(st.sampled_from([1.0, dim**-0.5, 0.25])),
        "causal": draw(st.booleans()),
        "offset": draw(st.integers(0, 3)),
        "window": maybe(draw(st.integers(1, 8))),
        "keys": maybe(rng.random(n_key) < 0.8),
        "visible": maybe(rng.random((n_query, n_key)) < 0.7),
        "bias": maybe(numbers(draw(st.sampled_from([1, n_head])), n_query, n_key)),
        "softcap": maybe(5.0),
        "sinks": maybe(numbers(n_head)),
    }
    layer = {
        "queries": numbers(n_head, n_query, dim),
        "keys": numbers(n_groups, n_key, dim),
        "heads": tuple(heads),
        "kv_head": rng.integers(0, n_groups, n_head),
    }
    return spec, layer


def made(fields: tuple[dict[str, Any], dict[str, Any]]) -> QKLayer:
    spec, layer = fields
    return QKLayer(spec=ScoreSpec(**spec), **layer)


def hidden(layer: QKLayer) -> np.ndarray:
    """[query, key], True where the key may not be seen, by the definitions in `ScoreSpec`."""
    spec, (_, n_query, n_key) = layer.spec, layer.shape
    out = np.zeros((n_query, n_key), bool)
    for i in range(n_query):
        for j in range(n_key):
            at = i + spec.offset
            out[i, j] = (
                (spec.causal and j > at)
                or (spec.window is not None and j <= at - spec.window)
                or (spec.keys is not None and not spec.keys[j])
                or (spec.visible is not None and not spec.visible[i, j])
            )
    return out


def slow_scores(layer: QKLayer) -> np.ndarray:
    """Scores in float64, one number at a time."""
    spec, shape, unseen = layer.spec, layer.shape, hidden(layer)
    out = np.full(shape, -np.inf)
    for h, i, j in np.ndindex(*shape):
        if unseen[i, j]:
            continue
        products = zip(layer.queries[h, i], layer.keys[layer.kv_head[h], j], strict=True)
        score = spec.scaling * sum(float(q) * float(k) for q, k in products)
        if spec.softcap is not None:
            score = spec.softcap * math.tanh(score / spec.softcap)
        if spec.bias is not None:
            score += float(spec.bias[h % len(spec.bias), i, j])
        out[h, i, j] = score
    return out


@few
@given(layers())
def test_weights_agree_with_a_slow_loop_and_with_scipy(fields: Any) -> None:
    layer = made(fields)
    scores = slow_scores(layer)
    if layer.spec.sinks is not None:
        sinks = np.broadcast_to(layer.spec.sinks[:, None, None], (*scores.shape[:2], 1))
        scores = np.concatenate([scores, sinks], axis=-1)
    dead = np.isneginf(scores).all(axis=-1, keepdims=True)
    expected = np.where(dead, 0, softmax(np.where(dead, 0, scores), axis=-1))
    n_key = layer.shape[2]
    np.testing.assert_allclose(layer.rows(), expected[..., :n_key], atol=2e-5)


@few
@given(layers())
def test_rows_sum_to_one_and_hidden_keys_get_nothing(fields: Any) -> None:
    layer = made(fields)
    weights, unseen = layer.rows(), hidden(layer)
    assert not weights[:, unseen].any()
    assert (weights >= 0).all()
    sums = weights.sum(axis=-1)[:, ~unseen.all(axis=1)]
    if layer.sums_to_one:
        np.testing.assert_allclose(sums, 1, atol=1e-5)
    else:
        assert (sums <= 1 + 1e-5).all()


@few
@given(layers(), st.data())
def test_slicing_commutes_with_computing_all(fields: Any, data: st.DataObject) -> None:
    layer = made(fields)
    n_head, n_query, _ = layer.shape
    heads = data.draw(st.lists(st.integers(0, n_head - 1), min_size=1, max_size=5))
    queries = data.draw(st.slices(n_query))
    np.testing.assert_allclose(
        layer.rows(heads, queries), layer.rows()[heads][:, queries], atol=1e-6
    )


@few
@given(layers())
def test_scores_are_the_logarithm_of_weights(fields: Any) -> None:
    layer = made(fields)
    scores, weights = layer.scores(), layer.rows()
    np.testing.assert_allclose(scores, slow_scores(layer), atol=1e-4, rtol=1e-5)
    assert (np.isneginf(scores) <= (weights == 0)).all()


@few
@given(layers())
def test_a_recognised_mask_hides_the_same_keys(fields: Any) -> None:
    layer = made(fields)
    visible = ~hidden(layer)
    mask = ScoreSpec(1.0, **recognise(visible)).mask(np.arange(len(visible)), visible.shape[1])
    assert np.array_equal(np.ones_like(visible) if mask is None else mask, visible)
