"""Model view and heads view of a comparison: which heads changed, in both traces and as a map."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from tests.browser.comparing import are_true, has, part
from tests.browser.looking import cell, cell_pixels, random_weights, settle, token
from tests.browser.showing import opens

show = opens(None, width=1200, live=True)

WORDS = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def comparison() -> attnscope.Comparison:
    """Heads (1, 2) lose key 0 to key 4; all others stay as they were."""
    before = random_weights(3, 4, 5, 5)
    before[1, 2] = np.eye(5)[[0] * 5]
    after = before.copy()
    after[1, 2] = np.eye(5)[[4] * 5]
    traces = [attnscope.from_attention(one, WORDS) for one in (before, after)]
    return attnscope.compare(*traces, names=("before", "after"))


@pytest.mark.parametrize(("here", "there"), [(0, 1), (1, 0)])
def test_a_head_pointed_at_in_one_grid_is_framed_in_the_other(show, comparison, here, there):
    view = show(comparison.model_view())
    cell(part(view, here), 1, 2).hover()
    expect(cell(part(view, there), 1, 2)).to_have_class(has("linked"))
    expect(view.get_by_role("tooltip")).to_have_text("Layer 1, head 2 · change 1")
    cell(part(view, here), 0, 0).hover()
    expect(view.get_by_role("tooltip")).to_have_text("Layer 0, head 0 · change 0")
    expect(part(view, there).locator(".linked")).to_have_count(1)


def test_the_keyboard_points_in_both_grids_and_opens_both(show, comparison):
    view = show(comparison.model_view())
    cell(part(view, 0), 0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        view.page.keyboard.press(key)
    expect(cell(part(view, 1), 1, 2)).to_have_class(has("linked"))
    view.page.keyboard.press("Enter")
    settle(view)
    panel = view.locator("[data-detail='1/2']")
    for side, key in ((0, 0), (1, 4)):
        body = panel.locator(f"[data-part='{side}']")
        token(body, "query", 3).hover()
        expect(token(body, "key", key).locator(".number")).to_have_text("1.000")
    view.page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


@pytest.mark.parametrize("cells", ["lines", "heat"])
def test_a_grid_of_differences_has_colour_where_heads_changed(show, comparison, cells):
    view = show(comparison.model_view(show="difference", cells=cells))
    same, changed = (cell_pixels(view, layer, 2)[..., :3].astype(int) for layer in (0, 1))
    blue, orange = ((changed[..., a] - changed[..., b]).max() for a, b in ((2, 0), (0, 2)))
    assert min(blue, orange) > 60
    assert np.abs(same[..., 0] - same[..., 2]).max() < 25
    if cells == "heat":
        middle = changed[changed.shape[0] // 2]
        columns = middle[[int((at + 0.5) * len(middle) / 5) for at in range(5)]]
        assert columns[0, 0] > columns[0, 2] + 60
        assert columns[4, 2] > columns[4, 0] + 60
        assert np.abs(columns[1:4, 0] - columns[1:4, 2]).max() < 25


def test_long_differences_come_as_thumbnails(page, open_view):
    words = [f"w{place}" for place in range(200)]
    before = np.zeros((1, 2, 200, 200), np.float32)
    before[..., 0] = 1
    after = before.copy()
    after[0, 1, :, 0], after[0, 1, :, 150] = 0.8, 0.2
    both = [attnscope.from_attention(one, words) for one in (before, after)]
    saved = attnscope.compare(*both).model_view(show="difference", cells="heat").html()
    view = open_view(page, saved)
    changed = cell_pixels(view, 0, 1)[..., :3].astype(int)
    row = changed[changed.shape[0] // 2]
    orange, blue = row[:, 0] - row[:, 2], row[:, 2] - row[:, 0]
    place = int(150.5 * len(row) / 200)
    assert orange[:6].max() > 40
    assert blue[place - 5 : place + 5].max() > 40
    assert max(np.abs(row[6 : place - 5, 0] - row[6 : place - 5, 2])) < 25
    same = cell_pixels(view, 0, 0)[..., :3].astype(int)
    assert np.abs(same[..., 0] - same[..., 2]).max() < 25


@pytest.mark.parametrize("width", [600, 1400])
def test_grids_of_many_heads_fit_side_by_side_or_stack(page, open_view, width):
    traces = [
        attnscope.from_attention(random_weights(2, 32, 6, 6, seed=seed), [*WORDS, "f"])
        for seed in (0, 1)
    ]
    view = open_view(page, attnscope.compare(*traces).model_view().html(), width=width)
    one, other = (part(view, side).bounding_box() for side in (0, 1))
    assert (other["y"] > one["y"] + 20) is (width == 600)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def rows(view: Locator) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in view.locator(".headlist tbody tr").all()]


def test_the_list_has_the_most_changed_head_first_and_opens_it(show, comparison):
    view = show(comparison.heads_view())
    assert rows(view)[0][:2] == ["layer 1, head 2", "1"]
    assert {row[1] for row in rows(view)[1:]} == {"0"}
    view.locator(".headlist tbody tr").first.click()
    settle(view)
    panel = view.locator("[data-detail='1/2']")
    expect(panel.locator("[data-part=difference] .plot")).to_be_visible()
    view.locator("[data-show=both]").click()
    settle(view)
    expect(panel.locator(".plot")).to_have_count(2)


def test_a_measure_is_listed_in_both_and_sorted_by_how_much_it_changed(show, comparison):
    view = show(comparison.heads_view("distance"))
    tables = [trace.heads(["distance"]) for trace in (comparison.a, comparison.b)]
    shown = rows(view)
    sizes = []
    for label, *texts, _ in shown:
        layer, head = map(int, re.findall(r"\d+", label))
        place = layer * 4 + head
        before, after = (float(table["distance"][place]) for table in tables)
        assert are_true([text.replace("+", "") for text in texts], [before, after, after - before])
        sizes.append(abs(after - before))
    assert sizes == sorted(sizes, reverse=True)
    titles = view.locator(".headlist th").all_inner_texts()
    assert [title.strip(" ↓↑") for title in titles] == [
        "head", "before", "after", "difference", "pattern",
    ]  # fmt: skip
    view.locator(".headlist th button").nth(1).click()
    first = [float(row[1].replace("−", "-")) for row in rows(view)]
    assert first == sorted(first, reverse=True)


def test_faces_of_the_map_are_signed(page: Page, open_view, comparison):
    view = open_view(page, comparison.heads_view("distance").html())
    values = (
        comparison.b.heads(["distance"])["distance"] - comparison.a.heads(["distance"])["distance"]
    )
    labels = [cell(view, 1, head).get_attribute("aria-label") for head in range(4)]
    for head, label in enumerate(labels):
        text = label.split(": ")[1].split(",")[0]
        assert are_true([text], [float(values[4 + head])])
