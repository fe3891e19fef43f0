"""Measures over several texts: attention sinks, and how much a head minds the text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from attnscope._numbers import index_of, is_number
from attnscope.errors import InputError
from attnscope.measures.heads import by_layer
from attnscope.measures.known import stream_of
from attnscope.stream import Stream
from attnscope.trace import Trace


def sink(
    trace: Trace, position: int = 0, *, stream: str | None = None
) -> Float[np.ndarray, "layer head"]:
    """Importance of a position as an attention sink (Gu et al. 2025): its mean weight.

    Args:
        trace: what to measure; the stream must have the same tokens on both sides.
        position: the token, 0 for the first.
        stream: may be left out where there is only one.

    Returns:
        [layer, head], 0..1: the mean over all queries from the position itself on.

    Raises:
        InputError: for a cross stream or a position that is not there.
    """
    found = stream_of(trace, stream)
    place = index_of("position", position)
    if found.query is not found.key:
        raise InputError(
            f"sinks need the same tokens on both sides; {found.name} has not: for the share of "
            "its first keys, trace.heads(['first_four'])."
        )
    if not 0 <= place < len(found.key):
        raise InputError(
            f"position {place} is not there: tokens go from 0 to {len(found.key) - 1}."
        )
    column = [_column_mean(found, number, place) for number in found.numbers]
    return by_layer(found, np.concatenate(column))


def _column_mean(stream: Stream, number: int, place: int) -> Float[np.ndarray, "head"]:
    layer = stream.layer(number)
    n_query, step = layer.shape[1], max(1, 4_000_000 // max(1, layer.shape[0] * layer.shape[2]))
    total = np.zeros(layer.shape[0])
    for start in range(place, n_query, step):
        rows = layer.rows(slice(None), slice(start, start + step))
        total += np.nansum(rows[:, :, place], axis=1, dtype=np.float64)
    return total / (n_query - place)


def sink_rate(
    traces: Trace | Sequence[Trace],
    position: int = 0,
    *,
    threshold: float = 0.3,
    stream: str | None = None,
) -> float:
    """Sink rate (Gu et al. 2025): the share of heads, over texts, with `sink` above a threshold.

    The paper gives it in percent, for texts of 64 tokens: it depends on the length.

    Args:
        traces: one trace or several.
        position: the token, 0 for the first.
        threshold: ε, 0..1.
        stream: may be left out where there is only one.

    Returns:
        0..1.

    Raises:
        InputError: as `sink`, or where there is no trace.
    """
    if not is_number(threshold) or not 0 <= threshold <= 1:
        raise InputError(f"threshold must be a number from 0 to 1, got {threshold!r}.")
    listed = listed_traces(traces, 1, "sink_rate")
    return float(np.mean([sink(trace, position, stream=stream) > threshold for trace in listed]))


def variability(
    traces: Sequence[Trace], tokens: int = 10, *, stream: str | None = None
) -> Float[np.ndarray, "layer head"]:
    """Attention variability (Vig & Belinkov 2019): how much a head's weights depend on the text.

    Σ |w - mean of w over texts| / (2 Σ w) over the first tokens of each text: 0 for a head that
    minds positions only, towards 1 for one that never repeats itself.

    Args:
        traces: several texts through the same model.
        tokens: how many tokens of each text; the paper takes 10.
        stream: may be left out where there is only one.

    Returns:
        [layer, head], 0..1.

    Raises:
        InputError: for fewer than two traces, texts that are too short, or different models.
    """
    listed, length = listed_traces(traces, 2, "variability"), index_of("tokens", tokens)
    streams = [stream_of(trace, stream) for trace in listed]
    shapes = {tuple(layer.heads for layer in found.layers) for found in streams}
    if len(shapes) > 1:
        raise InputError("variability needs traces with the same layers and heads.")
    shortest = min(min(len(found.query), len(found.key)) for found in streams)
    if not 1 <= length <= shortest:
        raise InputError(
            f"variability over {length} tokens needs texts of so many; the shortest has {shortest}:"
            " pass tokens=."
        )
    spread = [_spread(streams, place, length) for place in range(len(streams[0].layers))]
    return by_layer(streams[0], np.concatenate(spread))


def _spread(streams: Sequence[Stream], place: int, length: int) -> Float[np.ndarray, "head"]:
    corner = slice(0, length)
    weights = np.stack(
        [
            np.nan_to_num(found.layers[place].rows(slice(None), corner)[:, :, corner])
            for found in streams
        ]
    ).astype(np.float64)
    gaps = np.abs(weights - weights.mean(0)).sum((0, 2, 3))
    spread: Float[np.ndarray, "head"] = gaps / (2 * weights.sum((0, 2, 3)))
    return spread


def listed_traces(traces: Trace | Sequence[Trace], least: int, what: str) -> list[Trace]:
    """Traces as a list.

    Raises:
        InputError: for fewer than that, or something that is no trace.
    """
    listed = list(traces) if isinstance(traces, Iterable) else [traces]
    for one in listed:
        if not isinstance(one, Trace):
            raise InputError(f"{what} takes traces, got {type(one).__name__}.")
    if len(listed) < least:
        raise InputError(f"{what} needs at least {least} trace(s), got {len(listed)}.")
    return listed
