"""The text view's spec: what a page carries, what is put together beforehand, where spaces are."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
import torch

import attnscope
from attnscope import Document, Documents, InputError
from attnscope.measures.together import received, together
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.view import View
from attnscope.views import text
from attnscope.views.running import spaced
from attnscope.wire.encode import GZIP, encode_range
from attnscope.wire.replies import Reply, answer, answers, requests_of
from tests.models import build

LAYERS, HEADS, TOKENS = 3, 4, 5


def weights_of(reply: Reply) -> np.ndarray:
    """[head, query, key] of a reply of 16 bits a number; NaN where missing."""
    assert reply.meta["encoding"] == "linear16"
    high, low = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8).reshape(2, -1)
    codes = (256.0 * high + low).reshape(reply.meta["shape"])
    least, most = reply.meta.get("range", (0, 1))
    shares = least + (most - least) * codes / 65534
    numbers = shares if "range" not in reply.meta else shares * np.abs(shares)
    return np.where(codes == 65535, np.nan, numbers)


def numbers_of(view: View, layer: int, stream: str = "self") -> np.ndarray:
    """[head, query, key] as the view's page gets them."""
    return weights_of(
        answer(view.trace, view.spec, {"kind": "layer", "stream": stream, "layer": layer})
    )


@pytest.fixture
def weights() -> np.ndarray:
    drawn = np.random.default_rng(1).dirichlet(np.ones(TOKENS), (LAYERS, HEADS, TOKENS))
    return drawn.astype(np.float32)


@pytest.fixture
def trace(weights: np.ndarray) -> Trace:
    return attnscope.from_attention(weights, ["[CLS]", "a", "b", "##c", "[SEP]"], model="tiny")


def test_everything_is_shown_first_and_all_layers_and_heads_are_carried(trace: Trace) -> None:
    spec = trace.text_view().spec
    state = spec["state"]
    assert (spec["view"], state["all_layers"], state["over"]) == ("text", True, "mean")
    assert (state["pinned"], state["quantity"], state["column"]) == (None, "weight", False)
    assert len(requests_of(spec)) == LAYERS
    assert json.loads(json.dumps(spec)) == spec


def test_what_was_asked_for_is_shown_first(trace: Trace) -> None:
    view = trace.text_view("a", layer=2, head=3, column=True, words=True, hide_special=True)
    state = view.spec["state"]
    assert (state["layer"], state["head"], state["over"]) == (2, 3, "head")
    assert state["all_layers"] is False
    assert state["pinned"] == {"side": "query", "index": 1}
    assert (state["column"], state["words"], state["hide_special"]) == (True, True, True)
    assert trace.text_view(head="max").spec["state"]["over"] == "max"


def test_a_quantity_takes_the_place_of_weights(trace: Trace) -> None:
    view = trace.text_view(quantity="rollout")
    (stream,) = view.spec["streams"]
    assert [row["heads"] for row in stream["layers"]] == [[0]] * LAYERS
    assert stream["quantity"]["label"] == "Rollout"
    reply = answer(view.trace, view.spec, {"kind": "layer", "stream": "self", "layer": 2})
    shown = weights_of(reply)[0]
    np.testing.assert_allclose(shown, attnscope.measures.rollout(trace), atol=1e-4)


def test_numbers_up_to_a_layer_are_all_in_the_last(trace: Trace) -> None:
    (document,) = Documents([trace]).text_view(quantity="rollout").trace.streams.values()
    rollout = attnscope.measures.rollout(trace)
    np.testing.assert_allclose(document.layers[0].rows()[0], rollout, rtol=1e-5)


