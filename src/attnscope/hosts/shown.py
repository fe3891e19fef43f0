"""What is on the screen, read from a spec: stream, layer, heads, tokens, the pinned token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from attnscope._numbers import index_of
from attnscope.plot.cut import cut_part, place_in_cut
from attnscope.plot.part import Part as Cut
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.display import CHECKS, Display
from attnscope.wire.spec import CellSpec, LayerSpec, PinnedSpec, Spec, StreamSpec


@dataclass(frozen=True)
class Part:
    """One of the pictures of a comparison: a spec that shows its stream, and what it is called."""

    spec: Spec
    name: str


def parts_shown(spec: Spec) -> list[Part]:
    """Both traces, or their difference, whichever is on the screen."""
    names = {one["name"]: one["label"] for one in spec["streams"]}
    whole = shown_stream(spec)
    first, second = whole["pair"]
    if spec["state"]["show"] == "both":
        return [Part(_of(spec, part, "weight"), names[part]) for part in (first, second)]
    return [Part(_of(spec, whole["name"], "difference"), f"{names[second]} minus {names[first]}")]


def _of(spec: Spec, stream: str, quantity: str) -> Spec:
    return {**spec, "state": {**spec["state"], "stream": stream, "quantity": quantity}}


def quantity_shown(spec: Spec) -> str:
    """What lines and cells are: weights, or the difference of two traces."""
    return "difference" if "pair" in shown_stream(spec) else "weight"


def common(spec: Spec) -> dict[str, Any]:
    """What all figures take from a state."""
    state = spec["state"]
    return {"stream": state["stream"], "tokens": state["filter"], "theme": spec["theme"]}


def display_of(spec: Spec) -> Display:
    """The options of the head and model view, as the reader has set them."""
    values: Any = {name: spec["state"][name] for name in CHECKS}  # type: ignore[literal-required]
    values["renormalise"] = values["renormalise"] and values["hide_special"]
    display: Display = values
    return display


def shown_stream(spec: Spec) -> StreamSpec:
    """The stream on the screen."""
    return next(s for s in spec["streams"] if s["name"] == spec["state"]["stream"])


def shown_whole(spec: Spec) -> StreamSpec:
    """Of a comparison, the stream of differences that the one on the screen belongs to."""
    name = shown_stream(spec)["name"].partition(":")[0]
    return next(s for s in spec["streams"] if s["name"] == name)


def shown_row(spec: Spec, shown: StreamSpec) -> LayerSpec:
    """The layer on the screen: the state's, or the first where the stream lacks it."""
    rows = {row["layer"]: row for row in shown["layers"]}
    return rows.get(index_of("layer", spec["state"]["layer"]), shown["layers"][0])


def shown_head(spec: Spec, row: LayerSpec) -> int:
    """The one head on the screen: the state's, or the first where the layer lacks it."""
    head = spec["state"]["head"]
    return head if head is not None and head in row["heads"] else row["heads"][0]


def active_heads(spec: Spec, row: LayerSpec) -> list[int]:
    """The heads switched on; all where none is, and the mean is not."""
    state = spec["state"]
    chosen = state["heads"]
    active = [head for head in row["heads"] if chosen is None or head in chosen]
    return active or ([] if state["mean"] and len(row["heads"]) > 1 else row["heads"])


def opened_cell(spec: Spec) -> CellSpec | None:
    """The cell opened in detail, if the stream on the screen has it."""
    cell = spec["state"]["opened"]
    rows = {row["layer"]: row["heads"] for row in shown_stream(spec)["layers"]}
    if cell is None or cell["layer"] not in rows:
        return None
    there = spec["state"]["mean"] if cell["head"] is None else cell["head"] in rows[cell["layer"]]
    return cell if there else None


def part_shown(trace: Trace, spec: Spec) -> Cut:
    """The heads and tokens on the screen."""
    shown = shown_stream(spec)
    heads = {row["layer"]: row["heads"] for row in shown["layers"]}
    tokens = spec["state"]["filter"]
    named = trace, shown["name"], tokens, False, heads, display_of(spec)
    return cut_part(*named, quantity_shown(spec))


def pin_shown(trace: Trace, spec: Spec) -> PinnedSpec | None:
    """The pinned token by its place among those left, if it is among those shown."""
    pinned, shown = spec["state"]["pinned"], shown_stream(spec)
    if pinned is None:
        return None
    tokens: Tokens = getattr(trace.streams[shown["name"]], pinned["side"])
    hidden = spec["state"]["hide_special"]
    place = place_in_cut(tokens, pinned["index"], hide_special=hidden)
    if place is None or place not in getattr(part_shown(trace, spec), pinned["side"]):
        return None
    return {"side": pinned["side"], "index": place}


def pinned_option(trace: Trace, spec: Spec) -> dict[str, Any]:
    """`query=` or `key=` of the pinned token, or neither."""
    pinned = spec["state"]["pinned"]
    shown = pinned is not None and pin_shown(trace, spec) is not None
    return {pinned["side"]: pinned["index"]} if pinned and shown else {}
