"""The image view in a real Chromium: patches by mouse and by keyboard, directions, heads."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from tests.browser.looking import pixels, settle, trace_of

pytestmark = pytest.mark.browser

ROWS, COLUMNS = 3, 4
GREY = np.full((60, 80, 3), 0.5)


def weights() -> np.ndarray:
    """[CLS] and 12 patches, 2 layers, 2 heads: head h gives 0.75 to the token h + 1 further on."""
    n = 1 + ROWS * COLUMNS
    made = np.full((2, 2, n, n), 0.25 / (n - 1), np.float32)
    for head in range(2):
        made[:, head, np.arange(n), (np.arange(n) + head + 1) % n] = 0.75
    made[1] = made[0, ::-1]
    return made


@pytest.fixture
def trace() -> attnscope.Trace:
    names = [f"r{row}c{column}" for row in (1, 2, 3) for column in (1, 2, 3, 4)]
    return trace_of(weights(), tokens=["[CLS]", *names])


@pytest.fixture
def view(trace, page: Page, open_view) -> Locator:
    return open_view(page, trace.image_view(GREY, heads=[0], grid=(ROWS, COLUMNS)).html())


def said(view: Locator) -> Locator:
    return view.locator(".said")


def patch(view: Locator, row: int, column: int) -> dict[str, float]:
    """The middle of a patch (counted from 0), on the picture."""
    box = view.locator("canvas.patches").bounding_box()
    return {
        "x": (column + 0.5) * box["width"] / COLUMNS,
        "y": (row + 0.5) * box["height"] / ROWS,
    }


def brightest(view: Locator) -> tuple[int, int]:
    """Row and column of the lightest patch on the screen."""
    seen = pixels(view.locator("canvas.patches"))[..., :3].astype(float).sum(-1)
    high, wide = seen.shape[0] // ROWS, seen.shape[1] // COLUMNS
    means = seen[: high * ROWS, : wide * COLUMNS].reshape(ROWS, high, COLUMNS, wide).mean((1, 3))
    return divmod(int(means.argmax()), COLUMNS)


def test_it_starts_with_cls_and_shows_its_strongest_patch(view):
    expect(said(view)).to_contain_text("query '[CLS]': 0.750 to 'r1c1'")
    expect(view.get_by_role("button", name="[CLS]")).to_have_attribute("aria-pressed", "true")
    assert brightest(view) == (0, 0)


def test_hovering_selects_and_a_click_pins(view):
    canvas = view.locator("canvas.patches")
    canvas.hover(position=patch(view, 1, 1))
    expect(said(view)).to_contain_text("query 'r2c2': 0.750 to 'r2c3'")
    canvas.click(position=patch(view, 1, 1))
    canvas.hover(position=patch(view, 1, 2))
    expect(said(view)).to_contain_text("r2c2 → r2c3: 0.7500 (head 0)")
    canvas.hover(position=patch(view, 2, 2))
    expect(said(view)).to_contain_text("r2c2 → r3c3: 0.0208")
    canvas.click(position=patch(view, 1, 1))
    view.get_by_role("heading").or_(view.locator(".foot")).first.hover()
    expect(said(view)).to_contain_text("query '[CLS]'")


def test_the_picture_follows_the_selected_patch(view):
    view.locator("canvas.patches").click(position=patch(view, 2, 0))
    view.locator(".foot").hover()
    settle(view)
    assert brightest(view) == (2, 1)


def test_the_other_direction(view):
    view.get_by_role("radio", name="is looked at by").click()
    view.locator("canvas.patches").click(position=patch(view, 1, 1))
    view.locator(".foot").hover()
    expect(said(view)).to_contain_text("key 'r2c2': 0.750 from 'r2c1'")
    settle(view)
    assert brightest(view) == (1, 0)
    view.get_by_role("radio", name="looks at", exact=True).click()
    expect(said(view)).to_contain_text("query 'r2c2': 0.750 to 'r2c3'")


def test_arrow_keys_move_and_stop_at_the_edge(view):
    canvas = view.locator("canvas.patches")
    canvas.focus()
    for key, name in [
        ("ArrowRight", "r1c1"),  # from [CLS] to the first patch
        ("ArrowDown", "r2c1"),
        ("ArrowLeft", "r2c1"),
        ("ArrowRight", "r2c2"),
        ("ArrowUp", "r1c2"),
        ("ArrowUp", "r1c2"),
    ]:
        canvas.press(key)
        expect(said(view)).to_contain_text(f"query '{name}'")
    canvas.press("Escape")
    expect(said(view)).to_contain_text("query '[CLS]'")


def test_a_small_map_shows_its_head_alone_and_all_again(view):
    second = view.locator("button[data-map='1']")
    second.click()
    expect(said(view)).to_contain_text("0.750 to 'r1c2' ")
    expect(said(view)).to_contain_text("(head 1)")
    second.click()
    expect(said(view)).to_contain_text("(mean of 2 heads)")


def test_layers_change_by_key(view):
    view.locator("canvas.patches").focus()
    view.locator("canvas.patches").press("]")
    settle(view)
    expect(said(view)).to_contain_text("0.750 to 'r1c2'")


def test_the_legend_says_what_goes_beside_the_patches(view):
    view.locator("canvas.patches").click(position=patch(view, 2, 3))  # head 0: on to [CLS]
    expect(view.locator(".foot")).to_contain_text("75 % goes to tokens beside the patches")


def test_the_widget_can_pin_from_python(trace):
    widget = trace.image_view(GREY, grid=(ROWS, COLUMNS)).widget()
    widget.pinned = {"side": "query", "index": 5}
    assert widget.pinned["index"] == 5
