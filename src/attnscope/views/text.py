"""Text view: running text with tokens shaded by attention, of one trace or of many documents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack, cast

import numpy as np

from attnscope.documents import Document, Documents
from attnscope.errors import InputError
from attnscope.measures.known import known, position_of
from attnscope.measures.quantities import QUANTITIES
from attnscope.measures.quantities import quantity as of_quantity
from attnscope.measures.together import received, together
from attnscope.provenance import Provenance
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
from attnscope.views.running import spaced
from attnscope.wire.spec import DocumentSpec, Spec, StateSpec, StreamSpec, Theme

ALL_UP_TO = 40_000_000
"""Weights up to which a page carries every layer and head; above, what was asked for only."""

PAIRS_UP_TO = 20_000_000
"""Pairs of tokens up to which a page carries all of them; above, one number a token."""

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

    layers: Sequence[int] | None
    heads: Sequence[int] | None


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
    quantity: str = "weight",
    *,
    stream: str | None = None,
    theme: Theme = "auto",
    **options: Unpack[TextOptions],
) -> tuple[Trace, Spec]:
    """The trace shown (of weights, or of another quantity) and its spec; see `Trace.text_view`."""
    trace = in_quantity(trace, quantity, stream)
    streams, first = chosen_streams(trace, stream, options.get("layers"), options.get("heads"))
    found = trace.streams[first["name"]]
    choice = _choice(trace, first, layer, head, query)
    state = state_spec(first["name"], choice.layers[0])
    if sum(math.prod(found.layer(row["layer"]).shape) for row in first["layers"]) > ALL_UP_TO:
        trace = Trace([condensed(found, choice)], trace.provenance)
        streams = [stream_spec(trace.stream(), None, None)]
        streams[0]["label"] = choice.label
        state["layer"] = state["head"] = 0
    else:
        state["all_layers"] = len(choice.layers) > 1
        _set_head(state, first, choice.head)
    if choice.query is not None and len(trace.stream(first["name"]).query) > 1:
        state["pinned"] = {"side": "query", "index": choice.query}
    _set_switches(state, options, TextOptions)
    state["quantity"] = quantity
    spec = build_spec("text", trace, streams, state, theme)
    spec["notes"] += note_of(quantity)
    return trace, _running(spec, trace)


def _choice(
    trace: Trace, shown: StreamSpec, layer: Any, head: Any, query: int | str | None
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
    place = None if query is None else position_of(stream.query, query)
    return Choice(tuple(numbers), head, place)


def _set_switches(state: StateSpec, options: Mapping[str, Any], among: type) -> None:
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


def in_quantity(trace: Trace, name: str, stream: str | None) -> Trace:
    """The trace with this quantity instead of weights, in the stream asked for or all that can.

    Raises:
        InputError: for an unknown quantity, one that this stream cannot have, or one that is not
            a share from 0 to 1.
    """
    wanted = QUANTITIES[known("quantity", name, QUANTITIES)]
    if name == "weight":
        return trace
    if (wanted.low, wanted.high) != (0, 1):
        shares = [key for key, one in QUANTITIES.items() if (one.low, one.high) == (0, 1)]
        raise InputError(
            f"text is shaded by shares from 0 to 1, and {name!r} is none: choose one of "
            f"{', '.join(shares)}, or show {name!r} by matrix_view()."
        )
    names = [key for key, one in trace.streams.items() if not wanted.why_not(one)]
    if stream is not None or not names:
        names = [trace.stream(stream).name]
    return Trace([of_quantity(trace, name, key) for key in names], trace.provenance)


def note_of(name: str) -> list[str]:
    """What is shown, where it is not the weight."""
    shown = QUANTITIES[name]
    return [] if name == "weight" else [f"{shown.label}: {shown.about}"]


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
    return Stream(stream.name, (0,), (layer,), query, stream.key)


def documents_view(
    documents: Documents,
    layer: int | str = "all",
    head: int | str = "mean",
    quantity: str = "weight",
    *,
    stream: str | None = None,
    search: str = "",
    theme: Theme = "auto",
    **switches: Unpack[Switches],
) -> tuple[Trace, Spec]:
    """Documents as the streams of one trace, and its spec; see `Documents.text_view`."""
    if not isinstance(search, str):
        raise InputError(f"search must be a text, got {search!r}.")
    pairs = PAIRS_UP_TO // len(documents)

    def as_stream(place: int, document: Document) -> Stream:
        try:
            made = _as_stream(document, layer, head, quantity, stream, pairs)
        except InputError as error:
            raise InputError(f"document {place}: {error}") from None
        return replace(made, name=str(place))

    streams = [as_stream(place, document) for place, document in enumerate(documents)]
    trace = Trace(streams, Provenance(model=documents.title, notes=documents.notes))
    specs = [stream_spec(one, None, None) for one in streams]
    for place, (document, shown) in enumerate(zip(documents, specs, strict=True)):
        shown["document"] = _document_spec(document, place)
        shown["label"] = shown["document"]["id"]
    state = state_spec("0", 0)
    state["search"], state["quantity"] = search, quantity
    _set_switches(state, switches, Switches)
    spec = build_spec("text", trace, specs, state, theme)
    spec["notes"] += note_of(quantity)
    return trace, _running(spec, trace)


def _as_stream(
    document: Document, layer: Any, head: Any, quantity: str, stream: str | None, pairs: int
) -> Stream:
    """One layer of one "head": what was given, or what was chosen of a trace."""
    tokens, given = document.tokens, document.attention
    if given is not None:
        query = NOBODY if len(given) < len(tokens) else tokens
        return Stream("", (0,), (WeightsLayer(given[None], (0,)),), query, tokens)
    assert document.source is not None
    trace = in_quantity(document.source, quantity, stream)
    found = trace.stream(stream)
    choice = _choice(trace, stream_spec(found, None, None), layer, head, None)
    return condensed(found, choice, pairs)


def _document_spec(document: Document, place: int) -> DocumentSpec:
    return {
        "id": document.id or str(place),
        "label": list(document.label),
        "prediction": list(document.prediction),
        "right": document.right,
        "posterior": [{"name": name, "value": value} for name, value in document.posterior.items()],
    }


def _running(spec: Spec, trace: Trace) -> Spec:
    """The spec, whose sides know where there is white space in their text."""
    for shown in spec["streams"]:
        stream = trace.streams[shown["name"]]
        spec["sides"][shown["query"]].setdefault("spaced", spaced(stream.query))
        spec["sides"][shown["key"]].setdefault("spaced", spaced(stream.key))
    return spec
