"""Heat maps under a hand: where a cell lies, what stands there, how one gets elsewhere."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import Locator, Page, expect

from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.view import View
from tests.browser.live import open_live
from tests.browser.looking import FRAMES, is_right, names, pixels, settle


def vectors_trace(
    tokens: int, *, segments: tuple[int, ...] = (), dim: int = 16, **rules: object
) -> Trace:
    """Two layers of three heads that keep queries and keys."""
    side = Tokens.plain(names(tokens), segments=segments)
    layers = []
    for seed in range(2):
        numbers = np.random.default_rng(seed)
        layers.append(
            QKLayer(
                queries=numbers.normal(size=(3, tokens, dim)).astype(np.float32),
                keys=numbers.normal(size=(3, tokens, dim)).astype(np.float32),
                spec=ScoreSpec(**{"scaling": 0.5, **rules}),
                heads=(0, 1, 2),
                kv_head=np.arange(3),
            )
        )
    return Trace([Stream("self", (0, 1), tuple(layers), side, side)])


def plot(view: Locator) -> Locator:
    return view.locator(".plot")


def window(view: Locator) -> list[list[int]]:
    """[[first query, last], [first key, last]] of the part shown, rounded to tokens."""
    text = plot(view).get_attribute("data-window") or ""
    return [[int(end) for end in part.split("-")] for part in text.split("/")]


def place(view: Locator, query: float, key: float) -> tuple[float, float]:
    """Where on the screen a cell's middle lies."""
    box = plot(view).bounding_box()
    assert box is not None
    rows, columns = window(view)
    x = box["x"] + (key + 0.5 - columns[0]) / (columns[1] - columns[0]) * box["width"]
    y = box["y"] + (query + 0.5 - rows[0]) / (rows[1] - rows[0]) * box["height"]
    return x, y


def point(view: Locator, query: float, key: float) -> None:
    view.page.mouse.move(*place(view, query, key))
    view.page.evaluate(FRAMES)


def drag(view: Locator, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """From one cell to another, by the window shown at the start."""
    (x0, y0), (x1, y1) = place(view, *start), place(view, *stop)
    view.page.mouse.move(x0, y0)
    view.page.mouse.down()
    view.page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    view.page.mouse.move(x1, y1)
    view.page.mouse.up()
    settle(view)


def changed(view: Locator, before: str) -> None:
    """Wait until another part is shown: Playwright does not wait for a wheel."""
    expect(plot(view)).not_to_have_attribute("data-window", before)
    settle(view)


def press(view: Locator, *keys: str) -> None:
    for key in keys:
        view.page.keyboard.press(key)
    settle(view)


RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def is_true(text: str, number: float) -> bool:
    """Whether a number as printed says the truth, to the last digit printed."""
    if "·10" not in text:
        return is_right(text, number)
    lead, power = text.split("·10")
    digits = len(lead.replace(".", "")) - 1
    return f"{number:.{digits}e}" == f"{float(lead):.{digits}e}".replace(
        "e+00", f"e-{-int(power.translate(RAISED)):02d}"
    )


def value(view: Locator) -> str:
    return view.locator("[role=tooltip] .value").first.inner_text()


def said(view: Locator) -> str:
    return view.locator("[aria-live]").first.inner_text()


def cursor(view: Locator) -> str | None:
    return view.locator(".cellbox.cursor").get_attribute("data-cell")


def color(view: Locator, query: int, key: int) -> tuple[int, int, int]:
    """The colour of a cell's middle, or a bit beside it where a number stands."""
    canvas = plot(view).locator("canvas")
    image = pixels(canvas)
    rows, columns = window(view)
    x = (key + 0.2 - columns[0]) / (columns[1] - columns[0]) * image.shape[1]
    y = (query + 0.2 - rows[0]) / (rows[1] - rows[0]) * image.shape[0]
    red, green, blue = (int(part) for part in image[int(y), int(x), :3])
    return red, green, blue


def lightness(rgb: tuple[int, int, int]) -> float:
    return float(np.dot(rgb, (0.2126, 0.7152, 0.0722)))


def shown_ticks(view: Locator, side: str) -> list[int]:
    found = view.locator(f".mapaxis.{side} .tick")
    return sorted(
        int(index) for index in found.evaluate_all("all => all.map(t => t.dataset.index)")
    )


def live(page: Page, view: View, **options: object) -> tuple[Locator, list[dict]]:
    """A live view and the tiles it asked for."""
    asked: list[dict] = []
    found = open_live(page, view, before=asked.append, **options)
    return found, asked
