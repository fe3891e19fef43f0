"""Everything without a mouse: focus, and every key of the head and the model view."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.looking import (
    FRAMES,
    line_ends,
    pressed_heads,
    random_weights,
    settle,
    shifted,
    token,
    tooltip_rows,
    trace_of,
)
from tests.browser.showing import opened

DEEP_FOCUS = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    const {role, tagName, name, dataset} = at;
    return [
        role || at.getAttribute("role") || tagName.toLowerCase(), name ?? null, {...dataset},
        at.getAttribute("aria-label") ?? at.textContent, at.matches(":focus-visible"),
    ];
}"""

head = opened("head")

model = opened("model")


def focused(view: Locator) -> dict[str, Any]:
    """What has the focus, inside shadow roots too."""
    role, name, data, label, ring = view.page.evaluate(DEEP_FOCUS)
    return {"role": role, "name": name, "data": data, "label": label, "ring": ring}


def press(view: Locator, *keys: str) -> None:
    """Press keys one after the other, then wait for the picture."""
    for key in keys:
        view.page.keyboard.press(key)
    settle(view)


def tab_stops(view: Locator) -> list[str]:
    """Labels of everything that Tab reaches, until it leaves the page."""
    found: list[str] = []
    for _ in range(40):
        view.page.keyboard.press("Tab")
        here = focused(view)
        if here["role"] == "body" or (found and here["label"] == found[0]):
            break
        found.append(here["label"].strip())
    return found


SAVE = ["Save as SVG", "Save as PNG"]


def test_tab_reaches_every_control_once_and_leaves_the_head_view(head):
    stops = tab_stops(head)
    assert stops[:4] == ["Layer", "Next layer", "Tokens shown, query to key", "Options"]
    assert stops[4:] == ["Head 0", "zero, query 0", "zero, key 0", "Learn more", *SAVE]


def test_tab_reaches_every_control_once_and_leaves_the_model_view(model):
    stops = tab_stops(model)
    expected = ["Tokens shown, query to key", "Auto", "Options", "Layer 0, head 0", "Learn more"]
    assert stops == [*expected, *SAVE]


def test_everything_focused_by_keyboard_has_a_ring(page, open_view):
    trace = trace_of(shifted(3, 4, 8), segments=[5])
    for view_html in (trace.head_view().html(), trace.model_view().html()):
        view = open_view(page, view_html)
        for _ in range(9):
            page.keyboard.press("Tab")
            here = focused(view)
            if here["role"] == "body":
                break
            assert here["ring"], here
            outline = page.evaluate(
                """() => {
                    let at = document.activeElement;
                    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
                    const style = getComputedStyle(at);
                    return [style.outlineStyle, parseFloat(style.outlineWidth)];
                }"""
            )
            assert outline[0] == "solid", here
            assert outline[1] >= 2, here


def test_arrows_walk_over_tokens(head):
    token(head, "query", 0).focus()
    press(head, "ArrowDown", "ArrowDown")
    assert focused(head)["label"] == "two, query 2"
    press(head, "End")
    assert focused(head)["label"] == "seven, query 7"
    press(head, "ArrowDown")
    assert focused(head)["label"] == "seven, query 7"
    press(head, "Home", "ArrowUp")
    assert focused(head)["label"] == "zero, query 0"
    press(head, "ArrowDown", "ArrowRight")
    assert focused(head)["label"] == "one, key 1"
    press(head, "ArrowDown", "ArrowLeft")
    assert focused(head)["data"]["side"] == "query"


def test_the_focused_token_is_isolated_and_told_about(head):
    token(head, "query", 0).focus()
    press(head, "ArrowDown", "ArrowDown")
    head.page.evaluate(FRAMES)
    assert line_ends(head, "query") == {2}
    assert [label for label, _ in tooltip_rows(head)] == ["two", "three", "four"]
    expect(head.locator("[aria-live]")).to_have_text(
        "query 'two': 0.250 to 'two', 0.250 to 'three', 0.250 to 'four'"
    )


@pytest.mark.parametrize("key", ["Enter", " "])
def test_enter_and_space_pin_and_free_a_token(head, key):
    token(head, "query", 0).focus()
    press(head, "ArrowDown", key)
    expect(token(head, "query", 1)).to_have_attribute("aria-selected", "true")
    press(head, key)
    expect(head.locator("[aria-selected=true]")).to_have_count(0)


def test_escape_frees_a_token_pinned_by_key(head):
    token(head, "key", 0).focus()
    press(head, "End", "Enter", "Escape")
    expect(head.locator("[aria-selected=true]")).to_have_count(0)


def test_a_pair_is_told_by_keyboard_too(head):
    token(head, "query", 0).focus()
    press(head, "ArrowDown", "Enter", "ArrowRight", "ArrowDown")
    assert focused(head)["data"]["side"] == "key"
    index = int(focused(head)["data"]["index"])
    told = dict(tooltip_rows(head))
    assert told[f"head {index - 1}"] == "1.0000"
    assert told["mean"] == "0.2500"


def test_brackets_and_page_keys_change_the_layer(head):
    select = head.locator("select[name=layer]")
    token(head, "query", 0).focus()
    press(head, "]", "PageDown")
    expect(select).to_have_value("2")
    press(head, "]")
    expect(select).to_have_value("2")
    press(head, "PageUp", "[", "[")
    expect(select).to_have_value("0")


