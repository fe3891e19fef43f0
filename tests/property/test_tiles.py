"""Overviews and tiles agree with the weights of all cells, whatever goes into the softmax."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnscope import pooling
from attnscope.overview import computed, overview, row_sums
from attnscope.scores import Layer, QKLayer, ScoreSpec, WeightsLayer
from attnscope.strongest import strongest
from attnscope.tiles import tile

few = settings(max_examples=80, deadline=None)
sizes = st.integers(1, 90)


@pytest.fixture(autouse=True)
def _small_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stripes of a few rows, so that small inputs have several, and parts of one block."""
    monkeypatch.setattr(pooling, "STRIPE", 700)
    # A head is widened once where that is less than its stripes widen: some tiles do, some do not.
    monkeypatch.setattr("attnscope.tiles.STRIPE", 400)


def made(seed: int, n_query: int, n_key: int, chosen: set[str]) -> QKLayer:
    """Three heads over two key heads with the chosen ingredients."""
    rng = np.random.default_rng(seed)
    numbers = lambda *shape: rng.normal(0, 1.5, shape).astype(np.float32)  # noqa: E731
    fields: dict[str, Any] = {
        "causal": True,
        "offset": int(rng.integers(0, 20)),
        "window": int(rng.integers(1, 50)),
        "keys": rng.random(n_key) < 0.8,
        "visible": rng.random((n_query, n_key)) < 0.1,
        "bias": np.where(
            rng.random((3, n_query, n_key)) < 0.9, numbers(3, n_query, n_key), -np.inf
        ),
        "softcap": 3.0,
        "sinks": numbers(3),
    }
    fields["bias"][rng.random((3, n_query, n_key)) < 0.1] = -np.inf
    spec = ScoreSpec(0.4, **{name: fields[name] for name in chosen})
    queries, keys = numbers(3, n_query, 6), numbers(2, n_key, 6)
    return QKLayer(queries, keys, spec, (0, 1, 5), np.array([1, 0, 1]))


parts = st.sets(
    st.sampled_from(["causal", "offset", "window", "keys", "visible", "bias", "softcap", "sinks"])
)
layers = st.tuples(st.integers(0, 2**32 - 1), sizes, sizes, parts)
"""What `made` makes a layer of: the run-time type checker must not draw random numbers here."""


