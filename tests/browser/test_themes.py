"""Light and dark: whose wish counts, that it is followed, that all text can be read."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, expect

from tests.browser.looking import (
    FRAMES,
    contrast,
    fragments_page,
    hover,
    random_weights,
    settle,
    token,
    trace_of,
)
from tests.browser.paging import CONTRASTS, fragment, tiny


def mode(view: Locator) -> str | None:
    """`light` or `dark`, as the view is drawn; its background agrees."""
    root = view.locator(".root")
    red = root.evaluate("el => Number(getComputedStyle(el).backgroundColor.match(/\\d+/)[0])")
    shown = root.get_attribute("data-mode")
    assert (red > 128) == (shown == "light")
    return shown


def test_a_saved_page_follows_the_system_and_changes_with_it(page, open_view):
    view = open_view(page, tiny().head_view().html(), color_scheme="dark")
    assert mode(view) == "dark"
    page.emulate_media(color_scheme="light")
    settle(view)
    assert mode(view) == "light"
    page.emulate_media(color_scheme="dark")
    settle(view)
    assert mode(view) == "dark"
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == view.locator(".root").evaluate("el => getComputedStyle(el).backgroundColor")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_theme_can_be_forced(page, open_view, theme, system):
    html = tiny().model_view(theme=theme).html()
    assert mode(open_view(page, html, color_scheme=system)) == theme


def test_changing_the_theme_redraws_the_marks(page, open_view):
    view = open_view(page, tiny().head_view().html())
    read = "canvas => canvas.toDataURL()"
    light = view.locator("canvas.marks").evaluate(read)
    page.emulate_media(color_scheme="dark")
    settle(view)
    page.evaluate(FRAMES)
    assert view.locator("canvas.marks").evaluate(read) != light


@pytest.mark.parametrize(
    ("root", "light", "dark"),
    [
        pytest.param(
            "body",
            ("data-jp-theme-light", "true"),
            ("data-jp-theme-light", "false"),
            id="jupyterlab",
        ),
        pytest.param("body", ("class", "vscode-light"), ("class", "vscode-dark"), id="vscode"),
        pytest.param("html", ("data-theme", "light"), ("data-theme", "dark"), id="sphinx"),
        pytest.param("html", ("theme", "light"), ("theme", "dark"), id="colab"),
        pytest.param(
            "body", ("style", "background:#fff"), ("style", "background:#111"), id="background"
        ),
    ],
)
@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_notebooks_theme_wins_over_the_systems_and_is_followed(
    page, open_view, root, light, dark, system
):
    view = open_view(page, fragments_page([fragment(tiny())]), color_scheme=system)
    for (name, value), expected in [(dark, "dark"), (light, "light"), (dark, "dark")]:
        page.evaluate(
            "([root, name, value]) => document.querySelector(root).setAttribute(name, value)",
            [root, name, value],
        )
        expect(view.locator(".root")).to_have_attribute("data-mode", expected)
        settle(view)
        assert mode(view) == expected


@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_plain_white_page_gets_a_light_view(page, open_view, system):
    """A page that does not opt into dark stays white whatever the system says."""
    view = open_view(page, fragments_page([fragment(tiny())]), color_scheme=system)
    assert mode(view) == "light"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["head", "model"])
def test_all_text_has_enough_contrast(page, open_view, theme, kind):
    tokens = ["[CLS]", "the", "cat", "[SEP]", "it", "was", "tired", "[SEP]"]
    trace = trace_of(random_weights(3, 14, 8, 8), tokens=tokens, segments=[4], model="tiny")
    html = getattr(trace, f"{kind}_view")(theme=theme).html()
    view = open_view(page, html, width=1400)
    if kind == "model":
        view.locator(".cell").nth(3).click()
        settle(view)
    else:
        view.locator("button[data-head='3']").click()
    hover(view, "query", 2)
    contrasts = view.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("head", range(12))
def test_text_on_a_full_strength_box_is_legible(show, scheme, head):
    weights = np.zeros((1, 12, 4, 4), np.float32)
    weights[:, :, :, 3] = 1
    trace = trace_of(weights, tokens=["a", "b", "c", "[SEP]"])
    view = show(trace.head_view(heads=[head]), color_scheme=scheme)
    hover(view, "query", 0)
    text = token(view, "key", 3).locator(".text")
    ink = text.evaluate("e => getComputedStyle(e).color.match(/[\\d.]+/g).map(Number)")
    box = text.bounding_box()
    shot = view.page.screenshot(
        clip={"x": box["x"] + 1, "y": box["y"] + 2, "width": 2, "height": 3}
    )
    ground = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).mean((0, 1))
    assert contrast(ink[:3], ground) >= 4.5
