"""The text view and the generation view as figures: the same tokens, shades and words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from attnscope.hosts.shown import Part, pin_shown, shown_stream, shown_whole
from attnscope.measures import QUANTITIES
from attnscope.measures.together import together
from attnscope.plot.cut import cut_stream
from attnscope.plot.generated import Step, draw_step
from attnscope.plot.ink import Ink, ink_of
from attnscope.plot.part import SIDES, SideName
from attnscope.plot.prose import Paragraph, draw_prose, shades_of
from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.base import side_spec
from attnscope.views.running import spaced
from attnscope.wire.spec import DocumentSpec, SideSpec, Spec, StreamSpec
from attnscope.words import stream_over_words, words_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 50
"""Documents of one figure, as many as the page shows at first."""

OTHER: dict[SideName, SideName] = {"query": "key", "key": "query"}


def draw_texts(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """One text, shaded by a token's row or column or by the mean; or the documents that match."""
    ink, first = ink_of(spec["theme"]), spec["streams"][0]
    listed = "document" in first
    found = [s for s in spec["streams"] if _matches(spec, s)] if listed else [shown_stream(spec)]
    shown = found[:MOST]
    shaded = [_shaded(trace, spec, one) for one in shown]
    paragraphs = [p for one, made in zip(shown, shaded, strict=True)
                  for p in _paragraphs(spec, one, made, ink)]  # fmt: skip
    title = spec["title"] if listed else shaded[0].said
    left = f" · the first {MOST} of {len(found)} texts" if len(found) > len(shown) > 1 else ""
    draw_prose(figure, paragraphs, (title or "Texts") + left, ink, width)


def draw_compared_texts(
    trace: Trace, parts: Sequence[Part], figure: Figure, width: float | None
) -> None:
    """The text of each trace under its name, on one scale; or one text with the difference."""
    spec = parts[0].spec
    ink, whole = ink_of(spec["theme"]), shown_whole(spec)
    streams = {one["name"]: one for one in spec["streams"]}
    both = [_shaded(trace, spec, streams[name]) for name in whole["pair"]]
    if len(parts) == 1:
        merged = _one_map(trace, spec, whole)
        less = replace(both[1], stream=merged, numbers=both[1].numbers - both[0].numbers)
        shaded = [(whole, less)]
    else:
        shaded = [(streams[part.spec["state"]["stream"]], one)
                  for part, one in zip(parts, both, strict=True)]  # fmt: skip
    top = max(float(np.nanmax(np.abs(one.numbers), initial=0)) for _, one in shaded)
    paragraphs = []
    for part, (shown, one) in zip(parts, shaded, strict=True):
        first, *rest = _paragraphs(spec, shown, one, ink, top, signed=len(parts) == 1)
        head = " · ".join(filter(None, [part.name, first.head]))
        paragraphs += [replace(first, head=head), *rest]
    draw_prose(figure, paragraphs, shaded[0][1].said, ink, width)


def _matches(spec: Spec, shown: StreamSpec) -> bool:
    """Whether a document is among those searched for."""
    state, known = spec["state"], shown["document"]
    if state["outcome"] != "all" and known["right"] is not (state["outcome"] == "right"):
        return False
    side = spec["sides"][shown["key"]]
    words = "".join(" " * (at in side["spaced"]) + text for at, text in enumerate(side["text"]))
    said = "\n".join([known["id"], *known["label"], *known["prediction"], words])
    return state["search"].strip().lower() in said.lower()


@dataclass(frozen=True, eq=False)
class Shaded:
    """A stream as it is shown: what is hidden left out, one number a token of one side.

    Attributes:
        stream: its tokens.
        side: whose tokens the numbers are of.
        numbers: one a token; those of a word are alike.
        subject: the side and the tokens that the numbers are about.
        said: what the numbers are, in words.
    """

    stream: Stream
    side: SideName
    numbers: Float[np.ndarray, "token"]
    subject: tuple[SideName, frozenset[int]] | None
    said: str