def pooled_slowly(layer: Layer, place: int, queries: range, keys: range, steps: Any) -> Any:
    """(mean, max) of blocks of the dense weights, in float64, NaN where nothing is visible."""
    dense = layer.rows([place])[0].astype(np.float64)
    seen = np.isfinite(layer.scores([place])[0])
    mean, most = [], []
    for i in range(queries.start, queries.stop, steps[0]):
        for j in range(keys.start, keys.stop, steps[1]):
            block = np.s_[i : min(i + steps[0], queries.stop), j : min(j + steps[1], keys.stop)]
            visible = seen[block].any()
            mean.append(dense[block].mean() if visible else np.nan)
            most.append(dense[block].max() if visible else np.nan)
    shape = (-(-len(queries) // steps[0]), -(-len(keys) // steps[1]))
    return np.reshape(mean, shape), np.reshape(most, shape)


@few
@given(layers, st.integers(1, 40))
def test_an_overview_is_the_dense_weights_in_blocks(fields: Any, block: int) -> None:
    layer = made(*fields)
    _, n_query, n_key = layer.shape
    sums, mean, most = computed(layer, 1, block)
    slow = pooled_slowly(layer, 1, range(n_query), range(n_key), (block, block))
    np.testing.assert_allclose([mean, most], slow, atol=1e-5)
    np.testing.assert_allclose(sums, row_sums(layer, 1, range(n_query)), atol=1e-5)
    log_weights = layer.scores([1])[0] - sums[:, None]
    np.testing.assert_allclose(np.exp(log_weights), layer.rows([1])[0], atol=1e-5)


@few
@given(layers, st.data())
def test_a_tile_is_its_part_of_the_dense_weights(fields: Any, data: st.DataObject) -> None:
    layer = made(*fields)
    _, n_query, n_key = layer.shape
    queries, keys = (range(*sorted(data.draw(ends(n)))) for n in (n_query, n_key))
    steps = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    found = tile(layer, [2, 0], queries, keys, steps)
    for at, place in enumerate((2, 0)):
        slow = pooled_slowly(layer, place, queries, keys, steps)
        np.testing.assert_allclose([found.mean[at], found.max[at]], slow, atol=1e-5)
    assert (found.queries, found.keys, found.step) == (queries, keys, steps)


def ends(n: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True)


@few
@given(layers, st.integers(1, 4), st.integers(1, 3))
def test_a_tile_of_whole_blocks_comes_from_the_overview(
    fields: Any, down: int, across: int
) -> None:
    layer = made(*fields)
    _, n_query, n_key = layer.shape
    overview(layer, 0)
    steps = (32 * down, 32 * across)
    found = tile(layer, [0], step=steps)
    slow = pooled_slowly(layer, 0, range(n_query), range(n_key), steps)
    np.testing.assert_allclose([found.mean[0], found.max[0]], slow, rtol=6e-4, atol=1e-6)


@few
@given(layers, st.sampled_from(["mean", "max"]), st.integers(1, 9))
def test_aggregating_over_heads(fields: Any, over: Any, step: int) -> None:
    layer = made(*fields)
    each, one = tile(layer, [0, 1, 2], step=step), tile(layer, [0, 1, 2], step=step, over=over)
    for name in ("mean", "max"):
        cells, joined = getattr(each, name), getattr(one, name)
        expected = getattr(np, over)(np.nan_to_num(cells), axis=0)
        expected[np.isnan(cells).all(axis=0)] = np.nan
        np.testing.assert_allclose(joined[0], expected, atol=1e-6)


@few
@given(st.integers(0, 2**32 - 1), sizes, sizes, st.booleans(), st.integers(1, 9))
def test_numbers_of_any_sign_are_pooled_as_they_are(
    seed: int, n_query: int, n_key: int, causal: bool, step: int
) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(2, n_query, n_key)).astype(np.float32)
    numbers = np.tril(numbers) if causal else numbers
    missing = rng.random(numbers.shape) < 0.1
    numbers[missing] = np.nan
    layer = WeightsLayer(numbers, (0, 1))
    seen = ~missing & ~(layer.causal & np.triu(np.ones((n_query, n_key), bool), 1))
    found = tile(layer, [1], step=step)
    for i, j in np.ndindex(found.mean.shape[1:]):
        block = np.s_[1, i * step : i * step + step, j * step : j * step + step]
        mean = most = np.nan
        if seen[block].any():
            mean, cells = np.nanmean(numbers[block]), numbers[block][seen[block]]
            most = cells[np.abs(cells).argmax()]
        np.testing.assert_allclose(
            [found.mean[0, i, j], found.max[0, i, j]], [mean, most], atol=1e-6
        )


@few
@given(layers, st.integers(1, 30), st.booleans(), st.booleans())
def test_the_strongest_cells_are_those_of_all_cells(
    fields: Any, k: int, some: bool, given: bool
) -> None:
    layer: Any = made(*fields)
    rng = np.random.default_rng(fields[0])
    live = [rng.random(n) < 0.6 if some else None for n in layer.shape[1:]]
    dense = layer.rows([2, 0]).astype(np.float64)
    dense[np.isneginf(layer.scores([2, 0]))] = np.nan
    if given:
        layer = WeightsLayer(layer.rows(), layer.heads)
        dense = tile(layer, [2, 0]).mean.astype(np.float64)
    for axis, mask in enumerate(live):
        dense[(slice(None),) * (axis + 1) + (slice(None) if mask is None else ~mask,)] *= (
            1 if mask is None else np.nan
        )
    found = strongest(layer, [2, 0], k, queries=live[0], keys=live[1])
    expected = np.sort(dense[np.isfinite(dense)])[::-1][:k]
    np.testing.assert_allclose(found.weight, expected, atol=1e-6)
    head = np.where(found.place == 2, 0, 1)
    np.testing.assert_allclose(dense[head, found.query, found.key], found.weight, atol=1e-6)
    assert len({*zip(found.place, found.query, found.key, strict=True)}) == len(expected)


@few
@given(st.integers(0, 2**32 - 1), sizes, st.integers(1, 9))
def test_the_largest_of_heads_may_be_below_0(seed: int, n: int, step: int) -> None:
    """As of differences: a missing number is none, and not a 0 that is larger than the others."""
    rng = np.random.default_rng(seed)
    numbers = -rng.random((3, n, n + 1)).astype(np.float32)
    numbers[rng.random(numbers.shape) < 0.3] = np.nan
    layer = WeightsLayer(numbers, (0, 1, 2))
    each, one = tile(layer, [0, 1, 2], step=step), tile(layer, [0, 1, 2], step=step, over="max")
    for name in ("mean", "max"):
        expected = np.full(one.mean.shape[1:], np.nan, np.float32)
        for cells in getattr(each, name):
            expected = np.where(np.isnan(expected) | (cells > expected), cells, expected)
        np.testing.assert_array_equal(getattr(one, name)[0], expected)
