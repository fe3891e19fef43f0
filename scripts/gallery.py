"""docs/gallery.md: a picture of every example, with what it says of itself.

make pictures        runs every example and writes docs/pictures/<example>.png and the page
"""

from __future__ import annotations

import ast
import runpy
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from attnscope.doctor import find_chromium

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES, PICTURES = ROOT / "examples", ROOT / "docs" / "pictures"
PAGE = ROOT / "docs" / "gallery.md"
WIDTH, TALLEST = 960, 1100
LARGEST = 130_000
"""Bytes of a picture."""

VIEWS = (
    "head_view", "model_view", "neuron_view", "matrix_view", "heads_view", "text_view", "documents",
    "generation", "image_view",
)  # fmt: skip
HEAD = """# Gallery

A picture of every example in [`examples/`](../examples). All of them are run by the tests, and all
need no network: the models are on attnscope's shelf, tiny ones trained or made for the purpose, or
arrays. This page and its pictures are made by `make pictures`.
"""


def sections() -> dict[str, list[str]]:
    """The examples' names under the headings of the page."""
    names = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    figures = [name for name in names if name.startswith("figures_")]
    rest = [name for name in names if name not in VIEWS and name not in figures]
    return {"Views": list(VIEWS), "Figures for papers": figures, "Questions": rest}


def text() -> str:
    """The page."""
    parts = [HEAD]
    for title, names in sections().items():
        parts.append(f"## {title}\n")
        parts += [_entry(name) for name in names]
    return "\n".join(parts)


def _entry(name: str) -> str:
    module = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    said, _, more = (ast.get_docstring(module) or "").partition("\n\n")
    about = " ".join(said.split())
    link = f"[`examples/{name}.py`](../examples/{name}.py)"
    paragraphs = [f"### {about}", f"![{about}](pictures/{name}.png)", *_prose(more), link]
    return "\n\n".join(paragraphs) + "\n"


def _prose(docstring: str) -> list[str]:
    """Paragraphs of a docstring, code as code."""
    made = []
    for part in filter(None, docstring.split("\n\n")):
        code = part.startswith("    ")
        lines = [line.removeprefix("    ") for line in part.splitlines()]
        made.append("```python\n" + "\n".join(lines) + "\n```" if code else part)
    return made


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that pictures are taken with."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=options)
        yield browser
        browser.close()


def make(browser: Browser) -> None:
    """Run every example, and write its picture and the page."""
    for names in sections().values():
        for name in names:
            made = runpy.run_path(str(EXAMPLES / f"{name}.py"))
            target = PICTURES / f"{name}.png"
            if "figure" in made:
                made["figure"].savefig(target, dpi=130)
            else:
                shoot(browser, made["view"], target)
            small(target)
    PAGE.write_text(text(), encoding="utf-8")


def shoot(browser: Browser, view: Any, target: Path) -> None:
    """The view in a page of its own, cut where it is very tall."""
    window = browser.new_page(
        viewport={"width": WIDTH, "height": 700}, device_scale_factor=1.5, color_scheme="light"
    )
    with tempfile.TemporaryDirectory() as folder:
        window.goto(view.save(Path(folder) / "view.html").as_uri())
        window.wait_for_selector("[data-attnscope-state=drawn]")
        box = window.locator("[data-attnscope-view]").bounding_box()
        assert box is not None
        high = min(box["y"] + box["height"], TALLEST)
        window.set_viewport_size({"width": WIDTH, "height": int(high)})
        window.wait_for_selector("[data-attnscope-state=drawn]")
        window.screenshot(path=target)
    window.close()


def small(target: Path, most: int = LARGEST) -> None:
    """Save a picture with 256 colours, as large as fits, and say how large that is."""
    image = Image.open(target).convert("RGB")
    for share in (1, 0.8, 2 / 3, 0.5):
        size = round(image.width * share), round(image.height * share)
        shown = image.resize(size, Image.Resampling.LANCZOS)
        shown.quantize(256).save(target, optimize=True)
        if target.stat().st_size < most:
            break
    print(f"{target}  {target.stat().st_size / 1000:.0f} KB", file=sys.stderr)
