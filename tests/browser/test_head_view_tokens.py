"""Tokens of the head view: which are shown, how long, blank and many ones look, what fits."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect

import attnscope
from tests.browser.looking import (
    hover,
    line_ends,
    names,
    pressed_heads,
    random_weights,
    settle,
    shifted,
    shown_tokens,
    token,
    trace_of,
)
from tests.browser.showing import opens

PAIR = ["[CLS]", "cat", "sat", "[SEP]", "it", "was", "tired"]

show = opens("head")


def test_heads_and_pin_survive_a_change_of_layer_and_of_tokens_shown(show):
    view = show(trace_of(shifted(3, 4, 7), tokens=PAIR, segments=[4]))
    view.locator("button[data-head='1']").click()
    token(view, "query", 2).click()
    view.locator("select[name=layer]").select_option("2")
    view.locator("select[name=filter]").select_option(label="A → A")
    settle(view)
    assert pressed_heads(view) == [0, 2, 3]
    expect(view.locator("select[name=layer]")).to_have_value("2")
    expect(token(view, "query", 2)).to_have_attribute("aria-selected", "true")
    view.locator("select[name=layer]").select_option("0")
    settle(view)
    expect(view.locator("select[name=filter]")).to_have_value("A→A")


def test_the_filter_offers_all_then_same_segment_then_across(show):
    view = show(trace_of(shifted(1, 1, 7), tokens=PAIR, segments=[4]))
    select = view.locator("select[name=filter]")
    options = select.locator("option").all_inner_texts()
    assert options == ["All", "A → A", "B → B", "A → B", "B → A"]
    for label, queries, keys in [
        ("A → A", PAIR[:4], PAIR[:4]),
        ("A → B", PAIR[:4], PAIR[4:]),
        ("B → A", PAIR[4:], PAIR[:4]),
        ("B → B", PAIR[4:], PAIR[4:]),
        ("All", PAIR, PAIR),
    ]:
        select.select_option(label=label)
        settle(view)
        assert shown_tokens(view, "query") == queries
        assert shown_tokens(view, "key") == keys


def test_a_filter_shows_the_lines_between_its_tokens_only(show):
    weights = np.zeros((1, 1, 7, 7), np.float32)
    weights[0, 0] = np.eye(7)
    weights[0, 0, 1] = np.eye(7)[5]
    view = show(trace_of(weights, tokens=PAIR, segments=[4]))
    view.locator("select[name=filter]").select_option(label="A → B")
    settle(view)
    assert line_ends(view, "query") == {1}
    assert line_ends(view, "key") == {5}


def test_a_smaller_filter_makes_the_picture_shorter(show):
    view = show(trace_of(shifted(1, 1, 30), segments=[20]))
    plane = view.locator(".plane")
    assert plane.bounding_box()["height"] == pytest.approx(30 * 24)
    view.locator("select[name=filter]").select_option(label="B → B")
    settle(view)
    assert plane.bounding_box()["height"] == pytest.approx(10 * 24)


def test_segments_are_named_beside_the_tokens(show):
    segments = [("question", 0, 4), ("context", 4, 7)]
    view = show(trace_of(shifted(1, 1, 7), tokens=PAIR, segments=segments))
    for side in ("query", "key"):
        names_ = view.locator(f".column.{side} .segment").all_inner_texts()
        assert names_ == ["question", "context"]


def test_a_long_token_is_shortened_and_told_in_full_on_hover(show):
    long = "pneumonoultramicroscopicsilicovolcanoconiosis" * 2
    view = show(trace_of(shifted(1, 1, 3), tokens=["a", long, "b"]), width=600)
    text = token(view, "query", 1).locator(".text")
    style = "el => [getComputedStyle(el).textOverflow, el.scrollWidth > el.clientWidth]"
    assert text.evaluate(style) == ["ellipsis", True]
    assert token(view, "query", 1).bounding_box()["x"] >= 0
    hover(view, "query", 1)
    expect(view.get_by_role("tooltip").locator("b").first).to_have_text(long)
    assert token(view, "query", 1).get_attribute("aria-label").startswith(long)


def test_empty_and_blank_tokens_can_be_seen(show):
    view = show(trace_of(shifted(1, 1, 5), tokens=["", " ", "\n", "\t", "x"]))
    texts = shown_tokens(view, "key")
    assert len(set(texts)) == 5
    for text in texts:
        assert re.search(r"[^\s\u200b]", text), texts


@pytest.mark.parametrize("width", [360, 600, 2000])
def test_nothing_sticks_out_sideways(show, width):
    view = show(trace_of(shifted(3, 16, 8), segments=[5]), width=width)
    hover(view, "query", 7)
    page = view.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = view.locator(".root *").evaluate_all(
        "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    )
    assert right <= width
    assert 7 in line_ends(view, "query")


def test_a_long_input_scrolls_inside_the_view(show):
    view = show(trace_of(shifted(1, 1, 500)))
    page = view.page
    assert page.evaluate("document.documentElement.scrollHeight") < 1000
    assert view.locator("[role=option]").count() < 2 * 120
    scroll = view.locator(".scroll")
    assert scroll.evaluate("el => el.scrollHeight") == 500 * 24
    scroll.evaluate("el => el.scrollTo(0, el.scrollHeight)")
    expect(token(view, "query", 499)).to_be_visible()
    hover(view, "query", 499)
    assert 499 in line_ends(view, "key")
    assert page.evaluate("document.documentElement.scrollHeight") < 1000


def test_a_token_that_is_pinned_from_the_start_is_in_view(show):
    view = show(trace_of(shifted(1, 1, 500)), query=400)
    expect(view.locator(".token.pinned")).to_be_in_viewport()
    view.locator(".scroll").evaluate("el => el.scrollTo(0, 0)")
    expect(view.locator(".token[data-index='0'][data-side=query]")).to_be_in_viewport()


def test_scrolling_shows_the_lines_of_the_tokens_in_view(show):
    weights = np.zeros((1, 1, 200, 200), np.float32)
    weights[0, 0, np.arange(200), np.arange(200) // 2 * 2] = 1
    view = show(trace_of(weights))
    view.locator(".scroll").evaluate("el => el.scrollTo(0, 100 * 24)")
    expect(token(view, "key", 110)).to_be_visible()
    page = view.page
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    inside = {index for index in line_ends(view, "key") if 102 <= index <= 120}
    assert inside == set(range(102, 121, 2))


def test_streams_can_be_switched_and_have_their_own_tokens_and_layers(show):
    trace = attnscope.from_attention(
        encoder=shifted(2, 2, 5),
        decoder=shifted(3, 4, 3),
        cross=random_weights(3, 4, 3, 5),
        tokens=names(5),
        target_tokens=["le", "chat", "noir"],
    )
    view = show(trace)
    select = view.locator("select[name=stream]")
    options = select.locator("option").all_inner_texts()
    assert options == ["Encoder", "Decoder", "Cross-attention"]
    assert shown_tokens(view, "query") == names(5)
    select.select_option("cross")
    settle(view)
    assert shown_tokens(view, "query") == ["le", "chat", "noir"]
    assert shown_tokens(view, "key") == names(5)
    expect(view.locator("select[name=layer] option")).to_have_count(3)
    expect(view.locator("button.chip:not([data-head=mean])")).to_have_count(4)
