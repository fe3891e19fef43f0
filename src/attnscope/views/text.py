"""Text view: running text with tokens shaded by attention, or by other quantities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack, cast

import numpy as np

from attnscope.errors import InputError
from attnscope.measures.known import position_of
from attnscope.measures.together import received, together
from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.base import (
    build_spec,
    chosen_streams,
    one_of,
    shown_head,
    shown_layer,
    state_spec,
    stream_spec,
)
from attnscope.views.display import check_renormalise, switch
from attnscope.views.matrix import with_precision
from attnscope.views.methods import able, method_streams, named_quantities
from attnscope.views.neuron import explain_weights, has_vectors
from attnscope.views.predictions import add_predictions
from attnscope.views.running import spaced
from attnscope.wire.parts import is_windowed
from attnscope.wire.spec import Spec, StateSpec, StreamSpec, Theme

ALL_UP_TO = 40_000_000
"""Weights up to which a page carries every layer and head; above, what was asked for only."""

PAIRS_UP_TO = 20_000_000
"""Pairs of tokens up to which a page carries all of them; above, one number a token."""

PART = (512, 64)
"""Tokens of a long text that are shown at a time: at most, and at least."""
WORK = 2**27
"""Weights that may be computed to shade them."""

OVER = ("mean", "max")
NOBODY = Tokens(("",), ("",), np.zeros(1, bool))
"""The query side of a text that has one number a token."""


class Switches(TypedDict, total=False):
    """How a text is shaded first.

    Attributes:
        column: show who attends to a token, instead of what it attends to.
        words: shade words instead of tokens: keys are summed, queries averaged.
        hide_special: leave out special tokens ([CLS], </s>, ...).
        renormalise: divide what is left of each row by its sum; needs `hide_special`.
    """

    column: bool
    words: bool
    hide_special: bool
    renormalise: bool


class TextOptions(Switches, total=False):
    """The same for one text; `layers` and `heads` are those to choose from (left out: all)."""

    layers: int | Sequence[int] | None
    heads: int | Sequence[int] | None


@dataclass(frozen=True)
class Choice:
    """What is shown first: layers put together, one head or all, one query's row or the mean."""

    layers: tuple[int, ...]
    head: int | str
    query: int | None = None

    @property
    def label(self) -> str:
        """In words: `mean of heads, layer 5, query 8`."""
        head = f"{self.head} of heads" if isinstance(self.head, str) else f"head {self.head}"
        layers = f"layer {self.layers[0]}" if len(self.layers) == 1 else "mean of layers"
        return f"{head}, {layers}" + ("" if self.query is None else f", query {self.query}")


def text_view(
    trace: Trace,
    query: int | str | None = None,
    layer: int | str = "all",
    head: int | str = "mean",
    quantity: str | Sequence[str] = "weight",
    *,
    stream: str | None = None,
    theme: Theme = "auto",
    **options: Unpack[TextOptions],
) -> tuple[Trace, Spec]:
    """The trace shown (one stream a quantity) and its spec; see `Trace.text_view`."""
    names = named_quantities(quantity)
    streams, first = chosen_streams(trace, stream, options.get("layers"), options.get("heads"))
    if names != ["weight"]:
        fit = able(trace, names, streams)
        first = fit[0] if stream is None and fit else first
        made, streams = method_streams(trace, names, fit if first in fit else [first])
        trace = Trace(made, trace.provenance)
        first = next(one for one in streams if one["name"] == first["name"])
    headed = next((one for one in streams if _is_headed(one, first)), first)
    choice = choice_of(trace, headed, layer, head, query)
    state = state_spec(first["name"], choice.layers[0])
    windowed = names == ["weight"] and _windowed(trace, streams, first)
    if not windowed and sum(_size(trace, one) for one in streams) > ALL_UP_TO:
        trace, streams = _condensed(trace, streams, first, choice, layer)
        state["layer"] = state["head"] = 0
    else:
        state["all_layers"] = isinstance(layer, str) and len(first["layers"]) > 1
        _set_head(state, headed, choice.head)
    if choice.query is not None and len(trace.streams[first["name"]].query) > 1:
        state["pinned"] = {"side": "query", "index": choice.query}
    set_switches(state, options, TextOptions)
    state["quantity"] = names[0]
    spec = running(build_spec("text", trace, streams, state, theme), trace)
    spec = explain_weights(trace, spec)
    return trace, with_precision(spec, "auto") if windowed else spec


def _windowed(trace: Trace, streams: list[StreamSpec], first: StreamSpec) -> bool:
    """Whether a part of the text is shown at a time, which is then told in the streams' specs."""
    for shown in streams:
        stream = trace.streams[shown["name"]]
        numbers = [row["layer"] for row in shown["layers"]]
        if is_windowed(stream, numbers) and has_vectors(stream, shown):
            shown["part"] = _part(trace, shown)
    if "part" in first:
        streams[:] = [one for one in streams if "part" in one or _size(trace, one) <= ALL_UP_TO]
    return "part" in first


