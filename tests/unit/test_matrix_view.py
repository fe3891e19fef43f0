"""The matrix view's spec: what it carries and offers, and the options it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire.replies import answer, carried, is_early, requests_of
from attnscope.wire.spec import key_of
from tests.map_tiles import arrays_of, layer_of, tile, trace_of


def test_precision_is_exact_until_a_page_grows_large_or_as_asked() -> None:
    small, long = trace_of(layer_of(9)), trace_of(layer_of(100_000, heads=12))
    shown = {None: "exact", "int8": "int8"}
    for trace, precision, expected in [
        (small, "auto", "exact"),
        (small, "int8", "int8"),
        (long, "auto", "int8"),
        (long, "exact", "exact"),
    ]:
        spec = trace.matrix_view(precision=precision).spec
        assert shown[spec.get("precision")] == expected
        kinds = {request["kind"] for request in requests_of(spec)}
        assert kinds == {"rounded" if expected == "int8" else "vectors"}
    assert trace_of(layer_of(9)).heads_view(precision="int8").spec["precision"] == "int8"


def test_precision_is_one_of_three_and_about_queries_and_keys() -> None:
    trace = trace_of(layer_of(9))
    with pytest.raises(InputError, match=r"precision must be one of 'auto', 'exact', 'int8', got"):
        trace.matrix_view(precision="int4")
    weights = attnscope.from_attention(np.full((1, 2, 3, 3), 1 / 3), list("abc"))
    with pytest.raises(InputError, match=r'"int8" is about queries and keys.*attnscope\.capture'):
        weights.matrix_view(precision="int8")
    assert "precision" not in weights.matrix_view().spec


def test_a_page_states_its_error_and_whoever_asks_python_gets_exact_vectors() -> None:
    trace = trace_of(layer_of(9), layer_of(9, seed=1))
    spec = trace.matrix_view(precision="int8").spec
    stated, replies = carried(trace, spec)
    assert "error" not in spec
    assert 0 < stated["error"]["typical"] <= stated["error"]["largest"] < 0.2
    heads = trace.streams["self"].layer(0).heads
    wanted = [f"rounded/self/{layer}/{head}" for layer in (0, 1) for head in heads]
    assert [key_of(request) for request, _ in replies] == wanted
    exact = arrays_of(answer(trace, spec, {"kind": "vectors", "stream": "self", "layer": 1}))
    assert (exact["keys"] == trace.streams["self"].layer(1).keys).all()
    unasked = trace.matrix_view(precision="exact").spec
    assert carried(trace, unasked)[0] is unasked
    with pytest.raises(InputError, match="asked for rounded of layer 0"):
        answer(trace, unasked, {"kind": "rounded", "stream": "self", "layer": 0, "key_head": 0})
    for wrong in ("0", 7, True, None):
        asked = {"kind": "rounded", "stream": "self", "layer": 0, "key_head": wrong}
        with pytest.raises(InputError, match="asked for rounded of layer 0"):
            answer(trace, spec, asked)


def test_heads_that_share_their_keys_are_rounded_together_and_those_shown_come_first() -> None:
    own = np.random.default_rng(0).normal(size=(4, 9, 8)).astype(np.float32)
    kv_head = np.array([0, 0, 1, 1])
    trace = trace_of(QKLayer(own, own[:2], ScoreSpec(0.5, causal=True), (0, 1, 2, 3), kv_head))
    spec = trace.matrix_view(0, 3, precision="int8", heads=[0, 2, 3]).spec
    replies = carried(trace, spec)[1]
    assert [key_of(request) for request, _ in replies] == ["rounded/self/0/0", "rounded/self/0/1"]
    shapes = [
        {array["name"]: array["shape"] for array in reply.meta["arrays"]} for _, reply in replies
    ]
    assert [shape["queries"] for shape in shapes] == [[1, 9, 8], [2, 9, 8]]
    assert [shape["keys"] for shape in shapes] == [[1, 9, 8], [1, 9, 8]]
    assert [is_early(spec, request) for request, _ in replies] == [False, True]
    spec["state"]["over"] = "mean"
    assert all(is_early(spec, request) for request, _ in replies)


def test_the_spec_says_what_is_shown_first() -> None:
    trace = trace_of(layer_of(9), layer_of(9, seed=1))
    spec = trace.matrix_view(1, np.int64(2), color="log", theme="dark").spec
    state = spec["state"]
    assert (spec["view"], spec["theme"]) == ("matrix", "dark")
    assert (state["layer"], state["head"], state["over"], state["color"]) == (1, 2, "head", "log")
    assert (state["window"], state["cursor"], state["quantity"]) == (None, None, "weight")
    assert json.loads(json.dumps(spec)) == spec


@pytest.mark.parametrize("over", ["mean", "max"])
def test_a_layers_heads_can_be_shown_together(over: str) -> None:
    state = trace_of(layer_of(9)).matrix_view(head=over, heads=[2, 1]).spec["state"]
    assert (state["over"], state["head"]) == (over, 2)


def test_queries_and_keys_are_carried_where_there_are_some() -> None:
    own = trace_of(layer_of(9)).matrix_view().spec
    assert [request["kind"] for request in requests_of(own)] == ["vectors"]
    arrays = attnscope.from_attention(np.full((1, 2, 4, 4), 0.25, np.float32), list("abcd"))
    assert [request["kind"] for request in requests_of(arrays.matrix_view().spec)] == ["layer"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"head": "median"}, "head must be one of 'mean', 'max', got 'median'"),
        ({"head": 7}, "head 7 is not in layer 0 of the self stream, which has heads 0 to 2"),
        ({"head": 0, "heads": [1, 2]}, "head 0 is not among heads=, which names heads 1 to 2"),
        ({"layer": 3}, "layer 3 is not in the self stream, which has layers 0 to 1"),
        ({"color": "jet"}, "color must be one of 'root', 'linear', 'log', got 'jet'"),
        ({"theme": "blue"}, "theme must be one of 'auto', 'light', 'dark', got 'blue'"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict, said: str) -> None:
    with pytest.raises(InputError) as error:
        trace_of(layer_of(9), layer_of(9)).matrix_view(**options)
    assert said in str(error.value)


def test_the_widget_shares_window_and_cursor() -> None:
    widget = trace_of(layer_of(9)).matrix_view(head="max").widget()
    assert (widget.over, widget.window, widget.cursor) == ("max", None, None)
    widget.window = {"query": [0, 4.5], "key": (2, 9)}
    assert widget.window == {"query": [0.0, 4.5], "key": [2.0, 9.0]}
    widget.cursor = {"query": np.int64(3), "key": 8}
    assert widget.cursor == {"query": 3, "key": 8}
    with pytest.raises(InputError, match="no key token 9: this stream has tokens 0 to 8"):
        widget.cursor = {"query": 3, "key": 9}
    with pytest.raises(InputError, match="cursor must be None or"):
        widget.cursor = {"query": 3}
    for wrong in (
        {"query": [0, 4]},
        {"query": [4, 0], "key": [0, 9]},
        {"query": [0, 10], "key": [0, 9]},
    ):
        with pytest.raises(InputError, match="window must be None or"):
            widget.window = wrong


def test_other_quantities_are_offered_and_one_is_carried() -> None:
    trace = trace_of(layer_of(9, causal=True))
    spec = trace.matrix_view(quantity="rollout").spec
    offered = {one["name"]: one for one in spec["streams"][0]["quantities"]}
    assert {"weight", "score", "rollout"} <= set(offered)
    assert [name for name, one in offered.items() if one["carried"]] == ["rollout"]
    assert offered["score"]["signed"]
    assert not offered["rollout"]["signed"]
    kinds = [request["kind"] for request in requests_of(spec)]
    assert kinds == ["quantity", "vectors"]
    reply = answer(trace, spec, requests_of(spec)[0])
    cells = arrays_of(reply)["value"][0]
    expected = attnscope.measures.rollout(trace)
    np.testing.assert_allclose(np.tril(cells), np.tril(expected), rtol=1e-3, atol=1e-6)
    assert np.isneginf(cells[0, 1:]).all()


def test_a_quantity_that_there_is_not_is_named() -> None:
    trace = trace_of(layer_of(9))
    with pytest.raises(InputError, match=r"no quantity 'rolout'.*Did you mean 'rollout'"):
        trace.matrix_view(quantity="rolout")
    arrays = attnscope.from_attention(np.full((1, 2, 4, 4), 0.25, np.float32), list("abcd"))
    with pytest.raises(InputError, match="scores are made of queries and keys"):
        arrays.matrix_view(quantity="score")
    with pytest.raises(InputError, match="the page asked for the quantity 'secret'"):
        tile(trace, head=0, quantity="secret", query=[0, 9], key=[0, 9])


def pieces(layer: QKLayer) -> Trace:
    """Tokens of which some belong to one word."""
    names = ["[CLS]", "in", "##cre", "##dible", "mi", "##ce", ".", "so", "[SEP]"]
    side = Tokens.plain(names, segments=[7])
    return Trace([Stream("self", (0,), (layer,), side, side)])


def test_words_are_shown_beside_tokens() -> None:
    trace = pieces(layer_of(9))
    spec = trace.matrix_view(words=True).spec
    [stream] = spec["streams"]
    assert spec["state"]["words"] is True
    words = spec["sides"][stream["words"]["query"]]
    assert words["text"] == ["[CLS]", "incredible", "mice", ".", "so", "[SEP]"]
    assert stream["words"]["query"] == stream["words"]["key"] != stream["query"]
    assert {"kind": "layer", "stream": "self", "layer": 0, "words": True} in requests_of(spec)
    got = tile(trace, head=1, words=True, query=[0, 6], key=[0, 6])["value"]
    np.testing.assert_allclose(got, trace.words().weights(0, 1), rtol=1e-5)
    reply = answer(trace, spec, {"kind": "layer", "stream": "self", "layer": 0, "words": True})
    assert reply.meta["shape"] == [3, 6, 6]


def test_tokens_that_are_words_need_no_choice() -> None:
    trace = trace_of(layer_of(9))
    spec = trace.matrix_view(words=True).spec
    assert "words" not in spec["streams"][0]
    assert spec["state"]["words"] is False
    with pytest.raises(InputError, match="the page asked for words"):
        tile(trace, head=1, words=True, query=[0, 6], key=[0, 6])
    with pytest.raises(InputError, match="words must be True or False, got 'yes'"):
        trace.matrix_view(words="yes")


@pytest.mark.parametrize("wrong", [{"words": 1}, {"words": "yes"}, {"quantity": "score"}])
def test_words_have_weights_only(wrong: dict) -> None:
    trace = pieces(layer_of(9))
    with pytest.raises(InputError, match="the page asked for words"):
        tile(trace, **{"head": 1, "words": True, "query": [0, 6], "key": [0, 6], **wrong})


def test_the_widgets_cursor_counts_words_while_words_are_shown() -> None:
    widget = pieces(layer_of(9)).matrix_view().widget()
    widget.cursor = {"query": 8, "key": 8}
    widget.cursor = None
    widget.words = True
    with pytest.raises(InputError, match="tokens 0 to 5"):
        widget.cursor = {"query": 8, "key": 8}
