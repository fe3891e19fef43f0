"""What can be shown of a pair of tokens: weight, score, rollout, ... one registry for all views.

    stream = measures.quantity(trace, "rollout")        # a Stream, like those of the trace
    stream.layer(3).rows()                              # [head, query, key]

A quantity takes the form of a stream of attention, so that whatever shows weights can show it; it
is computed when somebody looks. `QUANTITIES` says what each is called and which range it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from attnscope.computed import Cells, Derived
from attnscope.errors import InputError
from attnscope.measures.difference import Difference, why_no_weights
from attnscope.measures.flow import NO_SCIPY, Chain, flow_rows, has_scipy, mixed, why_no_flow
from attnscope.measures.gradients import gradient_times_weight, relevancy_step, why_no_gradient
from attnscope.measures.known import known, stream_of
from attnscope.measures.moved import (
    contributions_of,
    head_norms,
    layer_norms,
    why_no_contributions,
    why_not_moved,
)
from attnscope.measures.zeroing import why_not_zeroed, zeroed_rows
from attnscope.scores import Layer, QKLayer
from attnscope.stream import Stream
from attnscope.trace import Trace

FLOW_UP_TO = 64
"""Tokens up to which flow can be shown for all pairs: some seconds for all layers."""


@dataclass(frozen=True)
class Quantity:
    """Something that can be shown of every pair of tokens.

    Attributes:
        name: as code names it.
        label: as people read it.
        per: `head`, or `layer` for one number a layer (the stream's layers have one "head", 0).
        low, high: the range; None where the data decide.
        needs: the argument of `attnscope.capture` that records what it takes, True; "" for none.
        across: whether a layer's numbers are of everything up to it, so that the last has it all.
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
    needs: Literal["", "values", "gradient", "value_zeroing"] = ""
    across: bool = False


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
    found = stream_of(trace, stream)
    reason = wanted.why_not(found)
    if reason:
        raise InputError(reason)
    return replace(found, layers=wanted.layers(found), witnesses=())


def quantities_of(trace: Trace, stream: str | None = None) -> list[str]:
    """The names of the quantities that this stream can show, in the order of `QUANTITIES`."""
    found = stream_of(trace, stream)
    return [name for name, quantity in QUANTITIES.items() if not quantity.why_not(found)]


def _weights(stream: Stream) -> tuple[Layer, ...]:
    return stream.layers


def why_no_difference(stream: Stream) -> str:
    """Differences come from comparisons."""
    if all(isinstance(layer, Difference) for layer in stream.layers):
        return ""
    return "a difference needs two traces: attnscope.compare(a, b)."


def _of_both(place: int) -> Callable[[Stream], tuple[Layer, ...]]:
    """The weights of the first (0) or second (1) of two traces compared, on their merged tokens."""

    def side(layer: Difference) -> Derived:
        return Derived(layer, layer.heads, lambda heads, queries: layer.both(heads, queries)[place])

    return lambda stream: tuple(side(one) for one in stream.layers if isinstance(one, Difference))


def _scores(stream: Stream) -> tuple[Layer, ...]:
    return tuple(_score_layer(layer) for layer in stream.layers if isinstance(layer, QKLayer))


def _score_layer(layer: QKLayer) -> Derived:
    def cells(places: Sequence[int], queries: slice) -> np.ndarray:
        scores = layer.scores(places, queries)
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


def _norms(stream: Stream) -> tuple[Layer, ...]:
    return tuple(Derived(layer, layer.heads, partial(head_norms, layer)) for layer in stream.layers)


def _norms_together(stream: Stream) -> tuple[Layer, ...]:
    return tuple(
        Derived(layer, (0,), _as_one_head(partial(layer_norms, layer))) for layer in stream.layers
    )


def _gradients(stream: Stream) -> tuple[Layer, ...]:
    return tuple(
        Derived(layer, layer.heads, partial(gradient_times_weight, layer))
        for layer in stream.layers
    )


def _zeroed(stream: Stream) -> tuple[Layer, ...]:
    return tuple(
        Derived(layer, (0,), _as_one_head(partial(zeroed_rows, layer))) for layer in stream.layers
    )


def _chained(
    step: Callable[[Layer], np.ndarray], sums_to_one: bool = True
) -> Callable[[Stream], tuple[Layer, ...]]:
    """What has come from each token after each layer: the product of one matrix a layer."""

    def layers(stream: Stream) -> tuple[Layer, ...]:
        chain = Chain(stream.layers, step)
        return tuple(
            Derived(layer, (0,), _as_one_head(partial(_rows_after, chain, place)), sums_to_one)
            for place, layer in enumerate(stream.layers)
        )

    return layers


def _flows(stream: Stream) -> tuple[Layer, ...]:
    return tuple(
        Derived(layer, (0,), _as_one_head(partial(_flow_rows, stream, place)), True)
        for place, layer in enumerate(stream.layers)
    )


def _flow_rows(stream: Stream, place: int, queries: slice) -> np.ndarray:
    steps = [mixed(layer) for layer in stream.layers[: place + 1]]
    return flow_rows(steps, range(*queries.indices(len(stream.query))))


def _why_no_flow_view(stream: Stream) -> str:
    reason = why_no_flow(stream, "flow") or ("" if has_scipy() else NO_SCIPY)
    if not reason and len(stream.query) > FLOW_UP_TO:
        return (
            f"flow solves a problem for every pair of tokens, and {len(stream.query)} tokens are "
            f"more than {FLOW_UP_TO}: take one row, measures.flow(trace, query=...), or rollout."
        )
    return reason


def _rows_after(chain: Chain, place: int, queries: slice) -> np.ndarray:
    return chain.after(place)[queries]


def _contributions(stream: Stream) -> tuple[Layer, ...]:
    return tuple(
        Derived(
            layer,
            (0,),
            _as_one_head(partial(_rows_after, Chain([layer], contributions_of), 0)),
            True,
        )
        for layer in stream.layers
    )


def _as_one_head(rows: Callable[[slice], np.ndarray]) -> Cells:
    return lambda places, queries: rows(queries)[None][list(places)]


QUANTITIES: dict[str, Quantity] = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            "weight", "Weight", "head", 0, 1,
            "How much of the key's value the query takes; each row sums to 1.",
            _weights, why_no_weights,
        ),
        Quantity(
            "difference", "Difference", "head", -1, 1,
            "Weight in the second trace less that in the first; missing where one lacks a token.",
            _weights, why_no_difference, signed=True,
        ),
        Quantity(
            "before", "First", "head", 0, 1,
            "Weight in the first of the two traces.",
            _of_both(0), why_no_difference,
        ),
        Quantity(
            "after", "Second", "head", 0, 1,
            "Weight in the second of the two traces.",
            _of_both(1), why_no_difference,
        ),
        Quantity(
            "score", "Score", "head", None, None,
            "Scaled product of query and key, before the softmax.",
            _scores, why_no_scores, signed=True,
        ),
        Quantity(
            "norm", "Norm-weighted", "head", 0, None,
            "Length of the vector that the head moves from key to query.",
            _norms, why_not_moved, needs="values",
        ),
        Quantity(
            "norm_together", "Norm-weighted, all heads", "layer", 0, None,
            "Length of the vector that all heads together move from key to query.",
            _norms_together, why_not_moved, needs="values",
        ),
        Quantity(
            "contribution", "Contribution", "layer", 0, 1,
            "Share of the token in the attention block's output, residual included.",
            _contributions, why_no_contributions, needs="values",
        ),
        Quantity(
            "value_zeroing", "Value zeroing", "layer", 0, 1,
            "How far the layer's output turns without the token's value, as a share.",
            _zeroed, why_not_zeroed, needs="value_zeroing",
        ),
        Quantity(
            "rollout", "Rollout", "layer", 0, 1,
            "Share of an input token in a position after this layer, from weights alone.",
            _chained(mixed), lambda stream: why_no_flow(stream, "rollout"), across=True,
        ),
        Quantity(
            "flow", "Flow", "layer", 0, 1,
            "Share of an input token in a position after this layer, as the largest flow.",
            _flows, _why_no_flow_view, across=True,
        ),
        Quantity(
            "alti", "ALTI", "layer", 0, 1,
            "Share of an input token in a position after this layer, from what was moved.",
            _chained(contributions_of),
            lambda stream: why_no_contributions(stream) or why_no_flow(stream, "ALTI"),
            needs="values", across=True,
        ),
        Quantity(
            "gradient", "Gradient × attention", "head", None, None,
            "What the objective would lose without this weight, to first order.",
            _gradients, why_no_gradient, signed=True, needs="gradient",
        ),
        Quantity(
            "relevancy", "Relevancy", "layer", 0, None,
            "Gradient × attention followed from the input to this layer.",
            _chained(relevancy_step, False),
            lambda stream: why_no_gradient(stream) or why_no_flow(stream, "relevancy"),
            needs="gradient", across=True,
        ),
    )
}  # fmt: skip
"""Every quantity by its name."""
