"""Getting about in the matrix view: by mouse, wheel, keys, buttons; to strong cells and words."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.looking import FRAMES, settle
from tests.browser.mapping import (
    changed,
    cursor,
    drag,
    is_true,
    place,
    plot,
    point,
    press,
    said,
    value,
    vectors_trace,
    window,
)
from tests.browser.showing import opens

show = opens("matrix", height=900, live=True)


def test_a_rectangle_drawn_is_what_is_shown_then(show):
    trace = vectors_trace(40)
    view = show(trace, layer=1)
    drag(view, (10, 4), (19, 13))
    assert window(view) == [[10, 20], [4, 14]]
    point(view, 12, 9)
    assert is_true(value(view), trace.weights(1, 0)[12, 9])
    view.page.mouse.dblclick(*place(view, 15, 9))
    settle(view)
    assert window(view) == [[0, 40], [0, 40]]


def test_a_part_shown_is_moved_by_dragging_and_narrowed_with_shift(show):
    view = show(vectors_trace(40))
    drag(view, (10, 10), (19, 19))
    drag(view, (18, 18), (14, 13))
    assert window(view) == [[14, 24], [15, 25]]
    view.page.keyboard.down("Shift")
    drag(view, (16, 17), (19, 20))
    view.page.keyboard.up("Shift")
    assert window(view) == [[16, 20], [17, 21]]
    press(view, "Escape")
    assert window(view) == [[0, 40], [0, 40]]


def test_the_wheel_belongs_to_the_page_until_the_map_is_clicked(show):
    view = show(vectors_trace(40))
    point(view, 20, 20)
    view.page.mouse.wheel(0, -300)
    view.page.evaluate(FRAMES)
    assert window(view) == [[0, 40], [0, 40]]
    view.page.mouse.click(*place(view, 20, 20))
    view.page.mouse.move(*place(view, 20, 20))
    view.page.mouse.wheel(0, -400)
    changed(view, "0-40/0-40")
    (top, bottom), (left, right) = window(view)
    assert bottom - top < 25
    assert right - left == bottom - top
    assert top <= 20 <= bottom
    assert left <= 20 <= right
    for _ in range(4):
        view.page.mouse.wheel(0, 500)
    expect(plot(view)).to_have_attribute("data-window", "0-40/0-40")


def test_pinching_zooms_without_a_click(show):
    view = show(vectors_trace(40))
    point(view, 5, 30)
    view.page.keyboard.down("Control")
    view.page.mouse.wheel(0, -60)
    changed(view, "0-40/0-40")
    view.page.keyboard.up("Control")
    (top, bottom), (left, right) = window(view)
    assert bottom - top < 30
    assert right - left < 30
    assert top <= 5
    assert right >= 31


def test_the_keyboard_does_all_of_it(show):
    trace = vectors_trace(60)
    view = show(trace, layer=1, head=1)
    plot(view).focus()
    press(view, "ArrowDown")
    assert cursor(view) == "30/30"
    press(view, "ArrowDown", "ArrowLeft", "ArrowLeft")
    assert cursor(view) == "31/28"
    assert "query 'tok31', key 'tok28': weight " in said(view)
    assert is_true(said(view).split()[-1], trace.weights(1, 1)[31, 28])
    press(view, "+", "+", "+")
    (top, bottom), (left, right) = window(view)
    assert top < 31 < bottom
    assert left < 28 < right
    assert bottom - top < 22
    press(view, "End", "Shift+ArrowUp")
    assert cursor(view) == f"{31 - round((bottom - top) / 10)}/59"
    assert window(view)[1][1] == 60
    press(view, "-", "0")
    assert window(view) == [[0, 60], [0, 60]]
    press(view, "]")
    expect(view.get_by_role("combobox", name="Layer")).to_have_value("1")
    press(view, "[", ".")
    expect(view.get_by_role("combobox", name="Layer")).to_have_value("0")
    expect(view.get_by_role("combobox", name="Head")).to_have_value("2")
    assert is_true(said(view).split()[-1], trace.weights(0, 2)[31 - 2, 59])


def listed(view: Locator) -> list[tuple[str, str]]:
    """(query, key; number) of the list of strongest cells."""
    found = view.locator(".strongest li button")
    read = (
        "all => all.map(b => [b.querySelector('i')?.textContent, b.querySelector('b').textContent])"
    )
    return [(place, number) for place, number in found.evaluate_all(read)]


@pytest.mark.parametrize("tokens", [14, 700])
def test_the_strongest_cells_are_listed_and_gone_to(show, tokens):
    trace = vectors_trace(tokens, causal=True)
    view = show(trace, layer=1, head=1)
    view.get_by_role("button", name="Strongest").click()
    expect(view.locator(".strongest li button:disabled")).to_have_count(0)
    weights = trace.weights(1, 1)
    cells = [tuple(map(int, place.split(", "))) for place, _ in listed(view)]
    assert len(cells) == 12
    values = [weights[cell] for cell in cells]
    assert values == sorted(values, reverse=True)
    assert values[0] == weights.max()
    assert all(is_true(text, value) for (_, text), value in zip(listed(view), values, strict=True))
    keys = [key for _, key in cells]
    assert max(keys.count(key) for key in keys) <= 2
    view.locator(".strongest li button").nth(2).click()
    settle(view)
    assert cursor(view) == "{}/{}".format(*cells[2])
    assert listed(view)[0][0] == "{}, {}".format(*cells[0])
    plot(view).focus()
    press(view, "s")
    assert cursor(view) == "{}/{}".format(*cells[3])
    press(view, "Shift+S", "Shift+S")
    assert cursor(view) == "{}/{}".format(*cells[1])
    press(view, "Escape")
    expect(view.locator(".strongest")).to_have_count(0)


def test_a_token_is_searched_for_and_gone_to(show):
    view = show(vectors_trace(300))
    search = view.get_by_role("searchbox")
    search.fill("TOK29")
    assert view.locator(".finder output").inner_text() == "11"
    assert view.locator(".mapaxis.query .mark").count() > 1
    search.press("Enter")
    settle(view)
    assert cursor(view) == "29/29"
    (top, bottom), (left, right) = window(view)
    assert bottom - top == right - left == 40
    assert top <= 29 < bottom
    assert "tok29" in view.locator(".mapaxis.key .found").all_inner_texts()
    search.press("Enter")
    settle(view)
    assert cursor(view) == "290/290"
    search.press("Shift+Enter")
    search.press("Shift+Enter")
    settle(view)
    assert cursor(view) == "299/299"
    search.fill("nothing like it")
    assert view.locator(".finder output").inner_text() == "none"
    search.press("Escape")
    expect(search).to_have_value("")
    expect(view.locator(".mark")).to_have_count(0)


def test_buttons_zoom_like_the_keys(show):
    view = show(vectors_trace(40))
    view.get_by_role("button", name="Zoom in").click()
    settle(view)
    assert window(view) == [[10, 30], [10, 30]]
    view.get_by_role("button", name="Zoom out").click()
    settle(view)
    assert window(view) == [[0, 40], [0, 40]]
    view.get_by_role("button", name="Zoom in").click()
    view.get_by_role("button", name="Show all").click()
    settle(view)
    assert window(view) == [[0, 40], [0, 40]]
