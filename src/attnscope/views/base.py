"""What every view's spec has in common: sides, streams, the first state.

A view turns a Trace and the user's options into a spec (see `wire.spec`). Options are checked
here, once, with the names that the user sees; the page may trust what it gets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from attnscope._numbers import index_of, numbers_of, spans_of
from attnscope.errors import InputError
from attnscope.stream import Stream
from attnscope.tokens import Tokens, distinct
from attnscope.trace import Trace
from attnscope.wire.spec import (
    VERSION,
    EncodingName,
    LayerSpec,
    SideSpec,
    Spec,
    StateSpec,
    StreamSpec,
    Theme,
    ViewName,
    WordsSpec,
)
from attnscope.words import stream_over_words

LINES_UP_TO = 64
LONG = 512
"""Tokens beyond which a trace is shown as a matrix first: lines and rows of tokens get crowded."""
EXACT_WEIGHTS = 750_000
"""Up to so many weights a view carries 16 bits each; above, 8 bits on a square-root scale."""


def build_spec(
    view: ViewName, trace: Trace, streams: list[StreamSpec], state: StateSpec, theme: Theme
) -> Spec:
    """The spec of a view over these streams."""
    one_of("theme", theme, get_args(Theme))
    sides: dict[int, tuple[int, Tokens]] = {}

    def put(shown: StreamSpec | WordsSpec, stream: Stream) -> None:
        for side, tokens in (("query", stream.query), ("key", stream.key)):
            place, _ = sides.setdefault(id(tokens), (len(sides), tokens))
            shown[side] = place  # type: ignore[literal-required]

    for shown in streams:
        stream = trace.streams[shown["name"]]
        put(shown, stream)
        if "words" in shown:
            put(shown["words"], stream_over_words(stream))
    return {
        "version": VERSION,
        "view": view,
        "theme": theme,
        "title": trace.provenance.model,
        "notes": list(trace.provenance.notes),
        "encoding": encoding_for(trace, streams),
        "carries": "vectors",
        "sides": [side_spec(tokens) for _, tokens in sides.values()],
        "streams": streams,
        "state": state,
    }


def state_spec(stream: str, layer: int) -> StateSpec:
    """The first state of any view, before its own options."""
    return {
        "stream": stream,
        "filter": "all",
        "layer": layer,
        "heads": None,
        "head": None,
        "expanded": False,
        "pinned": None,
        "opened": None,
        "cells": "auto",
        "mean": False,
        "sort": "number",
        "hide_special": False,
        "renormalise": False,
        "threshold": 0.0,
        "over": "head",
        "quantity": "weight",
        "words": False,
        "window": None,
        "cursor": None,
        "color": "root",
        "fit": False,
        "blocks": "max",
        "measure": "",
        "all_layers": False,
        "column": False,
        "search": "",
        "outcome": "all",
        "step": 0,
        "hide_first": False,
        "show": "both",
    }


def shown_layer(trace: Trace, shown: StreamSpec, layer: int | None) -> LayerSpec:
    """The layer shown first: the one asked for, which must be among those shown, or the first.

    Raises:
        InputError: for a layer that the stream lacks, or that layers= left out.
    """
    rows = {row["layer"]: row for row in shown["layers"]}
    number = next(iter(rows)) if layer is None else index_of("layer", layer)
    trace.streams[shown["name"]].layer(number)
    if number not in rows:
        raise InputError(
            f"layer {number} is not among layers=, which names {spans_of('layer', list(rows))}."
        )
    return rows[number]


def shown_head(stream: Stream, row: LayerSpec, head: int) -> int:
    """The head shown first, which must be among those shown of this layer.

    Raises:
        InputError: for a head that the layer lacks, or that heads= left out.
    """
    number = index_of("head", head)
    stream.places(row["layer"], [number])
    if number not in row["heads"]:
        raise InputError(
            f"head {number} is not among heads=, which names {spans_of('head', row['heads'])}."
        )
    return number


def side_spec(tokens: Tokens) -> SideSpec:
    """One list of tokens as JSON."""
    spec: SideSpec = {
        "text": list(tokens.text),
        "raw": list(tokens.raw),
        "special": [place for place, special in enumerate(tokens.special) if special],
        "words": list(tokens.words),
        "segments": [
            {"name": name, "start": s.start, "stop": s.stop}
            for name, s in zip(
                distinct([s.name for s in tokens.segments]), tokens.segments, strict=True
            )
        ],
    }
    return spec | {"numbers": list(tokens.numbers)} if tokens.numbers else spec


def stream_spec(
    stream: Stream, layers: int | Sequence[int] | None, heads: int | Sequence[int] | None
) -> StreamSpec:
    """One stream as JSON, with these layers and heads (None: all), in the order given."""
    numbers = list(stream.numbers) if layers is None else numbers_of("layers", layers)
    rows: list[LayerSpec] = []
    for number in numbers:
        layer = stream.layer(number)
        places = stream.places(number, None if heads is None else numbers_of("heads", heads))
        rows.append({"layer": number, "heads": [layer.heads[place] for place in places]})
    kept = [stream.layer(number) for number in numbers]
    return {
        "name": stream.name,
        "label": stream.label,
        "query": 0,
        "key": 0,
        "layers": rows,
        "causal": all(layer.causal for layer in kept),
        "sinks": not all(layer.sums_to_one for layer in kept),
        "thumbnail": None,
        "measures": [],
    }


def one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    """InputError unless the value is one of those allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")


def encoding_for(trace: Trace, streams: Sequence[StreamSpec]) -> EncodingName:
    """16 bits a weight while that stays small, else 8."""
    total = 0
    for shown in streams:
        stream = trace.streams[shown["name"]]
        cells = sum(len(row["heads"]) for row in shown["layers"])
        total += cells * len(stream.query) * len(stream.key)
    return "linear16" if total <= EXACT_WEIGHTS else "sqrt8"


def chosen_streams(
    trace: Trace,
    stream: str | None,
    layers: int | Sequence[int] | None,
    heads: int | Sequence[int] | None,
) -> tuple[list[StreamSpec], StreamSpec]:
    """All streams of the trace and the one shown first; limits apply to the streams they fit.

    Streams may differ in their counts, so numbers that a stream lacks are left out there; the
    stream shown first has to have them all.
    """
    layers = None if layers is None else numbers_of("layers", layers)
    heads = None if heads is None else numbers_of("heads", heads)
    first = trace.stream(stream) if stream is not None else next(iter(trace.streams.values()))
    shown = []
    for candidate in trace.streams.values():
        if candidate is first:
            shown.append(stream_spec(candidate, layers, heads))
            continue
        own = None if layers is None else [n for n in layers if n in candidate.numbers]
        if own == []:
            continue
        shared = set.intersection(
            *(set(candidate.layer(n).heads) for n in own or candidate.numbers)
        )
        fitting = None if heads is None else [h for h in heads if h in shared]
        if fitting != []:
            shown.append(stream_spec(candidate, own, fitting))
    return shown, next(s for s in shown if s["name"] == first.name)


def suited_view(trace: Trace) -> str:
    """The view that suits a trace: of what was generated, of a long text, of a short one."""
    if trace.generation is not None:
        return "generation"
    return "matrix" if is_long(trace) else "head"


def is_long(trace: Trace) -> bool:
    """True where the matrix view suits a trace better than lines between tokens."""
    streams = trace.streams.values()
    return any(max(len(stream.query), len(stream.key)) > LONG for stream in streams)
