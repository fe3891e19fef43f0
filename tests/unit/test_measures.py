"""Measures: slow loops as oracle, tables, and what they refuse."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attnscope
from attnscope import InputError, measures


def a_trace(seed: int = 0, n: int = 6, causal: bool = False) -> attnscope.Trace:
    rng = np.random.default_rng(seed)
    weights = rng.random((2, 3, n, n)).astype(np.float32) ** 3
    if causal:
        weights *= np.tri(n)
    weights /= weights.sum(-1, keepdims=True)
    words = [["[CLS]", "a", "b", ","][i] for i in rng.integers(0, 4, n)]
    return attnscope.from_attention(weights, words)


def slowly(trace: attnscope.Trace, name: str) -> np.ndarray:
    """The same measures as loops over every row and key."""
    text = trace.tokens.raw
    n = len(text)
    wanted = {
        "previous_token": lambda q, k: k == q - 1,
        "next_token": lambda q, k: k == q + 1,
        "self": lambda q, k: k == q,
        "first_token": lambda q, k: k == 0 and q > 0,
        "first_four": lambda _, k: k < 4,
        "special": lambda _, k: text[k] == "[CLS]",
        "delimiter": lambda _, k: text[k] == "[CLS]" and k > 0,
        "punctuation": lambda _, k: text[k] == ",",
        "duplicate_token": lambda q, k: k < q and text[k] == text[q],
        "induction": lambda q, k: 0 < k <= q and text[k - 1] == text[q],
    }
    out = np.full((2, 3), np.nan)
    for layer in range(2):
        for head in range(3):
            w = trace.weights(layer, head)
            rows = []
            for q in range(n):
                keys = [k for k in range(n) if name in wanted and wanted[name](q, k)]
                if name == "distance":
                    rows.append(sum(w[q, k] * abs(q - k) for k in range(n)))
                elif name == "confidence":
                    rows.append(max(w[q]))
                elif name == "entropy":
                    rows.append(-sum(w[q, k] * np.log(w[q, k]) for k in range(n) if w[q, k] > 0))
                elif keys:
                    rows.append(sum(w[q, k] for k in keys))
            if rows:
                out[layer, head] = np.mean(rows)
    return out


OF_WEIGHTS = [name for name in measures.MEASURES if not name.endswith("_norm")]


@pytest.mark.parametrize("name", [n for n in OF_WEIGHTS if n != "entropy_share"])
@given(seed=st.integers(0, 500), n=st.integers(1, 7), causal=st.booleans())
@settings(max_examples=15, deadline=None)
def test_measures_are_what_slow_loops_give(name: str, seed: int, n: int, causal: bool) -> None:
    trace = a_trace(seed, n, causal)
    np.testing.assert_allclose(measures.measure(trace, name), slowly(trace, name), atol=1e-5)


def test_missing_weights_count_as_none() -> None:
    weights = np.full((1, 1, 3, 3), 1 / 3, np.float32)
    weights[0, 0, 1, 2] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning):
        trace = attnscope.from_attention(weights)
    assert measures.measure(trace, "next_token")[0, 0] == pytest.approx((1 / 3 + 0) / 2)


def test_entropy_share_knows_how_many_keys_a_row_sees() -> None:
    even = np.tri(5, dtype=np.float32)
    even /= even.sum(-1, keepdims=True)
    causal = attnscope.from_attention([even[None]])
    assert measures.measure(causal, "entropy_share")[0, 0] == pytest.approx(1.0)


def test_blocks_give_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = a_trace(n=9)
    whole = trace.heads()
    monkeypatch.setattr(sys.modules["attnscope.measures.rows"], "BLOCK", 30)
    blocks = trace.heads()
    for name in OF_WEIGHTS:
        np.testing.assert_allclose(blocks[name], whole[name], atol=1e-6)


def test_the_table_has_a_row_a_head() -> None:
    table = a_trace().heads()
    assert len(table) == 6
    assert table["layer"].tolist() == [0, 0, 0, 1, 1, 1]
    best = table.sort("entropy").take(slice(1))
    assert best["entropy"][0] == table["entropy"].max()
    assert json.loads(table.to_json())[0]["head"] == 0
    assert table.to_csv().splitlines()[0].startswith("layer,head,entropy")
    assert "previous_token" in repr(table)
    assert table._repr_html_().count("<tr>") == 7


def test_html_of_a_table_escapes_tokens() -> None:
    trace = attnscope.from_attention(np.full((1, 1, 2, 2), 0.5), ["<b>", "x"])
    assert "<b>" not in trace.pairs()._repr_html_()


def test_pairs_leave_special_tokens_out() -> None:
    trace = attnscope.from_attention(np.full((1, 1, 3, 3), 1 / 3), ["[CLS]", "a", "b"])
    assert set(trace.pairs()["key_token"]) == {"a", "b"}
    assert set(trace.pairs(special=True)["key_token"]) == {"[CLS]", "a", "b"}


def test_pairs_and_top_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = a_trace(3, n=9)
    mean = np.mean([trace.weights(layer).mean(0) for layer in (0, 1)], axis=0)
    order = np.argsort(-mean, axis=None, kind="stable")[:7]
    monkeypatch.setattr(sys.modules["attnscope.measures.pairs"], "BLOCK", 60)
    table = trace.pairs(7, special=True)
    np.testing.assert_allclose(table["weight"], mean.flat[order], atol=1e-6)
    assert (table["query"] * 9 + table["key"]).tolist() == order.tolist()
    best = trace.top(4, 3)
    np.testing.assert_allclose(best["weight"], np.sort(mean[4])[::-1][:3], atol=1e-6)


def test_pairs_and_top_take_any_quantity() -> None:
    trace = a_trace(n=5)
    after = measures.rollout(trace)
    best = trace.top(2, 1, quantity="rollout")
    assert best["rollout"][0] == pytest.approx(after[2].max())
    before = trace.top(2, 1, quantity="rollout", layer=0)["rollout"][0]
    assert before == pytest.approx(measures.quantity(trace, "rollout").layer(0).rows()[0, 2].max())
    assert trace.pairs(1, quantity="rollout", special=True)["rollout"][0] == pytest.approx(
        after.max()
    )


def cross() -> attnscope.Trace:
    return attnscope.from_attention(cross=np.full((1, 2, 2, 3), 1 / 3, np.float32))


def test_cross_streams_have_the_measures_that_mean_something() -> None:
    assert list(cross().heads().columns) == [
        "layer", "head", "entropy", "entropy_share", "confidence",
        "first_four", "special", "delimiter", "punctuation",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: a_trace().heads(["entopy"]), "no measure 'entopy'; there are entropy, "),
        (lambda: a_trace().heads(["entopy"]), "Did you mean 'entropy'?"),
        (lambda: a_trace().heads(["special_norm"]), "measures what is moved, which needs values"),
        (lambda: cross().heads(["previous_token"]), "has no meaning for the cross stream"),
        (lambda: measures.rollout(cross()), "rollout needs the same tokens on both sides; cross"),
        (lambda: measures.rollout(a_trace(), head_fusion="sum"), "head_fusion must be one of"),
        (
            lambda: measures.rollout(a_trace(), discard_ratio=1),
            "discard_ratio must be a number of at least 0",
        ),
        (lambda: measures.rollout(a_trace(), start_layer=7), "layer 7 is not in the self stream"),
        (lambda: a_trace().top("zebra"), "query 'zebra' is not among"),
        (lambda: a_trace().top(9), "query 9 is not there: tokens go from 0 to 5"),
        (lambda: a_trace().pairs(0), "k must be at least 1, got 0"),
        (lambda: a_trace().heads()["nope"], "no column 'nope' in this table; it has layer, head"),
    ],
)
def test_what_does_not_fit_is_named(call: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert text in str(caught.value)


def test_a_row_with_a_weight_below_0_has_no_entropy_and_says_nothing_more():
    weights = np.full((1, 2, 4, 4), 0.25, np.float32)
    weights[0, 1, 2] = [-0.5, 0.5, 0.5, 0.5]
    with pytest.warns(attnscope.AttnscopeWarning, match="expected 0 to 1"):
        trace = attnscope.from_attention(weights)
    assert trace.heads(["entropy"])["entropy"][0] == pytest.approx(np.log(4), abs=1e-6)
    assert trace.heads(["entropy"])["entropy"][1] == pytest.approx(np.log(4), abs=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        measures.rollout,
        measures.heads,
        measures.steps,
        measures.alti,
        measures.relevancy,
        measures.shares,
        measures.sink,
        lambda given: measures.top(given, 0),
        lambda given: measures.norm_weighted(given, 0, 0),
        lambda given: measures.measure(given, "entropy"),
        lambda given: measures.quantity(given, "weight"),
    ],
)
def test_a_measure_of_something_that_is_no_trace_says_how_to_make_one(call) -> None:
    with pytest.raises(InputError) as caught:
        call((np.ones((1, 2, 3, 3)),))
    assert str(caught.value) == (
        "trace must be a Trace, got tuple: attnscope.capture(model, tokenizer, text) records one, "
        "attnscope.from_attention(attentions, tokens) makes one of arrays."
    )


def test_one_measure_is_named_by_its_name_alone() -> None:
    trace = a_trace()
    assert list(trace.heads("entropy").columns) == ["layer", "head", "entropy"]
    assert repr(trace.heads("entropy")) == repr(trace.heads(["entropy"]))
    with pytest.raises(InputError, match=r"measures must be names such as \['entropy'\], got 5"):
        trace.heads(5)  # type: ignore[arg-type]


def test_a_query_that_is_not_there_names_the_nearest_and_few_tokens() -> None:
    words = ["The", "cat", *[f"w{i}" for i in range(40)]]
    trace = attnscope.from_attention([np.full((1, 42, 42), 1 / 42)], words)
    with pytest.raises(InputError) as caught:
        trace.top("the ")
    assert str(caught.value) == (
        "query 'the ' is not among ['The', 'cat', 'w0', 'w1', 'w2', 'w3', 'w4', 'w5', 'w6', 'w7', "
        "'w8', 'w9'] and 30 more (did you mean 'The'?): give its position as a number."
    )


def test_a_table_prints_the_beginning_of_a_long_token_and_keeps_all_of_it() -> None:
    trace = attnscope.from_attention([np.full((1, 2, 2), 0.5)], ["x" * 10_000, "b"])
    table = trace.top(0)
    assert max(map(len, repr(table).splitlines())) < 90
    assert "x" * 59 + "…" in repr(table)
    assert "x" * 61 not in table._repr_html_()
    assert "x" * 10_000 in table.to_csv()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: measures.rollout(t, discard_ratio="a"), "discard_ratio must be a number of at"),
        (lambda t: measures.rollout(t, head_fusion=["mean"]), "head_fusion must be one of"),
        (lambda t: measures.sink_rate(t, threshold="a"), "threshold must be a number from 0 to 1"),
        (lambda t: measures.sink_rate(5), "sink_rate takes traces, got int"),
        (lambda _: a_trace(n=1).steps(1), "start=1: this trace has one row and no token after it"),
    ],
)
def test_wrong_kinds_of_values_are_named(call, text: str) -> None:
    with pytest.raises(InputError, match=text):
        call(a_trace())


@pytest.mark.parametrize("measure", [measures.rollout, measures.flow])
def test_what_needs_all_weights_of_a_layer_is_refused_of_long_texts(measure, monkeypatch) -> None:
    trace = attnscope.from_attention([np.full((1, 9, 9), 1 / 9, np.float32)])
    measure(trace)
    monkeypatch.setattr(import_module("attnscope.measures.flow"), "MOST_CELLS", 80)
    with pytest.raises(InputError, match="at once, and 9 queries × 9 keys are too many for that"):
        measure(trace)


def test_one_layer_with_one_head_is_said_as_such() -> None:
    trace = attnscope.from_attention([np.ones((1, 1, 1), np.float32)])
    assert "self: 1 layer × 1 head, 1 query × 1 key" in repr(trace)
    assert repr(trace.head_view()) == "<head view: self 1 layer>"
    assert "2 layers × 3 heads, 6 queries × 6 keys" in repr(a_trace())
