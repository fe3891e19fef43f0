"""Text view of many documents: each a stream of one trace, with what is known of it beside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Unpack

from attnscope.documents import Document, Documents
from attnscope.errors import InputError
from attnscope.provenance import Provenance
from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import build_spec, state_spec, stream_spec
from attnscope.views.methods import quantity_spec, stream_in
from attnscope.views.text import (
    NOBODY,
    PAIRS_UP_TO,
    Switches,
    choice_of,
    condensed,
    running,
    set_switches,
)
from attnscope.wire.spec import DocumentSpec, Spec, Theme


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
        if document.source is not None and quantity != "weight":
            shown["quantity"] = quantity_spec(quantity)
    state = state_spec("0", 0)
    state["search"], state["quantity"] = search, quantity
    set_switches(state, switches, Switches)
    return trace, running(build_spec("text", trace, specs, state, theme), trace)


def _as_stream(
    document: Document, layer: Any, head: Any, quantity: str, stream: str | None, pairs: int
) -> Stream:
    """One layer of one "head": what was given, or what was chosen of a trace."""
    tokens, given = document.tokens, document.attention
    if given is not None:
        query = NOBODY if len(given) < len(tokens) else tokens
        return Stream("", (0,), (WeightsLayer(given[None], (0,)),), query, tokens)
    assert document.source is not None
    found = stream_in(document.source, quantity, stream)
    shown = stream_spec(found, None, None)
    if quantity != "weight":
        shown["quantity"] = quantity_spec(quantity)
    return condensed(found, choice_of(Trace([found]), shown, layer, head), pairs)


def _document_spec(document: Document, place: int) -> DocumentSpec:
    return {
        "id": document.id or str(place),
        "label": list(document.label),
        "prediction": list(document.prediction),
        "right": document.right,
        "posterior": [{"name": name, "value": value} for name, value in document.posterior.items()],
    }
