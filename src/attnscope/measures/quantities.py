"""What can be shown of a pair of tokens: weight, score, rollout, ... one registry for all views.

    stream = measures.quantity(trace, "rollout")        # a Stream, like those of the trace
    stream.layer(3).rows()                              # [head, query, key]

A quantity takes the form of a stream of attention, so that whatever shows weights can show it; it
is computed when somebody looks. `QUANTITIES` says what each is called and which range it has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from attnscope.errors import InputError
from attnscope.measures.derived import Derived
from attnscope.measures.flow import Rollout, why_no_flow
from attnscope.measures.known import known
from attnscope.scores import Layer, QKLayer
from attnscope.stream import Stream
from attnscope.trace import Trace


@dataclass(frozen=True)
class Quantity:
    """Something that can be shown of every pair of tokens.

    Attributes:
        name: as code names it.
        label: as people read it.
        per: `head`, or `layer` for one number a layer (the stream's layers have one "head", 0).
        low, high: the range; None where the data decide.
        signed: whether numbers below 0 mean the opposite: a diverging colour scale fits.
        about: one line for people.
        layers: computes the layers; nothing is done before somebody looks at their rows.
        why_not: what keeps a stream from having this quantity, and what to do; "" for nothing.
    """

    name: str
    label: str
    per: Literal["head", "layer"]
    low: float | None
    high: float | None
    about: str
    layers: Callable[[Stream], tuple[Layer, ...]]
    why_not: Callable[[Stream], str]
    signed: bool = False


def quantity(trace: Trace, name: str, stream: str | None = None) -> Stream:
    """A stream of the trace whose layers hold this quantity instead of weights.

    Args:
        trace: what to look at.
        name: one of `QUANTITIES`.
        stream: may be left out where there is only one.

    Returns:
        The stream, with the same numbers of layers and tokens. `rows()` of its layers gives the
        quantity, float32 [head, query, key] (one "head" with number 0 where it is per layer), NaN
        where it is not defined. It is computed when it is asked for.

    Raises:
        InputError: for an unknown name (the nearest is suggested), or a quantity that this stream
            cannot have; the text says how to record what is missing.
    """
    wanted = QUANTITIES[known("quantity", name, QUANTITIES)]
    found = trace.stream(stream)
    reason = wanted.why_not(found)
    if reason:
        raise InputError(reason)
    return replace(found, layers=wanted.layers(found), witnesses=())


def quantities_of(trace: Trace, stream: str | None = None) -> list[str]:
    """The names of the quantities that this stream can show, in the order of `QUANTITIES`."""
    found = trace.stream(stream)
    return [name for name, quantity in QUANTITIES.items() if not quantity.why_not(found)]


def _weights(stream: Stream) -> tuple[Layer, ...]:
    return stream.layers


def _nothing(_: Stream) -> str:
    return ""


def _scores(stream: Stream) -> tuple[Layer, ...]:
    return tuple(_score_layer(layer) for layer in stream.layers if isinstance(layer, QKLayer))


def _score_layer(layer: QKLayer) -> Derived:
    def cells(places: np.ndarray, queries: slice) -> np.ndarray:
        scores = layer.scores(places.tolist(), queries)
        scores[np.isneginf(scores)] = np.nan
        return scores

    return Derived(layer, layer.heads, cells)


def why_no_scores(stream: Stream) -> str:
    """Scores need queries and keys."""
    if all(isinstance(layer, QKLayer) for layer in stream.layers):
        return ""
    return (
        f"scores are made of queries and keys, and the {stream.name} stream holds weights only. "
        "Record the model's queries and keys: attnscope.capture(model, tokenizer, text)."
    )


def _rollout(stream: Stream) -> tuple[Layer, ...]:
    shared = Rollout(stream.layers)
    return tuple(
        Derived(layer, (0,), _rollout_cells(shared, place), sums_to_one=True)
        for place, layer in enumerate(stream.layers)
    )


def _rollout_cells(shared: Rollout, place: int) -> Callable[..., np.ndarray]:
    return lambda places, queries: shared.after(place)[None][places, queries]


QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "weight", "Weight", "head", 0, 1,
            "How much of the key's value the query takes; each row sums to 1.",
            _weights, _nothing,
        ),
        Quantity(
            "score", "Score", "head", None, None,
            "Scaled product of query and key, before the softmax.",
            _scores, why_no_scores, signed=True,
        ),
        Quantity(
            "rollout", "Rollout", "layer", 0, 1,
            "Share of an input token in a position after this layer, from weights alone.",
            _rollout, why_no_flow,
        ),
    )
}  # fmt: skip
"""Every quantity by its name."""
