"""Head scores as TransformerLens computes them, for comparison with published ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from attnscope.errors import InputError
from attnscope.measures.flow import raise_if
from attnscope.measures.known import known, stream_of
from attnscope.measures.rows import Facts, Rows, blocks
from attnscope.scores import Layer
from attnscope.stream import Stream
from attnscope.trace import Trace

DETECTED = ("previous_token", "duplicate_token", "induction")
ERROR_MEASURES = ("mul", "abs")


def detect_head(
    trace: Trace,
    pattern: str,
    *,
    error_measure: str = "mul",
    exclude_bos: bool = False,
    exclude_current_token: bool = False,
    stream: str | None = None,
) -> Float[np.ndarray, "layer head"]:
    """TransformerLens' `detect_head` (4.3): how well each head fits a pattern, all rows counted.

    Against `measures.measure`, whose perfect head scores 1, rows that cannot show the pattern count
    too: a perfect induction head reaches about half of that on a text that is repeated once.

    Args:
        trace: what to measure; the stream must have the same tokens on both sides.
        pattern: `previous_token`, `duplicate_token` or `induction`.
        error_measure: `mul`: the share of all weight that is on the pattern, 0..1; `abs`: 1 less
            the mean over rows of Σ |w - pattern|, rounded to three places, -1..1.
        exclude_bos: leave out the weight on the first token.
        exclude_current_token: leave out the weight of tokens on themselves.
        stream: may be left out where there is only one.

    Returns:
        [layer, head].

    Raises:
        InputError: for an unknown pattern or error measure, or a cross stream.
    """
    known("pattern", pattern, DETECTED)
    if error_measure not in ERROR_MEASURES:
        raise InputError(f"error_measure must be 'mul' or 'abs', got {error_measure!r}.")
    found = stream_of(trace, stream)
    raise_if(_why_not(found))
    facts, excluded = Facts(found.key), (exclude_bos, exclude_current_token)
    scores = [_score(layer, facts, pattern, error_measure, excluded) for layer in found.layers]
    return np.array(scores)


def _why_not(stream: Stream) -> str:
    if stream.query is stream.key:
        return ""
    return f"head patterns need the same tokens on both sides; {stream.name} has not."


def _score(
    layer: Layer, facts: Facts, pattern: str, error_measure: str, excluded: tuple[bool, bool]
) -> Float[np.ndarray, "head"]:
    """Σ over rows, block by block."""
    fitting, whole = np.zeros(len(layer.heads)), np.zeros(len(layer.heads))
    for rows in blocks(layer, facts):
        wanted = _wanted(rows, pattern)
        if error_measure == "mul":
            kept = _without(rows, rows.weights, excluded)
            fitting += (kept * wanted).sum((1, 2), dtype=np.float64)
            whole += kept.sum((1, 2), dtype=np.float64)
        else:
            gaps = _without(rows, np.abs(rows.weights - wanted), excluded)
            whole += gaps.sum((1, 2), dtype=np.float64)
    if error_measure == "mul":
        return fitting / whole
    return np.asarray(1 - np.round(whole / layer.shape[1], 3))


def _wanted(rows: Rows, pattern: str) -> Float[np.ndarray, "query key"]:
    if pattern == "previous_token":
        wanted = rows.key == rows.query[:, None] - 1
    else:
        wanted = rows.copies if pattern == "duplicate_token" else rows.after_copies
    return np.asarray(wanted.astype(np.float32))


def _without(
    rows: Rows, numbers: Float[np.ndarray, "head query key"], excluded: tuple[bool, bool]
) -> Float[np.ndarray, "head query key"]:
    bos, current = excluded
    if bos or current:
        hidden = (rows.key == 0) & bos | ((rows.key == rows.query[:, None]) & current)
        return np.asarray(np.where(hidden, np.float32(0), numbers))
    return numbers