def _part(trace: Trace, shown: StreamSpec) -> int:
    """Tokens shown at a time: as many as a second's work shades, all layers and heads together."""
    heads = sum(len(row["heads"]) for row in shown["layers"])
    most, least = PART
    while most > least and most * heads * len(trace.streams[shown["name"]].key) > WORK:
        most //= 2
    return most


def _size(trace: Trace, shown: StreamSpec) -> int:
    """Numbers that a page carries of a stream."""
    stream = trace.streams[shown["name"]]
    heads = sum(len(row["heads"]) for row in shown["layers"])
    return heads * len(stream.query) * len(stream.key)


def _is_headed(one: StreamSpec, first: StreamSpec) -> bool:
    """Whether a stream of the same stack has a number for each head."""
    same = one.get("stack", one["name"]) == first["name"]
    return same and ("quantity" not in one or one["quantity"]["per"] == "head")


def _condensed(
    trace: Trace, streams: Sequence[StreamSpec], first: StreamSpec, choice: Choice, layer: Any
) -> tuple[Trace, list[StreamSpec]]:
    """The first stack with what was chosen only, once for each quantity."""
    made, specs = [], []
    for one in streams:
        if one.get("stack", one["name"]) != first["name"]:
            continue
        own = choice
        if not _is_headed(one, first):
            own = choice_of(trace, one, layer, "mean", choice.query)
        made.append(condensed(trace.streams[one["name"]], own))
        spec = stream_spec(made[-1], None, None)
        spec["label"] = choice.label
        if "quantity" in one:
            spec["stack"], spec["quantity"] = one["stack"], one["quantity"]
        specs.append(spec)
    return Trace(made, trace.provenance), specs


def choice_of(
    trace: Trace, shown: StreamSpec, layer: Any, head: Any, query: int | str | None = None
) -> Choice:
    """What the user chose, checked against what the stream has."""
    stream = trace.streams[shown["name"]]
    if isinstance(layer, str) and layer != "all":
        raise InputError(f"layer must be a number, or 'all' for the mean over all, got {layer!r}.")
    row = shown_layer(trace, shown, None if layer == "all" else layer)
    if isinstance(head, str):
        one_of("head", head, OVER)
    else:
        head = shown_head(stream, row, head)
    numbers = [one["layer"] for one in shown["layers"]] if layer == "all" else [row["layer"]]
    if "quantity" in shown and shown["quantity"]["across"]:
        numbers = numbers[-1:]
    place = None if query is None else position_of(stream.query, query)
    return Choice(tuple(numbers), head, place)


def set_switches(state: StateSpec, options: Mapping[str, Any], among: type) -> None:
    """Put the options that are switches into the state; `among` declares those there are."""
    for name, value in options.items():
        if name not in among.__annotations__:
            names = ", ".join(among.__annotations__)
            raise TypeError(f"the text view has no option {name!r}: its options are {names}.")
        if name in Switches.__annotations__:
            state[name] = switch(name, value)  # type: ignore[literal-required]
    check_renormalise(state)


def _set_head(state: StateSpec, shown: StreamSpec, head: int | str) -> None:
    first = next(row for row in shown["layers"] if row["layer"] == state["layer"])
    state["head"] = first["heads"][0] if isinstance(head, str) else head
    state["over"] = cast(Any, head if isinstance(head, str) else "head")


def condensed(stream: Stream, choice: Choice, pairs: int = PAIRS_UP_TO) -> Stream:
    """A stream of one layer and one head that holds what was chosen: every pair, or one row."""
    query = stream.query
    if len(stream.query) * len(stream.key) <= pairs:
        made = together(stream, choice.layers, choice.head)
    elif choice.query is None:
        query, made = NOBODY, received(stream, choice.layers, choice.head)[None]
    else:
        row = slice(choice.query, choice.query + 1)
        query, made = NOBODY, together(stream, choice.layers, choice.head, row)
    layer = WeightsLayer(made[None], (0,))
    predicted = stream.predicted if query is stream.query else None
    return Stream(stream.name, (0,), (layer,), query, stream.key, predicted=predicted)


def running(spec: Spec, trace: Trace) -> Spec:
    """The spec, whose sides know where there is white space in their text, with predictions."""
    add_predictions(spec, trace)
    for shown in spec["streams"]:
        stream = trace.streams[shown["name"]]
        spec["sides"][shown["query"]].setdefault("spaced", spaced(stream.query))
        spec["sides"][shown["key"]].setdefault("spaced", spaced(stream.key))
    return spec
