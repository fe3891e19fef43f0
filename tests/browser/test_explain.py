"""Why a weight is what it is, from the head, model, text and image view."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from tests.browser.looking import is_right, random_weights, settle, token, trace_of

TOKENS = ["[CLS]", "one", "two", "three", "[SEP]"]


def qk_trace(tokens: int = 5, dim: int = 12) -> Trace:
    """Two layers of three heads with queries and keys."""
    numbers = np.random.default_rng(3)

    def vectors() -> np.ndarray:
        return (2 * numbers.normal(size=(3, tokens, dim))).astype(np.float32)

    layers = tuple(
        QKLayer(vectors(), vectors(), ScoreSpec(dim**-0.5), (0, 1, 2), np.arange(3))
        for _ in range(2)
    )
    names = Tokens.plain((TOKENS * tokens)[:tokens])
    return Trace([Stream("self", (0, 1), layers, names, names)])


@pytest.fixture
def show(show):
    """Wide enough for the panel beside the picture."""
    return partial(show, width=1400, height=900)


def number(view: Locator, side: str, index: int) -> Locator:
    return token(view, side, index).locator(".number")


def explained(view: Locator) -> tuple[str, str]:
    """The pair that the panel explains, and the weight in its title."""
    panel = view.locator(".why")
    expect(panel).to_have_count(1)
    expect(panel.locator("[data-line=weight]")).to_be_visible()
    weight = panel.locator("[data-line=weight] [data-value]").inner_text()
    expect(panel.locator("h3")).to_have_text(f"Why {weight}?")
    return panel.get_attribute("data-why"), weight


def test_a_click_on_a_number_explains_it(show):
    trace = qk_trace()
    view = show(trace.head_view(layer=1, heads=[2]))
    token(view, "query", 3).click()
    token(view, "key", 1).hover()
    number(view, "key", 1).click()
    pair, weight = explained(view)
    assert pair == "3/1"
    assert is_right(weight, trace.weights(1, 2)[3, 1])
    terms = view.locator(".why [data-line=term], .why [data-line=rest]")
    parts = [
        float(text.replace("−", "-")) for text in terms.locator("[data-value]").all_inner_texts()
    ]
    total = view.locator(".why [data-line=scaled] [data-value]").inner_text().replace("−", "-")
    assert round(sum(parts), 3) == float(total)
    sizes = np.abs(parts[:-1])
    assert (np.diff(sizes) <= 0).all()


def test_a_click_on_a_pinned_tokens_line_explains_it(show):
    trace = qk_trace()
    view = show(trace.head_view(heads=[0]))
    token(view, "key", 2).click()
    settle(view)
    line = view.locator("canvas.marks").bounding_box()
    start, end = (
        token(view, side, index).bounding_box() for side, index in [("key", 2), ("query", 4)]
    )
    x = end["x"] + end["width"] + 12
    view.page.mouse.click(x, end["y"] + end["height"] / 2)
    assert line["x"] < x < start["x"]
    pair, weight = explained(view)
    assert pair == "4/2"
    assert is_right(weight, trace.weights(0, 0)[4, 2])


def test_enter_on_the_other_side_of_a_pin_explains_and_escape_closes(show):
    trace = qk_trace()
    view = show(trace.head_view(heads=[1]))
    keyboard = view.page.keyboard
    token(view, "query", 0).focus()
    keyboard.press("Enter")
    settle(view)
    keyboard.press("ArrowRight")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    assert explained(view)[0] == "0/1"
    keyboard.press("Escape")
    expect(view.locator(".why")).to_have_count(0)
    expect(view.locator("[aria-selected=true]")).to_have_attribute("aria-label", "[CLS], query 0")
    keyboard.press("Space")
    settle(view)
    expect(view.locator("[aria-selected=true]")).to_have_attribute("aria-label", "one, key 1")


def test_with_several_heads_the_strongest_is_explained_first(show):
    trace = qk_trace()
    view = show(trace.head_view())
    token(view, "query", 2).click()
    token(view, "key", 4).hover()
    number(view, "key", 4).click()
    weights = trace.weights(0)[:, 2, 4]
    best = int(weights.argmax())
    choice = view.locator("select[name=explained]")
    expect(choice).to_have_value(str(best))
    assert is_right(explained(view)[1], weights[best])
    other = (best + 1) % 3
    choice.select_option(str(other))
    expect(view.locator(".why h3")).not_to_have_text("Why this number?")
    expect(view.locator(".why")).to_contain_text(f"head {other}")
    assert is_right(explained(view)[1], weights[other])


def test_the_panel_follows_the_layer_and_counts_tokens_as_the_trace_does(show):
    trace = qk_trace()
    view = show(trace.head_view(heads=[0], hide_special=True, renormalise=True))
    token(view, "query", 0).click()
    token(view, "key", 2).hover()
    number(view, "key", 2).click()
    pair, weight = explained(view)
    assert pair == "1/3"
    assert is_right(weight, trace.weights(0, 0)[1, 3])
    assert "before renormalising" in view.locator(".why").inner_text()
    view.get_by_label("Next layer").click()
    expect(view.locator(".why")).to_contain_text("layer 1, head 0")
    settle(view)
    assert is_right(explained(view)[1], trace.weights(1, 0)[1, 3])


@pytest.mark.parametrize("mean", [False, True])
def test_the_model_views_panel_explains_too(show, mean):
    trace = qk_trace()
    view = show(trace.model_view(mean=mean))
    view.locator(f".cell[data-layer='1'][data-head='{'mean' if mean else 2}']").click()
    settle(view)
    token(view, "query", 3).click()
    token(view, "key", 0).hover()
    number(view, "key", 0).click()
    pair, weight = explained(view)
    assert pair == "3/0"
    weights = trace.weights(1)[:, 3, 0]
    assert is_right(weight, weights.max() if mean else weights[2])
    view.page.keyboard.press("Escape")
    expect(view.locator(".why")).to_have_count(0)
    expect(view.locator("[data-detail]")).to_have_count(1)


def test_a_page_without_queries_and_keys_says_how_to_see_the_sum(show):
    view = show(qk_trace(300, dim=512).head_view(layer=1, heads=[2]))
    token(view, "query", 3).click()
    token(view, "key", 1).hover()
    number(view, "key", 1).click()
    panel = view.locator(".why")
    expect(panel).to_contain_text("trace.neuron_view(layer=1, head=2, query=3)")
    panel.get_by_label("Close").click()
    expect(panel).to_have_count(0)


def test_weights_alone_promise_no_explanation(show):
    view = show(trace_of(random_weights(1, 2, 5, 5)).head_view())
    assert "why this weight" not in view.locator(".foot").inner_text()
    token(view, "query", 3).click()
    token(view, "key", 1).hover()
    assert "Why?" not in view.get_by_role("tooltip").inner_text()
    number(view, "key", 1).click()
    expect(view.locator(".why")).to_have_count(0)
    expect(view.locator("[aria-selected=true]")).to_have_attribute("aria-label", "one, key 1")


def test_a_number_beside_the_text_is_explained(show):
    """Also of what attends to a token; not of means, which are no single sum."""
    trace = qk_trace()
    view = show(trace.text_view(3, layer=1, head=2))
    asked = view.locator(".facts .ask")
    weights = trace.weights(1, 2)
    asked.first.click()
    best = int(weights[3].argmax())
    assert explained(view) == (f"3/{best}", f"{weights[3, best]:.3f}")
    view.page.keyboard.press("Escape")
    expect(view.locator(".why")).to_have_count(0)
    view.get_by_role("radio", name="who attends to it").click()
    view.locator(".tok[data-index='3']").click()
    settle(view)
    asked.first.focus()
    view.page.keyboard.press("Enter")
    best = int(weights[:, 3].argmax())
    assert explained(view) == (f"{best}/3", f"{weights[best, 3]:.3f}")
    expect(show(trace.text_view(3)).locator(".ask")).to_have_count(0)


def test_a_patch_is_explained(show):
    trace = qk_trace()
    view = show(trace.image_view(np.full((8, 8, 3), 0.5), 1, [2], query=3, grid=(2, 2)))
    weights = trace.weights(1, 2)[3]
    asked = view.locator(".said .ask")
    expect(asked).to_have_count(3)
    for rank, place in enumerate(np.argsort(-weights, kind="stable")[:2]):
        asked.nth(rank).click()
        pair, weight = explained(view)
        assert pair == f"3/{place}"
        assert float(weight) == pytest.approx(weights[place], abs=6e-4)
