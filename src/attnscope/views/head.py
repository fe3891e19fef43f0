"""Head view: one layer, several heads as coloured lines between query and key tokens."""

from __future__ import annotations

from collections.abc import Sequence

from attnscope.errors import InputError
from attnscope.trace import Trace, index_of, spans_of
from attnscope.views.base import build_spec, chosen_streams, unique
from attnscope.wire.spec import Spec, StateSpec, Theme


def head_view(
    trace: Trace,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    *,
    layers: Sequence[int] | None = None,
    stream: str | None = None,
    theme: Theme = "auto",
) -> Spec:
    """The head view's spec; see `Trace.head_view`."""
    streams, first = chosen_streams(trace, stream, layers, None)
    rows = {row["layer"]: row["heads"] for row in first["layers"]}
    number = first["layers"][0]["layer"] if layer is None else index_of("layer", layer)
    trace.streams[first["name"]].layer(number)
    if number not in rows:
        raise InputError(
            f"layer {number} is not among layers=, which names {spans_of('layer', list(rows))}."
        )
    active = None
    if heads is not None:
        active = unique("heads", heads)
        trace.streams[first["name"]].places(number, active)
    state: StateSpec = {
        "stream": first["name"],
        "filter": "all",
        "layer": number,
        "heads": active,
        "pinned": None,
        "opened": None,
        "cells": "auto",
    }
    return build_spec("head", trace, streams, state, theme)
