"""What a language model predicted, beside the tokens of the head view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope.predicted import Predicted
from tests.browser.looking import hover, random_weights, settle, token, trace_of

pytestmark = pytest.mark.browser

CHANCES = [0.75, 0.2, 0.0004]


@pytest.fixture
def trace() -> attnscope.Trace:
    """After token i the model guessed guess-i, <b>, and a third one."""
    plain = trace_of(random_weights(2, 2, 6, 6))
    named = tuple((f"guess-{place}", "<b>", "rare") for place in range(6))
    chances = np.tile(np.array(CHANCES, np.float32), (6, 1))
    kept = Predicted(True, named, np.zeros((6, 3), np.int64), chances)
    return attnscope.Trace([replace(plain.stream(), predicted=kept)])


@pytest.fixture
def view(trace, page: Page, open_view) -> Locator:
    return open_view(page, trace.head_view(1, [0]).html(), width=1200)


def guesses(at: Locator) -> list[str]:
    return at.locator(".guesses tr").all_inner_texts()


def test_a_token_tells_what_was_predicted_there(view, trace):
    for side, place in (("query", 2), ("key", 4)):
        hover(view, side, place)
        tip = view.get_by_role("tooltip")
        expect(tip).to_contain_text(f"predicted after {trace.tokens.text[place]}")
        assert [row.split() for row in guesses(tip)] == [
            [f"guess-{place}", "0.750"],
            ["<b>", "0.200"],
            ["rare", "<0.001"],
        ]


def test_what_was_predicted_at_a_pinned_token_stays(view):
    token(view, "query", 3).focus()
    view.page.keyboard.press("Enter")
    view.page.mouse.move(1, 1)
    settle(view)
    expect(view.locator(".guessed")).to_contain_text("guess-3")
    view.page.keyboard.press("Escape")
    expect(view.locator(".guessed")).to_have_count(0)


def test_hidden_tokens_do_not_shift_what_was_predicted(trace, page, open_view):
    stream = trace.stream()
    tokens = replace(stream.query, special=np.arange(6) == 0)
    cut = attnscope.Trace([replace(stream, query=tokens, key=tokens)])
    html = cut.head_view(1, [0], query=3, hide_special=True).html()
    view = open_view(page, html, width=600, height=700)
    expect(view.locator(".guessed")).to_contain_text("guess-3")
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600


def test_pages_without_predictions_say_nothing_of_them(page, open_view):
    view = open_view(page, trace_of(random_weights(1, 1, 4, 4)).head_view(query=1).html())
    hover(view, "query", 2)
    expect(view.locator(".guesses")).to_have_count(0)
