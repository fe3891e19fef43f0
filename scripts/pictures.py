"""Makes the pictures of README and docs from the shelf's real MiniLM.

make pictures        writes docs/pictures/first-screen-{light,dark}.png, and figures_*.png: the
                     figures of the examples of these names
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

from attnscope.capture import forward
from attnscope.demo import load
from attnscope.doctor import find_chromium
from attnscope.hosts.html import fragment_text
from attnscope.trace import Trace

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
TEXT = "The cat sat on the mat because it was tired."
PAGE = """<!doctype html><meta charset="utf-8"><style>
html{{color-scheme:{scheme};background:{ground}}}body{{margin:12px;display:flex;gap:16px}}
div[data-attnscope-id]{{flex:0 0 var(--width)}}
div:nth-of-type(1){{--width:560px}}div:nth-of-type(2){{--width:820px}}
</style>{body}"""


def page(trace: Trace, scheme: str) -> str:
    """Head view and model view beside each other."""
    head = trace.head_view(layer=5, heads=[4, 7, 11], theme=scheme).spec  # type: ignore[arg-type]
    head["state"]["pinned"] = {"side": "query", "index": trace.tokens.text.index("it")}
    model = trace.model_view(theme=scheme).spec  # type: ignore[arg-type]
    ground = "#ffffff" if scheme == "light" else "#131519"
    body = fragment_text(trace, head) + fragment_text(trace, model)
    return PAGE.format(scheme=scheme, ground=ground, body=body)


def shoot(browser: Browser, source: Path, target: Path, scheme: Literal["light", "dark"]) -> None:
    """One screenshot, once both views are drawn."""
    window = browser.new_page(
        viewport={"width": 1440, "height": 640}, device_scale_factor=1.5, color_scheme=scheme
    )
    window.goto(source.as_uri())
    expect(window.locator("[data-attnscope-state=drawn]")).to_have_count(2)
    window.screenshot(path=target)
    small(target)
    window.close()


def small(target: Path) -> None:
    """Save a picture with 256 colours, and say how large it is."""
    Image.open(target).convert("RGB").quantize(256).save(target, optimize=True)
    print(f"{target}  {target.stat().st_size / 1000:.0f} KB", file=sys.stderr)


def figures() -> None:
    """The figure of every example that makes one."""
    for path in sorted((ROOT / "examples").glob("figures_*.py")):
        target = PICTURES / f"{path.stem}.png"
        runpy.run_path(str(path))["figure"].savefig(target, dpi=130)
        small(target)


def main() -> None:
    """Write all pictures."""
    figures()
    trace = forward.capture(*load("minilm"), TEXT)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            source = Path(folder) / f"{scheme}.html"
            source.write_text(page(trace, scheme), encoding="utf-8")
            target = PICTURES / f"first-screen-{scheme}.png"
            shoot(browser, source, target, scheme)
        browser.close()


if __name__ == "__main__":
    main()
