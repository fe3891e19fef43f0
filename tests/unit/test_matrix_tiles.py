"""Tiles of a heat map: exact numbers, hidden and missing cells, requests that are refused."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.trace import Trace
from attnscope.wire.encode import GZIP
from attnscope.wire.replies import Reply, answer
from tests.map_tiles import arrays_of, layer_of, tile, trace_of


def test_a_tile_of_cells_has_the_exact_weights() -> None:
    trace = trace_of(layer_of(40))
    got = tile(trace, head=1, query=[3, 31], key=[10, 40])
    assert list(got) == ["value"]
    np.testing.assert_allclose(got["value"], trace.weights(0, 1)[3:31, 10:40], rtol=2e-6)


@pytest.mark.parametrize("rules", [{"causal": True}, {"causal": True, "window": 5}, {"offset": 0}])
def test_hidden_cells_are_not_zeros(rules: dict) -> None:
    layer = layer_of(20, **rules)
    got = tile(trace_of(layer), head=0, query=[0, 20], key=[0, 20])["value"]
    visible = layer.spec.mask(np.arange(20), 20)
    expected = np.ones((20, 20), bool) if visible is None else visible
    assert np.array_equal(got != -np.inf, expected)


def test_the_future_is_hidden_in_causal_arrays_too() -> None:
    weights = np.tril(np.ones((6, 6), np.float32))
    weights /= weights.sum(-1, keepdims=True)
    trace = attnscope.from_attention(weights[None, None], list("abcdef"))
    got = tile(trace, head=0, query=[0, 6], key=[0, 6])["value"]
    assert np.array_equal(np.isneginf(got), np.triu(np.ones((6, 6), bool), 1))


@pytest.mark.parametrize("over", ["mean", "max"])
@pytest.mark.parametrize("step", [1, 2, 8])
def test_blocks_of_heads_put_together(over: str, step: int) -> None:
    trace = trace_of(layer_of(37, causal=True))
    got = tile(trace, over=over, query=[0, 37], key=[0, 37], step=step)
    cells = getattr(trace.weights(0), over)(0)
    pad = -37 % step
    padded = np.pad(cells, (0, pad), constant_values=np.nan)
    size = len(padded) // step
    blocks = padded.reshape(size, step, size, step)
    shown = np.pad(np.tril(np.ones((37, 37), bool)), (0, pad)).reshape(size, step, size, step)
    seen = shown.any((1, 3))
    largest, mean = got.get("max", got.get("value")), got.get("mean", got.get("value"))
    np.testing.assert_allclose(largest[seen], np.nanmax(blocks, (1, 3))[seen], rtol=5e-4)
    np.testing.assert_allclose(mean[seen], np.nanmean(blocks, (1, 3))[seen], rtol=5e-4, atol=1e-7)
    assert np.isneginf(largest[~seen]).all()
    assert np.isneginf(mean[~seen]).all()


def test_missing_numbers_stay_missing() -> None:
    weights = np.full((1, 2, 4, 4), 0.25, np.float32)
    weights[0, 0, 1] = np.nan
    weights[0, :, 2, :2] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning, match="missing"):
        trace = attnscope.from_attention(weights, list("abcd"))
    where = {"query": [0, 4], "key": [0, 4]}
    assert np.isnan(tile(trace, head=0, **where)["value"][1]).all()
    together = tile(trace, over="mean", **where)["value"]
    assert np.array_equal(np.isnan(together), np.isnan(weights[0]).all(0))
    blocks = tile(trace, head=0, **where, step=2)
    assert np.isnan(tile(trace, head=0, query=[1, 2], key=[0, 4], step=2)["max"]).all()
    assert not np.isnan(blocks["max"]).any()


GOOD = {"kind": "tile", "stream": "self", "layer": 0, "head": 0, "query": [0, 9], "key": [0, 9]}

BAD = [
    {"layer": 7},
    {"layer": "0"},
    {"layer": None},
    {"head": 9},
    {"head": True},
    {"head": "0"},
    {"over": "sum"},
    {"query": [0, 10]},
    {"query": [5, 5]},
    {"query": [-1, 4]},
    {"query": 3},
    {"query": [0, 1, 2]},
    {"key": ["0", "9"]},
    {"key": [0.0, 9.0]},
    {"key": None},
    {"step": 0},
    {"step": 3},
    {"step": 2.0},
    {"step": 2**40},
    {"step": None},
    {"stream": "cross"},
]


@pytest.mark.parametrize("wrong", BAD, ids=str)
def test_a_request_that_does_not_fit_is_refused(wrong: dict) -> None:
    trace = trace_of(layer_of(9))
    with pytest.raises(InputError, match="the page asked for"):
        answer(trace, trace.matrix_view().spec, {**GOOD, "step": 1, **wrong})


def test_a_tile_is_never_larger_than_a_screen_needs() -> None:
    trace = trace_of(layer_of(600))
    where = {"head": 0, "query": [0, 600], "key": [0, 9]}
    with pytest.raises(InputError, match="at most 512 tokens"):
        tile(trace, **where)
    assert tile(trace, **where, step=2)["max"].shape == (300, 5)


@pytest.mark.parametrize("head", [{"head": 2}, {"over": "mean"}])
def test_a_tile_of_a_layers_own_quantity_needs_no_head(head: dict) -> None:
    trace = trace_of(layer_of(9))
    got = tile(trace, **head, quantity="rollout", query=[0, 9], key=[0, 9])["value"]
    np.testing.assert_allclose(got, attnscope.measures.rollout(trace), rtol=1e-4)


def test_a_tile_of_scores_has_signs_and_hides_what_the_mask_hides() -> None:
    layer = layer_of(9, causal=True)
    got = tile(trace_of(layer), head=1, quantity="score", query=[0, 9], key=[0, 9])["value"]
    np.testing.assert_allclose(got, layer.scores([1])[0], rtol=1e-5, atol=1e-6)


def rows_of(reply: Reply) -> dict[str, tuple[str, list[int]]]:
    return {spec["name"]: (spec["dtype"], spec["shape"]) for spec in reply.meta["arrays"]}


def test_one_row_can_be_asked_for_without_the_rest() -> None:
    visible = np.tril(np.ones((9, 9), bool))
    layer = layer_of(9, visible=visible, bias=np.ones((1, 9, 9), np.float32), keys=visible[8])
    trace = trace_of(layer)
    spec = trace.matrix_view().spec
    request = {"kind": "vectors", "stream": "self", "layer": 0, "head": 2, "query": [4, 5]}
    reply = answer(trace, spec, request)
    assert rows_of(reply) == {
        "queries": ("float32", [1, 1, 8]),
        "keys": ("float32", [1, 9, 8]),
        "seen": ("uint8", [9]),
        "bias": ("float32", [1, 1, 9]),
        "mask": ("uint8", [1, 9]),
    }
    for wrong in (
        {"query": [4, 6]},
        {"head": 7},
        {"head": None},
        {"over": "mean"},
        {"query": [9, 10]},
    ):
        with pytest.raises(InputError, match="the page asked for"):
            answer(trace, spec, {**request, **wrong})
    arrays = attnscope.from_attention(np.full((1, 2, 4, 4), 0.25, np.float32), list("abcd"))
    with pytest.raises(InputError, match="the page asked for"):
        answer(arrays, arrays.matrix_view().spec, request)


@pytest.mark.parametrize("rules", [{"causal": True}, {}, {"causal": True, "window": 700}])
@pytest.mark.parametrize("over", [None, "mean", "max"])
def test_a_preview_is_right_about_the_rows_it_is_made_from(
    rules: dict, over: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attnscope.wire.preview.CELLS", 3 * 2100 * 2100)
    trace = trace_of(layer_of(2100, **rules))
    which = {"head": 0} if over is None else {"over": over}
    where = {**which, "query": [0, 2100], "key": [0, 2100], "step": 32}
    rough, exact = preview_of(trace, **where), tile(trace, **where)
    if over is None:  # what is known need not be rough
        request = {"kind": "tile", "stream": "self", "layer": 0, "rough": True, **where}
        assert len(answer(trace, trace.matrix_view().spec, request).meta["arrays"]) == 2
    assert np.array_equal(np.isneginf(rough["max"]), np.isneginf(exact["max"]))
    seen = ~np.isneginf(exact["max"])
    if over is None:  # all rows are taken: nothing is rough about it
        np.testing.assert_allclose(rough["mean"][seen], exact["mean"][seen], rtol=2e-3)
        np.testing.assert_allclose(rough["max"][seen], exact["max"][seen], rtol=2e-3)
    monkeypatch.setattr("attnscope.wire.preview.CELLS", 300 * 2100)
    some = preview_of(trace_of(layer_of(2100, **rules)), **where)
    assert (some["max"][seen] <= rough["max"][seen] * 1.001).all()
    assert some["mean"][seen].sum() == pytest.approx(rough["mean"][seen].sum(), rel=0.1)


def preview_of(trace: Trace, **where: object) -> dict[str, np.ndarray]:
    request = {"kind": "tile", "stream": "self", "layer": 0, "rough": True, **where}
    reply = answer(trace, trace.matrix_view().spec, request)
    [rough] = [spec for spec in reply.meta["arrays"] if spec["name"] == "rough"]
    assert rough["shape"] == [1]
    raw = zlib.decompress(reply.data, GZIP)[:-1]
    cut = Reply({**reply.meta, "arrays": reply.meta["arrays"][:2]}, zlib.compress(raw, wbits=GZIP))
    return arrays_of(cut)


def test_heads_together_that_take_minutes_stay_rough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attnscope.wire.preview.TOGETHER", 2**20)
    trace = trace_of(layer_of(2100))
    where = {"query": [0, 2100], "key": [0, 2100], "step": 32}
    request = {"kind": "tile", "stream": "self", "layer": 0, **where}
    spec = trace.matrix_view().spec
    names = [one["name"] for one in answer(trace, spec, {**request, "over": "mean"}).meta["arrays"]]
    assert names == ["mean", "max", "rough"]
    names = [one["name"] for one in answer(trace, spec, {**request, "head": 0}).meta["arrays"]]
    assert names == ["mean", "max"]
