"""The heads view as a user meets it: numbers of every head, a list to sort, a head opened."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import attnscope
from tests.browser.live import open_live
from tests.browser.looking import FRAMES, cell, random_weights, settle, shifted, trace_of
from tests.browser.mapping import is_true, plot, point, value, vectors_trace
from tests.browser.showing import opens

show = opens("heads", height=900)


def rows(view: Locator) -> list[tuple[str, str]]:
    """(layer/head, value) of the list, from top to bottom."""
    found = view.locator(".headlist tbody tr")
    read = "all => all.map(r => [r.dataset.row, r.children[1].textContent])"
    return [(name, number) for name, number in found.evaluate_all(read)]


def lightness(locator: Locator) -> float:
    text = locator.evaluate("el => getComputedStyle(el).backgroundColor")
    return float(sum(int(part) for part in text[4:-1].split(",")))


def test_every_cell_has_its_heads_number_and_colour(show):
    trace = trace_of(random_weights(3, 4, 8, 8))
    view = show(trace, measure="confidence")
    table = trace.heads()
    shades = []
    for row in table.rows():
        label = cell(view, row["layer"], row["head"]).get_attribute("aria-label") or ""
        assert label.startswith(f"Layer {row['layer']}, head {row['head']}: ")
        number, pattern = label.split(": ")[1].split(", ")
        assert float(number) == pytest.approx(row["confidence"], rel=1e-3)
        assert pattern == row["pattern"].replace("_", " ")
        shades.append((row["confidence"], lightness(cell(view, row["layer"], row["head"]))))
    shades.sort()
    assert all(a[1] >= b[1] - 3 for a, b in pairwise(shades))


def test_another_measure_changes_cells_list_and_colours(show):
    trace = trace_of(shifted(2, 3, 9))
    view = show(trace)
    view.get_by_role("combobox", name="Measure").select_option("distance")
    settle(view)
    table = trace.heads()
    best = int(np.argmax(table["distance"]))
    name, number = rows(view)[0]
    assert name == f"{table['layer'][best]}/{table['head'][best]}"
    assert float(number) == pytest.approx(table["distance"][best], rel=1e-3)
    assert "distance" in view.locator(".colorbar").inner_text()


def test_the_list_is_sorted_by_any_column_both_ways(show):
    trace = trace_of(random_weights(2, 3, 7, 7))
    view = show(trace, measure="entropy")
    descending = [float(number) for _, number in rows(view)]
    assert descending == sorted(descending, reverse=True)
    view.get_by_role("button", name="entropy").click()
    assert [float(number) for _, number in rows(view)] == sorted(descending)
    expect(view.locator("th").nth(1)).to_have_attribute("aria-sort", "ascending")
    view.get_by_role("button", name="head", exact=True).click()
    assert [name for name, _ in rows(view)] == ["0/0", "0/1", "0/2", "1/0", "1/1", "1/2"]
    view.get_by_role("button", name="pattern").click()
    patterns = view.locator(".headlist tbody td:nth-child(3)").all_inner_texts()
    assert patterns == sorted(patterns)


def test_heads_without_a_number_come_last_and_look_missing(show):
    view = show(trace_of(random_weights(1, 2, 1, 1)), measure="previous_token")
    assert {number for _, number in rows(view)} == {"missing"}
    red, green, _ = (
        int(part)
        for part in cell(view, 0, 0)
        .evaluate("el => getComputedStyle(el).backgroundColor")[4:-1]
        .split(",")
    )
    assert red > green + 15


@pytest.mark.parametrize("live", [False, True])
def test_a_click_opens_the_head_as_a_heat_map(page, open_view, live):
    trace = vectors_trace(9)
    opened = trace.heads_view()
    view = open_live(page, opened) if live else open_view(page, opened.html())
    cell(view, 1, 2).click()
    settle(view)
    panel = view.locator("[data-detail]")
    expect(panel).to_have_attribute("data-detail", "1/2")
    point(view, 4, 7)
    assert is_true(value(view), trace.weights(1, 2)[4, 7])
    view.locator("[data-row='0/1'] button").click()
    settle(view)
    expect(panel).to_have_attribute("data-detail", "0/1")
    point(view, 4, 7)
    assert is_true(value(view), trace.weights(0, 1)[4, 7])
    view.page.mouse.click(*_middle(plot(view)))
    expect(view.locator(".why")).to_have_count(1)
    view.get_by_role("button", name="Close").first.click()
    settle(view)
    expect(panel).to_have_count(0)


def _middle(locator: Locator) -> tuple[float, float]:
    box = locator.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_pointing_and_walking_name_the_head(show):
    trace = trace_of(shifted(2, 3, 9))
    view = show(trace, measure="previous_token")
    cell(view, 1, 1).hover()
    expect(view.get_by_role("tooltip")).to_contain_text("Layer 1, head 1 · previous token 0")
    view.page.mouse.move(1, 1)
    cell(view, 0, 0).focus()
    view.page.keyboard.press("ArrowRight")
    view.page.keyboard.press("ArrowDown")
    expect(view.get_by_role("tooltip")).to_contain_text("Layer 1, head 1")
    view.page.keyboard.press("Enter")
    settle(view)
    expect(view.locator("[data-detail]")).to_have_attribute("data-detail", "1/1")
    view.page.keyboard.press("Escape")
    expect(view.locator("[data-detail]")).to_have_count(0)
    expect(cell(view, 1, 1)).to_be_focused()
    view.locator(".headlist tbody button").first.focus()
    view.page.keyboard.press("ArrowDown")
    expect(view.locator(".headlist tbody button").nth(1)).to_be_focused()


def test_a_sink_says_how_much_of_what_is_moved_it_is(minilm, show):
    trace = attnscope.capture(*minilm, "The cat sat on the mat because it was tired.", values=True)
    table = trace.heads()
    best = int(np.argmax(table["special"]))
    layer, head = int(table["layer"][best]), int(table["head"][best])
    view = show(trace, measure="special")
    first = table["special"][best] <= table["first_token"][best] + 0.1
    name, on = ("first_token", "the first token") if first else ("special", "special tokens")
    expected = (
        f"sink on {on}: {100 * table[name][best]:.0f} % of weight, "
        f"{100 * table[f'{name}_norm'][best]:.0f} % of norm"
    )
    cell(view, layer, head).hover()
    expect(view.get_by_role("tooltip")).to_contain_text(expected)
    expect(view.locator(f"[data-row='{layer}/{head}'] .badge")).to_have_text("sink")
    cell(view, layer, head).click()
    settle(view)
    expect(view.locator(".panel > .badge")).to_have_text(expected)


def test_a_sink_says_how_much_goes_to_the_first_token(show):
    weights = np.full((1, 2, 6, 6), 0.04, np.float32)
    weights[..., 0] = 0.8
    weights[0, 1] = 1 / 6
    view = show(trace_of(weights))
    cell(view, 0, 0).hover()
    expect(view.get_by_role("tooltip")).to_contain_text("sink on the first token: 80 % of weight")
    expect(view.locator(".badge")).to_have_count(1)
    cell(view, 0, 1).hover()
    view.page.evaluate(FRAMES)
    assert "sink" not in view.get_by_role("tooltip").inner_text()


def test_narrow_pages_hold_map_and_list(show):
    view = show(trace_of(random_weights(4, 16, 6, 6)), width=600)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600
    row = view.locator(".headlist").bounding_box()
    assert row is not None
    assert row["x"] + row["width"] <= 600
    cell(view, 0, 15).scroll_into_view_if_needed()
