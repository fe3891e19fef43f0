"""Retrieval heads: those that look at the place that a generated token is copied from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.generation import Generation
from attnscope.measures.heads import by_layer
from attnscope.measures.known import stream_of
from attnscope.scores import Layer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace


def retrieval(
    trace: Trace, needle: tuple[int, int], *, stream: str | None = None
) -> Float[np.ndarray, "layer head"]:
    """Retrieval score (Wu et al. 2025): the share of a needle that a head has copied from.

    A token of the needle counts where a generated token is the same, and the head's largest weight,
    in the row that made that token, was on it. For a stable score, average over many needles and
    depths, as the paper does.

    Args:
        trace: of `attnscope.generate`: a model that was asked for something that stands in its
            prompt.
        needle: where that stands: first position and one past the last.
        stream: `self`, or `cross` for a needle in the source; may be left out where there is one.

    Returns:
        [layer, head], 0..1.

    Raises:
        InputError: for a trace without generated tokens, or a needle that is not in the prompt.
    """
    made = trace.generation
    if made is None:
        raise InputError(
            "retrieval follows generated tokens, and this trace has none: "
            "attnscope.generate(model, tokenizer, prompt)."
        )
    found = stream_of(trace, stream)
    if found.name not in (made.stream, "cross"):
        raise InputError(
            f"retrieval needs the stream whose tokens were generated, {made.stream!r}, or 'cross'; "
            f"got {found.name!r}."
        )
    start, stop = _needle(found, made, needle)
    same = same_tokens(found.key, made.tokens)[:, start:stop]
    scores = [_copied(layer, made, same, start) for layer in found.layers]
    return by_layer(found, np.concatenate(scores))


def _needle(stream: Stream, made: Generation, needle: Sequence[int]) -> tuple[int, int]:
    try:
        start, stop = (index_of("needle", place) for place in needle)
    except (TypeError, ValueError):
        raise InputError(
            f"needle must be (first position, one past the last), got {needle!r}."
        ) from None
    end = len(stream.key) if stream.name == "cross" else made.start + 1
    if not 0 <= start < stop <= end:
        raise InputError(
            f"needle {start} to {stop} is not in the prompt, whose tokens go from 0 to {end - 1}."
        )
    return start, stop


def same_tokens(key: Tokens, made: Tokens) -> Bool[np.ndarray, "made key"]:
    """Where a generated token is the same as a key."""
    if key.ids is not None and made.ids is not None:
        return np.asarray(made.ids[:, None] == key.ids)
    return np.asarray(np.array(made.raw)[:, None] == np.array(key.raw))


def _copied(
    layer: Layer, made: Generation, same: Bool[np.ndarray, "made needle"], start: int
) -> Float[np.ndarray, "head"]:
    """Share of the needle that each head's largest weights were on when it was copied."""
    seen = np.zeros((layer.shape[0], same.shape[1]), dtype=bool)
    for step in range(len(made)):
        row = made.start + step
        best = np.nan_to_num(layer.rows(slice(None), slice(row, row + 1)))[:, 0].argmax(-1) - start
        inside = np.flatnonzero((best >= 0) & (best < same.shape[1]))
        seen[inside, best[inside]] |= same[step, best[inside]]
    return np.asarray(seen.mean(-1))
