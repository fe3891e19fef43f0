"""What a page may ask for at length: thumbnails from overviews, errors instead of all memory."""

from __future__ import annotations

import zlib
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from attnscope import InputError, Stream, Trace
from attnscope.overview import overview
from attnscope.wire import limits
from attnscope.wire.encode import encode, thumbnails
from attnscope.wire.replies import answer, answers
from tests.traces import made


@pytest.fixture(scope="module")
def long() -> Trace:
    return made(2048, layers=1, causal=True)


def codes_of(reply) -> np.ndarray:
    raw = zlib.decompress(reply.data, 31)
    return np.frombuffer(raw, np.uint8).reshape(reply.meta["shape"])


def test_thumbnails_of_long_heads_are_those_of_their_weights(long):
    spec = long.model_view().spec
    codes = codes_of(answer(long, spec, {"kind": "thumbnails", "stream": "self"}))
    dense = thumbnails(encode(long.weights(0), "sqrt8"), (64, 64))
    assert codes.shape == dense.shape == (2, 64, 64)
    assert np.abs(codes.astype(int) - dense).max() <= 1


@pytest.mark.parametrize(("kind", "what"), [("layer", "weights"), ("vectors", "queries and keys")])
def test_what_would_fill_the_memory_is_an_error(long, monkeypatch, kind, what):
    monkeypatch.setattr(limits, "MOST_NUMBERS", 1000)
    view = long.head_view() if kind == "layer" else long.matrix_view()
    text = rf"the {what} of layer 0 \(2 heads, 2,048 queries, 2,048 keys\) are too much to send"
    with pytest.raises(InputError, match=text):
        answer(long, view.spec, {"kind": kind, "stream": "self", "layer": 0})
    with pytest.raises(InputError, match=text):
        answers(long, view.spec)


def test_thumbnails_that_take_minutes_are_an_error(long, monkeypatch):
    for place in range(2):
        overview(long.stream().layers[0], place)
    monkeypatch.setattr(limits, "AFFORDABLE", 1000)
    layer = replace(long.stream().layers[0])
    side = long.stream().query
    fresh = Trace([Stream("self", (0,), (layer,), side, side)])
    request = {"kind": "thumbnails", "stream": "self"}
    with pytest.raises(InputError, match=r"take minutes: compute them once, with"):
        answer(fresh, fresh.model_view().spec, request)
    answer(long, long.model_view().spec, request)  # its overviews are there


def test_quantities_of_whole_layers_end_where_memory_does(long, monkeypatch):
    spec = long.matrix_view().spec
    request = {"kind": "tile", "stream": "self", "layer": 0, "head": 0, "step": 16}
    request |= {"query": [0, 2048], "key": [0, 2048]}
    monkeypatch.setattr(import_module("attnscope.measures.flow"), "MOST_CELLS", 1000)
    with pytest.raises(InputError, match="Rollout needs all weights of a layer at once, and 2"):
        answer(long, spec, request | {"quantity": "rollout"})
    answer(long, spec, request | {"quantity": "score"})
