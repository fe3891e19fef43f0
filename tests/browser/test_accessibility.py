"""What is told to people who do not see or do not point: names, states, sizes, stillness."""

from __future__ import annotations

from typing import Any

import numpy as np
from playwright.sync_api import Locator, expect

from tests.browser.looking import names, settle, shifted, token, trace_of
from tests.browser.showing import opened

head = opened("head")
model = opened("model")


def accessible(view: Locator) -> list[tuple[str, str]]:
    """(role, name) of everything in the accessibility tree."""
    session = view.page.context.new_cdp_session(view.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    kept = [node for node in nodes if not node.get("ignored")]
    return [(node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in kept]


NAMED = [
    "button",
    "combobox",
    "listbox",
    "option",
    "grid",
    "gridcell",
    "rowheader",
    "radio",
    "radiogroup",
    "group",
    "link",
    "region",
]


def test_everything_in_the_head_view_has_a_name(head):
    nodes = accessible(head)
    assert [node for node in nodes if node[0] in NAMED and not node[1]] == []
    for node in [
        ("combobox", "Layer"),
        ("button", "Previous layer"),
        ("group", "Heads"),
        ("button", "Head 3"),
        ("listbox", "Query tokens"),
        ("listbox", "Key tokens"),
        ("option", "two, key 2"),
    ]:
        assert node in nodes


def test_everything_in_the_model_view_has_a_name(model):
    model.locator(".cell").nth(5).click()
    settle(model)
    nodes = accessible(model)
    assert [node for node in nodes if node[0] in NAMED and not node[1]] == []
    for node in [
        ("grid", "Heads by layer"),
        ("gridcell", "Layer 1, head 1"),
        ("region", "Layer 1, head 1"),
        ("button", "Close"),
        ("radiogroup", "Cells"),
    ]:
        assert node in nodes


def test_the_selected_state_is_in_the_accessibility_tree(head):
    head.locator("button[data-head='1']").click()
    token(head, "query", 3).click()
    settle(head)
    session = head.page.context.new_cdp_session(head.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]

    def state(name: str, property_: str) -> list[Any]:
        return [
            found["value"]["value"]
            for node in nodes
            if node.get("name", {}).get("value") == name
            for found in node.get("properties", [])
            if found["name"] == property_
        ]

    assert state("Head 1", "pressed") == ["false"]
    assert state("Head 2", "pressed") == ["true"]
    assert state("three, query 3", "selected") == [True]


def test_touch_targets_are_not_too_small(head):
    sizes = head.locator("button, select, [role=option]").evaluate_all(
        "all => all.map(el => el.getBoundingClientRect()).map(r => [r.width, r.height])"
    )
    assert np.array(sizes).min() >= 24


def test_nothing_moves_for_who_wants_reduced_motion(page, open_view):
    page.emulate_media(reduced_motion="reduce")
    view = open_view(page, trace_of(shifted(3, 4, 8)).model_view().html())
    view.locator(".cell").first.hover()
    view.locator(".cell").nth(5).click()
    moving = view.evaluate(
        """host => [...host.shadowRoot.querySelectorAll('*')].filter(el => {
            const style = getComputedStyle(el);
            return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
        }).map(el => el.className)"""
    )
    assert moving == []
    assert view.evaluate("host => host.shadowRoot.getAnimations?.().length ?? 0") == 0


def test_token_lists_tell_their_length_though_only_a_part_is_there(page, open_view):
    view = open_view(page, trace_of(shifted(1, 1, 500)).head_view().html())
    first = token(view, "key", 1)
    expect(first).to_have_attribute("aria-setsize", "500")
    expect(first).to_have_attribute("aria-posinset", "2")
    assert names(500)[1] == first.locator(".text").inner_text()
