"""The matrix view connected to Python: which tiles it asks for, when, and what if one fails."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.live import open_live
from tests.browser.looking import settle
from tests.browser.mapping import drag, is_true, live, place, point, value, vectors_trace, window


def test_a_live_page_asks_for_what_it_shows_only(page):
    trace = vectors_trace(3000, causal=True)
    view, asked = live(page, trace.matrix_view())
    steps = [request["step"] for request in asked]
    assert steps[0] == 16
    assert set(steps) == {16, 8}
    assert all(request["kind"] == "tile" for request in asked)
    asked.clear()
    page.evaluate("model.put('window', {query: [2000, 2040], key: [1400, 1440]})")
    settle(view)
    assert window(view) == [[2000, 2040], [1400, 1440]]
    assert [request["step"] for request in asked] == [1]
    point(view, 2010, 1410)
    texts = view.get_by_role("tooltip").inner_text()
    assert "query 2010" in texts
    keys = [tuple(map(str, request.values())) for request in asked]
    assert len(keys) == len(set(keys))


def test_the_state_is_shared_when_the_hand_rests(page):
    trace = vectors_trace(40)
    view, _ = live(page, trace.matrix_view())
    drag(view, (10, 4), (19, 13))
    page.wait_for_function("model.state.window !== null")
    assert page.evaluate("model.state.window") == {"query": [10, 20], "key": [4, 14]}
    page.mouse.click(*place(view, 12, 6))
    settle(view)
    assert page.evaluate("model.state.cursor") == {"query": 12, "key": 6}
    page.evaluate("model.put('over', 'max')")
    settle(view)
    point(view, 12, 8)
    assert is_true(value(view), trace.weights(0).max(0)[12, 8])


def test_a_tile_that_fails_becomes_a_text(page):
    def fail(request: dict) -> None:
        if request["layer"] == 1:
            raise RuntimeError("the kernel has no memory left")

    view = open_live(page, vectors_trace(20).matrix_view(), before=fail)
    view.get_by_role("combobox", name="Layer").select_option("1")
    expect(view).to_have_attribute("data-attnscope-state", "error")
    expect(view.get_by_role("alert")).to_contain_text("the kernel has no memory left")
    view.get_by_role("combobox", name="Layer").select_option("0")
    settle(view)
    expect(view.get_by_role("alert")).to_have_count(0)


def test_a_long_input_is_there_at_once_roughly_then_exactly(page):
    trace = vectors_trace(9000, dim=100, causal=True)
    view, asked = live(page, trace.matrix_view(layer=1))
    first, second = ((request["step"], request.get("rough", False)) for request in asked[:2])
    assert first == (64, True)
    assert {(request["step"], request.get("rough", False)) for request in asked[1:]} >= {
        (64, False)
    }
    assert second != (64, True)
    page.evaluate("model.put('window', {query: [8000, 8020], key: [7990, 8010]})")
    settle(view)
    point(view, 8010, 8000)
    assert is_true(value(view), trace.weights(1, 0)[8010, 8000])
    asked.clear()
    page.mouse.click(*place(view, 8010, 8000))
    expect(view.locator(".why")).to_have_attribute("data-why", "8010/8000")
    [row] = [request for request in asked if request["kind"] == "vectors"]
    assert (row["head"], row["query"]) == (0, [8010, 8011])
    shown = view.locator(".why [data-line=weight] [data-value]").inner_text()
    assert is_true(shown, trace.weights(1, 0)[8010, 8000])
