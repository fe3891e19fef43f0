"""Text view of an answer: where it stands, what it looks at, and what it depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attnscope.answer import Answer
from attnscope.provenance import Provenance
from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import build_spec, state_spec, stream_spec
from attnscope.views.text import NOBODY, running
from attnscope.wire.spec import QuantitySpec, SegmentSpec, Spec, TableSpec, Theme

STACK = "answer"
NUMBERS = ("weight", "norm", "effect")
SHARES = {
    "weight": (
        "Weight",
        "Share of the answer's attention, mean over its tokens, layers and heads; special tokens "
        "are left out.",
    ),
    "norm": (
        "Norm share",
        "Share in the length of what is moved to the answer, mean over its tokens and layers.",
    ),
}
ABOUT = (
    "Weight and norm: the part's share of what the answer looks at, and of what is moved to it. "
    "Effect: by how much the answer's log-probability (nats) falls when no other token may attend "
    "to the part. Without: the best answer elsewhere, then. A share is a hypothesis; the effect "
    "tests it."
)


def answer_view(found: Answer, theme: Theme) -> tuple[Trace, Spec]:
    """A stream a share, of one row each, and the spec; see `Answer.text_view`."""
    streams = [
        Stream(
            f"{STACK}.{name}", (0,), (WeightsLayer(row[None, None], (0,)),), NOBODY, found.tokens
        )
        for name, row in found.shares.items()
    ]
    said = f"“{found.text}” ({found.probability:.3f})"
    title = f"{found.model} · {said}" if found.model else said
    trace = Trace(streams, Provenance(title))
    specs = [stream_spec(one, None, None) for one in streams]
    for spec, name in zip(specs, found.shares, strict=True):
        spec["label"], spec["stack"], spec["quantity"] = "Answer", STACK, _quantity(name)
    made = build_spec("text", trace, specs, state_spec(STACK, 0), theme)
    side = made["sides"][specs[0]["key"]]
    side["marked"] = list(range(*found.span))
    side["segments"] = _segments(found.parts)
    made["tables"] = [_table(found)]
    return trace, running(made, trace)


def _quantity(name: str) -> QuantitySpec:
    label, about = SHARES[name]
    return {
        "name": name,
        "label": label,
        "about": about,
        "per": "layer",
        "high": 1,
        "signed": False,
        "across": False,
        "carried": True,
    }


def _segments(parts: Mapping[str, Sequence[int]]) -> list[SegmentSpec]:
    """What comes before the parts, and the parts, each a run of tokens."""
    runs = sorted((min(places), max(places) + 1, name) for name, places in parts.items())
    runs = [(0, runs[0][0], "question"), *runs]
    return [{"name": name, "start": start, "stop": stop} for start, stop, name in runs]


def _table(found: Answer) -> TableSpec:
    rows = [
        [row["part"], *(f"{row[name]:.3f}" for name in NUMBERS), row["without"]]
        for row in found.sources.rows()
    ]
    return {
        "title": "Where the answer comes from",
        "columns": ["part", "weight", "norm", "effect", "without it"],
        "rows": rows,
        "about": ABOUT,
    }