def _shaded(trace: Trace, spec: Spec, shown: StreamSpec) -> Shaded:
    state, stream = spec["state"], _one_map(trace, spec, shown)
    worded = stream_over_words(stream) if state["words"] else stream
    rows = worded.layers[0].rows()[0]
    subject = _subject(trace, spec, shown, stream)
    groups = {side: _groups(getattr(stream, side), state["words"]) for side in SIDES}
    where = f"{_over(spec, shown)} · {QUANTITIES[state['quantity']].label.lower()}"
    if subject is None:
        said = f"What each token gets in the mean · {where}"
        return Shaded(stream, "key", _mean_down(rows)[groups["key"]], None, said)
    side, place = subject
    group = groups[side][place]
    numbers = rows[group] if side == "query" else rows[:, group]
    name = getattr(worded, side).text[group] or "∅"
    link = "What “{}” attends to" if side == "query" else "What attends to “{}”"
    said = f"{link.format(name)} · {where}" if len(stream.query) > 1 else where
    members = frozenset(np.flatnonzero(groups[side] == group).tolist())
    return Shaded(stream, OTHER[side], numbers[groups[OTHER[side]]], (side, members), said)


def _one_map(trace: Trace, spec: Spec, shown: StreamSpec) -> Stream:
    """The layers and heads shown put together, without the tokens that are hidden."""
    state, stream = spec["state"], trace.streams[shown["name"]]
    rows = {row["layer"]: row["heads"] for row in shown["layers"]}
    hide = state["hide_special"]
    cut = cut_stream(stream, rows, hide_special=hide, renormalise=hide and state["renormalise"])
    first = state["layer"] if state["layer"] in rows else next(iter(rows))
    layers = list(rows) if state["all_layers"] else [first]
    head: int | str = state["over"]
    if head == "head":
        wanted = state["head"]
        head = wanted if wanted in rows[layers[0]] else rows[layers[0]][0]
    layer = WeightsLayer(together(cut, layers, head)[None], (0,))
    query = cut.key if stream.query is stream.key else cut.query
    return Stream(stream.name, (0,), (layer,), query, cut.key)


def _over(spec: Spec, shown: StreamSpec) -> str:
    """`layer 5, head 11`, or what was put together."""
    state = spec["state"]
    if len(shown["layers"]) == 1 and len(shown["layers"][0]["heads"]) == 1:
        return shown["label"]
    layer = "mean of layers" if state["all_layers"] else f"layer {state['layer']}"
    which = f"head {state['head']}" if state["over"] == "head" else f"{state['over']} of heads"
    return f"{layer}, {which}"


def _subject(
    trace: Trace, spec: Spec, shown: StreamSpec, stream: Stream
) -> tuple[SideName, int] | None:
    """The side and place of the token pinned here; the one row of a text that has no other."""
    if stream.query is not stream.key and len(stream.query) == 1:
        return "query", 0
    own = spec["state"]["stream"].partition(":")[0] == shown["name"].partition(":")[0]
    pin = pin_shown(trace, spec) if own else None
    return None if pin is None else (pin["side"], pin["index"])


def _groups(tokens: Tokens, words: bool) -> np.ndarray:
    """The number of the word of each token, or of itself."""
    if not words:
        return np.arange(len(tokens))
    made = words_of(tokens)
    return np.repeat(np.arange(len(made.starts)), made.stops - made.starts)


def _mean_down(rows: Float[np.ndarray, "query key"]) -> Float[np.ndarray, "key"]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: Float[np.ndarray, "key"] = np.nanmean(rows, axis=0)
    return mean


def _paragraphs(
    spec: Spec,
    shown: StreamSpec,
    shaded: Shaded,
    ink: Ink,
    top: float | None = None,
    signed: bool = False,
) -> list[Paragraph]:
    """The text; or both, where queries and keys are different tokens.

    `top` has the full colour (None: the largest number); with `signed` numbers below 0 have one.
    """
    one = shaded.stream.query is shaded.stream.key
    fixed = not one and len(shaded.stream.query) == 1
    label = "difference" if signed else QUANTITIES[spec["state"]["quantity"]].label.lower()
    head = _known(shown["document"]) if "document" in shown else ""
    top = np.nanmax(shaded.numbers, initial=0) if top is None else top
    scale = shades_of(top, label, ink.mode, signed=signed)
    made = []
    for side in ("key",) if one or fixed else SIDES:
        tokens = getattr(shaded.stream, side)
        coloured = side == shaded.side or one
        framed = {}
        if shaded.subject and not fixed and (one or shaded.subject[0] == side):
            framed = dict.fromkeys(shaded.subject[1], ink.accent)
        made += paragraphs_of(
            {**side_spec(tokens), "spaced": spaced(tokens)},
            Paragraph(
                (), (), shaded.numbers if coloured else np.zeros(len(tokens)),
                scale if coloured else None,
                head or ("" if one or fixed else f"{side} tokens"), framed,
            ),
        )  # fmt: skip
    return made


