"""The matrix view as a user meets it: numbers, colours, hidden cells, quantities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from playwright.sync_api import expect

import attnscope
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from tests.browser.live import open_live
from tests.browser.looking import names, random_weights, settle, trace_of
from tests.browser.mapping import (
    color,
    cursor,
    drag,
    is_true,
    lightness,
    place,
    plot,
    point,
    press,
    shown_ticks,
    value,
    vectors_trace,
    window,
)
from tests.browser.showing import opens

show = opens("matrix", height=900, live=True)


@pytest.mark.parametrize("make", [vectors_trace, lambda n: trace_of(random_weights(2, 3, n, n))])
def test_every_number_pointed_at_is_right(show, make):
    trace = make(9)
    view = show(trace, layer=1, head=2)
    weights = trace.weights(1, 2)
    for query, key in [(0, 0), (8, 8), (3, 7), (7, 2)]:
        point(view, query, key)
        assert is_true(value(view), weights[query, key]), (query, key, value(view))
    tip = view.get_by_role("tooltip").inner_text()
    assert "seven" in tip
    assert "query 7" in tip
    assert "key 2" in tip


def test_darker_is_more_and_cells_lie_where_their_tokens_are(show):
    weights = np.full((1, 1, 6, 6), 1 / 6, np.float32)
    weights[0, 0, 1] = np.eye(6)[4]
    view = show(trace_of(weights))
    assert lightness(color(view, 1, 4)) < lightness(color(view, 4, 1)) - 60
    assert color(view, 4, 1) == color(view, 0, 0) == color(view, 5, 5) != color(view, 1, 0)
    assert shown_ticks(view, "query") == shown_ticks(view, "key") == list(range(6))
    texts = view.locator(".mapaxis.key .tick").all_inner_texts()
    assert sorted(texts) == sorted(names(6))


@pytest.mark.parametrize("over", ["mean", "max"])
def test_all_heads_of_a_layer_can_be_shown_as_one(show, over):
    trace = vectors_trace(8, causal=True)
    view = show(trace, head=over)
    together = getattr(trace.weights(0), over)(0)
    for query, key in [(5, 1), (7, 7)]:
        point(view, query, key)
        assert is_true(value(view), together[query, key])
    view.get_by_role("combobox", name="Head").select_option("1")
    settle(view)
    point(view, 5, 1)
    assert is_true(value(view), trace.weights(0, 1)[5, 1])


def test_what_the_mask_hides_is_no_zero(show):
    view = show(vectors_trace(9, causal=True))
    point(view, 2, 6)
    assert "hidden by the mask" in view.get_by_role("tooltip").inner_text()
    hatched = {color(view, query, key) for query, key in [(0, 8), (1, 5), (4, 7)]}
    assert color(view, 8, 0) not in hatched
    assert all(min(rgb) > 200 for rgb in hatched)


def test_missing_numbers_are_told_apart(show):
    weights = random_weights(1, 1, 6, 6)
    weights[0, 0, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", attnscope.AttnscopeWarning)
        trace = trace_of(weights)
    view = show(trace)
    point(view, 2, 3)
    assert value(view) == "missing"
    red, green, _ = color(view, 2, 3)
    assert red > green + 15


def test_enter_or_a_click_tells_why_where_queries_and_keys_are(show):
    trace = vectors_trace(9, causal=True)
    view = show(trace, layer=1, head=2)
    view.page.mouse.click(*place(view, 6, 3))
    why = view.locator(".why")
    expect(why).to_have_attribute("data-why", "6/3")
    shown = why.locator("[data-line=weight] [data-value]").inner_text()
    assert is_true(shown, trace.weights(1, 2)[6, 3])
    press(view, "ArrowLeft")
    expect(why).to_have_attribute("data-why", "6/2")
    press(view, "Escape")
    expect(why).to_have_count(0)
    press(view, "ArrowDown", "Enter")
    expect(why).to_have_attribute("data-why", "7/2")


def test_weights_alone_have_no_why(show):
    view = show(trace_of(random_weights(1, 2, 6, 6)))
    view.page.mouse.click(*place(view, 2, 2))
    settle(view)
    assert cursor(view) == "2/2"
    expect(view.locator(".why")).to_have_count(0)


def test_sentence_pairs_are_filtered_and_marked(show):
    trace = vectors_trace(10, segments=(6,))
    view = show(trace)
    bars = view.locator(".mapsegment")
    expect(bars).to_have_count(4)
    view.get_by_role("combobox", name="Tokens").select_option("A→B")
    settle(view)
    assert window(view) == [[0, 6], [6, 10]]
    assert shown_ticks(view, "key") == [6, 7, 8, 9]
    point(view, 2, 8)
    assert is_true(value(view), trace.weights(0, 0)[2, 8])
    drag(view, (1, 6), (3, 8))
    view.get_by_role("combobox", name="Tokens").select_option("B→B")
    settle(view)
    assert window(view) == [[6, 10], [6, 10]]


def test_colours_can_be_linear_logarithmic_and_fitted(show):
    weights = np.full((1, 1, 10, 10), 0.1, np.float32)
    view = show(trace_of(weights))
    seen = [lightness(color(view, 3, 3))]
    for name in ("Linear", "Log"):
        view.get_by_role("radio", name=name).click()
        settle(view)
        seen.append(lightness(color(view, 3, 3)))
    root, linear, log = seen
    assert linear > root > log
    view.get_by_role("radio", name="Fit").click()
    settle(view)
    assert lightness(color(view, 3, 3)) < log
    assert "0.1" in view.locator(".colorbar").inner_text().split()


def test_long_inputs_are_shown_in_blocks_and_sharpen(show):
    trace = vectors_trace(900, causal=True)
    view = show(trace, layer=1)
    assert plot(view).get_attribute("data-step") == "2"
    weights = trace.weights(1, 0)
    point(view, 700.5, 30.5)
    rows, columns = (slice(700, 702), slice(30, 32))
    tip = view.get_by_role("tooltip").inner_text()
    assert "queries 700–701" in tip
    assert "keys 30–31" in tip
    texts = view.locator("[role=tooltip] .value").all_inner_texts()
    block = weights[rows, columns]
    assert is_true(texts[0], block.max())
    assert is_true(texts[1], block.mean())
    ticks = shown_ticks(view, "query")
    assert ticks[:2] == [0, 50]
    drag(view, (600, 100), (639, 139))
    assert plot(view).get_attribute("data-step") == "1"
    assert window(view) == [[600, 640], [100, 140]]
    point(view, 611, 120)
    assert is_true(value(view), weights[611, 120])
    assert view.locator(".mapaxis.query .tick").count() == 40


def test_narrow_and_dark_pages_hold_the_whole_map(page, open_view):
    trace = vectors_trace(12, segments=(5,))
    html = trace.matrix_view(theme="dark").html()
    view = open_view(page, html, width=600, height=900, color_scheme="dark")
    box, root = plot(view).bounding_box(), view.bounding_box()
    assert box is not None
    assert root is not None
    assert box["x"] + box["width"] <= root["x"] + root["width"] - 60
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
    assert lightness(color(view, 0, 0)) < 240


def test_scores_have_signs_and_their_own_colours(show):
    trace = vectors_trace(8)
    view = show(trace, quantity="score")
    scores = trace.streams["self"].layers[0].scores([0])[0]
    low, high = (np.unravel_index(at, scores.shape) for at in (scores.argmin(), scores.argmax()))
    for cell in (low, high):
        point(view, *map(float, cell))
        shown = value(view)
        assert shown.startswith("−") == (scores[cell] < 0)
        assert float(shown.replace("−", "-")) == pytest.approx(scores[cell], abs=6e-4)
    (red, _, blue), (red_high, _, blue_high) = (
        color(view, *map(int, low)),
        color(view, *map(int, high)),
    )
    assert red > blue
    assert blue_high > red_high
    view.get_by_role("combobox", name="What is shown").select_option("weight")
    settle(view)
    point(view, 2, 3)
    assert is_true(value(view), trace.weights(0, 0)[2, 3])


def test_a_quantity_of_the_layer_needs_no_head(show):
    trace = vectors_trace(8)
    view = show(trace, layer=1, quantity="rollout")
    expect(view.get_by_role("combobox", name="Head")).to_have_count(0)
    point(view, 5, 2)
    expected = attnscope.measures.rollout(trace)[5, 2]
    assert float(value(view)) == pytest.approx(expected, rel=0.01)
    assert "rollout" in view.get_by_role("tooltip").inner_text()


def test_a_saved_page_offers_what_it_carries_and_a_live_one_all(page, open_view):
    trace = vectors_trace(6)
    options = "select[name=quantity] option"
    read = "all => all.map(o => o.value)"
    saved = open_view(page, trace.matrix_view(quantity="rollout").html())
    assert saved.locator(options).evaluate_all(read) == ["weight", "score", "rollout"]
    live = open_live(page, trace.matrix_view())
    assert live.locator(options).evaluate_all(read) == attnscope.measures.quantities_of(trace)


def test_words_and_tokens_are_one_click_apart(show):
    base = vectors_trace(9, causal=True)
    names_ = ["[CLS]", "in", "##cre", "##dible", "mi", "##ce", ".", "so", "[SEP]"]
    side = Tokens.plain(names_, segments=[7])
    trace = Trace([Stream("self", (0, 1), base.streams["self"].layers, side, side)])
    view = show(trace, layer=1, head=2)
    assert window(view) == [[0, 9], [0, 9]]
    view.get_by_role("radio", name="Words").click()
    settle(view)
    assert window(view) == [[0, 6], [0, 6]]
    assert "incredible" in view.locator(".mapaxis.key .tick").all_inner_texts()
    words = trace.words().weights(1, 2)
    for query, key in [(1, 1), (5, 2), (2, 0)]:
        point(view, query, key)
        assert is_true(value(view), words[query, key])
    point(view, 1, 4)
    assert "hidden" in view.get_by_role("tooltip").inner_text()
    view.get_by_role("combobox", name="Tokens shown").select_option("A→A")
    settle(view)
    assert window(view) == [[0, 4], [0, 4]]
    view.get_by_role("radio", name="Tokens").click()
    settle(view)
    assert window(view) == [[0, 7], [0, 7]]
    point(view, 6, 3)
    assert is_true(value(view), trace.weights(1, 2)[6, 3])
