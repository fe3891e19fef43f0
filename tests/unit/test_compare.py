"""Comparing two traces: alignment, signed differences, heads by change, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

import attnscope
from attnscope import InputError, measures
from attnscope.measures.align import align
from attnscope.tokens import Tokens
from tests.traces import of_words

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "[SEP]"]), min_size=1, max_size=9)


def test_tokens_are_merged_as_a_diff_shows_them():
    a = Tokens.plain(["I", "saw", "the", "man", "with", "it", "."])
    b = Tokens.plain(["I", "saw", "the", "very", "old", "dog", "with", "it"])
    merged = align(a, b)
    assert merged.tokens.text == (
        "I", "saw", "the", "−man", "+very", "+old", "+dog", "with", "it", "−.",
    )  # fmt: skip
    assert merged.a.tolist() == [0, 1, 2, 3, -1, -1, -1, 4, 5, 6]
    assert merged.b.tolist() == [0, 1, 2, -1, 3, 4, 5, 6, 7, -1]
    assert Counter(merged.kinds) == {"same": 5, "removed": 2, "added": 3}


def test_a_replaced_token_stands_once_with_both_texts():
    a, b = Tokens.plain(["She", "laughed"]), Tokens.plain(["He", "laughed"])
    assert align(a, b).tokens.text == ("She→He", "laughed")
    assert align(a, b).both.all()
    assert align(a, b, replaced=False).tokens.text == ("−She", "+He", "laughed")


def test_words_and_segments_of_merged_tokens():
    a = Tokens.plain(["tele", "##scope", "on"], segments=[("A", 0, 2), ("B", 2, 3)])
    b = Tokens.plain(["micro", "##scope", "##s", "on"], segments=[("A", 0, 3), ("B", 3, 4)])
    merged = align(a, b)
    assert merged.tokens.text == ("tele→micro", "scope", "+s", "on")
    assert [(s.name, s.start, s.stop) for s in merged.tokens.segments] == [
        ("A", 0, 3),
        ("B", 3, 4),
    ]
    assert merged.tokens.words == (0, 0, 1, 2)


@given(WORDS, WORDS, st.booleans())
def test_an_alignment_holds_every_token_once_in_order(one, other, replaced):
    merged = align(Tokens.plain(one), Tokens.plain(other), replaced=replaced)
    for places, words in ((merged.a, one), (merged.b, other)):
        assert places[places >= 0].tolist() == list(range(len(words)))
    same = [kind == "same" for kind in merged.kinds]
    texts = zip(merged.a[same], merged.b[same], strict=True)
    assert all(one[i] == other[j] for i, j in texts)
    assert len(merged.tokens) == len(merged.kinds)
    if not replaced:
        assert "replaced" not in merged.kinds


def test_the_difference_is_b_minus_a_where_both_have_the_token():
    a, b = of_words(["x", "y", "z"], 0), of_words(["x", "n", "m", "y", "z"], 1)
    shown = attnscope.compare(a, b).difference.weights(1)
    both = [0, 3, 4]
    expected = b.weights(1)[:, both][:, :, both] - a.weights(1)
    np.testing.assert_array_equal(shown[:, both][:, :, both], expected)
    alone = np.ones((5, 5), bool)
    alone[np.ix_(both, both)] = False
    assert np.isnan(shown[:, alone]).all()


@settings(deadline=None)
@given(WORDS, WORDS, st.integers(0, 5))
def test_rows_of_a_difference_are_those_of_the_whole(one, other, start):
    if not set(one) & set(other):
        other = [*other, one[0]]
    layer = attnscope.compare(of_words(one), of_words(other, 1)).difference.stream().layer(0)
    whole = layer.rows()
    assert whole.shape == layer.shape
    some = layer.rows([2, 0], slice(start, None, 2))
    np.testing.assert_array_equal(some, whole[[2, 0], start::2])


def test_swapping_the_traces_swaps_the_sign():
    a, b = of_words(["x", "y", "z"], 0), of_words(["x", "q", "y", "z"], 1)
    forth, back = attnscope.compare(a, b), attnscope.compare(b, a)
    np.testing.assert_array_equal(forth.difference.weights(0, 1), -back.difference.weights(0, 1))
    for name in ("layer", "head", "change", "js", "largest"):
        np.testing.assert_allclose(forth.heads()[name], back.heads()[name])


def test_a_trace_compared_with_itself_has_not_changed():
    trace = of_words(["x", "y", "z"])
    table = attnscope.compare(trace, trace).heads()
    assert len(table) == 6
    for name in ("change", "js", "largest"):
        assert (table[name] == 0).all()


def test_change_and_divergence_are_what_scipy_says():
    a, b = of_words(["x", "y", "z", "u"], 0), of_words(["x", "y", "n", "z", "u"], 1)
    mine, yours = [0, 1, 2, 3], [0, 1, 3, 4]
    for row in attnscope.compare(a, b).heads().rows():
        p = a.weights(row["layer"], row["head"])[np.ix_(mine, mine)].astype(float)
        q = b.weights(row["layer"], row["head"])[np.ix_(yours, yours)].astype(float)
        p = np.concatenate([p, np.maximum(1 - p.sum(1, keepdims=True), 0)], axis=1)
        q = np.concatenate([q, np.maximum(1 - q.sum(1, keepdims=True), 0)], axis=1)
        moved = np.abs(p - q).sum(1) / 2
        assert row["js"] == pytest.approx((jensenshannon(p, q, axis=1) ** 2).mean(), abs=1e-6)
        assert row["change"] == pytest.approx(moved.mean(), abs=1e-6)
        assert row["largest"] == pytest.approx(moved.max(), abs=1e-6)
        assert row["token"] == ["x", "y", "+n", "z", "u"][row["query"]]
        assert row["query"] == yours[int(moved.argmax())]


def test_a_row_that_has_moved_altogether_changes_by_1_and_ln_2():
    here, there = np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32)[::-1]
    traces = [attnscope.from_attention([w[None]], ["x", "y"]) for w in (here, there)]
    row = next(attnscope.compare(*traces).heads().rows())
    assert (row["change"], row["largest"]) == (1, 1)
    assert row["js"] == pytest.approx(np.log(2))


def test_weight_on_tokens_of_one_trace_alone_is_one_key_more():
    """Both give 0.6 of "x" to tokens that the other lacks: that is no difference."""
    a = attnscope.from_attention([np.array([[[0.4, 0.6], [0.5, 0.5]]])], ["x", "only_a"])
    b = attnscope.from_attention(
        [np.array([[[0.4, 0.3, 0.3], [0.2, 0.4, 0.4], [0.2, 0.4, 0.4]]])], ["x", "n", "m"]
    )
    row = next(attnscope.compare(a, b).heads().rows())
    assert row["change"] == pytest.approx(0, abs=1e-7)


def test_pairs_lists_the_largest_changes_of_all_heads_first():
    a, b = of_words(["x", "y", "z"], 0), of_words(["x", "n", "y", "z"], 1)
    comparison = attnscope.compare(a, b)
    table = comparison.pairs(7)
    everything = np.stack([comparison.difference.weights(layer) for layer in (0, 1)])
    largest = np.sort(np.abs(everything[np.isfinite(everything)]))[::-1][:7]
    np.testing.assert_allclose(np.abs(table["difference"]), largest, rtol=1e-6)
    for row in table.rows():
        assert row["difference"] == pytest.approx(row["b"] - row["a"])
        assert row["difference"] == pytest.approx(
            everything[row["layer"], row["head"], row["query"], row["key"]], abs=1e-7
        )
        assert row["key_token"] == ["x", "+n", "y", "z"][row["key"]]
    assert set(comparison.pairs(3, layer=1, head=2)["head"]) == {2}


def test_cross_streams_align_both_sides():
    def translated(source, target, seed):
        rng = np.random.default_rng(seed)
        weights = rng.dirichlet(np.ones(len(source)), (2, 3, len(target)))
        return attnscope.from_attention(cross=weights, tokens=source, target_tokens=target)

    a = translated(["x", "y"], ["u", "v", "w"], 0)
    b = translated(["x", "n", "y"], ["u", "w"], 1)
    comparison = attnscope.compare(a, b)
    layer = comparison.difference.stream().layer(0)
    assert layer.shape == (3, 3, 3)
    assert np.isfinite(layer.rows()[0]).tolist() == [
        [True, False, True],
        [False, False, False],
        [True, False, True],
    ]
    assert comparison.tokens()["kind"].tolist() == ["same", "removed", "same"]


def test_a_comparison_is_shown_from_both_sides():
    a, b = of_words(["x", "y", "z"], 0), of_words(["x", "n", "y", "z"], 1)
    comparison = attnscope.compare(a, b)
    names = measures.quantities_of(comparison.difference)
    assert names == ["difference", "before", "after"]
    before, after = (measures.quantity(comparison.difference, name) for name in names[1:])
    kept = [0, 2, 3]
    shown = before.layer(1).rows()[:, kept][:, :, kept]
    np.testing.assert_array_equal(shown, a.weights(1))
    np.testing.assert_array_equal(after.layer(1).rows([2]), b.weights(1)[[2]])
    assert np.isnan(before.layer(1).rows()[:, 1]).all()
    with pytest.raises(InputError, match="show 'difference', 'before' or 'after'"):
        measures.quantity(comparison.difference, "weight")
    with pytest.raises(InputError, match="this is a comparison of two traces: show 'difference'"):
        comparison.difference.heads()
    with pytest.raises(InputError, match="a difference needs two traces"):
        measures.quantity(a, "difference")


def test_what_a_comparison_says_of_itself():
    a, b = of_words(["x", "y", "z"]), of_words(["x", "q", "n", "z"])
    assert repr(attnscope.compare(a, b)) == (
        "Difference: arrays\n"
        "  Weights of the second trace minus those of the first.\n"
        "  self: 5 tokens, 2 same, 1 removed, 2 added."
    )


def test_traces_that_do_not_match_are_named_by_dimension():
    one = of_words(["x", "y"])
    with pytest.raises(InputError, match="different layers in the self stream: layers 0 to 1 and "):
        attnscope.compare(one, of_words(["x", "y"], n_layers=3))
    with pytest.raises(
        InputError, match=r"different heads in layer 0 of .*: heads 0 to 2 and head"
    ):
        attnscope.compare(one, of_words(["x", "y"], n_heads=4))
    other = attnscope.from_attention(decoder=np.ones((2, 3, 1, 1)), target_tokens=["x"])
    with pytest.raises(InputError, match="different streams: self and decoder"):
        attnscope.compare(one, other)
    with pytest.raises(InputError, match=r"no query token of the self stream in common: 'x y' and"):
        attnscope.compare(one, of_words(["u", "v", "w"]))
    with pytest.raises(InputError, match="second argument of compare is str, expected a Trace"):
        attnscope.compare(one, "x y")
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        attnscope.compare(one, one).pairs(0)


def test_two_checkpoints_of_one_text(minilm):
    """Noise on the queries' weights of one layer: the layers before it have not changed."""
    import copy

    import torch

    model, tokenizer = minilm
    tuned = copy.deepcopy(model)
    attention = tuned.encoder.layer[3].attention.self
    with torch.no_grad():
        attention.query.weight += 0.05 * torch.randn(
            attention.query.weight.shape, generator=torch.Generator().manual_seed(0)
        )
    a, b = (attnscope.capture(m, tokenizer, "The cat sat.") for m in (model, tuned))
    table = attnscope.compare(a, b).heads()
    assert table["change"][table["layer"] < 3].max() < 1e-6
    assert table["change"][table["layer"] == 3].min() > 1e-4
