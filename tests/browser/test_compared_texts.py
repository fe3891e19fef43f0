"""Text view of a comparison: both texts side by side, linked, and one shaded by the difference."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import attnscope
from tests.browser.comparing import MERGED, are_true, expected, has, part, words_compared
from tests.browser.looking import settle
from tests.browser.showing import opens

comparison = pytest.fixture(scope="module")(words_compared)
show = opens(None, width=1200, live=True)

NAMES = ["before", "after", "difference"]


def word(view: Locator, index: int) -> Locator:
    return view.locator(f".tok[data-index='{index}']")


def shades(view: Locator) -> list[str]:
    read = "all => all.map(one => one.style.getPropertyValue('--v'))"
    return view.locator(".tok").evaluate_all(read)


def facts(view: Locator) -> dict[str, list[str]]:
    """Label → the numbers beside it."""
    rows = view.locator(".facts table").last.locator("tr:has(.label)").all()
    texts = [row.locator("td").all_inner_texts() for row in rows]
    return {label.strip(): numbers for label, *numbers in texts}


@pytest.mark.parametrize(("here", "there"), [(0, 1), (1, 0)])
def test_a_token_pointed_at_is_marked_in_both_texts(show, comparison, here, there):
    view = show(comparison.text_view(layer=1, head=2))
    assert part(view, 0).locator(".tok").all_inner_texts() == ["the", "–", "man", "saw", "it", "."]
    assert word(part(view, 0), 1).get_attribute("aria-label") == "not in this text, token 1"
    word(part(view, here), 3).hover()
    expect(word(part(view, there), 3)).to_have_class(has("active"))
    assert part(view, there).locator(".tok.active").count() == 1
    view.page.mouse.move(0, 0)
    expect(view.locator(".tok.active")).to_have_count(0)


@pytest.mark.parametrize("shown", ["both", "difference"])
@pytest.mark.parametrize("column", [False, True])
def test_every_number_is_told_in_both_and_as_their_difference(show, comparison, shown, column):
    view = show(comparison.text_view(layer=1, head=0, show=shown, column=column))
    body = part(view, 1 if shown == "both" else "difference")
    for here in (0, 3):
        word(body, here).hover()
        settle(view)
        told = facts(view)
        assert len(told) == 6
        assert view.locator(".facts").first.inner_text().count("difference") == 1
        for there, name in enumerate(MERGED):
            query, key = (there, here) if column else (here, there)
            assert are_true(told[name], expected(comparison, 1, 0, query, key)), (here, name)


def test_the_same_number_has_the_same_shade_in_both_texts(show):
    here, there = np.zeros((1, 1, 3, 3), np.float32), np.zeros((1, 1, 3, 3), np.float32)
    here[..., 0], here[..., 1], there[..., 0], there[..., 2] = 0.25, 0.75, 0.25, 0.75
    both = [attnscope.from_attention(one, ["a", "b", "c"]) for one in (here, there)]
    view = show(attnscope.compare(*both).text_view())
    one, other = (shades(part(view, side)) for side in (0, 1))
    assert one == ["0.577", "1.000", "0.000"]
    assert other == ["0.577", "0.000", "1.000"]
    view.locator("[data-show=difference]").click()
    settle(view)
    assert shades(view) == ["0.000", "1.000", "1.000"]
    expect(word(view, 1)).to_have_class(has("against"))
    expect(word(view, 2)).not_to_have_class(has("against"))


def test_missing_differences_are_no_zero_and_the_keyboard_goes_along(show, comparison):
    view = show(comparison.text_view(layer=0, head=1, show="difference"))
    word(view, 0).focus()
    for _ in range(3):
        view.page.keyboard.press("ArrowRight")
    settle(view)
    values = shades(view)
    assert [place for place, value in enumerate(values) if value == "none"] == [1]
    numbers = [expected(comparison, 0, 1, 3, key)[2] for key in range(6)]
    sizes = np.sqrt(np.abs(np.array([0 if one is None else one for one in numbers])))
    drawn = [0 if value == "none" else float(value) for value in values]
    np.testing.assert_allclose(drawn, sizes / sizes.max(), atol=0.01)


@pytest.mark.parametrize("width", [600, 1400])
def test_texts_stand_side_by_side_or_under_each_other(show, comparison, width):
    view = show(comparison.text_view(), width=width)
    one, other = (part(view, side).bounding_box() for side in (0, 1))
    assert (other["y"] >= one["y"] + one["height"]) is (width == 600)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
