"""Text view of a saliency: one method at a time, and beside the text how faithful each is."""

from __future__ import annotations

from dataclasses import replace

from attnscope.attributions import METHODS, Saliency
from attnscope.measures.known import known
from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import build_spec, state_spec, stream_spec
from attnscope.views.text import NOBODY, running
from attnscope.wire.spec import QuantitySpec, Spec, StreamSpec, TableSpec, Theme

STACK = "text"
REMOVED = {
    "mask": "replaced by the mask token",
    "pad": "replaced by padding that nothing attends to",
    "delete": "deleted",
}


def saliency_view(made: Saliency, method: str | None, theme: Theme) -> tuple[Trace, Spec]:
    """A stream a method, of one row each, and the spec; see `Saliency.text_view`."""
    first = next(iter(made.scores)) if method is None else known("method", method, made.scores)
    streams = [
        Stream(f"{STACK}.{name}", (0,), (WeightsLayer(row[None, None], (0,)),), NOBODY, made.tokens)
        for name, row in made.scores.items()
    ]
    said = f"{made.target}: {made.value:.3f}"
    title = f"{made.provenance.model} · {said}" if made.provenance.model else said
    trace = Trace(streams, replace(made.provenance, model=title))
    specs = [_stream(one, name) for one, name in zip(streams, made.scores, strict=True)]
    state = state_spec(STACK, 0)
    state["quantity"] = first
    spec = build_spec("text", trace, specs, state, theme)
    spec["tables"] = [_table(made)]
    return trace, running(spec, trace)


def _stream(stream: Stream, name: str) -> StreamSpec:
    spec = stream_spec(stream, None, None)
    label, about, signed = METHODS[name]
    quantity: QuantitySpec = {
        "name": name,
        "label": label,
        "about": about,
        "per": "layer",
        "high": None,
        "signed": signed,
        "across": False,
        "carried": True,
    }
    return {**spec, "label": "Text", "stack": STACK, "quantity": quantity}


def _table(made: Saliency) -> TableSpec:
    rows = [
        [
            METHODS[row["method"]].label if row["method"] in METHODS else "Random order",
            f"{row['comprehensiveness']:.3f}",
            f"{row['sufficiency']:.3f}",
        ]
        for row in made.faithfulness.rows()
    ]
    return {
        "title": "How faithful each method is",
        "columns": ["", "compr. ↑", "suff. ↓"],
        "rows": rows,
        "about": "Comprehensiveness: how far the value falls without the tokens that a method puts "
        "first. Sufficiency: how far it falls with nothing but them. Tokens are "
        f"{REMOVED[made.removed]}. A method no better than a random order tells nothing here.",
    }
