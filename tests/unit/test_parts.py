"""Parts of long inputs: the same weights as all of them, what lies beyond, and nothing more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import attnscope
from attnscope import InputError, Stream, Tokens, Trace, _row_bar
from attnscope.hosts.server import Server
from attnscope.hosts.windowed import only_part
from attnscope.scores import QKLayer, WeightsLayer
from attnscope.wire import parts
from attnscope.wire.parts import is_windowed, part_arrays
from attnscope.wire.replies import answer, requests_of, size_estimate
from attnscope.wire.spec import Spec
from tests.traces import made

N = 60


def asked(stream: Stream, query: tuple[int, int], key: tuple[int, int], **more: Any) -> Any:
    row: Any = {"layer": 0, "heads": [0, 1]}
    request = {"kind": "part", "stream": "self", "layer": 0, "query": [*query], "key": [*key]}
    return part_arrays(stream, row, request | more)  # type: ignore[arg-type]


def special(trace: Trace) -> Stream:
    """The stream with every seventh token special."""
    stream = trace.streams["self"]
    marks = np.arange(len(stream.key)) % 7 == 0
    side = Tokens(stream.key.text, stream.key.raw, marks)
    return Stream("self", stream.numbers, stream.layers, side, side)


SPECS: list[dict[str, Any]] = [
    {},
    {"causal": True},
    {"causal": True, "window": 11},
    {"causal": True, "sinks": np.array([0.5, -1], np.float32)},
    {"bias": np.linspace(-1, 1, N * N, dtype=np.float32).reshape(1, N, N)},
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
@pytest.mark.parametrize("key", [(0, N), (20, 31), (50, 60), (0, 1)])
@pytest.mark.parametrize("block", [2**23, 300])
def test_a_part_is_cut_from_all_weights(spec, key, block, monkeypatch):
    monkeypatch.setattr(parts, "BLOCK", block)
    stream = special(made(N, layers=1, **spec))
    whole = stream.layers[0].rows()
    for hide in (False, True):
        found = asked(stream, (13, 41), key, hide=hide)
        counted = np.where(stream.key.special & hide, 0, whole)[:, 13:41]
        np.testing.assert_allclose(found["value"], whole[:, 13:41, slice(*key)], atol=1e-7)
        np.testing.assert_allclose(found["before"], counted[:, :, : key[0]].sum(2), atol=1e-6)
        np.testing.assert_allclose(found["after"], counted[:, :, key[1] :].sum(2), atol=1e-6)


def test_heads_are_put_together_as_everywhere():
    stream = made(N, layers=1, causal=True).streams["self"]
    whole = stream.layers[0].rows()
    for over, joined in (("mean", whole.mean(0)), ("max", whole.max(0))):
        found = asked(stream, (30, 50), (10, 20), over=over)
        np.testing.assert_allclose(found["value"], joined[None, 30:50, 10:20], atol=1e-7)
        np.testing.assert_allclose(found["before"], joined[None, 30:50, :10].sum(2), atol=1e-6)
    one = asked(stream, (30, 50), (10, 20), head=1)["value"]
    np.testing.assert_allclose(one, whole[1:, 30:50, 10:20], atol=1e-7)


def test_missing_weights_are_told_and_left_out_of_sums():
    given = np.full((2, 4, 6), 1 / 6, np.float32)
    given[0, 1] = np.nan
    given[1, 2, 5] = np.nan
    query, key = (
        Tokens.plain([f"{side}{i}" for i in range(n)]) for side, n in (("q", 4), ("k", 6))
    )
    stream = Stream("self", (0,), (WeightsLayer(given, (0, 1)),), query, key)
    found = asked(stream, (0, 4), (2, 4))
    assert np.isnan(found["value"][0, 1]).all()
    np.testing.assert_allclose(
        found["after"], [[2 / 6, 0, 2 / 6, 2 / 6], [2 / 6, 2 / 6, 1 / 6, 2 / 6]]
    )
    joined = asked(stream, (0, 4), (2, 4), over="mean")
    np.testing.assert_allclose(joined["before"], np.full((1, 4), 2 / 6))


@pytest.mark.parametrize(
    "wrong",
    [
        {"query": [0, 513]},
        {"query": [5, 5]},
        {"key": [-1, 4]},
        {"key": [0, 2201]},
        {"key": None},
        {"head": 7},
        {"over": "sum"},
        {"layer": 4},
        {"layer": True},
        {"stream": "cross"},
    ],
    ids=str,
)
def test_a_part_that_does_not_fit_is_refused(wrong):
    trace = made(2200, layers=1)
    good = {"kind": "part", "stream": "self", "layer": 0, "query": [0, 9], "key": [0, 9]}
    spec = trace.head_view().spec
    assert answer(trace, spec, good).data  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the page asked for"):
        answer(trace, spec, good | wrong)  # type: ignore[arg-type]


def test_a_part_is_never_larger_than_a_screen_needs(monkeypatch):
    monkeypatch.setattr(parts, "MOST_NUMBERS", 2 * 20 * 60 - 1)
    stream = made(N, layers=1).streams["self"]
    with pytest.raises(InputError, match="asked for 2,400 weights at once: expected at most 2,399"):
        asked(stream, (0, 20), (0, 60))
    assert asked(stream, (0, 20), (0, 60), over="mean")["value"].shape == (1, 20, 60)


def test_inputs_are_windowed_from_where_all_weights_are_too_many(monkeypatch):
    short, middle, long = (made(n, layers=1).streams["self"] for n in (512, 600, 2049))
    assert [is_windowed(one, [0]) for one in (short, middle, long)] == [False, False, True]
    monkeypatch.setattr(_row_bar, "LONG", 600 * 600)
    assert [is_windowed(one, [0]) for one in (short, middle, long)] == [False, True, True]


@pytest.fixture
def no_rows(monkeypatch):
    """Fails when more rows are computed than a part has."""
    rows = QKLayer.rows

    def few(self, heads=slice(None), queries=slice(None), keys=slice(None)):
        count = len(range(*queries.indices(self.shape[1])))
        assert count <= 512, f"{count} rows were computed"
        return rows(self, heads, queries, keys)

    monkeypatch.setattr(QKLayer, "rows", few)


@pytest.mark.parametrize("view", ["head", "text"])
def test_a_view_of_a_long_input_is_made_without_its_weights(view, no_rows):
    trace = made(2200, causal=True)
    shown = getattr(trace, f"{view}_view")()
    assert [request["kind"] for request in requests_of(shown.spec)] == ["vectors", "vectors"]
    assert len(shown.html()) < 1_500_000
    assert size_estimate(shown.spec) < 1_000_000
    over = {"over": "mean"} if view == "text" else {}
    asked: Any = {"kind": "part", "stream": "self", "layer": 1, "query": [0, 64], "key": [0, 64]}
    assert answer(shown.trace, shown.spec, asked | over).data
    with pytest.raises(InputError, match="asked for layer of layer 0, which this view does not"):
        answer(shown.trace, shown.spec, {"kind": "layer", "stream": "self", "layer": 0})


def test_short_inputs_are_carried_whole():
    for view in ("head_view", "text_view"):
        spec = getattr(made(40), view)().spec
        assert "part" not in spec["streams"][0]
        assert "layer" in [request["kind"] for request in requests_of(spec)]


def test_large_queries_and_keys_travel_in_eight_bits(monkeypatch):
    monkeypatch.setattr("attnscope.views.matrix.EXACT_BYTES", 1000)
    for view in ("head_view", "text_view"):
        spec = getattr(made(2200), view)().spec
        assert spec["precision"] == "int8"
        assert [one["kind"] for one in requests_of(spec)] == ["rounded", "rounded"]


def test_a_text_shows_as_many_tokens_as_are_shaded_in_a_second(monkeypatch):
    trace = made(2200)
    assert trace.text_view().spec["streams"][0]["part"] == 512
    monkeypatch.setattr("attnscope.views.text.WORK", 2200 * 4 * 130)
    assert trace.text_view().spec["streams"][0]["part"] == 128
    monkeypatch.setattr("attnscope.views.text.WORK", 1)
    assert trace.text_view().spec["streams"][0]["part"] == 64


def test_a_text_keeps_what_was_asked_for():
    spec = made(2200).text_view("t2100", layer=1, head="max").spec
    state = spec["state"]
    assert (state["layer"], state["all_layers"], state["over"]) == (1, False, "max")
    assert state["pinned"] == {"side": "query", "index": 2100}


def test_the_server_shows_a_long_text(monkeypatch):
    monkeypatch.setattr(_row_bar, "LONG", 1)
    assert {"head", "text"} <= set(Server(made(2200, layers=1), 4567)._views)
    dense = attnscope.from_attention(np.full((1, 1, 600, 600), 1 / 600, np.float32))
    assert "text" not in Server(dense, 4567)._views


def drawn(view: str, **state: Any) -> tuple[Trace, Spec]:
    """What a figure of a view in this state is made of."""
    trace = made(2200, layers=1, causal=True)
    shown = getattr(trace, f"{view}_view")()
    return only_part(shown.trace, {**shown.spec, "state": {**shown.spec["state"], **state}})


def test_a_figure_has_the_tokens_on_the_screen():
    whole = made(2200, layers=1, causal=True).weights(0)
    window = {"query": [2000, 2100], "key": [30, 158]}
    trace, spec = drawn("head", window=window, pinned={"side": "query", "index": 2003})
    assert trace.streams["self"].query.text[0] == "t2000"
    np.testing.assert_allclose(trace.weights(0), whole[:, 2000:2100, 30:158], atol=1e-7)
    assert spec["state"]["pinned"] == {"side": "query", "index": 3}
    trace, spec = drawn("text", window=window, pinned={"side": "query", "index": 2003})
    np.testing.assert_allclose(trace.weights(0), whole[:, 2003:2004, 30:158], atol=1e-7)
    trace, spec = drawn("head", pinned={"side": "key", "index": 2199})
    assert trace.streams["self"].key is trace.streams["self"].query
    assert spec["state"]["pinned"] == {"side": "key", "index": 127}


@pytest.mark.parametrize("view", ["head", "text"])
def test_a_figure_of_a_long_input_is_drawn(view, tmp_path, no_rows):
    pytest.importorskip("matplotlib")
    path = getattr(made(2200, layers=1), f"{view}_view")().save(tmp_path / "x.png")
    assert path.stat().st_size > 10_000