def test_several_quantities_are_streams_of_one_page(weights: np.ndarray, trace: Trace) -> None:
    view = trace.text_view(quantity=["weight", "rollout", "weight"], head=3, layer=1)
    first, second = view.spec["streams"]
    assert [one["name"] for one in (first, second)] == ["self", "self.rollout"]
    assert {one["stack"] for one in (first, second)} == {"self"}
    assert [one["layers"][0]["heads"] for one in (first, second)] == [[0, 1, 2, 3], [0]]
    state = view.spec["state"]
    assert (state["stream"], state["quantity"], state["head"]) == ("self", "weight", 3)
    assert len(answers(view.trace, view.spec)) == 2 * LAYERS
    np.testing.assert_allclose(numbers_of(view, 1), weights[1], atol=1e-5)
    shown = numbers_of(view, 2, "self.rollout")[0]
    np.testing.assert_allclose(shown, attnscope.measures.rollout(trace), atol=1e-5)
    turned = trace.text_view(quantity=["rollout", "weight"], head=3)
    assert turned.spec["state"]["quantity"] == "rollout"
    np.testing.assert_allclose(numbers_of(turned, 2)[0], shown)


@pytest.fixture(scope="module")
def recorded() -> Trace:
    """A trace with signed numbers, and numbers of any size."""
    inputs = {"input_ids": torch.arange(3, 11)[None]}
    return attnscope.capture(
        build("bert"), inputs=inputs, gradient=lambda output: output.last_hidden_state[0, 2, 5]
    )


@pytest.mark.parametrize("name", ["gradient", "score", "norm", "relevancy"])
def test_numbers_of_any_size_and_sign_travel_with_their_range(recorded: Trace, name: str) -> None:
    view = recorded.text_view(quantity=name)
    shown, right = numbers_of(view, 1), attnscope.measures.quantity(recorded, name).layer(1).rows()
    assert np.array_equal(np.isnan(shown), np.isnan(right))
    largest = np.nanmax(np.abs(right))
    np.testing.assert_allclose(shown, right, atol=4e-5 * largest)
    small = np.abs(right) < 1e-3 * largest
    np.testing.assert_allclose(shown[small], right[small], atol=2e-6 * largest)
    assert view.spec["streams"][0]["quantity"]["signed"] == (name in ("gradient", "score"))
    assert (np.nanmin(right) < 0) == (name in ("gradient", "score"))


def test_layers_of_zeros_have_a_range_too(trace: Trace) -> None:
    flat = encode_range(np.array([[[0.0, np.nan, np.inf]]], np.float32))
    assert flat.range == (0, 0)
    assert flat.codes.tolist() == [[[0, 65535, 65535]]]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layer": 7}, "layer 7 is not in the self stream, which has layers 0 to 2"),
        ({"layer": "first"}, "layer must be a number, or 'all' for the mean over all, got 'first'"),
        ({"head": 9}, "head 9 is not in layer 0"),
        ({"head": "min"}, "head must be one of 'mean', 'max', got 'min'"),
        ({"query": "zebra"}, "zebra"),
        ({"query": 5}, "5"),
        ({"quantity": "weihgt"}, "Did you mean 'weight'?"),
        ({"quantity": "score"}, "scores are made of queries and keys"),
        ({"quantity": ["weight", "alti"]}, "values=True"),
        ({"quantity": []}, "quantity must be a name, or a list of names to switch among, got []"),
        ({"quantity": 3}, "quantity must be a name, or a list of names to switch among, got 3"),
        ({"quantity": ["rollout"], "head": 2}, "head 2 is not in layer 0"),
        ({"words": 1}, "words must be True or False, got 1"),
        ({"renormalise": True}, "it needs hide_special=True"),
        ({"layers": [0], "layer": 1}, "layer 1 is not among layers="),
        ({"theme": "blue"}, "theme must be one of"),
    ],
)
def test_options_that_do_not_fit(trace: Trace, options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as caught:
        trace.text_view(**options)
    assert said in str(caught.value)


def test_an_option_that_there_is_not(trace: Trace) -> None:
    with pytest.raises(TypeError, match="no option 'word': its options are"):
        trace.text_view(word=True)
    with pytest.raises(TypeError, match="no option 'layers': its options are column, words"):
        Documents([trace]).text_view(layers=[0])


def test_heads_and_layers_put_together_are_their_means(weights: np.ndarray, trace: Trace) -> None:
    stream = trace.stream()
    everything = together(stream, stream.numbers, "mean")
    np.testing.assert_allclose(everything, weights.mean((0, 1)), rtol=1e-5)
    largest = together(stream, [0, 2], "max")
    np.testing.assert_allclose(largest, weights[[0, 2]].max(1).mean(0), rtol=1e-5)
    one = together(stream, [1], 2, slice(3, 4))
    np.testing.assert_allclose(one, weights[1, 2, 3:4], rtol=1e-6)


def test_missing_heads_are_left_out_of_what_is_put_together(weights: np.ndarray) -> None:
    weights[0, 1] = np.nan
    weights[:, :, 2, 2] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning):
        stream = attnscope.from_attention(weights).stream()
    for head, fuse in (("mean", np.nanmean), ("max", np.nanmax)):
        shown = together(stream, [0], head)
        assert np.isnan(shown[2, 2])
        seen = ~np.isnan(shown)
        expected = fuse(np.nan_to_num(weights[0][[0, 2, 3]]), axis=0)
        np.testing.assert_allclose(shown[seen], expected[seen], rtol=1e-5)


