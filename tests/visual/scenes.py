"""The views that are compared with pictures: which data, how shown, and which part is taken.

Only marks are taken, at reduced size: text looks different on every machine, lines, boxes and
cells do not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page

import attnscope
from tests.browser.looking import FRAMES, hover, settle, token

WIDTH = 160


def pattern(layers: int, heads: int, tokens: int) -> np.ndarray:
    """[layer, head, query, key] by formula, the same on every machine: bands, stripes, a sink."""
    layer, head, query, key = np.ogrid[:layers, :heads, :tokens, :tokens]
    band = -np.abs(key - query - (layer - head)) * (0.6 + 0.3 * head)
    stripes = 2.5 * np.cos(key * (layer + 1) + head)
    sink = np.where(key == 0, 1.5 * head, 0)
    scores = np.where(head % 3 == 2, stripes + 0 * query, band) + sink
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """One picture: a view of a pattern, what is done to it, and the part taken."""

    name: str
    view: str
    take: Callable[[Locator], tuple[float, float, float, float]]
    width: int = 1400
    tokens: int = 12
    options: dict[str, object] = field(default_factory=dict)
    act: Callable[[Locator], None] = lambda view: None
    roll: int = 0  # every layer shows the weights of another one: a wrong picture


def between_columns(view: Locator) -> tuple[float, float, float, float]:
    """The lines, and the edge of the keys' boxes that no text reaches."""
    query, key, scroll = (
        view.locator(part).bounding_box() for part in (".column.query", ".column.key", ".scroll")
    )
    left = query["x"] + query["width"]
    return left, scroll["y"], key["x"] + 8, scroll["y"] + scroll["height"]


def cells(view: Locator) -> tuple[float, float, float, float]:
    """The grid without its numbers."""
    first, last = (
        cell.bounding_box() for cell in (view.locator(".cell").first, view.locator(".cell").last)
    )
    return first["x"], first["y"], last["x"] + last["width"], last["y"] + last["height"]


def bars(view: Locator) -> tuple[float, float, float, float]:
    """The shares of each step."""
    box = view.locator(".shares canvas").bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def open_cell(view: Locator) -> None:
    view.locator(".cell[data-layer='2'][data-head='1']").click()


def pin(view: Locator) -> None:
    token(view, "key", 5).click()
    view.page.mouse.move(1, 1)


def prose(view: Locator) -> tuple[float, float, float, float]:
    """The shaded text."""
    box = view.locator(".prose").bounding_box()
    return box["x"], box["y"], box["x"] + 330, box["y"] + box["height"]


def bare(view: Locator) -> None:
    """Shades alone: boxes of one size without letters, which every machine draws alike."""
    style = "display: inline-block; width: 24px; height: 22px; overflow: hidden; color: transparent"
    view.locator(".tok").evaluate_all(
        "(all, style) => all.forEach(t => { t.style.cssText += style; })", style
    )
    view.locator(".prose").evaluate("prose => { prose.style.width = '330px'; }")


def heat_map(view: Locator) -> tuple[float, float, float, float]:
    """The cells of a heat map."""
    box = view.locator(".plot").bounding_box()
    return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]


def without_numbers(view: Locator) -> None:
    """The colours of the heads alone, whatever font numbers are written in."""
    view.locator(".cell").evaluate_all("all => all.forEach(c => { c.style.fontSize = 0; })")


HEAD = {"layer": 1}
STEPS = {"start": 20, "step": 3, "layer": 1, "hide_first": True}
SCENES = [
    Scene("head-light", "head", between_columns, options=HEAD),
    Scene("head-dark-narrow", "head", between_columns, 600, 8, options={**HEAD, "theme": "dark"}),
    Scene(
        "head-hovered", "head", between_columns, options=HEAD, act=lambda v: hover(v, "query", 3)
    ),
    Scene("head-pinned-dark", "head", between_columns, options={**HEAD, "theme": "dark"}, act=pin),
    Scene("head-long", "head", between_columns, tokens=200, options={"layer": 1, "heads": [1]}),
    Scene("head-mean", "head", between_columns, options={**HEAD, "heads": [1], "mean": True}),
    Scene("head-threshold", "head", between_columns, options={**HEAD, "threshold": 0.1}),
    Scene("model-light", "model", cells),
    Scene("model-sorted", "model", cells, options={"sort": "distance", "mean": True}),
    Scene("model-dark-narrow", "model", cells, 600, options={"theme": "dark"}),
    Scene("model-heat", "model", cells, tokens=100),
    Scene("model-heat-dark", "model", cells, tokens=100, options={"theme": "dark"}),
    Scene("model-thumbnails", "model", cells, 600, tokens=160),
    Scene("text-light", "text", prose, 600, 30, options={"query": 3, "layer": 1}, act=bare),
    Scene(
        "text-dark",
        "text",
        prose,
        600,
        30,
        options={"theme": "dark", "layer": 2, "head": 2},
        act=bare,
    ),
    Scene("generation-light", "generation", bars, tokens=40, options=STEPS),
    Scene("generation-dark-narrow", "generation", bars, 600, 40, {**STEPS, "theme": "dark"}),
    Scene("model-opened", "model", between_columns, act=open_cell),
    Scene("matrix-light", "matrix", heat_map, tokens=60, options={"layer": 1, "head": 2}),
    Scene(
        "matrix-log-dark",
        "matrix",
        heat_map,
        600,
        60,
        {"layer": 1, "head": 2, "theme": "dark", "color": "log"},
    ),
    Scene("heads-light", "heads", cells, options={"measure": "entropy"}, act=without_numbers),
    Scene(
        "heads-dark",
        "heads",
        cells,
        600,
        options={"measure": "first_token", "theme": "dark"},
        act=without_numbers,
    ),
]


def picture(scene: Scene, page: Page, open_view: Callable[..., Locator]) -> Image.Image:
    """The part of the scene's view that is compared, at reduced size."""
    weights = np.roll(pattern(4, 6, scene.tokens), scene.roll, axis=0)
    tokens = range(scene.tokens)  # short texts: columns get their least width in any font
    trace = attnscope.from_attention(weights, [str(number) for number in tokens])
    shown = getattr(trace, f"{scene.view}_view")(**scene.options)
    view = open_view(page, shown.html(), width=scene.width, height=1000)
    scene.act(view)
    settle(view)
    page.evaluate(FRAMES)
    left, top, right, bottom = scene.take(view)
    clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    image = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    height = round(WIDTH * image.height / image.width)
    return image.resize((WIDTH, height), Image.Resampling.BOX)
