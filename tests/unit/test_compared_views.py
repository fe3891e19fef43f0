"""Views of a comparison: what their pages are told and carry, and what is refused."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.wire.encode import SQRT_WEIGHTS
from attnscope.wire.replies import answer, requests_of
from tests.traces import of_words

VIEWS = ("head_view", "model_view", "matrix_view", "text_view", "heads_view")


def pair(n_layers: int = 2, **options):
    a = of_words(["x", "y", "z"], 0, n_layers)
    b = of_words(["x", "n", "u", "z"], 1, n_layers)
    return attnscope.compare(a, b, **options)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_three_streams_over_the_same_places(view):
    spec = getattr(pair(names=("before", "after")), view)().spec
    whole, first, second = spec["streams"]
    assert whole["pair"] == [first["name"], second["name"]] == ["self:first", "self:second"]
    assert [first["label"], second["label"]] == ["before", "after"]
    assert spec["state"]["stream"] == "self"
    assert spec["title"] == "before → after"
    sides = [spec["sides"][shown["query"]] for shown in spec["streams"]]
    assert [side["text"] for side in sides] == [
        ["x", "−y", "+n", "+u", "z"],
        ["x", "y", "", "", "z"],
        ["x", "", "n", "u", "z"],
    ]
    assert [side["kinds"] for side in sides] == [
        ["same", "alone", "alone", "alone", "same"],
        ["same", "alone", "gap", "gap", "same"],
        ["same", "gap", "alone", "alone", "same"],
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_a_page_carries_the_weights_of_both_once(view):
    spec = getattr(pair(), view)().spec
    asked = {(one["kind"], one["stream"], one["layer"]) for one in requests_of(spec)}
    assert asked == {
        ("layer", f"self:{side}", layer) for side in ("first", "second") for layer in (0, 1)
    }


def test_replaced_tokens_have_their_own_texts():
    she, he = of_words(["She", "sat"]), of_words(["He", "sat"], 1)
    spec = attnscope.compare(she, he).head_view().spec
    texts = [spec["sides"][shown["key"]]["text"] for shown in spec["streams"]]
    assert texts == [["She→He", "sat"], ["She", "sat"], ["He", "sat"]]
    assert spec["sides"][0]["kinds"] == ["replaced", "same"]


@pytest.mark.parametrize("view", ["head_view", "matrix_view"])
def test_a_view_opens_at_the_head_that_changed_most(view):
    comparison = pair(3)
    make, table = getattr(comparison, view), comparison.heads()

    def opened(spec):
        state = spec["state"]
        return state["layer"], state["heads"][0] if view == "head_view" else state["head"]

    assert opened(make().spec) == (table["layer"][0], table["head"][0])
    assert opened(make(2).spec) == (2, table.take(table["layer"] == 2)["head"][0])
    with_layers = table.take(np.isin(table["layer"], [0, 2]))
    first = (with_layers["layer"][0], with_layers["head"][0])
    assert opened(make(layers=[0, 2]).spec) == first
    assert opened(make(1, [2] if view == "head_view" else 2).spec) == (1, 2)
    with pytest.raises(InputError, match="layer 7 is not in the self stream"):
        make(7)


def test_measures_are_those_of_each_trace_and_their_difference():
    comparison = pair()
    whole, first, second = comparison.heads_view().spec["streams"]
    named = {one["name"]: np.array(one["values"]) for one in whole["measures"]}
    assert list(named)[:3] == ["change", "js", "largest"]
    a, b = (
        {one["name"]: np.array(one["values"]) for one in shown["measures"]}
        for shown in (first, second)
    )
    expected = comparison.a.heads()["entropy"].reshape(2, 3)
    np.testing.assert_allclose(a["entropy"], expected, rtol=1e-3)
    np.testing.assert_allclose(named["entropy"], b["entropy"] - a["entropy"], atol=2e-3)
    for row in comparison.heads().rows():
        assert named["change"][row["layer"], row["head"]] == pytest.approx(row["change"], rel=1e-3)


def test_a_head_whose_pattern_changed_has_both_names():
    previous, first = np.eye(5, k=-1, dtype=np.float32), np.zeros((5, 5), np.float32)
    previous[0, 0] = first[:, 0] = 1
    words = ["a", "b", "c", "d", "e"]
    a, b = (attnscope.from_attention([one[None]], words) for one in (previous, first))
    (shown, *_) = attnscope.compare(a, b).heads_view().spec["streams"]
    before, after = (trace.heads()["pattern"][0] for trace in (a, b))
    assert before != after
    assert shown["patterns"] == [[f"{before} → {after}"]]


def test_thumbnails_of_a_difference_are_what_was_gained_and_what_was_lost():
    words = [f"w{place}" for place in range(160)]
    comparison = attnscope.compare(of_words(words, 0, 1, 2), of_words(words, 1, 1, 2))
    view = comparison.model_view(show="difference")
    shown = view.spec["streams"][0]
    reply = answer(view.trace, view.spec, {"kind": "thumbnails", "stream": "self"})
    rows, columns = shown["thumbnail"]
    assert reply.meta["shape"] == [4, rows, columns]
    codes = np.frombuffer(gzip.decompress(reply.data), np.uint8).reshape(4, rows, columns)
    difference = comparison.difference.weights(0)
    for half, sign in enumerate((1, -1)):
        largest = np.maximum(sign * difference, 0).max((1, 2))
        drawn = SQRT_WEIGHTS[codes[2 * half : 2 * half + 2]].max((1, 2))
        np.testing.assert_allclose(drawn, largest, atol=0.005)
    kinds = [(one["kind"], one["stream"]) for one in requests_of(view.spec)]
    assert kinds[0] == ("thumbnails", "self")
    assert "data-key" in view.html()


def test_names_are_two_different_texts():
    assert pair().names == ("first", "second")
    for given in ("ab", ["a"], ["a", 3], ["a", ""]):
        with pytest.raises(InputError, match="names must be two texts, such as"):
            pair(names=given)
    with pytest.raises(InputError, match="names must be two different texts, got 'a' twice"):
        pair(names=["a", "a"])


def test_what_a_comparison_cannot_show_is_refused():
    comparison = pair()
    with pytest.raises(InputError, match="show must be one of 'both', 'difference', got 'all'"):
        comparison.head_view(show="all")
    with pytest.raises(InputError, match=r"compare\(a.words\(\), b.words\(\)\)"):
        comparison.matrix_view(words=True)
    with pytest.raises(InputError, match="head='max' says nothing of a difference"):
        comparison.matrix_view(head="max")
    with pytest.raises(InputError, match=r"no stream 'self:first' in this trace"):
        comparison.head_view(stream="self:first")
    with pytest.raises(TypeError, match="has no option 'color'"):
        comparison.head_view(color="log")


def test_a_text_view_of_long_texts_names_what_to_leave_out(monkeypatch):
    monkeypatch.setattr("attnscope.views.compared.ALL_UP_TO", 100)
    with pytest.raises(InputError, match=r"more than 0 million: choose layers=\[...\] or heads="):
        pair().text_view()
    assert pair().text_view(layers=[0], heads=[1]).spec["state"]["layer"] == 0


def test_a_widget_shares_what_is_shown():
    widget = pair().head_view().widget()
    widget.show = "difference"
    assert widget.view().spec["state"]["show"] == "difference"
