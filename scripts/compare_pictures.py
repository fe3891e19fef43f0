"""Makes docs/pictures/compare-{head,model}-{light,dark}.png: the doctor and the nurse, from MiniLM.

make pictures        runs this behind scripts/pictures.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import gallery
from pictures import SCHEMES, Scheme
from playwright.sync_api import Browser, Locator, ViewportSize, expect

import attnscope
from attnscope.demo import load
from attnscope.view import View

TEXTS = {word: f"The doctor asked the nurse a question. {word} laughed." for word in ("She", "He")}
WINDOWS: dict[str, ViewportSize] = {
    "head": {"width": 1100, "height": 520},
    "model": {"width": 1440, "height": 580},
}
MOST = 180_000
"""Bytes of a picture."""
QUERY, DOCTOR = 9, 2
"""Places of the pronoun and of "doctor" among the merged tokens."""


def point(view: Locator) -> None:
    """The pronoun is pinned in both; point at "doctor" in the first."""
    view.locator(f"[role=option][data-side=key][data-index='{DOCTOR}']").first.hover()
    expect(view.get_by_role("tooltip")).to_be_visible()


def shoot(browser: Browser, view: View, name: str, scheme: Scheme) -> None:
    """One screenshot, once the view is drawn."""
    window = browser.new_page(
        viewport=WINDOWS[name],
        device_scale_factor=1.5 if name == "head" else 1,
        color_scheme=scheme,
    )
    with tempfile.TemporaryDirectory() as folder:
        window.goto(view.save(Path(folder) / "view.html").as_uri())
        shown = window.locator("[data-attnscope-state=drawn]")
        expect(shown).to_be_visible()
        if name == "head":
            point(shown)
        target = gallery.PICTURES / f"compare-{name}-{scheme}.png"
        window.screenshot(path=target)
    window.close()
    gallery.small(target, MOST)


def main() -> None:
    """Write all four."""
    model, tokenizer = load("minilm")
    she, he = (attnscope.capture(model, tokenizer, text) for text in TEXTS.values())
    comparison = attnscope.compare(she, he, names=tuple(TEXTS))
    head = comparison.head_view(layer=1, heads=[3])
    head.spec["state"]["pinned"] = {"side": "query", "index": QUERY}
    grid = comparison.model_view(show="difference")
    grid.spec["state"]["opened"] = {"layer": 1, "head": 3}
    with gallery.chromium() as browser:
        for scheme in SCHEMES:
            shoot(browser, head, "head", scheme)
            shoot(browser, grid, "model", scheme)


if __name__ == "__main__":
    main()
