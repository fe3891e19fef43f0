"""Traces over words, normalised traces, and frames: slow loops as oracle."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attnscope
from attnscope import InputError, MissingDependencyError, Tokens, measures
from attnscope.scores import Layer
from attnscope.words import stream_over_words

PIECES = ["[CLS]", "the", "un", "##believ", "##able", "cat", "[SEP]", "a", "dog", "##s", "[SEP]"]


def a_trace(pieces: list[str] = PIECES, seed: int = 0, causal: bool = False) -> attnscope.Trace:
    n = len(pieces)
    weights = np.random.default_rng(seed).random((2, 3, n, n)).astype(np.float32) ** 2
    weights *= np.tri(n) if causal else 1
    return attnscope.from_attention(weights / weights.sum(-1, keepdims=True), pieces)


def slowly(weights: np.ndarray, words: list[list[int]]) -> np.ndarray:
    """Keys summed, queries averaged, as loops; `words` has the tokens of each word."""
    out = np.zeros((len(weights), len(words), len(words)))
    for head, rows in enumerate(weights):
        for i, queries in enumerate(words):
            for j, keys in enumerate(words):
                out[head, i, j] = np.mean([sum(rows[q, k] for k in keys) for q in queries])
    return out


WORDS = [[0], [1], [2, 3, 4], [5], [6], [7], [8, 9], [10]]


def test_keys_are_summed_and_queries_averaged() -> None:
    trace = a_trace()
    words = trace.words()
    assert words.tokens.text == (
        "[CLS]",
        "the",
        "unbelievable",
        "cat",
        "[SEP]",
        "a",
        "dogs",
        "[SEP]",
    )
    for number in (0, 1):
        expected = slowly(trace.weights(number), WORDS)
        np.testing.assert_allclose(words.weights(number), expected, atol=1e-6)
    np.testing.assert_allclose(words.weights(0).sum(-1), 1, atol=1e-6)


def test_special_tokens_may_be_left_out() -> None:
    words = a_trace().words(special=False)
    assert words.tokens.text == ("the", "unbelievable", "cat", "a", "dogs")
    kept = [word for word in WORDS if word not in ([0], [6], [10])]
    np.testing.assert_allclose(words.weights(1), slowly(a_trace().weights(1), kept), atol=1e-6)
    assert not words.stream().layer(0).sums_to_one
    whole = words.normalised(None).weights(1)
    np.testing.assert_allclose(whole.sum(-1), 1, atol=1e-6)


@given(
    cuts=st.lists(st.booleans(), min_size=1, max_size=9),
    seed=st.integers(0, 99),
    start=st.integers(-3, 9),
    stop=st.integers(-3, 9),
    step=st.sampled_from([1, 2, -1]),
    special=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_rows_of_any_words_are_those_of_the_whole(
    cuts: list[bool], seed: int, start: int, stop: int, step: int, special: bool
) -> None:
    pieces = ["a", *(("##b" if joined else "[SEP]") for joined in cuts), "c"]
    words = a_trace(pieces, seed).words(special)
    layer = words.stream().layer(0)
    assert isinstance(layer, Layer)
    whole = layer.rows()
    assert whole.shape == layer.shape
    part = layer.rows([2, 0], slice(start, stop, step))
    np.testing.assert_allclose(part, whole[[2, 0], start:stop:step], atol=1e-6)


def test_what_is_seen_is_counted_in_words() -> None:
    causal = a_trace(causal=True).words()
    layer = causal.stream().layer(0)
    assert layer.causal
    assert layer.visible_keys(np.arange(8)).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert a_trace().words().stream().layer(0).visible_keys(np.array([1])).tolist() == [8]


def test_measures_work_on_words() -> None:
    words = a_trace().words()
    assert len(words.heads()) == 6
    assert measures.rollout(words).shape == (8, 8)
    assert words.top("unbelievable", 1)["token"][0] in words.tokens.text
    with pytest.raises(InputError, match="this needs values"):
        measures.alti(words)


def test_a_quantity_may_be_taken_over_words() -> None:
    trace = a_trace()
    stream = stream_over_words(measures.quantity(trace, "rollout"))
    expected = slowly(measures.rollout(trace)[None], WORDS)
    np.testing.assert_allclose(stream.layers[-1].rows(), expected, atol=1e-6)


def test_both_sides_stay_one_list_of_tokens() -> None:
    stream = a_trace().words().stream()
    assert stream.query is stream.key
    cross = attnscope.from_attention(
        cross=np.full((1, 1, 2, 3), 1 / 3), tokens=["a", "##b", "c"], target_tokens=["x", "##y"]
    )
    words = cross.words().stream()
    assert words.query.text == ("xy",)
    assert words.key.text == ("ab", "c")
    np.testing.assert_allclose(words.layer(0).rows(), [[[2 / 3, 1 / 3]]], atol=1e-6)


def test_words_are_the_tokenizers_own_without_spaces_too() -> None:
    """Byte-level pieces of 日本 語: two characters in four pieces are one word."""
    raw = ("æĹ", "¥", "æľ¬", "èªŀ")
    tokens = Tokens.plain(raw)
    text = ("日 1/2", "日 2/2", "本", "語")
    tokens = Tokens(text, raw, tokens.special, words=(0, 0, 0, 1))
    weights = np.full((1, 1, 4, 4), 0.25, np.float32)
    words = attnscope.from_attention(weights, tokens).words()
    assert words.tokens.text == ("日本", "語")
    np.testing.assert_allclose(words.weights(0, 0), [[0.75, 0.25], [0.75, 0.25]])


def test_segments_and_spans_follow_the_words() -> None:
    tokens = Tokens.plain(PIECES, segments=[("one", 0, 7), ("two", 7, 11)])
    spans = np.array([[-1, -1], [0, 3], [4, 6], [6, 12], [12, 16], *[[0, 0]] * 6])
    tokens = Tokens(
        tokens.text, tokens.raw, tokens.special, None, spans, tokens.words, tokens.segments
    )
    words = attnscope.from_attention(np.full((1, 1, 11, 11), 1 / 11), tokens).words()
    assert [(s.name, s.start, s.stop) for s in words.tokens.segments] == [
        ("one", 0, 5),
        ("two", 5, 8),
    ]
    assert words.tokens.spans is not None
    assert words.tokens.spans[2].tolist() == [4, 16]


def test_tokens_without_word_numbers_are_words() -> None:
    trace = attnscope.from_attention(np.full((1, 1, 2, 2), 0.5), ["good", "day"])
    np.testing.assert_array_equal(trace.words().weights(0), trace.weights(0))
    assert trace.words().tokens.text == ("good", "day")


@pytest.mark.parametrize(
    ("drop", "kept"),
    [("special", [1, 2, 3, 4, 5, 7, 8, 9]), ("first", range(1, 11)), ([0, 2], [1, *range(3, 11)])],
)
def test_what_is_dropped_has_no_weight_and_rows_are_whole(drop: Any, kept: Any) -> None:
    trace = a_trace()
    expected = np.zeros((3, 11, 11))
    expected[:, :, list(kept)] = trace.weights(1)[:, :, list(kept)]
    expected /= expected.sum(-1, keepdims=True)
    found = trace.normalised(drop)
    np.testing.assert_allclose(found.weights(1), expected, atol=1e-6)
    assert found.stream().query is trace.stream().query
    rows = found.stream().layer(1).rows([1], slice(2, 4))
    np.testing.assert_allclose(rows, expected[[1], 2:4], atol=1e-6)


def test_a_row_that_saw_only_what_was_dropped_is_nothing() -> None:
    trace = a_trace(causal=True).normalised("first")
    assert not trace.weights(0)[:, 0].any()
    assert trace.stream().layer(0).visible_keys(np.array([0, 1, 10])).tolist() == [0, 1, 10]
    assert np.isfinite(trace.heads()["entropy"]).all()


def test_xarray_has_labelled_axes() -> None:
    trace = a_trace()
    array = trace.to_xarray()
    assert array.dims == ("layer", "head", "query", "key")
    assert array.sel(layer=1, head=2).shape == (11, 11)
    np.testing.assert_array_equal(array.sel(layer=1).values, trace.weights(1))
    assert array.query_token.values[5] == "cat"
    assert trace.to_xarray([1]).layer.values.tolist() == [1]


def test_pandas_has_a_row_a_weight() -> None:
    trace = a_trace()
    frame = trace.to_pandas()
    assert len(frame) == 2 * 3 * 11 * 11
    row = frame[
        (frame.layer == 1) & (frame["head"] == 2) & (frame["query"] == 5) & (frame.key == 3)
    ]
    assert row.weight.item() == pytest.approx(trace.weights(1, 2)[5, 3])
    assert row.query_token.item() == "cat"
    assert row.key_token.item() == trace.tokens.text[3]
    by_key = frame[frame.layer == 0].groupby("key_token", observed=True).weight.sum()
    assert by_key["cat"] == pytest.approx(trace.weights(0)[:, :, 5].sum(), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: a_trace().normalised("frist"), "drop must be 'special', 'first', positions of"),
        (lambda: a_trace().normalised([11]), "key 11 is not in the self stream, whose keys go fr"),
        (lambda: a_trace().normalised([1.5]), "a position to drop must be a whole number, got 1.5"),
        (lambda: a_trace(["[CLS]"]).normalised(), "drop='special' would leave no key of the self"),
        (lambda: a_trace().to_xarray([]), "layers is empty: name at least one layer"),
        (lambda: a_trace().to_pandas(7), "layer 7 is not in the self stream, which has layers 0"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)


@pytest.mark.parametrize(("name", "package"), [("to_xarray", "xarray"), ("to_pandas", "pandas")])
def test_frames_say_what_they_need(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=r"attnscope\[frames\]"):
        getattr(a_trace(), name)()


def test_frames_refuse_what_no_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["attnscope.frames"], "MOST", 400)
    with pytest.raises(InputError, match="to_pandas would make 726 weights, more than 400"):
        a_trace().to_pandas()