def test_what_keys_receive_is_the_mean_of_all_rows(
    weights: np.ndarray, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attnscope.measures.together.BLOCK", 2 * HEADS * TOKENS)
    stream = trace.stream()
    np.testing.assert_allclose(
        received(stream, stream.numbers, "mean"), weights.mean((0, 1, 2)), rtol=1e-5
    )


def test_a_long_text_carries_what_was_asked_for(
    weights: np.ndarray, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "ALL_UP_TO", 100)
    view = trace.text_view("b", layer=1, head="max")
    (request,) = requests_of(view.spec)
    shown = weights_of(answer(view.trace, view.spec, request))
    np.testing.assert_allclose(shown[0], weights[1].max(0), atol=1e-5)
    assert view.spec["streams"][0]["label"] == "max of heads, layer 1, query 2"
    assert view.spec["state"]["pinned"] == {"side": "query", "index": 2}


def test_a_long_text_carries_each_quantity_that_was_asked_for(
    weights: np.ndarray, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "ALL_UP_TO", 100)
    view = trace.text_view(head=1, quantity=["weight", "rollout"])
    np.testing.assert_allclose(numbers_of(view, 0)[0], weights[:, 1].mean(0), atol=1e-5)
    rollout = attnscope.measures.rollout(trace)
    np.testing.assert_allclose(numbers_of(view, 0, "self.rollout")[0], rollout, atol=1e-5)
    assert {one["stack"] for one in view.spec["streams"]} == {"self"}


@pytest.mark.parametrize("query", [None, 2])
def test_a_very_long_text_carries_one_row(
    weights: np.ndarray, trace: Trace, monkeypatch: pytest.MonkeyPatch, query: int | None
) -> None:
    monkeypatch.setattr(text, "ALL_UP_TO", 100)
    monkeypatch.setattr(text.condensed, "__defaults__", (10,))
    view = trace.text_view(query)
    (request,) = requests_of(view.spec)
    shown = weights_of(answer(view.trace, view.spec, request))
    row = weights.mean((0, 1, 2)) if query is None else weights.mean((0, 1))[query]
    assert shown.shape == (1, 1, TOKENS)
    np.testing.assert_allclose(shown[0, 0], row, atol=1e-5)
    assert view.spec["state"]["pinned"] is None
    assert view.spec["sides"][view.spec["streams"][0]["query"]]["text"] == [""]


def test_documents_are_streams_with_what_is_known_of_them(trace: Trace) -> None:
    one = Document(["x", "y"], [0.2, 0.8], label="a", prediction="b", posterior={"a": 0.4})
    view = Documents([one, trace], title="two").text_view(layer=1, head=2, search="x")
    first, second = view.spec["streams"]
    assert first["document"] == {
        "id": "0",
        "label": ["a"],
        "prediction": ["b"],
        "right": False,
        "posterior": [{"name": "a", "value": 0.4}],
    }
    assert second["document"]["right"] is None
    assert (view.spec["title"], view.spec["state"]["search"]) == ("two", "x")
    replies = [weights_of(reply)[0] for _, reply in answers(view.trace, view.spec)]
    np.testing.assert_allclose(replies[0], [[0.2, 0.8]], atol=1e-5)
    np.testing.assert_allclose(replies[1], trace.weights(1, 2), atol=1e-5)


def test_many_documents_are_answered_quickly() -> None:
    made = [Document(["a", "b"], [0.5, 0.5]) for _ in range(2000)]
    view = Documents(made).text_view()
    assert len(answers(view.trace, view.spec)) == 2000


def tokens_of(raw: list[str], shown: list[str] | None = None, **known: object) -> Tokens:
    special = np.array([piece.startswith("[") for piece in raw])
    return Tokens(tuple(shown or raw), tuple(raw), special, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (tokens_of(["[CLS]", "un", "##happy", "cat", "[SEP]"]), "[CLS] un##happy cat [SEP]"),
        (tokens_of(["The", "Ġcat", "s", "Ġsat"], ["The", "cat", "s", "sat"]), "The cats sat"),
        (tokens_of(["▁the", "▁un", "happy"], ["the", "un", "happy"]), "the unhappy"),
        (tokens_of(["good", ",", "film"]), "good , film"),
        (tokens_of(["今", "天", "ok", "天"]), "今天 ok 天"),
        (
            tokens_of(["it", "'", "s", "on"], spans=np.array([[0, 2], [2, 3], [3, 4], [5, 7]])),
            "it's on",
        ),
        (
            tokens_of(["Ġa", "Ġb"], ["a", "b"], spans=np.array([[0, 1], [1, 3]])),
            "a b",
        ),
        (
            tokens_of(["a", "[SEP]", "b"], spans=np.array([[0, 1], [-1, -1], [0, 1]])),
            "a [SEP] b",
        ),
    ],
)
def test_spaces_are_where_the_text_has_them(tokens: Tokens, text: str) -> None:
    places = set(spaced(tokens))
    joined = "".join(
        f" {piece}" if place in places else piece for place, piece in enumerate(tokens.text)
    )
    assert joined == text


