"""The text view as a user meets it: shades, pointing, pins, words, lines; by mouse and keys."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

import attnscope
from attnscope import AttnscopeWarning, Document, Documents
from tests.browser.looking import FRAMES, is_right, random_weights, settle, trace_of
from tests.browser.prose import (
    SHADE,
    TOKENS,
    assert_shaded,
    facts,
    leave,
    mean,
    point,
    sentence,
    shades,
    tokens,
)

trace = pytest.fixture(sentence)


def test_a_text_is_shaded_by_what_its_tokens_receive(show, trace):
    view = show(trace.text_view())
    assert tokens(view).all_inner_texts() == ["[CLS]", "the", "un", "happy", "cat", "sat", "[SEP]"]
    assert view.locator(".prose").inner_text() == "[CLS] the unhappy cat sat [SEP]"
    received = mean(trace).mean(axis=0)
    assert_shaded(view, received)
    expect(view.locator(".facts")).to_contain_text(f"mean over {len(TOKENS)} queries")
    rows = facts(view)
    order = np.argsort(-received, kind="stable")
    shown = tokens(view).all_inner_texts()
    assert [label for label, _ in rows] == [shown[place] for place in order]
    assert all(is_right(text, received[at]) for at, (_, text) in zip(order, rows, strict=True))


def test_pointing_at_a_token_shades_what_it_attends_to(show, trace):
    view = show(trace.text_view())
    for index in (0, 4, 6):
        point(view, index)
        assert_shaded(view, mean(trace)[index])
        expect(view.locator(".facts")).to_contain_text(f"query {index} attends to")
        best = int(mean(trace)[index].argmax())
        assert is_right(facts(view)[0][1], mean(trace)[index, best])
    leave(view)
    assert_shaded(view, mean(trace).mean(axis=0))


def test_with_shift_or_the_switch_it_is_who_attends_to_the_token(show, trace):
    view = show(trace.text_view(layer=1, head=2))
    weights = trace.weights(1, 2)
    point(view, 3, shift=True)
    assert_shaded(view, weights[:, 3])
    expect(view.locator(".facts")).to_contain_text("key 3 is attended to by")
    leave(view)
    view.get_by_role("radio", name="who attends to it").click()
    point(view, 5)
    assert_shaded(view, weights[:, 5])
    leave(view)
    point(view, 5, shift=True)
    assert_shaded(view, weights[5])


def test_a_click_pins_and_pointing_elsewhere_tells_the_pair(show, trace):
    view = show(trace.text_view(layer=0, head=1))
    weights = trace.weights(0, 1)
    tokens(view).nth(4).click()
    settle(view)
    expect(view.locator("[aria-selected=true]")).to_have_text("cat")
    point(view, 1)
    assert_shaded(view, weights[4])
    label, number = facts(view)[0]
    assert label == "the"
    assert is_right(number, weights[4, 1])
    leave(view)
    assert_shaded(view, weights[4])
    tokens(view).nth(4).click()
    settle(view)
    leave(view)
    expect(view.locator("[aria-selected=true]")).to_have_count(0)
    assert_shaded(view, weights.mean(axis=0))


def test_layers_and_heads_are_put_together_as_chosen(show, trace):
    view = show(trace.text_view(2))
    assert_shaded(view, mean(trace)[2])
    view.locator("select[name=layer]").select_option("1")
    settle(view)
    assert_shaded(view, trace.weights(1).mean(axis=0)[2])
    view.locator("select[name=head]").select_option("max")
    settle(view)
    assert_shaded(view, trace.weights(1).max(axis=0)[2])
    view.get_by_label("Next head").click()
    settle(view)
    assert_shaded(view, trace.weights(1, 0)[2])
    view.locator("select[name=layer]").select_option("all")
    settle(view)
    every = np.mean([trace.weights(layer, 0) for layer in range(3)], axis=0)
    assert_shaded(view, every[2])
    for index in (0, 5):
        point(view, index)
        assert is_right(facts(view)[0][1], every[2, index])


def test_words_sum_their_keys_and_average_their_queries(show, trace):
    view = show(trace.text_view(layer=0, head=0))
    view.get_by_label("Words").check()
    settle(view)
    weights = trace.weights(0, 0).astype(float)
    point(view, 3)
    row = weights[2:4].mean(axis=0)
    row[2:4] = row[2:4].sum()
    assert_shaded(view, row)
    expect(view.locator(".facts b")).to_have_text("unhappy")
    assert tokens(view).evaluate_all("all => all.map(t => t.classList.contains('active'))") == [
        False, False, True, True, False, False, False,
    ]  # fmt: skip
    number = dict(facts(view))["unhappy"]
    assert is_right(number, row[2])


def test_special_tokens_vanish(show, trace):
    view = show(trace.text_view(layer=0, head=0))
    view.locator("select[name=special]").select_option("sum")
    settle(view)
    assert view.locator(".prose").inner_text() == "the unhappy cat sat"
    assert "rows renormalised without them" in view.locator(".foot").inner_text()
    kept = trace.weights(0, 0)[1:6, 1:6].astype(float)
    kept /= kept.sum(axis=1, keepdims=True)
    point(view, 3)
    assert_shaded(view, kept[3])
    expect(view.locator(".facts")).to_contain_text("query 4 attends to")
    assert is_right(facts(view)[0][1], kept[3].max())


def test_a_query_from_python_is_pinned(show, trace):
    view = show(trace.text_view("cat", layer=2, head=3))
    expect(view.locator("[aria-selected=true]")).to_have_text("cat")
    assert_shaded(view, trace.weights(2, 3)[4])


def test_the_text_is_walked_and_pinned_by_keys(show, trace):
    view = show(trace.text_view(layer=0, head=0))
    keyboard = view.page.keyboard
    tokens(view).first.focus()
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    assert_shaded(view, trace.weights(0, 0)[2])
    keyboard.press("Enter")
    settle(view)
    pinned = view.locator("[aria-selected=true]")
    expect(pinned).to_have_attribute("aria-label", "un, token 2")
    keyboard.press("End")
    expect(view.locator(":focus")).to_have_text("[SEP]")
    assert facts(view)[0][0] == "[SEP]"
    keyboard.press("Escape")
    expect(pinned).to_have_count(0)
    keyboard.press("Home")
    expect(view.locator(":focus")).to_have_text("[CLS]")


def test_up_and_down_go_to_the_nearest_token_of_the_next_line(show):
    view = show(trace_of(random_weights(1, 1, 90, 90)).text_view(), width=500)
    boxes = tokens(view).evaluate_all("all => all.map(t => [t.offsetTop, t.offsetLeft])")
    tops = sorted({top for top, _ in boxes})
    tokens(view).nth(3).focus()
    view.page.keyboard.press("ArrowDown")
    here = view.locator(":focus").evaluate("t => [t.offsetTop, t.offsetLeft]")
    assert here[0] == tops[1]
    assert abs(here[1] - boxes[3][1]) < 40
    view.page.keyboard.press("ArrowUp")
    assert view.locator(":focus").evaluate("t => t.offsetTop") == tops[0]
    view.page.keyboard.press("ArrowUp")
    assert view.locator(":focus").evaluate("t => t.offsetTop") == tops[0]


def test_missing_numbers_are_hatched_and_called_missing(show):
    weights = random_weights(1, 1, 4, 4)
    weights[0, 0, 1, 2] = np.nan
    with pytest.warns(AttnscopeWarning):
        trace = trace_of(weights)
    view = show(trace.text_view())
    point(view, 1)
    assert np.isnan(shades(view)).tolist() == [False, False, True, False]
    assert dict(facts(view))["two"] == "missing"


def test_two_texts_where_queries_and_keys_differ(show):
    even = random_weights(1, 2, 3, 5)
    trace = attnscope.from_attention(
        cross=even, tokens=["a", "b", "c", "d", "e"], target_tokens=["x", "y", "z"]
    )
    view = show(trace.text_view(stream="cross"))
    query, key = view.locator(".prose").all()
    assert (query.inner_text(), key.inner_text()) == ("x y z", "a b c d e")
    query.locator(".tok").nth(1).hover()
    view.page.evaluate(FRAMES)
    weights = trace.weights(0, stream="cross").mean(axis=0)
    np.testing.assert_allclose(
        np.array(key.locator(".tok").evaluate_all(SHADE)),
        np.sqrt(weights[1] / weights[1].max()),
        atol=0.012,
    )
    assert set(query.locator(".tok").evaluate_all(SHADE)) == {0}
    key.locator(".tok").nth(4).hover()
    view.page.evaluate(FRAMES)
    np.testing.assert_allclose(
        np.array(query.locator(".tok").evaluate_all(SHADE)),
        np.sqrt(weights[:, 4] / weights[:, 4].max()),
        atol=0.012,
    )


@pytest.mark.parametrize(
    ("words", "direction"),
    [
        (["مرحبا", "بالعالم", "[SEP]"], "rtl"),
        (["[CLS]", "שלום", "world"], "rtl"),
        (["[CLS]", "hello", "עולם"], "ltr"),
        (["123", "!", "今天"], "ltr"),
    ],
)
def test_a_text_runs_as_its_own_letters_do(show, words, direction):
    view = show(trace_of(random_weights(1, 1, 3, 3), tokens=words).text_view())
    prose = view.locator(".prose")
    expect(prose).to_have_attribute("dir", direction)
    places = tokens(view).evaluate_all("all => all.map(t => t.getBoundingClientRect().left)")
    assert (places[0] > places[2]) == (direction == "rtl")
    tokens(view).first.focus()
    view.page.keyboard.press("ArrowLeft" if direction == "rtl" else "ArrowRight")
    expect(view.locator(":focus")).to_have_attribute("data-index", "1")


@pytest.mark.parametrize("width", [400, 600, 1400])
def test_nothing_sticks_out_sideways(show, width):
    words = ["x" * 90, "short", *["word"] * 60]
    view = show(trace_of(random_weights(2, 3, 62, 62), tokens=words).text_view(), width=width)
    point(view, 1)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_long_text_is_cut_into_blocks_that_are_skipped_out_of_sight(show):
    words = [word for i in range(4000) for word in (f"word{i}", ".")]
    view = show(Documents([Document(words, np.linspace(0, 1, 8000))]).text_view())
    expect(tokens(view)).to_have_count(8000)
    blocks = view.locator(".block")
    assert blocks.count() >= 20
    ends = blocks.evaluate_all("all => all.map(b => b.lastElementChild.textContent)")
    assert set(ends) == {"."}
    seen = "b => b.lastElementChild.checkVisibility({contentVisibilityAuto: true})"
    assert blocks.first.evaluate(seen)
    assert not blocks.last.evaluate(seen)
    assert shades(view)[7999] == 1
    tokens(view).nth(7999).scroll_into_view_if_needed()
    point(view, 7998)
    assert is_right(facts(view)[0][1], 7998 / 7999)
