"""Two models that wrote, as a user meets them: step by step, side by side, and the difference."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from tests.browser.comparing import part
from tests.browser.looking import pixels, settle

pytestmark = pytest.mark.browser

FIRST = ["is", "it", "yes", "it", "is"]
SECOND = ["is", "that", "it", "no", "it", "is", "not"]


def looking_at(words: list[str], key: int) -> attnscope.Trace:
    """Every query gives 0.6 to one key and the rest to itself."""
    weights = np.eye(len(words), dtype=np.float32) * 0.4
    weights[:, key] += 0.6
    return attnscope.from_attention(weights[None, None], words)


@pytest.fixture
def view(page: Page, open_view) -> Locator:
    both = looking_at(FIRST, 0), looking_at(SECOND, 2)
    comparison = attnscope.compare(*both, names=("yes", "no"))
    return open_view(page, comparison.generation_view(start=(2, 3)).html(), width=1200)


def rows(view: Locator) -> dict[str, list[str]]:
    """What is told beside the text: token → numbers."""
    made = {}
    for row in view.locator(".facts tr:has(.label)").all():
        name, *numbers = row.locator("td").all_inner_texts()
        made[name.strip()] = numbers
    return made


def test_both_texts_stand_side_by_side(view):
    shown = [part(view, side).locator(".tok").all_inner_texts() for side in (0, 1)]
    assert shown == [["is", "–", "it", "yes", "it", "is", "–"], SECOND]
    expect(view.locator("output")).to_have_text("token 1 of 4: yes→no")
    assert rows(view) == {
        "is 0": ["0.600", "0", "−0.600"],
        "it 2": ["0.400", "1.000", "+0.60"],
    }


def test_a_token_pointed_at_is_told_of_both(view):
    part(view, 0).locator(".tok[data-index='2']").hover()
    assert rows(view)["it 2"] == ["0.400", "1.000", "+0.60"]
    expect(view.locator(".facts .pair")).to_contain_text("it")


def test_a_step_of_one_text_alone_is_missing_in_the_other(view):
    view.get_by_role("slider").focus()
    for _ in range(3):
        view.page.keyboard.press("ArrowRight")
    settle(view)
    expect(view.locator("output")).to_have_text("token 4 of 4: +not")
    expect(part(view, 0).locator(".told")).to_contain_text("not in this text")
    expect(part(view, 1).locator(".told")).to_contain_text("60 %")
    assert rows(view)["it 2"] == ["missing", "0.600", "missing"]


def test_gained_and_lost_are_shaded_and_above_and_below(view):
    view.get_by_role("radio", name="Difference").click()
    settle(view)
    shown = part(view, "difference")
    expect(shown.locator("h3")).to_have_text("no minus yes")
    lost, gained = (shown.locator(f".tok[data-index='{place}']") for place in (0, 2))
    assert "against" in lost.get_attribute("class")
    assert "against" not in gained.get_attribute("class")
    expect(shown.locator(".told")).to_contain_text("−60 %")
    expect(shown.locator(".told")).to_contain_text("+60 %")
    drawn = pixels(shown.locator(".shares canvas"))[..., :3].astype(int)
    column = drawn[:, drawn.shape[1] // 8]
    middle = len(column) // 2
    assert np.abs(column[middle - 8] - column[middle + 8]).max() > 30
    assert view.locator(".foot [role=img]").get_attribute("aria-label").endswith("from −1 to 1")


def test_narrow_pages_stack_them(page: Page, open_view):
    comparison = attnscope.compare(looking_at(FIRST, 0), looking_at(SECOND, 2))
    view = open_view(page, comparison.generation_view(start=(2, 3)).html(), width=600, height=900)
    one, other = (part(view, side).bounding_box() for side in (0, 1))
    assert other["y"] >= one["y"] + one["height"]
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600
