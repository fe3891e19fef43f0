"""The head view as a user meets it, by mouse: lines, layers, heads and their colours."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect

from attnscope import AttnscopeWarning
from tests.browser.looking import (
    hover,
    line_ends,
    names,
    pixels,
    pressed_heads,
    settle,
    shifted,
    shown_tokens,
    tooltip_rows,
    trace_of,
)
from tests.browser.showing import opens

show = opens("head")


def test_it_opens_with_the_first_layer_all_heads_and_nothing_pinned(show):
    view = show(trace_of(shifted(3, 4, 6), model="tiny"))
    expect(view.locator("h2")).to_have_text("tiny")
    expect(view.locator("select[name=layer]")).to_have_value("0")
    assert pressed_heads(view) == [0, 1, 2, 3]
    assert shown_tokens(view, "query") == shown_tokens(view, "key") == names(6)
    expect(view.locator("[aria-selected=true]")).to_have_count(0)
    expect(view.locator("select[name=filter], select[name=stream]")).to_have_count(0)
    assert line_ends(view, "query") == set(range(6))


def test_lines_run_from_each_query_to_the_key_it_attends_to(show):
    weights = np.zeros((1, 1, 6, 6), np.float32)
    weights[0, 0, :, 0] = 1
    weights[0, 0, 3] = np.eye(6)[4]
    view = show(trace_of(weights))
    assert line_ends(view, "query") == set(range(6))
    assert line_ends(view, "key") == {0, 4}


def test_a_lighter_weight_is_a_fainter_line(show):
    weights = np.zeros((1, 1, 4, 4), np.float32)
    weights[0, 0, np.arange(4), np.arange(4)] = [1, 0.6, 0.3, 0.1]
    with pytest.warns(AttnscopeWarning, match="sum"):
        view = show(trace_of(weights))
    ink = pixels(view.locator("canvas.marks"))[:, :, 3].max(axis=1)
    strength = [int(ink[24 * row + 4 : 24 * row + 20].max()) for row in range(4)]
    assert strength == sorted(strength, reverse=True)
    assert strength[0] > 200
    assert strength[1] == pytest.approx(0.6 * 255, abs=12)
    assert strength[2] == pytest.approx(0.3 * 255, abs=12)


def test_layers_have_the_models_own_numbers_and_arrows_step_through_them(show):
    view = show(trace_of(shifted(9, 1, 6)), layers=[7, 2, 5])
    select = view.locator("select[name=layer]")
    assert select.locator("option").all_inner_texts() == ["7", "2", "5"]
    back = view.get_by_role("button", name="Previous layer")
    on = view.get_by_role("button", name="Next layer")
    expect(back).to_be_disabled()
    on.click()
    expect(select).to_have_value("2")
    on.click()
    expect(select).to_have_value("5")
    expect(on).to_be_disabled()
    back.click()
    expect(select).to_have_value("2")
    settle(view)
    hover(view, "query", 0)
    assert line_ends(view, "key") == {2}


def test_choosing_a_layer_draws_that_layer(show):
    view = show(trace_of(shifted(4, 1, 6)))
    view.locator("select[name=layer]").select_option("3")
    settle(view)
    hover(view, "query", 1)
    assert line_ends(view, "key") == {4}
    assert tooltip_rows(view) == [("four", "1.0000")]


def test_layer_and_heads_can_be_chosen_beforehand(show):
    view = show(trace_of(shifted(4, 6, 8)), layer=2, heads=[5, 1])
    expect(view.locator("select[name=layer]")).to_have_value("2")
    assert pressed_heads(view) == [1, 5]
    hover(view, "query", 0)
    assert line_ends(view, "key") == {3, 7}


def test_clicking_a_head_switches_it_and_its_lines(show):
    view = show(trace_of(shifted(1, 3, 6)))
    view.locator("button[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == [0, 2]
    hover(view, "query", 0)
    assert line_ends(view, "key") == {0, 2}
    view.locator("button[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == [0, 1, 2]


def test_the_last_head_stays_on(show):
    view = show(trace_of(shifted(1, 2, 6)), heads=[1])
    view.locator("button[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == [1]


def test_double_click_leaves_a_head_alone_and_again_brings_all_back(show):
    view = show(trace_of(shifted(1, 4, 6)))
    view.locator("button[data-head='2']").dblclick()
    settle(view)
    assert pressed_heads(view) == [2]
    view.locator("button[data-head='2']").dblclick()
    settle(view)
    assert pressed_heads(view) == [0, 1, 2, 3]


def test_double_click_on_a_head_that_was_off_leaves_it_alone(show):
    view = show(trace_of(shifted(1, 4, 6)), heads=[0, 3])
    view.locator("button[data-head='1']").dblclick()
    settle(view)
    assert pressed_heads(view) == [1]


def test_a_button_switches_all_heads_on(show):
    view = show(trace_of(shifted(1, 4, 6)), heads=[3])
    view.get_by_role("button", name="All", exact=True).click()
    settle(view)
    assert pressed_heads(view) == [0, 1, 2, 3]
    expect(view.get_by_role("button", name="All", exact=True)).to_be_disabled()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_thirty_two_heads_have_colors_that_can_be_told_apart(show, theme):
    view = show(trace_of(shifted(1, 32, 4)), theme=theme)
    chips = view.locator("button.chip:not([data-head=mean])")
    expect(chips).to_have_count(32)
    colors = chips.evaluate_all(
        "all => all.map(c => getComputedStyle(c).backgroundColor.match(/\\d+/g).map(Number))"
    )
    lab = np.array([oklab(color) for color in colors])
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2) + np.eye(32)
    assert distance.min() > 0.04  # twice the difference that can just be seen
    assert distance[:12, :12].min() > 0.08


def oklab(color: list[int]) -> np.ndarray:
    """sRGB 0..255 → OKLab (Ottosson 2020)."""
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    mixed = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return mixed @ np.cbrt(lms @ linear)


def test_a_head_keeps_its_color_whatever_others_are_shown(show):
    trace = trace_of(shifted(2, 8, 6))
    read = "chip => getComputedStyle(chip).backgroundColor"
    color = show(trace, layer=0).locator("button[data-head='5']").evaluate(read)
    assert show(trace, layer=1, heads=[5]).locator("button[data-head='5']").evaluate(read) == color


def test_the_state_goes_through_drawing_to_drawn(show):
    view = show(trace_of(shifted(2, 2, 6)))
    view.evaluate(
        """host => {
            host.seen = [];
            new MutationObserver(() => host.seen.push(host.dataset.attnscopeState))
                .observe(host, {attributes: true, attributeFilter: ["data-attnscope-state"]});
        }"""
    )
    view.locator("select[name=layer]").select_option("1")
    settle(view)
    assert view.evaluate("host => host.seen") == ["drawing", "drawn"]


def test_one_token_one_head_is_a_picture_too(show):
    view = show(trace_of(np.ones((1, 1, 1, 1), np.float32)))
    hover(view, "query", 0)
    assert tooltip_rows(view) == [("zero", "1.0000")]
