"""Two traces of pictures as a user meets them: side by side, linked; and their difference."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from tests.browser.comparing import part
from tests.browser.looking import pixels, settle

pytestmark = pytest.mark.browser

ROWS, COLUMNS = 3, 4
GREY = np.full((60, 80, 3), 0.5)
NAMES = ["[CLS]", *(f"r{row}c{column}" for row in (1, 2, 3) for column in (1, 2, 3, 4))]


def looking_at(token: int, share: float) -> attnscope.Trace:
    """One head, every query giving this share to one token and the rest to all evenly."""
    weights = np.full((1, 2, len(NAMES), len(NAMES)), (1 - share) / len(NAMES), np.float32)
    weights[..., token] += share
    return attnscope.from_attention(weights, NAMES)


@pytest.fixture
def comparison() -> attnscope.Comparison:
    return attnscope.compare(looking_at(1, 0.4), looking_at(12, 0.8), names=("before", "after"))


def patch(canvas: Locator, row: int, column: int) -> dict[str, float]:
    box = canvas.bounding_box()
    return {
        "x": (column + 0.5) * box["width"] / COLUMNS,
        "y": (row + 0.5) * box["height"] / ROWS,
    }


def middles(view: Locator) -> np.ndarray:
    """[row, column, channel]: the colour in the middle of every patch."""
    seen = pixels(view.locator("canvas.patches"))[..., :3].astype(float)
    high, wide = seen.shape[0] // ROWS, seen.shape[1] // COLUMNS
    return seen[high // 2 :: high, wide // 2 :: wide][:ROWS, :COLUMNS]


@pytest.fixture
def view(comparison, page: Page, open_view) -> Locator:
    return open_view(page, comparison.image_view(GREY, grid=(ROWS, COLUMNS), heads=[0]).html())


def test_both_are_there_in_colours_that_can_be_compared(view):
    assert [part(view, side).locator("h3").inner_text() for side in (0, 1)] == ["before", "after"]
    expect(part(view, 0).locator(".said")).to_contain_text("0.446 to 'r1c1'")
    expect(part(view, 1).locator(".said")).to_contain_text("0.815 to 'r3c4'")
    first, second = (middles(part(view, side)).sum(-1) for side in (0, 1))
    assert np.unravel_index(first.argmax(), first.shape) == (0, 0)
    assert np.unravel_index(second.argmax(), second.shape) == (2, 3)
    assert second.max() > first.max() + 40


def test_a_patch_pointed_at_in_one_is_chosen_in_both(view):
    canvas = part(view, 0).locator("canvas.patches")
    canvas.hover(position=patch(canvas, 1, 1))
    for side in (0, 1):
        expect(part(view, side).locator(".said")).to_contain_text("query 'r2c2'")
    canvas.click(position=patch(canvas, 1, 1))
    canvas.hover(position=patch(canvas, 0, 0))
    told = "r2c2 → r1c1: before 0.446 · after 0.0154 · difference −0.4308"
    for side in (0, 1):
        expect(part(view, side).locator(".said")).to_contain_text(told)


def test_gained_and_lost_have_two_colours_and_the_legend_says_which(view):
    view.get_by_role("radio", name="Difference").click()
    settle(view)
    shown = part(view, "difference")
    expect(shown.locator("h3")).to_have_text("after minus before")
    expect(shown.locator(".said")).to_contain_text("+0.769 to 'r3c4', −0.431 to 'r1c1'")
    seen = middles(shown)
    lost, gained, same = seen[0, 0], seen[2, 3], seen[1, 1]
    assert lost[0] > lost[2] + 60
    assert gained[2] > gained[0] + 60
    assert np.ptp(same) < np.ptp(gained)
    name = re.compile("after minus before, from −0.77 to \\+0.77")
    assert view.get_by_role("img", name=name).count() == 1


def test_it_is_switched_by_keyboard_and_keeps_the_patch(view):
    canvas = part(view, 1).locator("canvas.patches")
    canvas.focus()
    view.page.keyboard.press("ArrowRight")
    expect(part(view, 0).locator(".said")).to_contain_text("query 'r1c1'")
    view.get_by_role("radio", name="Side by side").focus()
    view.page.keyboard.press("ArrowRight")
    settle(view)
    expect(part(view, "difference").locator(".said")).to_contain_text("query 'r1c1'")


def test_narrow_pages_stack_them(comparison, page: Page, open_view):
    html = comparison.image_view(GREY, grid=(ROWS, COLUMNS)).html()
    view = open_view(page, html, width=600, height=900)
    one, other = (part(view, side).bounding_box() for side in (0, 1))
    assert other["y"] >= one["y"] + one["height"]
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600