def test_a_cross_stream_shows_both_texts() -> None:
    even = np.full((1, 2, 2, 3), 1 / 3, np.float32)
    own = np.full((1, 2, 3, 3), 1 / 3, np.float32)
    back = np.full((1, 2, 2, 2), 0.5, np.float32)
    trace = attnscope.from_attention(encoder=own, decoder=back, cross=even)
    spec = trace.text_view(stream="cross").spec
    assert spec["state"]["stream"] == "cross"
    assert [s["query"] == s["key"] for s in spec["streams"]] == [True, True, False]
    rolled = trace.text_view(quantity="rollout").spec["streams"]
    assert [stream["name"] for stream in rolled] == ["encoder", "decoder"]
    with pytest.raises(InputError, match="rollout needs the same tokens on both sides"):
        trace.text_view(quantity="rollout", stream="cross")


def test_the_widget_shares_how_the_text_is_shaded(trace: Trace) -> None:
    widget = trace.text_view().widget()
    widget.column = widget.words = True
    widget.all_layers, widget.layer = False, 2
    widget.over, widget.head = "head", 3
    assert (widget.column, widget.layer, widget.head) == (True, 2, 3)
    both = trace.text_view(quantity=["rollout", "weight"]).widget()
    both.quantity = "weight"
    both.head = 3
    with pytest.raises(InputError, match=r"quantity must be one of \['rollout', 'weight'\]"):
        both.quantity = "alti"
    listed = Documents([trace, trace]).text_view().widget()
    listed.search, listed.outcome = "cat", "wrong"
    with pytest.raises(Exception, match="outcome"):
        listed.outcome = "maybe"


def test_a_condensed_stream_is_a_stream(trace: Trace) -> None:
    made = text.condensed(trace.stream(), text.Choice((0, 1), "mean"))
    assert isinstance(made, Stream)
    assert made.layers[0].shape == (1, TOKENS, TOKENS)
