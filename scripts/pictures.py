"""Makes the pictures of README and docs from the shelf's real MiniLM.

make pictures        writes docs/pictures/{first-screen,text-view}-{light,dark}.png, and with
                     gallery.py the pictures and the page of all examples
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import gallery
from playwright.sync_api import Browser, expect

from attnscope.capture import forward
from attnscope.demo import load
from attnscope.hosts.html import fragment_text
from attnscope.trace import Trace

Scheme = Literal["light", "dark"]
FIRST = 220_000
"""Bytes of a picture in the README."""

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
TEXT = "The cat sat on the mat because it was tired."
PAGE = """<!doctype html><meta charset="utf-8"><style>
html{{color-scheme:{scheme};background:{ground}}}body{{margin:12px;display:flex;gap:16px}}
div[data-attnscope-id]{{flex:0 0 var(--width)}}
div:first-of-type{{--width:560px}}div:only-of-type{{--width:836px}}div:nth-of-type(2){{--width:820px}}
</style>{body}"""


@dataclass(frozen=True)
class Picture:
    """A picture: its name, the views in it, and the size of the window."""

    name: str
    body: Callable[[Trace, Scheme], str]
    views: int
    width: int
    height: int


def first_screen(trace: Trace, scheme: Scheme) -> str:
    """Head view and model view beside each other."""
    head = trace.head_view(layer=5, heads=[4, 7, 11], theme=scheme).spec
    head["state"]["pinned"] = {"side": "query", "index": trace.tokens.text.index("it")}
    model = trace.model_view(theme=scheme).spec
    return fragment_text(trace, head) + fragment_text(trace, model)


def text_view(trace: Trace, scheme: Scheme) -> str:
    """What "it" attends to, in the text."""
    view = trace.text_view("it", layer=5, head=11, hide_special=True, theme=scheme)
    return fragment_text(view.trace, view.spec)


ALL = (
    Picture("first-screen", first_screen, 2, 1440, 680),
    Picture("text-view", text_view, 1, 860, 400),
)


def shoot(browser: Browser, source: Path, target: Path, made: Picture, scheme: Scheme) -> None:
    """One screenshot, once all views are drawn."""
    window = browser.new_page(
        viewport={"width": made.width, "height": made.height},
        device_scale_factor=1.5,
        color_scheme=scheme,
    )
    window.goto(source.as_uri())
    expect(window.locator("[data-attnscope-state=drawn]")).to_have_count(made.views)
    window.screenshot(path=target)
    gallery.small(target, FIRST)
    window.close()


def main() -> None:
    """Write all pictures."""
    trace = forward.capture(*load("minilm"), TEXT)
    with gallery.chromium() as browser, tempfile.TemporaryDirectory() as folder:
        for made in ALL:
            for scheme in SCHEMES:
                source = Path(folder) / f"{scheme}.html"
                ground = "#ffffff" if scheme == "light" else "#131519"
                body = made.body(trace, scheme)
                text = PAGE.format(scheme=scheme, ground=ground, body=body)
                source.write_text(text, encoding="utf-8")
                shoot(browser, source, PICTURES / f"{made.name}-{scheme}.png", made, scheme)
        gallery.make(browser)


if __name__ == "__main__":
    main()
