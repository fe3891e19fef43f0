"""The part of a long input that a view shows, as a trace and a spec of its own, for figures.

The twin of `partShown` in `web/src/store.ts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool

from attnscope.hosts.shown import shown_stream
from attnscope.plot.cut import CutLayer, cut_stream
from attnscope.plot.part import SIDES
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.base import side_spec
from attnscope.wire.spec import Spec

Kept = dict[str, Bool[np.ndarray, "token"]]


def only_part(trace: Trace, spec: Spec) -> tuple[Trace, Spec]:
    """The tokens on the screen and nothing else; as they came where all tokens are shown."""
    shown, state = shown_stream(spec), spec["state"]
    if "part" not in shown:
        return trace, spec
    whole, hide = trace.streams[shown["name"]], state["hide_special"]
    rows = {row["layer"]: row["heads"] for row in shown["layers"]}
    cut = cut_stream(whole, rows, hide_special=hide, renormalise=hide and state["renormalise"])
    kept = {side: _kept(getattr(whole, side), hide) for side in SIDES}
    there = _on_screen(spec, whole)
    made = _windowed(cut, {side: there[side][kept[side]] for side in SIDES})
    pinned = state["pinned"]
    if pinned is not None:
        left = kept[pinned["side"]] & there[pinned["side"]]
        place = int(left[: pinned["index"]].sum())
        pinned = {**pinned, "index": place} if left[pinned["index"]] else None
    one = {name: value for name, value in shown.items() if name != "part"}
    one |= {"query": 0, "key": 0 if made.query is made.key else 1}
    reduced: Any = {
        **spec,
        "streams": [one],
        "sides": [side_spec(made.query), side_spec(made.key)],
        "state": {**state, "pinned": pinned, "hide_special": False, "renormalise": False},
    }
    return Trace([made], trace.provenance), reduced


def _kept(tokens: Tokens, hide: bool) -> Bool[np.ndarray, "token"]:
    kept = ~tokens.special
    return kept if hide and kept.any() else np.ones(len(tokens), bool)


def _on_screen(spec: Spec, stream: Stream) -> Kept:
    """Which tokens are shown; a text is one list, whose pinned query may be elsewhere."""
    state, size = spec["state"], shown_stream(spec)["part"]
    window, pinned = state["window"], state["pinned"]
    there: Kept = {}
    for side in SIDES:
        count = len(getattr(stream, side))
        at = (0 if pinned is None else pinned["index"]) - size // 2
        start, stop = (at, at + size) if window is None else map(round, window[side])
        length = min(max(stop - start, 1), size, count)
        first = min(max(start, 0), count - length)
        there[side] = np.zeros(count, bool)
        there[side][first : first + length] = True
    if spec["view"] == "text" and stream.query is stream.key:
        there["query"] = there["key"]
        if pinned and pinned["side"] == "query" and not there["key"][pinned["index"]]:
            there["query"] = np.arange(len(stream.query)) == pinned["index"]
    return there


def _windowed(stream: Stream, there: Kept) -> Stream:
    """The stream with these queries and keys of those that it has."""
    at = [np.flatnonzero(there[side]) for side in SIDES]
    layers = tuple(
        CutLayer(layer, tuple(range(len(layer.heads))), at[0], at[1], renormalise=False)
        for layer in stream.layers
    )
    query = stream.query.take(there["query"])
    same = stream.query.text == stream.key.text and np.array_equal(at[0], at[1])
    key = query if same else stream.key.take(there["key"])
    return Stream(stream.name, stream.numbers, layers, query, key)
