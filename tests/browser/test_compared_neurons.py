"""Neurons of two traces as a user meets them: strips, sums, differences and why a weight is so."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from tests.browser.comparing import part, plain
from tests.browser.looking import settle, token
from tests.generating import captured

pytestmark = pytest.mark.browser

LAYER, HEAD = 1, 2


@pytest.fixture(scope="module")
def comparison() -> attnscope.Comparison:
    """Merged: 5 · 6→11 · 7 · +12 · +13 · 8 · −9 · 10."""
    a, b = captured("llama", [5, 6, 7, 8, 9, 10]), captured("llama", [5, 11, 7, 12, 13, 8, 10])
    return attnscope.compare(a, b, names=("before", "after"))


@pytest.fixture
def opened(comparison, page: Page, open_view):
    def opening(**options) -> Locator:
        html = comparison.neuron_view(LAYER, HEAD, **options).html()
        return open_view(page, html, width=1400, height=1100)

    return opening


def sums(view: Locator, step: str) -> list[str]:
    return [one.inner_text() for one in view.locator(f".sum [data-step={step}]").all()]


def weights(comparison, query: int) -> np.ndarray:
    """[trace, merged key], NaN where the trace lacks a token."""
    layer = comparison.difference.stream().layer(LAYER)
    return np.stack([one[0, 0] for one in layer.both([HEAD], slice(query, query + 1))])


def number(text: str) -> float:
    return float("nan") if text == "missing" else float(plain(text).lstrip("<"))


def test_both_have_their_strips_and_a_gap_is_no_zero(opened, comparison):
    view = opened(query=7)
    assert [part(view, side).locator("h3").inner_text() for side in (0, 1)] == ["before", "after"]
    expected = weights(comparison, 7)
    for side in (0, 1):
        shown = [number(text) for text in sums(part(view, side), "weight")]
        np.testing.assert_allclose(shown, expected[side], atol=6e-4)
    expect(part(view, 0).locator(".sum[data-key='3']")).to_contain_text("not in this text")


def test_a_query_pointed_at_in_one_shows_its_sums_in_the_other(opened, comparison):
    view = opened(query=7)
    token(part(view, 0), "query", 2).hover()
    expected = weights(comparison, 2)[1]
    last = part(view, 1).locator(".sum[data-key='1'] [data-step=weight]")
    expect(last).to_have_text(f"{expected[1]:.3f}")


def test_the_difference_has_signs_at_every_step(opened, comparison):
    view = opened(query=7, show="difference")
    expected = weights(comparison, 7)
    shown = sums(view, "weight")
    np.testing.assert_allclose([number(t) for t in shown], expected[1] - expected[0], atol=6e-4)
    assert {text[0] for text in shown} <= set("+−0m")
    scores = [
        layer.scores([HEAD])[0]
        for layer in (comparison.a.stream().layer(LAYER), comparison.b.stream().layer(LAYER))
    ]
    changed = scores[1][6, 0] - scores[0][5, 0]
    printed = view.locator(".sum[data-key='0'] [data-step=scaled]").inner_text()
    assert number(printed) == pytest.approx(changed, abs=6e-4)
    assert view.locator(".foot").get_by_text("gained").count() == 1
    expect(view.locator(".sum[data-key='3']")).to_contain_text("in one text only")


def test_colours_of_a_difference_are_those_of_what_was_changed(page: Page, open_view):
    same = list(range(20, 50))
    pair = [captured("llama", [*same, last]) for last in (5, 6)]
    made = attnscope.compare(*pair).neuron_view(LAYER, HEAD, query=30, show="difference")
    foot = open_view(page, made.html()).locator(".foot").inner_text()
    largest = max(changed(pair, part) for part in ("queries", "keys"))
    [end] = re.findall(r"q, k\s*−([\d.]+)", foot)
    assert 0.4 * largest <= float(end) <= largest


def changed(pair: list[attnscope.Trace], part: str) -> float:
    """The largest difference between a head's vectors: the last token's, as the rest is equal."""
    heads = [trace.stream().layer(LAYER).head(HEAD) for trace in pair]
    return float(np.abs(getattr(heads[1], part) - getattr(heads[0], part)).max())


def test_a_weight_is_explained_in_both(opened, comparison):
    view = opened(query=7, show="difference")
    token(view, "key", 0).focus()
    view.page.keyboard.press("Enter")
    settle(view)
    expected = weights(comparison, 7)[:, 0]
    titles = view.locator(".why h3").all_inner_texts()
    assert titles == [f"Why {weight:.3f}?" for weight in expected]
    for name, box in zip(("before", "after"), view.locator(".why").all(), strict=True):
        expect(box).to_contain_text(f"{name}, layer {LAYER}, head {HEAD}")
    view.page.keyboard.press("Escape")
    expect(view.locator(".why")).to_have_count(0)


def test_lines_come_first_and_a_sign_opens_the_neurons(opened):
    view = opened()
    expect(part(view, 0).locator(".neurons")).to_have_count(0)
    token(part(view, 1), "query", 2).locator(".sign").click()
    settle(view)
    expect(view.locator(".neurons")).to_have_count(2)


def test_the_head_view_explains_a_weight_in_both(comparison, page: Page, open_view):
    view = open_view(page, comparison.head_view(LAYER, [HEAD]).html(), width=1400, height=1000)
    token(part(view, 1), "query", 7).click()
    token(part(view, 1), "key", 1).locator(".number").click()
    settle(view)
    expected = weights(comparison, 7)[:, 1]
    assert view.locator(".why h3").all_inner_texts() == [f"Why {w:.3f}?" for w in expected]
    token(part(view, 1), "key", 3).locator(".number").click()
    expect(view.locator(".why").first).to_contain_text("is not in this text")


def test_narrow_pages_hold_it(comparison, page: Page, open_view):
    view = open_view(page, comparison.neuron_view(LAYER, HEAD, 7).html(), width=600, height=900)
    token(part(view, 0), "key", 0).focus()
    view.page.keyboard.press("Enter")
    assert view.locator(".why").count() == 2
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600


def test_the_text_view_explains_a_number_in_both(comparison, page: Page, open_view):
    view = open_view(page, comparison.text_view(7, layer=LAYER, head=HEAD).html(), width=1200)
    label = page.locator(".label", has_text=re.compile(r"^5$"))
    view.locator(".facts tr").filter(has=label).locator(".ask").first.click()
    settle(view)
    expected = weights(comparison, 7)[:, 0]
    assert view.locator(".why h3").all_inner_texts() == [f"Why {w:.3f}?" for w in expected]
    view.page.keyboard.press("Escape")
    expect(view.locator(".why")).to_have_count(0)
    view.locator("select[name=head]").select_option("mean")
    expect(view.locator(".ask")).to_have_count(0)
