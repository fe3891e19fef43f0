"""Two traces side by side as a user meets them, linked by mouse and keyboard; their difference."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from tests.browser.comparing import FIRST, SECOND, are_true, expected, has, part, words_compared
from tests.browser.looking import pixels, random_weights, settle, token, under
from tests.browser.showing import opens

comparison = pytest.fixture(scope="module")(words_compared)
show = opens(None, width=1200, live=True)


def told(view: Locator) -> dict[str, list[str]]:
    """The rows of the tooltip: label → numbers."""
    rows = view.get_by_role("tooltip").locator("tr:has(.value)").all()
    texts = [row.locator("td").all_inner_texts() for row in rows]
    return {label.strip(): numbers for label, *numbers in texts}


def test_either_text_stands_by_itself_and_gaps_are_marked(show, comparison):
    view = show(comparison.head_view(0, [1]))
    assert part(view, 0).locator("h3").inner_text() == "before"
    assert part(view, 1).locator("h3").inner_text() == "after"
    for side, words in enumerate((["the", "", *FIRST[1:]], SECOND)):
        shown = part(view, side).locator("[role=option][data-side=query] .text").all_inner_texts()
        assert shown == words
    gap = token(part(view, 0), "query", 1)
    assert "gap" in gap.get_attribute("class").split()
    assert gap.get_attribute("aria-label") == "not in this text, query 1"
    assert "one text only" in token(part(view, 1), "key", 1).get_attribute("aria-label")
    assert "replaced" in token(part(view, 0), "key", 4).get_attribute("class").split()


@pytest.mark.parametrize(("here", "there"), [(0, 1), (1, 0)])
def test_a_token_pointed_at_in_one_is_pointed_at_in_the_other(show, comparison, here, there):
    view = show(comparison.head_view(1, [2]))
    token(part(view, here), "query", 3).hover()
    expect(token(part(view, there), "query", 3)).to_have_class(has("active"))
    expect(part(view, here).get_by_role("tooltip")).to_be_visible()
    expect(part(view, there).get_by_role("tooltip")).to_have_count(0)
    assert token(part(view, there), "key", 0).locator(".number").count() == 1
    token(part(view, there), "query", 0).hover()
    expect(token(part(view, here), "query", 0)).to_have_class(has("active"))
    view.page.mouse.move(0, 0)
    expect(view.locator(".token.active")).to_have_count(0)


@pytest.mark.parametrize("shown", ["both", "difference"])
def test_a_pair_is_told_in_both_and_as_their_difference(show, comparison, shown):
    view = show(comparison.head_view(1, [2], show=shown))
    body = part(view, 1 if shown == "both" else "difference")
    for query in (0, 4):
        token(body, "query", query).click()
        for key in range(6):
            token(body, "key", key).hover()
            settle(view)
            numbers = told(view)["head 2"]
            assert are_true(numbers, expected(comparison, 1, 2, query, key)), numbers
    assert told(view).keys() >= {"head 2"}
    tip = view.get_by_role("tooltip").inner_text()
    assert all(word in tip for word in ("before", "after", "difference", "it→her"))


def test_several_heads_are_told_one_by_one_and_as_their_mean(show, comparison):
    view = show(comparison.head_view(0, [0, 2]))
    token(part(view, 0), "key", 0).click()
    token(part(view, 0), "query", 3).hover()
    settle(view)
    for head in (0, 2):
        assert are_true(told(view)[f"head {head}"], expected(comparison, 0, head, 3, 0))
    mean = np.mean([expected(comparison, 0, head, 3, 0) for head in (0, 2)], axis=0)
    assert are_true(told(view)["mean"], list(mean))


def test_gained_and_lost_have_two_colours(show):
    here, there = np.zeros((1, 1, 4, 4), np.float32), np.zeros((1, 1, 4, 4), np.float32)
    here[..., 0], there[..., 0], there[..., 2] = 1, 0.4, 0.6
    words = ["a", "b", "c", "d"]
    both = [attnscope.from_attention(one, words) for one in (here, there)]
    view = show(attnscope.compare(*both).head_view(show="difference"))
    token(view, "query", 1).hover()
    settle(view)
    lost, gained, same = (under(view, token(view, "key", key))[4, 30] for key in (0, 2, 1))
    assert lost[0] > lost[2] + 60
    assert gained[2] > gained[0] + 60
    assert same[3] == 0


def test_the_keyboard_links_too_and_switches(show, comparison):
    view = show(comparison.head_view(0, [1]))
    token(part(view, 0), "query", 0).focus()
    view.page.keyboard.press("ArrowDown")
    view.page.keyboard.press("ArrowDown")
    expect(token(part(view, 1), "query", 2)).to_have_class(has("active"))
    view.page.keyboard.press("Enter")
    for side in (0, 1):
        expect(token(part(view, side), "query", 2)).to_have_attribute("aria-selected", "true")
    view.locator("[data-show=both]").focus()
    view.page.keyboard.press("ArrowRight")
    settle(view)
    expect(part(view, "difference")).to_be_visible()
    expect(token(view, "query", 2)).to_have_attribute("aria-selected", "true")
    number = token(view, "key", 0).locator(".number").inner_text()
    assert number[0] in "+−0"
    assert are_true([number], expected(comparison, 0, 1, 2, 0)[2:])


def test_narrow_pages_stack_them(show, comparison):
    view = show(comparison.head_view(0, [1]), width=600)
    one, other = (part(view, side).bounding_box() for side in (0, 1))
    assert other["y"] >= one["y"] + one["height"]
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600


LONG = ["The", "telescope", "was", "pointed", "at", "the", "incomprehensible", "crowd", "."]


@pytest.mark.parametrize("side", ["query", "key"])
def test_narrow_pages_keep_the_tokens_beside_the_pointer_in_sight(page: Page, open_view, side):
    both = [
        attnscope.from_attention(random_weights(1, 2, 9, 9, seed=seed), LONG) for seed in (0, 1)
    ]
    comparison = attnscope.compare(*both, names=("before", "after"))
    view = open_view(page, comparison.head_view(0, [0]).html(), width=600, height=900)
    other = "key" if side == "query" else "query"
    token(part(view, 0), side, 4).click()
    token(part(view, 0), other, 3).hover()
    settle(view)
    tip = view.get_by_role("tooltip")
    box = tip.bounding_box()
    for index in range(9):
        left = token(part(view, 0), "query", index).bounding_box()
        assert left["x"] + left["width"] <= box["x"] + 1
        assert box["x"] + box["width"] <= token(part(view, 0), "key", index).bounding_box()["x"] + 1
    query, key = (4, 3) if side == "query" else (3, 4)
    before, after = (float(one.weights(0, 0)[query, key]) for one in both)
    texts = [row.locator("td").last.inner_text() for row in tip.locator("tr").all()]
    assert are_true(texts, [before, after, after - before])


def plot(view: Locator) -> Locator:
    return view.locator(".plot")


def point(at: Locator, query: int, key: int, cells: int = 6) -> None:
    box = at.bounding_box()
    x, y = ((place + 0.5) / cells for place in (key, query))
    at.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


@pytest.mark.parametrize("shown", ["both", "difference"])
def test_every_cell_is_told_in_both_and_as_their_difference(show, comparison, shown):
    view = show(comparison.matrix_view(1, 0, show=shown))
    at = plot(part(view, 0 if shown == "both" else "difference"))
    names = ["before", "after", "difference"]
    for query, key in product(range(6), repeat=2):
        numbers = expected(comparison, 1, 0, query, key)
        point(at, query, key)
        if shown == "difference" or numbers[0] is not None:
            expect(view.get_by_role("tooltip")).to_contain_text("difference")
            expect(view.locator(f"[data-cell='{query}/{key}']").first).to_be_visible()
            rows = told(view)
            assert are_true([rows[name][0] for name in names], numbers), (query, key)


@pytest.mark.parametrize(("here", "there"), [(0, 1), (1, 0)])
def test_a_cell_pointed_at_in_one_map_is_framed_in_the_other(show, comparison, here, there):
    view = show(comparison.matrix_view(0, 1))
    point(plot(part(view, here)), 3, 5)
    expect(part(view, there).locator(".cellbox[data-cell='3/5']")).to_be_visible()
    expect(part(view, there).get_by_role("tooltip")).to_have_count(0)
    view.page.mouse.move(0, 0)
    expect(view.locator(".cellbox")).to_have_count(0)


def test_maps_have_one_cursor_and_one_window(show, comparison):
    view = show(comparison.matrix_view(0, 1))
    plot(part(view, 1)).focus()
    for key in ("ArrowDown", "ArrowRight", "+"):
        view.page.keyboard.press(key)
    expect(part(view, 0).locator(".cellbox.cursor")).to_be_visible()
    settle(view)
    windows = [plot(part(view, side)).get_attribute("data-window") for side in (0, 1)]
    assert windows[0] == windows[1] != "0-6/0-6"
    said = part(view, 1).locator("[aria-live]").inner_text()
    assert "before 0." in said
    assert "difference" in said


def test_a_map_of_differences_tells_zero_from_missing(show):
    same = attnscope.from_attention(np.full((1, 1, 2, 2), 0.5, np.float32), ["a", "b"])
    more = attnscope.from_attention(np.full((1, 1, 3, 3), 0.5, np.float32) / 1.5, ["a", "n", "b"])
    view = show(attnscope.compare(same, more).matrix_view(show="difference"))
    drawn = pixels(view.locator(".plot canvas"))
    side = drawn.shape[0] // 3
    middle = [int((place + 0.2) * side) for place in range(3)]
    missing, lost = drawn[middle[1], middle[1]], drawn[middle[0], middle[0]]
    assert np.abs(missing[:3].astype(int) - lost[:3].astype(int)).max() > 20
    assert view.locator(".foot").get_by_text("missing", exact=True).count() == 1
