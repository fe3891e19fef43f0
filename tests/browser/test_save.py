"""The Save menu: an SVG and a PNG of what the screen shows, made in the page, without a request."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page

import attnscope
from tests.browser.looking import FRAMES, leave, random_weights, settle, token, trace_of
from tests.browser.paging import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
HIDDEN = (
    ".tooltip, .stepper button, button.plain, .field:has(.switch), .switch, .close, .sign, input, "
    ".help, .foot a { visibility: hidden !important } "
    "select { border-color: transparent !important; background: none !important }"
)
"""What a saved picture leaves out, hidden on the screen too, where it keeps its place."""


def saved(view: Locator, kind: str) -> bytes:
    """The file that the menu gives."""
    with view.page.expect_download() as download:
        view.locator(".save button", has_text=kind).click()
    view.page.evaluate(FRAMES)
    assert download.value.suggested_filename.endswith(f".{kind.lower()}")
    return Path(download.value.path()).read_bytes()


def screen(view: Locator) -> Image.Image:
    """The view as it is on the screen, without what is only of use there."""
    view.evaluate(
        """(host, css) => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(css);
            host.shadowRoot.adoptedStyleSheets.push(sheet);
        }""",
        HIDDEN,
    )
    view.page.evaluate(FRAMES)
    return Image.open(io.BytesIO(view.locator(".root").screenshot())).convert("RGB")


def drawn(page: Page, svg: bytes, tmp_path: Path) -> Image.Image:
    """An SVG as a browser draws it."""
    path = tmp_path / "saved.svg"
    path.write_bytes(svg)
    root = ET.fromstring(svg)
    size = {"width": round(float(root.get("width"))), "height": round(float(root.get("height")))}
    page.set_viewport_size(size)
    page.goto(path.as_uri())
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def apart(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that differ visibly, at a quarter of the size."""
    size = (other.width // 4, other.height // 4)
    images = [np.asarray(i.resize(size, Image.Resampling.BOX), int) for i in (one, other)]
    return float((np.abs(images[0] - images[1]).max(2) > 40).mean())


def shown(kind: str, theme: str) -> str:
    names = ["[CLS]", "the", "cat", "$x_1$", "<b>", "was", "שלום", "[SEP]"]
    trace = trace_of(random_weights(3, 4, 8, 8), tokens=names, segments=[4], model="tiny")
    return getattr(trace, f"{kind}_view")(theme=theme).html()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["head", "model", "matrix"])
def test_saved_pictures_look_like_the_screen(page, context, open_view, tmp_path, kind, theme):
    view = open_view(page, shown(kind, theme), width=900, height=900)
    if kind == "head":
        token(view, "query", 2).click()
        leave(view)
        settle(view)
    svg, png = saved(view, "SVG"), saved(view, "PNG")
    before = screen(view)
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert abs(image.width - 2 * before.width) <= 2
    assert apart(image, before) < 0.01
    assert apart(drawn(context.new_page(), svg, tmp_path), before) < 0.01
    assert apart(Image.new("RGB", before.size, before.getpixel((3, 300))), before) > 0.02


def test_lines_are_vectors_and_text_is_text(page, open_view):
    view = open_view(page, shown("head", "light"))
    root = ET.fromstring(saved(view, "SVG"))
    texts = {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}
    assert {"[CLS]", "$x_1$", "<b>", "שלום", "tiny"} <= texts
    curves = [path for path in root.iter(f"{SVG}path") if "Q" in path.get("d", "")]
    assert len(curves) > 50


def test_hostile_tokens_stay_text(page, open_view):
    weights = np.full((1, 2, 8, 8), 1 / 8, np.float32)
    title = "</title><script>window.XSS=1</script>"
    trace = attnscope.from_attention(weights, HOSTILE, model=title)
    view = open_view(page, trace.head_view().html())
    root = ET.fromstring(saved(view, "SVG"))
    names = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert names <= {"svg", "g", "path", "text", "clipPath", "image"}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]
    assert title in {"".join(element.itertext()) for element in root.iter(f"{SVG}text")}
