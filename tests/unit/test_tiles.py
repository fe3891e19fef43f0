"""Tiles and overviews at their edges: errors, memory, what is kept and for how long."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from dataclasses import replace
from typing import Any
from weakref import ref

import numpy as np
import pytest

from attnscope import Stream, Tokens, Trace, pooling
from attnscope import overview as overviews
from attnscope.errors import InputError
from attnscope.overview import block_of, known_of, overview
from attnscope.pooling import stripes
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.tiles import tile


def layer(n: int = 70, heads: int = 2, dtype: Any = np.float32, **spec: Any) -> QKLayer:
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, heads, n, 8)).astype(dtype)
    return QKLayer(
        queries, keys, ScoreSpec(0.5, **spec), tuple(range(heads)), np.arange(heads), dtype="x"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"queries": slice(60, 71)}, "queries 60 to 71 are not there: give a range within 0 to 70"),
        ({"queries": slice(-3, None)}, "queries -3 to 70 are not there"),
        ({"keys": range(5, 5)}, "keys 5 to 5 are not there: .*, not empty."),
        ({"keys": slice(0, 10, 2)}, r"keys must be a range such as range\(0, 512\), got slice"),
        ({"keys": 3}, r"keys must be a range such as range\(0, 512\), got 3."),
        ({"keys": slice(0, 2.5)}, r"keys must be a whole number, got 2.5 \(float\)."),
        ({"step": 0}, r"step must be at least 1, or \(queries, keys\) a pixel, got 0."),
        ({"step": (1, 2, 3)}, r"step must be at least 1, .* got \(1, 2, 3\)."),
        ({"step": "2"}, r"step must be a whole number, got '2' \(str\)."),
        ({"places": [2]}, "no head at place 2: the layer keeps 2."),
        ({"places": [-1]}, "no head at place -1: the layer keeps 2."),
        ({"places": []}, "a tile needs at least one head; places is empty."),
        ({"over": "sum"}, "over must be 'mean', 'max' or None, got 'sum'."),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        tile(layer(), **{"places": [0], **options})


@pytest.mark.parametrize("dtype", [np.float16, np.uint16])
def test_half_precision_is_read_as_what_it_is(dtype: Any) -> None:
    made = layer(dtype=np.float16)
    if dtype == np.uint16:  # bfloat16's bits
        bits = (a.astype(np.float32).view(np.uint32) >> 16 for a in (made.queries, made.keys))
        queries, keys = (a.astype(np.uint16) for a in bits)
        made = QKLayer(queries, keys, made.spec, made.heads, made.kv_head)
    np.testing.assert_allclose(tile(made, [0, 1]).mean, made.rows(), atol=1e-6)


def test_a_block_is_32_tokens_and_a_side_has_1024_at_most() -> None:
    for n_query, n_key, block in [(1, 5, 32), (32768, 8, 32), (8, 32769, 64), (1, 10**6, 1024)]:
        queries, keys = np.zeros((1, n_query, 1)), np.zeros((1, n_key, 1))
        assert block_of(QKLayer(queries, keys, ScoreSpec(1.0), (0,), np.zeros(1, int))) == block


def test_an_overview_is_made_once_and_gives_the_row_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    made = layer(causal=True)
    first = overview(made, 1)
    assert (first.block, first.mean.dtype, first.mean.shape) == (32, np.float16, (3, 3))
    assert np.isnan(known_of(made).sums[0]).all()
    assert np.isfinite(known_of(made).sums[1]).all()
    monkeypatch.setattr(overviews, "computed", None)
    assert overview(made, 1) is first
    assert np.isnan(tile(made, [1], step=32).mean[0, 0, 1])


def test_row_sums_are_computed_for_the_rows_of_a_tile_only() -> None:
    made = layer()
    tile(made, [1], slice(10, 20), slice(0, 5))
    assert np.flatnonzero(np.isfinite(known_of(made).sums[1])).tolist() == list(range(10, 20))


def test_what_is_known_goes_with_its_layer() -> None:
    made = layer()
    known = ref(known_of(made))
    overview(made, 0)
    assert known() is not None
    del made
    gc.collect()
    assert known() is None


def test_memory_grows_with_the_length_and_not_with_its_square() -> None:
    peaks = []
    for n in (4096, 8192):
        made = layer(n, heads=1, causal=True)
        tracemalloc.start()
        overview(made, 0)
        tile(made, [0], slice(0, n), slice(0, n), 16)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2.2 * peaks[0]
    assert peaks[1] < 8192**2 * 4 / 8  # an eighth of the weights


@pytest.mark.parametrize(("n", "n_key", "step"), [(100, 7, 3), (10, 10**7, 4), (9, 1, 100)])
def test_stripes_cover_the_queries_in_order(n: int, n_key: int, step: int) -> None:
    made = list(stripes(range(2, n), n_key, step))
    assert [i for part in made for i in range(part.start, part.stop)] == list(range(2, n))
    whole = [part.stop - part.start for part in made]
    assert all(rows % step == 0 for rows in whole[:-1]) or max(whole) * n_key <= max(
        pooling.STRIPE, n_key
    )


def test_a_head_with_every_key_hidden_from_some_queries() -> None:
    hidden = np.ones((70, 70), bool)
    hidden[:40] = False
    found = tile(layer(visible=hidden, sinks=np.array([-1e4, 3.0], np.float32)), [0, 1], step=8)
    assert np.isnan(found.mean[:, :5]).all()
    assert np.isfinite(found.mean[:, 5:]).all()


def test_pairs_of_a_long_head_are_found_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = layer(90, causal=True)
    special = np.arange(90) % 7 == 0
    side = replace(Tokens.plain([f"t{place}" for place in range(90)]), special=special)
    trace = Trace([Stream("self", (3,), (made,), side, side)])
    for options in ({}, {"special": True}):
        slow = trace.pairs(12, layer=3, head=1, **options)
        monkeypatch.setattr(sys.modules["attnscope.measures.pairs"], "BLOCK", 100)
        fast = trace.pairs(12, layer=3, head=1, **options)
        for name in ("query", "key", "query_token", "key_token"):
            assert fast[name].tolist() == slow[name].tolist()
        np.testing.assert_allclose(fast["weight"], slow["weight"], rtol=1e-5)
        monkeypatch.undo()
