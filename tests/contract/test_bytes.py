"""Python's bytes are read by the front end's own decoder, and mean the same there."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire import spec
from attnscope.wire.encode import Encoded, decode, encode, thumbnails
from attnscope.wire.replies import Reply, answer, requests_of
from tests.browser.looking import is_right, names, random_weights, trace_of
from tests.node import Run, runs

HERE = Path(__file__).parent
Read = Callable[..., SimpleNamespace]


run = runs(HERE / "read.ts")


@pytest.fixture(scope="module")
def read(run: Run) -> Read:
    """What the front end makes of some replies."""

    def reading(*replies: Reply, requests: list[spec.Request] | None = None) -> SimpleNamespace:
        listed = [
            {"meta": reply.meta, "base64": base64.b64encode(reply.data).decode()}
            for reply in replies
        ]
        return SimpleNamespace(**run({"replies": listed, "requests": requests or []}))

    return reading


def by_head(flat: list[Any], shape: list[int]) -> np.ndarray:
    """[head, query, key] of what read.ts lists query by query, key by key, head by head."""
    heads, queries, keys = shape
    return np.array(flat, dtype=float).reshape(queries, keys, heads, -1).transpose(2, 0, 1, 3)


def layer_reply(weights: np.ndarray, encoding: spec.EncodingName) -> Reply:
    """What a page gets that asks for these weights."""
    heads, queries, keys = weights.shape
    layer = WeightsLayer(weights, tuple(range(heads)))
    sides = Tokens.plain(names(queries)), Tokens.plain(names(keys))
    trace = Trace([Stream("self", (0,), (layer,), *sides)])
    asked = {**trace.head_view().spec, "encoding": encoding}
    return answer(trace, asked, {"kind": "layer", "stream": "self", "layer": 0})


EVEN = np.full((2, 3, 520), 1 / 520, np.float32)
SKEWED = EVEN * 0.5 + np.eye(3, 520, dtype=np.float32) * 0.5
WEIGHTS = {
    "one": np.ones((1, 1, 1), np.float32),
    "zero": np.zeros((1, 1, 1), np.float32),
    "random": random_weights(3, 7, 11),
    "sharp": random_weights(2, 5, 40, sharp=8.0),
    "even": EVEN,
    "skewed": SKEWED,
    "steps": np.linspace(0, 1, 2 * 3 * 400, dtype=np.float32).reshape(2, 3, 400),
    "tiny": np.float32(10) ** -np.linspace(0, 9, 60, dtype=np.float32).reshape(1, 3, 20),
    "missing": np.where(np.arange(24).reshape(2, 3, 4) % 5, np.float32(0.25), np.float32("nan")),
    "all missing": np.full((2, 2, 2), np.nan, np.float32),
}


@pytest.mark.parametrize("encoding", ["linear16", "sqrt8"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_and_bounds_are_read_as_python_means_them(read, name, encoding):
    weights = WEIGHTS[name]
    [got] = read(layer_reply(weights, encoding)).replies
    assert got["shape"] == list(weights.shape)
    values = by_head(got["values"], got["shape"])[..., 0]
    np.testing.assert_allclose(values, decode(encode(weights, encoding)), rtol=0, atol=1e-7)
    bounds = [[np.nan, np.nan] if pair is None else pair for pair in got["bounds"]]
    low, high = np.moveaxis(by_head(bounds, got["shape"]), -1, 0)
    assert np.array_equal(np.isnan(low), np.isnan(weights))
    there = ~np.isnan(weights)
    assert (low[there] <= weights[there] + 1e-7).all()
    assert (high[there] >= weights[there] - 1e-7).all()


@pytest.mark.parametrize("encoding", ["linear16", "sqrt8"])
@pytest.mark.parametrize("name", WEIGHTS)
def test_every_number_that_would_be_shown_is_right(read, name, encoding):
    weights = WEIGHTS[name].astype(float)
    [got] = read(layer_reply(WEIGHTS[name], encoding)).replies
    in_order = np.moveaxis(weights, 0, -1)
    there = ~np.isnan(in_order)
    total = np.where(there, in_order, 0).sum(-1)
    means = np.where(there.any(-1), total / np.maximum(there.sum(-1), 1), np.nan)
    sinks = 1 - weights.sum(-1).T
    for texts, values in [("texts", in_order), ("means", means), ("sinks", sinks.clip(0, 1))]:
        pairs = zip(got[texts], values.ravel(), strict=True)
        assert [pair for pair in pairs if not is_right(*pair)] == []


def test_a_row_whose_codes_were_moved_says_so(read):
    reply = layer_reply(EVEN, "sqrt8")
    assert reply.meta["spread"] == 1
    [got] = read(reply).replies
    low, high = got["bounds"][0]
    assert low <= 1 / 520 <= high


def test_thumbnails_are_read_as_python_means_them(read):
    weights = random_weights(2, 3, 150, 150)
    trace = trace_of(weights)
    asked = trace.model_view().spec
    reply = answer(trace, asked, {"kind": "thumbnails", "stream": "self"})
    [got] = read(reply).replies
    assert got["shape"] == [6, 64, 64]
    codes = [thumbnails(encode(layer, asked["encoding"]), (64, 64)) for layer in weights]
    expected = decode(Encoded(np.concatenate(codes), "sqrt8", 0.5))
    values = by_head(got["values"], got["shape"])[..., 0]
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-7)


def test_requests_have_the_same_names_on_both_sides(read):
    trace = trace_of(random_weights(3, 2, 140, 140))
    view = trace.model_view(layers=[2, 0])
    requests = requests_of(view.spec)
    assert read(requests=requests).keys == [spec.key_of(request) for request in requests]
    assert read(*[answer(trace, view.spec, request) for request in requests]).replies


def test_both_sides_are_at_the_same_version(read):
    assert read().version == spec.VERSION
