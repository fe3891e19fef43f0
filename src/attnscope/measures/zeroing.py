"""Value zeroing: what a layer's output loses when a token's value is taken away."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attnscope.measures.flow import raise_if
from attnscope.measures.known import stream_of
from attnscope.measures.moved import mixing_of
from attnscope.scores import ALL, Layer
from attnscope.stream import Stream
from attnscope.trace import Trace


def value_zeroing(
    trace: Trace, layer: int, *, stream: str | None = None
) -> Float[np.ndarray, "query key"]:
    """Value zeroing (Mohebbi et al. 2023): how far a state turns when a token's value is zero.

    The distance is 1 - cos between the layer's output (feed-forward part included) with and without
    the key's value, in all heads at once; weights stay as they are.

    Args:
        trace: a trace captured with `value_zeroing=True`.
        layer: number of the layer.
        stream: may be left out where there is only one.

    Returns:
        [query, key]: distances divided by their sum over keys; rows sum to 1, or are 0 where
        nothing turns the state.

    Raises:
        InputError: where it was not recorded.
    """
    found = stream_of(trace, stream)
    raise_if(why_not_zeroed(found))
    return zeroed_rows(found.layer(layer), ALL)


def why_not_zeroed(stream: Stream) -> str:
    """What keeps a stream from having value zeroing; "" for nothing."""
    for number, layer in zip(stream.numbers, stream.layers, strict=True):
        mixing = getattr(layer, "mixing", None)
        if mixing is not None and mixing.projection is None and mixing.lacking:
            return f"layer {number} of {stream.name} cannot be measured so: {mixing.lacking}."
        if mixing is None or mixing.zeroed is None:
            return (
                f"this needs runs with values taken away, which layer {number} of {stream.name} "
                "lacks. Make them: attnscope.capture(model, tokenizer, text, value_zeroing=True)."
            )
    return ""


def zeroed_rows(layer: Layer, queries: slice) -> Float[np.ndarray, "query key"]:
    """Distances as shares of their row."""
    distances = mixing_of(layer).zeroed
    assert distances is not None
    rows = distances[queries].astype(np.float64)
    total = rows.sum(-1, keepdims=True)
    shares: np.ndarray = np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)
    return shares
