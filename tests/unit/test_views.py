"""Specs of the views: what they say, and the options they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.wire.replies import answer, requests_of

EVEN = np.full((4, 3, 5, 5), 0.2, np.float32)


@pytest.fixture
def trace() -> attnscope.Trace:
    return attnscope.from_attention(EVEN, list("abcde"), segments=[2], model="tiny")


def test_head_view_says_what_is_shown_first(trace: attnscope.Trace) -> None:
    spec = trace.head_view(layer=np.int64(2), heads=range(1, 3), theme="dark").spec
    assert (spec["view"], spec["theme"], spec["title"]) == ("head", "dark", "tiny")
    assert spec["state"]["layer"] == 2
    assert spec["state"]["heads"] == [1, 2]
    assert spec["sides"][0]["segments"][1] == {"name": "B", "start": 2, "stop": 5}
    assert json.loads(json.dumps(spec)) == spec


def test_model_view_keeps_order_and_numbers(trace: attnscope.Trace) -> None:
    stream = trace.model_view(layers=(3, 1), heads=np.array([2, 0])).spec["streams"][0]
    assert stream["layers"] == [{"layer": 3, "heads": [2, 0]}, {"layer": 1, "heads": [2, 0]}]


def test_no_weight_travels_in_the_spec(trace: attnscope.Trace) -> None:
    spec = trace.model_view().spec
    spec["streams"][0]["measures"] = []
    assert "0.2" not in json.dumps(spec)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda t: t.head_view(layer=4),
            "layer 4 is not in the self stream, which has layers 0 to 3",
        ),
        (lambda t: t.head_view(layer=-1), "layer -1 is not in the self stream"),
        (lambda t: t.head_view(layer="2"), "layer must be a whole number, got '2' (str)"),
        (
            lambda t: t.head_view(layer=2, layers=[0, 1]),
            "layer 2 is not among layers=, which names layers 0 to 1",
        ),
        (
            lambda t: t.head_view(heads=[3]),
            "head 3 is not in layer 0 of the self stream, which has heads 0 to 2",
        ),
        (lambda t: t.head_view(heads=5), "head 5 is not in layer 0 of the self stream"),
        (lambda t: t.head_view(heads="1"), "heads must be head numbers such as [0, 5], got '1'"),
        (lambda t: t.head_view(query="zebra"), "query 'zebra' is not among"),
        (lambda t: t.head_view(query=99), "query 99 is not there: tokens go from 0 to"),
        (lambda t: t.head_view(heads=[]), "heads is empty: name at least one head"),
        (
            lambda t: t.head_view(theme="blue"),
            "theme must be one of 'auto', 'light', 'dark', got 'blue'",
        ),
        (lambda t: t.model_view(layers=[]), "layers is empty"),
        (lambda t: t.model_view(layers=[9]), "layer 9 is not in the self stream"),
        (lambda t: t.model_view(heads=[0, 7]), "head 7 is not in layer 0"),
        (
            lambda t: t.model_view(cells="dots"),
            "cells must be one of 'auto', 'lines', 'heat', got 'dots'",
        ),
        (lambda t: t.model_view(stream="cross"), "no stream 'cross' in this trace; it has 'self'"),
        (lambda t: t.weights(0, 3), "head 3 is not in layer 0"),
        (lambda t: t.weights(True), "layer must be a whole number, got True (bool)"),
    ],
)
def test_options_that_do_not_fit(trace: attnscope.Trace, call: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call(trace)  # type: ignore[operator]
    assert text in str(caught.value)


def test_thumbnails_come_with_long_inputs_only() -> None:
    def size(n: int, heads: int) -> list[int] | None:
        weights = np.full((1, heads, n, n), 1 / n, np.float32)
        return attnscope.from_attention(weights).model_view().spec["streams"][0]["thumbnail"]

    assert size(128, 2) is None
    assert size(129, 2) == [64, 64]
    assert size(129, 32) == [32, 32]


def test_streams_with_different_counts_are_all_shown() -> None:
    def even(layers: int, heads: int, query: int, key: int) -> np.ndarray:
        return np.full((layers, heads, query, key), 1 / key, np.float32)

    trace = attnscope.from_attention(
        encoder=even(2, 4, 3, 3), decoder=even(4, 8, 2, 2), cross=even(4, 8, 2, 3)
    )
    shown = trace.model_view().spec["streams"]
    assert [(s["name"], len(s["layers"]), len(s["layers"][0]["heads"])) for s in shown] == [
        ("encoder", 2, 4),
        ("decoder", 4, 8),
        ("cross", 4, 8),
    ]
    limited = trace.model_view(layers=[1, 3], heads=[5], stream="cross").spec["streams"]
    assert [s["name"] for s in limited] == ["decoder", "cross"]


def test_every_request_of_a_spec_is_answered(trace: attnscope.Trace) -> None:
    spec = trace.model_view(heads=[1]).spec
    for request in requests_of(spec):
        reply = answer(trace, spec, request)
        assert reply.meta["shape"] == [1, 5, 5]


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "layer", "stream": "self", "layer": 99},
        {"kind": "layer", "stream": "self"},
        {"kind": "layer", "stream": "self", "layer": "../../x"},
        {"kind": "layer", "stream": "nope", "layer": 0},
        {"kind": "eval", "stream": "self", "layer": 0},
        {"kind": "thumbnails", "stream": "self"},
        {},
    ],
)
def test_requests_that_do_not_fit_are_refused(trace: attnscope.Trace, request_: dict) -> None:
    with pytest.raises(InputError, match="the page asked for"):
        answer(trace, trace.head_view().spec, request_)  # type: ignore[arg-type]


def test_layers_and_heads_may_be_any_iterable() -> None:
    def even(layers: int) -> np.ndarray:
        return np.full((layers, 4, 2, 2), 0.5, np.float32)

    trace = attnscope.from_attention(encoder=even(2), decoder=even(2), cross=even(2))
    spec = trace.model_view(layers=(n for n in [0, 1]), heads=(n for n in [3])).spec
    assert [len(s["layers"]) for s in spec["streams"]] == [2, 2, 2]
    assert spec["streams"][0]["layers"][0]["heads"] == [3]
    alone = trace.model_view(layers=1, heads=3).spec
    assert [s["layers"] for s in alone["streams"]] == [[{"layer": 1, "heads": [3]}]] * 3


def test_a_head_view_pins_the_query_named() -> None:
    trace = attnscope.from_attention([np.full((2, 3, 3), 1 / 3, np.float32)], ["a", "b", "c"])
    for query in ("b", 1, np.int64(1)):
        state = trace.head_view(query=query, heads=1).spec["state"]
        assert state["pinned"] == {"side": "query", "index": 1}
        assert state["heads"] == [1]
    assert trace.head_view().spec["state"]["pinned"] is None


def test_segments_of_one_name_can_be_told_apart() -> None:
    turns = [("user", 0, 1), ("assistant", 1, 2), ("User", 2, 4), ("user", 4, 5)]
    trace = attnscope.from_attention(EVEN, list("abcde"), segments=turns)
    names = [s["name"] for s in trace.head_view().spec["sides"][0]["segments"]]
    assert names == ["user", "assistant", "User (2)", "user (3)"]


def test_numpy_numbers_will_do_in_every_view(trace: attnscope.Trace) -> None:
    layer, head = trace.stream().numbers[-1], np.int64(1)
    for view in (
        trace.head_view(np.int64(layer), np.array([0, 1])),
        trace.model_view(np.array([layer])),
        trace.matrix_view(np.int64(layer), head),
        trace.text_view(np.int64(1), layer=np.int64(layer), head=head),
        trace.heads_view(layers=np.array([layer])),
    ):
        assert json.loads(json.dumps(view.spec)) == view.spec


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda t: t.matrix_view(quantity=["weight"]), r"no quantity \['weight'\]; there are weig"),
        (lambda t: t.heads_view(["entropy"]), r"no measure \['entropy'\]; there are entropy"),
        (lambda t: t.heads_view("layer"), "no measure 'layer'; there are entropy"),
    ],
)
def test_a_list_where_one_name_is_meant_is_refused(trace, make, text) -> None:
    with pytest.raises(InputError, match=text):
        make(trace)
