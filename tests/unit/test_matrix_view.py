"""The matrix view's spec, the options it refuses, and the tiles that Python sends."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire.answer import Reply, answer, carried, requests_of
from attnscope.wire.encode import GZIP

TYPES = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}


def layer_of(tokens: int, heads: int = 3, seed: int = 0, **rules: object) -> QKLayer:
    numbers = np.random.default_rng(seed)
    return QKLayer(
        queries=numbers.normal(size=(heads, tokens, 8)).astype(np.float32) * 2,
        keys=numbers.normal(size=(heads, tokens, 8)).astype(np.float32),
        spec=ScoreSpec(**{"scaling": 0.5, **rules}),
        heads=tuple(range(heads)),
        kv_head=np.arange(heads),
    )


def trace_of(*layers: QKLayer) -> Trace:
    tokens = Tokens.plain([f"t{place}" for place in range(layers[0].shape[1])], segments=[4])
    return Trace([Stream("self", tuple(range(len(layers))), layers, tokens, tokens)])


def arrays_of(reply: Reply) -> dict[str, np.ndarray]:
    raw = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8)
    found, at = {}, 0
    for spec in reply.meta["arrays"]:
        kind = TYPES[spec["dtype"]]
        count = int(np.prod(spec["shape"]))
        planes = raw[at : at + count * kind.itemsize].reshape(kind.itemsize, count)
        found[spec["name"]] = planes.T.copy().view(kind).reshape(spec["shape"]).astype(np.float32)
        at += count * kind.itemsize
    assert at == len(raw)
    return found


def tile(trace: Trace, **request: object) -> dict[str, np.ndarray]:
    asked = {"kind": "tile", "stream": "self", "layer": 0, "step": 1, **request}
    return arrays_of(answer(trace, trace.matrix_view().spec, asked))


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
        kinds = [request["kind"] for request in requests_of(spec)]
        assert kinds == ["rounded" if expected == "int8" else "vectors"]
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
    assert [request["kind"] for request, _ in replies] == ["rounded", "rounded"]
    exact = arrays_of(answer(trace, spec, {"kind": "vectors", "stream": "self", "layer": 1}))
    assert (exact["keys"] == trace.streams["self"].layer(1).keys).all()
    unasked = trace.matrix_view(precision="exact").spec
    assert carried(trace, unasked)[0] is unasked
    with pytest.raises(InputError, match="asked for rounded of layer 0"):
        answer(trace, unasked, {"kind": "rounded", "stream": "self", "layer": 0})


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
    with pytest.raises(InputError, match="at most 512 blocks of 1"):
        tile(trace, **where)
    assert tile(trace, **where, step=2)["max"].shape == (300, 5)


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


@pytest.mark.parametrize("head", [{"head": 2}, {"over": "mean"}])
def test_a_tile_of_a_layers_own_quantity_needs_no_head(head: dict) -> None:
    trace = trace_of(layer_of(9))
    got = tile(trace, **head, quantity="rollout", query=[0, 9], key=[0, 9])["value"]
    np.testing.assert_allclose(got, attnscope.measures.rollout(trace), rtol=1e-4)


def test_a_tile_of_scores_has_signs_and_hides_what_the_mask_hides() -> None:
    layer = layer_of(9, causal=True)
    got = tile(trace_of(layer), head=1, quantity="score", query=[0, 9], key=[0, 9])["value"]
    np.testing.assert_allclose(got, layer.scores([1])[0], rtol=1e-5, atol=1e-6)


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