def test_layers_can_be_chosen_in_the_list_by_key(head):
    head.locator("select[name=layer]").focus()
    press(head, "ArrowDown")
    expect(head.locator("select[name=layer]")).to_have_value("1")


def test_heads_can_be_switched_by_key(head):
    head.locator("button[data-head='0']").focus()
    press(head, "ArrowRight", "ArrowRight", " ")
    assert pressed_heads(head) == [0, 1, 3]
    press(head, "Enter")
    assert pressed_heads(head) == [0, 1, 2, 3]
    press(head, "Shift+Enter")
    assert pressed_heads(head) == [2]
    press(head, "Shift+Enter")
    assert pressed_heads(head) == [0, 1, 2, 3]
    press(head, "End")
    assert focused(head)["label"] == "Head 3"
    press(head, "Home")
    assert focused(head)["label"] == "Mean of the 4 heads"


def test_walking_scrolls_a_long_list(page, open_view):
    view = open_view(page, trace_of(shifted(1, 1, 500)).head_view().html())
    token(view, "query", 0).focus()
    press(view, "End")
    assert focused(view)["label"] == "tok499, query 499"
    expect(token(view, "query", 499)).to_be_in_viewport()
    assert line_ends(view, "key") == {499}
    press(view, "ArrowUp", "Home")
    assert focused(view)["label"] == "tok0, query 0"
    expect(token(view, "query", 0)).to_be_in_viewport()


def test_keys_of_the_view_do_not_reach_the_notebook(head):
    """Jupyter's command mode would delete a cell at `d d`."""
    head.page.evaluate(
        "() => { window.heard = []; "
        "document.addEventListener('keydown', e => window.heard.push(e.key)) }"
    )
    token(head, "query", 0).focus()
    press(head, "ArrowDown", "Enter", "d", "d", "Escape")
    assert head.page.evaluate("window.heard") == []


def test_arrows_home_and_end_walk_over_cells(model):
    cell = model.locator(".cell[data-layer='0'][data-head='0']")
    cell.focus()
    for keys, label in [
        (["ArrowRight", "ArrowDown"], "Layer 1, head 1"),
        (["End"], "Layer 1, head 3"),
        (["ArrowRight"], "Layer 1, head 3"),
        (["ArrowDown", "ArrowDown"], "Layer 2, head 3"),
        (["Home"], "Layer 2, head 0"),
        (["ArrowLeft", "ArrowUp"], "Layer 1, head 0"),
    ]:
        press(model, *keys)
        assert focused(model)["label"] == label
    expect(model.locator(".cell[tabindex='0']")).to_have_count(1)


def test_enter_opens_a_head_and_escape_closes_it_and_returns(model):
    model.locator(".cell").first.focus()
    press(model, "ArrowRight", "Enter")
    expect(model.locator("section.panel h3")).to_have_text("Layer 0, head 1")
    assert focused(model)["label"] == "Layer 0, head 1"
    press(model, "Escape")
    expect(model.locator("section.panel")).to_have_count(0)
    assert focused(model)["label"] == "Layer 0, head 1"


def test_tab_goes_on_into_the_opened_head(model):
    model.locator(".cell").first.focus()
    press(model, "Enter")
    stops = tab_stops(model)
    assert stops[:3] == ["Close", "zero, query 0", "zero, key 0"]


def test_escape_frees_a_pin_first_and_closes_the_panel_next(model):
    model.locator(".cell").first.focus()
    press(model, "Enter")
    token(model, "query", 0).focus()
    press(model, "Enter", "Escape")
    expect(model.locator("[aria-selected=true]")).to_have_count(0)
    expect(model.locator("section.panel")).to_have_count(1)
    press(model, "Escape")
    expect(model.locator("section.panel")).to_have_count(0)


def test_the_kind_of_cells_is_chosen_by_arrows(model):
    model.get_by_role("radio", name="Auto").focus()
    press(model, "ArrowRight", "ArrowRight")
    expect(model.get_by_role("radio", name="Heat")).to_be_checked()
    press(model, "ArrowLeft")
    expect(model.get_by_role("radio", name="Lines")).to_be_checked()
    assert focused(model)["label"] == "Lines"


def test_a_drawn_view_is_the_same_after_focus_has_left(head):
    token(head, "query", 0).focus()
    press(head, "ArrowDown")
    assert line_ends(head, "query") == {1}
    head.page.evaluate("() => document.activeElement.blur()")
    head.page.evaluate(FRAMES)
    expect(head.get_by_role("tooltip")).to_have_count(0)
    assert line_ends(head, "query") == set(range(8))


def test_random_keys_leave_a_working_view(page, open_view):
    keys = [
        "Tab",
        "ArrowDown",
        "ArrowUp",
        "ArrowLeft",
        "ArrowRight",
        "Enter",
        "Escape",
        "]",
        "[",
        "Home",
        "End",
        "Space",
    ]
    trace = trace_of(random_weights(3, 4, 8, 8), segments=[5])
    for html in (trace.head_view().html(), trace.model_view().html()):
        view = open_view(page, html)
        for choice in np.random.default_rng(1).integers(0, len(keys), 80):
            if focused(view)["role"] != "a":  # Enter would leave the page
                page.keyboard.press(keys[choice])
            else:
                page.keyboard.press("Tab")
        settle(view)
        expect(view.get_by_role("alert")).to_have_count(0)
