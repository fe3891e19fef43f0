"""The figures that are compared with pictures: which data, which figure."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

import attnscope
from attnscope import plot
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.view import View
from tests.visual.scenes import pattern

WIDTH = 200

NAMES = ["[CLS]", "the", "cat", "sat", "on", "the", "mat", "[SEP]", "it", "was", "tired", "[SEP]"]


def plain(tokens: int = 12, roll: int = 0) -> Trace:
    """Bands, stripes and sinks, four layers of six heads."""
    names = NAMES if tokens == 12 else [f"t{i}" for i in range(tokens)]
    return attnscope.from_attention(
        np.roll(pattern(4, 6, tokens), roll, axis=0), names, segments=[8]
    )


def causal(roll: int = 0) -> Trace:
    """Queries and keys by formula, so that a head looks at the token before, masked."""
    place = np.arange(10)[:, None] * 0.9 + np.arange(8) * (1.1 + roll)
    keys = np.cos(place).astype(np.float32)[None]
    queries = np.cos(place - 0.9).astype(np.float32)[None] * 3
    layer = QKLayer(queries, keys, ScoreSpec(0.6, causal=True), (0,), np.array([0]))
    tokens = Tokens.plain(NAMES[:10])
    return Trace([Stream("self", (0,), (layer,), tokens, tokens)])


def opened(trace: Trace) -> Figure:
    view = trace.model_view(theme="dark").widget()
    view.opened = {"layer": 2, "head": 1}
    return view.figure()


def causal_map(roll: int = 0) -> Trace:
    """A text that is read from left to right, so that a generation can be told of it."""
    weights = np.tril(np.roll(pattern(4, 6, 12), roll, axis=0)) + 1e-6 * np.tri(12)
    return attnscope.from_attention(
        (weights / weights.sum(-1, keepdims=True)).astype(np.float32), NAMES
    )


def patches(roll: int = 0) -> Trace:
    return attnscope.from_attention(
        np.roll(pattern(4, 6, 13), roll, axis=0), ["[CLS]", *(f"p{i}" for i in range(12))]
    )


def pictured(trace: Trace) -> Figure:
    """A picture with a bright disc, and what one of its patches looks at."""
    y, x = np.mgrid[:60, :80]
    disc = (x - 50) ** 2 + (y - 25) ** 2 < 200
    pixels = np.where(disc[..., None], [220, 60, 50], [90, 150, 220]).astype(np.uint8)
    return trace.image_view(pixels, 1, query=5, grid=(3, 4), theme="dark").figure()


def told(trace: Trace) -> Figure:
    """Documents of which each has a scale of its own."""
    made = [
        attnscope.Document(trace, label="good", prediction="good", id="first"),
        attnscope.Document(
            NAMES[1:6], trace.weights(1, 2)[3, 1:6], label="bad", prediction="good",
            posterior={"good": 0.7, "bad": 0.3},
        ),
    ]  # fmt: skip
    return attnscope.Documents(made).text_view(layer=1, head=2, theme="dark").figure()


def compared(trace: Trace) -> attnscope.Comparison:
    """With another trace, of a text with one word more and one replaced."""
    names = [*NAMES[:2], "old", *NAMES[2:6], "rug", *NAMES[7:]]
    other = attnscope.from_attention(np.flip(pattern(4, 6, 13), 1).copy(), names)
    return attnscope.compare(trace, other, names=("before", "after"))


def pinned(view: attnscope.View, index: int = 4) -> attnscope.View:
    view.spec["state"]["pinned"] = {"side": "query", "index": index}
    return view


def compared_patches(trace: Trace) -> attnscope.Comparison:
    """With another trace of the same patches."""
    return attnscope.compare(trace, patches(1), names=("before", "after"))


def compared_neurons(trace: Trace) -> attnscope.View:
    """With a trace of one token less."""
    cut = trace.stream()
    layer = cut.layers[0]
    tokens = Tokens.plain(NAMES[:9])
    fewer = QKLayer(layer.queries[:, :9], layer.keys[:, :9], layer.spec, (0,), np.array([0]))
    other = Trace([Stream("self", (0,), (fewer,), tokens, tokens)])
    return attnscope.compare(trace, other).neuron_view(0, 0, 6)


GREY = np.full((60, 80, 3), 0.5)


def measured(trace: Trace) -> Figure:
    view = trace.heads_view("entropy").widget()
    view.opened = {"layer": 1, "head": 2}
    return view.figure()


@dataclass(frozen=True)
class Scene:
    """One picture: a trace, and a figure of it (an Axes or a Figure)."""

    name: str
    trace: Callable[..., Trace]
    draw: Callable[[Trace], Any]


def new() -> Figure:
    return Figure()


def hundred(roll: int = 0) -> Trace:
    return plain(100, roll)


SCENES = [
    Scene("head", plain, lambda t: plot.head(t, 1, 2, ax=new())),
    Scene("head-masked-log", causal, lambda t: plot.head(t, 0, 0, color="log", ax=new())),
    Scene(
        "head-score-dark", causal,
        lambda t: plot.head(t, 0, 0, quantity="score", theme="dark", ax=new()),
    ),
    Scene("head-long", hundred, lambda t: plot.head(t, 1, 2, color="root", ax=new())),
    Scene("layer", plain, lambda t: plot.layer(t, 2, cols=3, ax=new())),
    Scene("measure", plain, lambda t: plot.measure(t, "entropy", numbers=True, width=5, ax=new())),
    Scene("lines", plain, lambda t: plot.lines(t, 1, ax=new())),
    Scene("lines-singled-dark", plain, lambda t: plot.lines(t, 1, query=3, theme="dark", ax=new())),
    Scene("model", plain, lambda t: plot.model(t, ax=new())),
    Scene("model-heat-dark", hundred, lambda t: plot.model(t, theme="dark", ax=new())),
    Scene("model-opened", plain, opened),
    Scene("neurons", causal, lambda t: plot.neurons(t, 0, 0, 6, ax=new())),
    Scene("rollout", plain, lambda t: plot.rollout(t, start_layer=2, ax=new())),
    Scene("heads-opened", plain, measured),
    Scene("text-view", plain, lambda t: t.text_view(3, layer=1, head=2).figure(width=4)),
    Scene("documents-dark", plain, told),
    Scene("generation", causal_map, lambda t: t.generation_view(2, 1, 2, start=6).figure(width=4)),
    Scene("image-dark", patches, pictured),
    Scene("compared-head", plain, lambda t: pinned(compared(t).head_view(1, [2])).figure()),
    Scene(
        "changed-head-dark", plain,
        lambda t: compared(t).head_view(1, [2, 3], show="difference", theme="dark").figure(),
    ),
    Scene("compared-matrix", plain, lambda t: compared(t).matrix_view(1, 2).figure()),
    Scene("changed-model", plain, lambda t: compared(t).model_view(show="difference").figure()),
    Scene("compared-text", plain, lambda t: compared(t).text_view(4, layer=1, head=2).figure()),
    Scene(
        "changed-text", plain,
        lambda t: compared(t).text_view(4, layer=1, head=2, show="difference").figure(),
    ),
    Scene(
        "changed-image", patches,
        lambda t: compared_patches(t).image_view(
            GREY, layer=1, heads=[2], query=5, grid=(3, 4), show="difference"
        ).figure(),
    ),
    Scene("compared-neurons", causal, lambda t: compared_neurons(t).figure()),
    Scene("text", plain, lambda t: plot.text(t, 3, layer=1, head=2, width=3, ax=new())),
]  # fmt: skip


def picture(scene: Scene, roll: int = 0) -> Image.Image:
    """The scene's figure at reduced size; with `roll` of other data, a wrong one."""
    drawn = scene.draw(scene.trace(roll=roll))
    out = io.BytesIO()
    getattr(drawn, "figure", drawn).savefig(out, format="png", dpi=110)
    image = Image.open(out).convert("RGB")
    height = round(WIDTH * image.height / image.width)
    return image.resize((WIDTH, height), Image.Resampling.BOX)


def state(view: View, **changes: object) -> View:
    """The view after the reader has changed its state."""
    return View(view.trace, {**view.spec, "state": {**view.spec["state"], **changes}})
