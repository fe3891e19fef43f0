"""Generation view: token by token, what a model looked at when it wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.generation import GENERATED
from attnscope.measures.steps import first_made, generation_of, steps
from attnscope.tokens import Segment, Tokens
from attnscope.trace import Trace
from attnscope.views.base import (
    build_spec,
    chosen_streams,
    shown_head,
    shown_layer,
    side_spec,
    state_spec,
)
from attnscope.views.display import switch
from attnscope.views.running import spaced
from attnscope.wire.spec import Spec, StateSpec, StreamSpec, Theme

CARRIED_UP_TO = 20_000_000
"""Weights up to which a page carries single heads; above, the means over heads of each layer."""

MEANS_ONLY = (
    "This page carries means over heads. For single heads choose layers=[...], or show the view in "
    "a notebook with .widget()."
)


def generation_view(
    trace: Trace,
    step: int | None = None,
    layer: int | str = "all",
    head: int | str = "mean",
    *,
    start: int | None = None,
    **options: Any,
) -> tuple[Trace, Spec]:
    """The steps as a trace, which the view is of, and its spec; see `Trace.generation_view`."""
    made, shown = generation_of(trace, start), steps(trace, start)
    spec = steps_spec(shown, step, layer, head, **options)
    for one in spec["streams"]:
        own = one["name"] == made.stream
        first = first_made(trace.streams[one["name"]], made) if own else None
        _add_text(spec, one, shown, made.tokens, first)
    return shown, spec


def steps_spec(
    shown: Trace,
    step: int | None = None,
    layer: int | str = "all",
    head: int | str = "mean",
    *,
    hide_first: bool = False,
    renormalise: bool = False,
    layers: int | Sequence[int] | None = None,
    heads: int | Sequence[int] | None = None,
    stream: str | None = None,
    theme: Theme = "auto",
) -> Spec:
    """The spec of a trace whose queries are steps; their text is still to be added."""
    if stream is None and "cross" in shown.streams:
        stream = "cross"
    streams, first = chosen_streams(shown, stream, layers, heads)
    state = state_spec(first["name"], first["layers"][0]["layer"])
    state["step"] = _step(len(shown.streams[first["name"]].query), step)
    _set_rows(shown, first, state, layer, head)
    _set_switches(state, hide_first, renormalise)
    spec = build_spec("generation", shown, streams, state, theme)
    sizes = [shown.streams[one["name"]].layers[0].shape[1:] for one in streams]
    rows = [sum(len(row["heads"]) for row in one["layers"]) for one in streams]
    if sum(n * math.prod(size) for n, size in zip(rows, sizes, strict=True)) > CARRIED_UP_TO:
        spec["carries"] = "means"
        spec["notes"].append(MEANS_ONLY)
    return spec


def _step(n_made: int, step: int | None) -> int:
    """The step shown first: the one asked for, or the first."""
    number = 0 if step is None else index_of("step", step)
    if not 0 <= number < n_made:
        raise InputError(
            f"step {number} is not there: {n_made} tokens were generated, 0 to {n_made - 1}."
        )
    return number


def _set_rows(
    trace: Trace, shown: StreamSpec, state: StateSpec, layer: int | str, head: int | str
) -> None:
    """All layers or one, the mean over heads or one."""
    if isinstance(layer, str) and layer != "all":
        raise InputError(f"layer must be a number, or 'all' for the mean over all, got {layer!r}.")
    if isinstance(head, str) and head != "mean":
        raise InputError(f"head must be a number, or 'mean' for the mean over all, got {head!r}.")
    if isinstance(layer, str) and not isinstance(head, str):
        raise InputError(f"head {head} of which layer? Give layer= as well.")
    row = shown_layer(trace, shown, None if isinstance(layer, str) else layer)
    stream = trace.streams[shown["name"]]
    state["layer"], state["all_layers"] = row["layer"], isinstance(layer, str)
    state["over"] = "mean" if isinstance(head, str) else "head"
    state["head"] = row["heads"][0] if isinstance(head, str) else shown_head(stream, row, head)


def _set_switches(state: StateSpec, hide_first: bool, renormalise: bool) -> None:
    state["hide_first"] = switch("hide_first", hide_first)
    state["renormalise"] = switch("renormalise", renormalise)
    if renormalise and not hide_first:
        raise InputError(
            "renormalise=True makes rows without the first token sum to 1: it needs "
            "hide_first=True."
        )


def _add_text(spec: Spec, one: StreamSpec, shown: Trace, made: Tokens, first: int | None) -> None:
    """Which text the keys are in: of the stream that wrote, all read and the last token."""
    sides, key = spec["sides"], shown.streams[one["name"]].key
    sides[one["query"]]["spaced"] = spaced(made)
    sides[one["key"]]["spaced"] = spaced(key)
    one["steps"] = {"text": one["key"], "first": first}
    if first is None or first + len(made) <= len(key):  # the last token was read, too
        return
    one["steps"]["text"] = len(sides)
    whole = with_last(key, made)
    sides.append({**side_spec(whole), "spaced": spaced(whole)})


def with_last(read: Tokens, made: Tokens) -> Tokens:
    """The tokens read, and behind them the last one made."""
    last = made.take(np.arange(len(made)) == len(made) - 1)
    n, spans = len(read), read.spans
    segments = list(read.segments)
    if segments[-1].name == GENERATED:
        segments[-1] = replace(segments[-1], stop=n + 1)
    else:
        segments.append(Segment(GENERATED, n, n + 1))
    return Tokens(
        text=read.text + last.text,
        raw=read.raw + last.raw,
        special=np.concatenate([read.special, last.special]),
        spans=None if spans is None else np.concatenate([spans, [[-1, -1]]]),
        segments=tuple(segments),
    )
