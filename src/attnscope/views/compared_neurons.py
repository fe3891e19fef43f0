"""The neuron view of a comparison: a head of two traces, from queries and keys to weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attnscope.errors import InputError
from attnscope.measures.difference import Difference
from attnscope.scores import vectors_of
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import chosen_streams
from attnscope.views.neuron import neuron_spec
from attnscope.wire.spec import Spec, StreamSpec, Theme

if TYPE_CHECKING:
    from attnscope.scores import Layer


def compared_neurons(
    trace: Trace,
    layer: int | None = None,
    head: int | None = None,
    query: int | str | None = None,
    *,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    stream: str | None = None,
    theme: Theme = "auto",
) -> Spec:
    """The spec of a comparison's neurons; see `Comparison.neuron_view`."""
    streams, first = chosen_streams(trace, stream, layers, heads)
    reason = _why_none(trace.streams[first["name"]], first)
    if reason:
        raise InputError(reason)
    whole = {one["name"]: one for one in streams if ":" not in one["name"]}
    fit = [name for name, one in whole.items() if not _why_none(trace.streams[name], one)]
    kept = [one for one in streams if one["name"].partition(":")[0] in fit]
    return neuron_spec(trace, kept, first, layer, head, query, theme)


def _why_none(stream: Stream, shown: StreamSpec) -> str:
    """What keeps a stream of a comparison from having neurons to compare; "" for nothing."""
    for row in shown["layers"]:
        both = stream.layer(row["layer"])
        assert isinstance(both, Difference)
        reason = _why_not_alike(both.a, both.b, f"layer {row['layer']} of the {stream.name} stream")
        if reason:
            return reason
    return ""


def _why_not_alike(a: Layer, b: Layer, where: str) -> str:
    vectors = vectors_of(a), vectors_of(b)
    lacking = [name for name, one in zip(("first", "second"), vectors, strict=True) if one is None]
    if lacking:
        return (
            f"the neurons of two traces need queries and keys of both, and {where} has weights "
            f"only in the {' and the '.join(lacking)}. Record the models' queries and keys: "
            "attnscope.capture(model, tokenizer, text)."
        )
    sizes = [one.queries.shape[2] for one in vectors if one is not None]
    if sizes[0] != sizes[1]:
        return (
            f"the heads of {where} have {sizes[0]} neurons in the first trace and {sizes[1]} in "
            "the second: a neuron can be compared with its own number only. The other views show "
            "the weights of both."
        )
    return ""