def _known(document: DocumentSpec) -> str:
    """What is known of a document beside its text."""
    parts = [document["id"]]
    parts += [f"label: {', '.join(document['label'])}"] if document["label"] else []
    parts += [f"prediction: {', '.join(document['prediction'])}"] if document["prediction"] else []
    parts += {True: ["✓ right"], False: ["✗ wrong"], None: []}[document["right"]]
    best = sorted(document["posterior"], key=lambda one: -one["value"])[:4]
    return " · ".join([*parts, *(f"{one['name']} {one['value']:.3f}" for one in best)])


def paragraphs_of(side: SideSpec, look: Paragraph) -> list[Paragraph]:
    """The text in paragraphs: one begins where a segment does, and after a line break."""
    text, apart = side["text"], set(side.get("spaced", []))
    segments = side["segments"] if len(side["segments"]) > 1 else []
    names = {one["start"]: one["name"] for one in segments}
    breaks = {at + 1 for at, token in enumerate(text) if token.endswith("⏎")}
    starts = sorted({0, *names, *breaks} - {len(text)})
    made = []
    for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
        heads = [look.head if start == 0 else "", names.get(start, "")]
        made.append(Paragraph(
            [text[at] or "∅" for at in range(start, stop)],
            [at not in apart for at in range(start, stop)],
            look.numbers[start:stop], look.scale, " · ".join(filter(None, heads)),
            {at - start: color for at, color in look.framed.items() if start <= at < stop},
            frozenset(at - start for at in look.quiet if start <= at < stop),
        ))  # fmt: skip
    return made


def draw_generation(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """A step: what the segments got at every step, and the text shaded by this step's row."""
    ink, state, shown = ink_of(spec["theme"]), spec["state"], shown_stream(spec)
    stream, steps = trace.streams[shown["name"]], shown["steps"]
    rows = _one_map(trace, spec, shown).layers[0].rows()[0]
    if state["hide_first"]:
        rows[:, 0] = 0
        if state["renormalise"]:
            total = rows.sum(-1, keepdims=True)
            rows = np.divide(rows, total, out=rows, where=total > 0)
    at, key, text = state["step"], side_spec(stream.key), spec["sides"][steps["text"]]
    numbers = np.zeros(len(text["text"]))
    numbers[: rows.shape[1]] = rows[at]
    first = steps["first"]
    later = range(len(text["text"])) if first is None else range(first + at + 1, len(numbers))
    look = Paragraph(
        (), (), numbers, shades_of(np.nanmax(numbers), "weight", ink.mode),
        framed={} if first is None else {first + at: ink.strong},
        quiet=frozenset() if first is None else frozenset(later),
    )  # fmt: skip
    paragraphs = paragraphs_of(text, look)
    made = list(stream.query.text)
    if first is None:
        side: SideSpec = {**side_spec(stream.query), "spaced": spaced(stream.query)}
        written = Paragraph((), (), np.zeros(len(made)), None, "generated", {at: ink.strong})
        paragraphs += paragraphs_of(side, written)
    segments = [(s["name"], range(s["start"], s["stop"])) for s in key["segments"]]
    segments = segments or [("text", range(rows.shape[1]))]
    said = f"Token {at + 1} of {len(made)}, “{made[at] or '∅'}” · {_over(spec, shown)}"
    hidden = state["hide_first"]
    step = Step(at, np.nan_to_num(rows), made, list(key["text"]), segments, hidden)
    draw_step(figure, step, paragraphs, said, ink, width)
