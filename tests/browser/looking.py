"""Traces whose picture is known beforehand, and what a person would see in a drawn view."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

import attnscope

WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
STATE = "data-attnscope-state"
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def names(count: int) -> list[str]:
    """Short token texts, each different."""
    return WORDS[:count] if count <= len(WORDS) else [f"tok{place}" for place in range(count)]


def shifted(layers: int, heads: int, tokens: int) -> np.ndarray:
    """[layer, head, query, key]: query q gives all its weight to key q + layer + head (cyclic)."""
    weights = np.zeros((layers, heads, tokens, tokens), np.float32)
    query = np.arange(tokens)
    for layer in range(layers):
        for head in range(heads):
            weights[layer, head, query, (query + layer + head) % tokens] = 1
    return weights


def random_weights(*shape: int, sharp: float = 2.0, seed: int = 0) -> np.ndarray:
    """Softmax of normal scores over the last axis."""
    scores = np.random.default_rng(seed).normal(size=shape) * sharp
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def trace_of(weights: np.ndarray, **options: object) -> attnscope.Trace:
    """A trace of self-attention with easy token texts."""
    options = {"tokens": names(weights.shape[-1]), **options}
    return attnscope.from_attention(weights, **options)


def settle(view: Locator) -> None:
    """Wait until the view has drawn what was asked for, and the browser has shown it."""
    expect(view).to_have_attribute(STATE, "drawn")
    view.page.evaluate(FRAMES)


def token(view: Locator, side: str, index: int) -> Locator:
    """One token of a view."""
    return view.locator(f"[role=option][data-side={side}][data-index='{index}']")


def hover(view: Locator, side: str, index: int) -> None:
    """Point at a token and wait until that is painted."""
    token(view, side, index).hover()
    expect(view.get_by_role("tooltip")).to_be_visible()
    view.page.evaluate(FRAMES)


def leave(view: Locator) -> None:
    """Move the pointer out of the picture."""
    view.page.mouse.move(1, 1)
    expect(view.get_by_role("tooltip")).to_have_count(0)
    view.page.evaluate(FRAMES)


def shown_tokens(view: Locator, side: str) -> list[str]:
    """Texts of the tokens of one side that are in the page, from top to bottom."""
    texts: list[str] = view.locator(f"[role=option][data-side={side}] .text").all_inner_texts()
    return texts


def pressed_heads(view: Locator) -> list[int]:
    """Numbers of the heads that are switched on."""
    chips = view.locator("button.chip[aria-pressed=true]:not([data-head=mean])")
    return [int(head) for head in chips.evaluate_all("all => all.map(c => c.dataset.head)")]


def pixels(canvas: Locator) -> np.ndarray:
    """[row, column, rgba] of a canvas, 0..255."""
    url = canvas.evaluate("canvas => canvas.toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    return np.asarray(image.convert("RGBA"))


def _box(locator: Locator) -> tuple[float, float, float, float]:
    box = locator.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def under(view: Locator, part: Locator) -> np.ndarray:
    """[row, column, rgba] of the marks that lie under an element of the view."""
    canvas = view.locator("canvas.marks")
    x0, y0, _, _ = _box(canvas)
    x, y, width, height = _box(part)
    left, top = round(x - x0), round(y - y0)
    return pixels(canvas)[top : top + round(height), left : left + round(width)]


def line_ends(view: Locator, side: str, least: int = 60) -> set[int]:
    """Tokens of one side at which a line of some strength ends (unscrolled)."""
    canvas = view.locator("canvas.marks")
    x0, y0, _, _ = _box(canvas)
    image = pixels(canvas)[:, :, 3]
    ends = set()
    for option in view.locator(f"[role=option][data-side={side}]").all():
        x, y, width, height = _box(option)
        edge = round(x + width - x0) + 8 if side == "query" else round(x - x0) - 12
        top = round(y - y0)
        if image[top + 2 : top + round(height) - 2, edge : edge + 4].max(initial=0) >= least:
            ends.add(int(option.get_attribute("data-index") or -1))
    return ends


def cell(view: Locator, layer: int, head: int) -> Locator:
    """The button over one cell of a grid of heads."""
    return view.locator(f".cell[data-layer='{layer}'][data-head='{head}']")


def cell_pixels(view: Locator, layer: int, head: int) -> np.ndarray:
    """[row, column, rgba] of one cell of the model view's grid."""
    row = pixels(view.locator(f".gridrow[data-layer='{layer}'] canvas"))
    cells = view.locator(f".gridrow[data-layer='{layer}'] .cell")
    first, _, _, _ = _box(cells.first)
    x, _, width, _ = _box(cell(view, layer, head))
    left = round(x - first)
    return row[:, left : left + round(width)]


def contrast_with_ground(image: np.ndarray) -> np.ndarray:
    """[row, column]: how far each pixel is from the image's most frequent colour."""
    flat = image[:, :, :3].reshape(-1, 3)
    colors, counts = np.unique(flat, axis=0, return_counts=True)
    ground = colors[counts.argmax()].astype(int)
    return np.abs(image[:, :, :3].astype(int) - ground).max(axis=2)


def contrast(ink: Sequence[float], ground: Sequence[float]) -> float:
    """The contrast ratio of two colours (WCAG 2.2), each rgb from 0 to 255."""
    part = np.array([ink, ground]) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return float((light + 0.05) / (dark + 0.05))


def tooltip_rows(view: Locator) -> list[tuple[str, str]]:
    """(label, value) of each row of the tooltip that has a value."""
    rows = view.locator("[role=tooltip] tr:has(.value)")
    read = "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.textContent))"
    return [(label, value) for label, value in rows.evaluate_all(read)]


def numbers_beside(view: Locator, side: str) -> dict[int, str]:
    """The numbers printed beside tokens, by the token's index."""
    labels = view.locator(f"[role=option][data-side={side}] .number")
    read = "all => all.map(n => [n.parentElement.dataset.index, n.textContent])"
    return {int(index): text for index, text in labels.evaluate_all(read)}


def is_right(text: str, value: float) -> bool:
    """Whether a number as shown says the truth: equal when rounded, or in the range shown."""
    if np.isnan(value) or text == "missing":
        return bool(np.isnan(value)) and text == "missing"
    if text.startswith("<"):
        return value < float(text[1:])
    if "–" in text:
        low, high = text.split("–")
        return Decimal(low) <= rounded(value, low) <= Decimal(high)
    return Decimal(text) == rounded(value, text)


def rounded(value: float, like: str) -> Decimal:
    """The value with as many decimals as the text has."""
    return Decimal(float(value)).quantize(Decimal(like), ROUND_HALF_UP)


def fragments_page(fragments: Sequence[str], body: str = "<body>", root: str = "<html>") -> str:
    """A page of somebody else that shows fragments, as a notebook does."""
    parts = "\n<p>between</p>\n".join(fragments)
    return f"<!doctype html>{root}<head><meta charset=utf-8></head>{body}{parts}</body></html>"


def views(page: Page, count: int) -> list[Locator]:
    """All views of a page, drawn."""
    found = page.locator("[data-attnscope-id]")
    expect(found).to_have_count(count)
    for view in found.all():
        view.scroll_into_view_if_needed()
        settle(view)
    return found.all()
