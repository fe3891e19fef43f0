"""A head opened from the model view: beside the grid, one at a time, with its own tokens."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.looking import (
    FRAMES,
    cell,
    cell_pixels,
    contrast_with_ground,
    hover,
    line_ends,
    names,
    settle,
    shifted,
    shown_tokens,
    token,
    tooltip_rows,
    trace_of,
)
from tests.browser.showing import opens

show = opens("model")


def test_a_click_opens_a_head_and_a_second_click_closes_it(show):
    view = show(trace_of(shifted(3, 4, 6)))
    cell(view, 1, 2).click()
    settle(view)
    panel = view.locator("section.panel")
    expect(panel).to_have_count(1)
    expect(panel.locator("h3")).to_have_text("Layer 1, head 2")
    expect(cell(view, 1, 2)).to_have_attribute("aria-expanded", "true")
    cell(view, 1, 2).click()
    settle(view)
    expect(panel).to_have_count(0)
    expect(view.locator("[aria-expanded=true]")).to_have_count(0)


def test_clicking_another_cell_moves_the_one_panel(show):
    view = show(trace_of(shifted(3, 4, 8)))
    cell(view, 0, 0).click()
    cell(view, 2, 3).click()
    settle(view)
    expect(view.locator("section.panel h3")).to_have_text("Layer 2, head 3")
    expect(view.locator("[aria-expanded=true]")).to_have_count(1)
    hover(view, "query", 1)
    assert line_ends(view, "key") == {6}


def test_escape_and_the_close_button_close_the_panel(show):
    view = show(trace_of(shifted(2, 2, 6)))
    for close in (
        lambda: view.page.keyboard.press("Escape"),
        view.get_by_role("button", name="Close").click,
    ):
        cell(view, 1, 1).click()
        settle(view)
        close()
        settle(view)
        expect(view.locator("section.panel")).to_have_count(0)
        expect(cell(view, 1, 1)).to_be_focused()


def test_the_first_click_after_a_change_of_filter_works(show):
    view = show(trace_of(shifted(2, 2, 8), segments=[5]))
    cell(view, 1, 0).click()
    settle(view)
    view.locator("select[name=filter]").select_option(label="A → B")
    settle(view)
    was_open = view.locator("section.panel").count()
    cell(view, 1, 0).click()
    settle(view)
    expect(view.locator("section.panel")).to_have_count(1 - was_open)
    cell(view, 1, 0).click()
    settle(view)
    expect(view.locator("section.panel")).to_have_count(was_open)


def test_a_filter_applies_to_grid_and_panel(show):
    weights = np.zeros((1, 2, 8, 8), np.float32)
    weights[0, :] = np.eye(8)
    weights[0, 1, 2] = np.eye(8)[6]
    view = show(trace_of(weights, segments=[4]), cells="heat")
    cell(view, 0, 1).click()
    view.locator("select[name=filter]").select_option(label="A → B")
    settle(view)
    assert shown_tokens(view, "query") == names(8)[:4]
    assert shown_tokens(view, "key") == names(8)[4:]
    assert line_ends(view, "query") == {2}
    assert contrast_with_ground(cell_pixels(view, 0, 0)).max() == 0
    strong = contrast_with_ground(cell_pixels(view, 0, 1)) > 60
    rows, columns = np.nonzero(strong)
    size = len(strong) / 4
    assert (rows.min() // size, rows.max() // size) == (2, 2)
    assert (columns.min() // size, columns.max() // size) == (2, 2)


@pytest.mark.parametrize("side", ["query", "key"])
def test_hovering_either_side_of_the_panel_isolates_a_token(show, side):
    view = show(trace_of(shifted(2, 3, 8)), width=1400)
    cell(view, 1, 2).click()
    settle(view)
    hover(view, side, 4)
    assert line_ends(view, side) == {4}
    other, partner = ("key", 7) if side == "query" else ("query", 1)
    assert line_ends(view, other) == {partner}
    assert tooltip_rows(view) == [(names(8)[partner], "1.0000")]


def test_a_click_pins_a_token_of_the_panel_and_the_pin_stays_for_other_heads(show):
    view = show(trace_of(shifted(2, 3, 8)), width=1400)
    cell(view, 0, 0).click()
    settle(view)
    token(view, "query", 2).click()
    cell(view, 1, 1).click()
    settle(view)
    view.page.mouse.move(1, 1)
    settle(view)
    expect(token(view, "query", 2)).to_have_attribute("aria-selected", "true")
    assert line_ends(view, "key") == {4}


@pytest.mark.parametrize("place", [(0, 0), (0, 7), (3, 4), (5, 0), (5, 7)])
@pytest.mark.parametrize("width", [600, 1400])
def test_the_panel_is_inside_the_window_and_leaves_its_cell_free(show, width, place):
    view = show(trace_of(shifted(6, 8, 8)), width=width)
    cell(view, *place).click()
    settle(view)
    view.page.evaluate(FRAMES)
    panel, own = (
        found.bounding_box() for found in (view.locator("section.panel"), cell(view, *place))
    )
    assert panel["x"] >= 0
    assert panel["x"] + panel["width"] <= width
    beside = panel["x"] >= own["x"] + own["width"] or own["x"] >= panel["x"] + panel["width"]
    below = panel["y"] >= own["y"] + own["height"] or own["y"] >= panel["y"] + panel["height"]
    assert beside or below
    assert own["y"] >= 0
    assert panel["y"] < 800
