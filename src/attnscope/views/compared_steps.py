"""The generation view of a comparison: the steps of two traces, aligned as a diff does it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from attnscope.measures.align import align
from attnscope.measures.steps import first_made, generation_of, steps
from attnscope.scores import Layer, QKLayer, WeightsLayer
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.generation import steps_spec, with_last
from attnscope.views.running import spaced
from attnscope.wire.spec import Spec

if TYPE_CHECKING:
    from attnscope.measures.compare import Comparison


def compared_steps(comparison: Comparison, start: int | tuple[int, int] | None) -> Comparison:
    """The comparison of the rows that made tokens, and of these alone.

    Generated tokens are aligned with generated ones, and prompts with prompts. The last token of a
    text, made and not read, is among the keys too: both texts are there to their ends.

    Raises:
        InputError: where nothing was generated, or start= names no token.
    """
    from attnscope.measures.compare import Comparison

    starts = start if isinstance(start, tuple) and len(start) == 2 else (start, start)
    wholes = comparison.a, comparison.b
    (made, a, own), (its, b, others) = (
        _to_the_end(trace, at) for trace, at in zip(wholes, starts, strict=True)
    )
    query = align(made, its, replaced=comparison.replaced)
    sides = {
        name: (
            query,
            align(
                a.streams[name].key,
                b.streams[name].key,
                replaced=comparison.replaced,
                apart=(own.get(name, 0), others.get(name, 0)),
            ),
        )
        for name in a.streams
    }
    return Comparison(a, b, sides, comparison.names, comparison.replaced)


def _to_the_end(trace: Trace, start: Any) -> tuple[Tokens, Trace, dict[str, int]]:
    """The tokens generated, the steps with all of them among the keys, and where they start."""
    made, rows = generation_of(trace, start), steps(trace, start)
    first = first_made(trace.streams[made.stream], made)
    stream = rows.streams[made.stream]
    if first + len(made) > len(stream.key):
        layers = tuple(_with_unread(layer) for layer in stream.layers)
        stream = replace(stream, layers=layers, key=with_last(stream.key, made.tokens))
    streams = {**rows.streams, made.stream: replace(stream, witnesses=())}
    return made.tokens, Trace(list(streams.values()), trace.provenance), {made.stream: first}


def _with_unread(layer: Layer) -> Layer:
    """The layer with one key more, which no query sees."""
    if not isinstance(layer, QKLayer):
        return WeightsLayer(np.pad(layer.rows(), ((0, 0), (0, 0), (0, 1))), layer.heads)
    spec, n_keys = layer.spec, layer.shape[2]
    seen = np.ones(n_keys, bool) if spec.keys is None else spec.keys
    last = ((0, 0), (0, 1))
    spec = replace(
        spec,
        keys=np.append(seen, False),
        visible=None if spec.visible is None else np.pad(spec.visible, last),
        bias=None if spec.bias is None else np.pad(spec.bias, ((0, 0), *last)),
    )
    return replace(layer, keys=np.pad(layer.keys, ((0, 0), (0, 1), (0, 0))), spec=spec)


def compared_generation(trace: Trace, **options: Any) -> Spec:
    """The spec of a comparison that `compared_steps` made, as its views show it.

    The merged keys end with the merged tokens that were generated; those of cross streams do not.
    """
    spec = steps_spec(trace, **options)
    for one in spec["streams"]:
        stream = trace.streams[one["name"]]
        for place, tokens in ((one["query"], stream.query), (one["key"], stream.key)):
            spec["sides"][place]["spaced"] = spaced(tokens)
        crossed = one["name"].partition(":")[0] == "cross"
        first = None if crossed else len(stream.key) - len(stream.query)
        one["steps"] = {"text": one["key"], "first": first}
    return spec
