"""One number a head: entropy, distance, shares, and the pattern that describes it best.

Every measure is a mean over rows (queries), so that it is computed in blocks and never needs all
of a long input's weights at once. Rows that cannot have the property (no earlier copy of the token
for `duplicate_token`, say) are left out, so that a perfect head scores 1.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from attnscope._types import Weights
from attnscope.errors import InputError
from attnscope.measures.known import known
from attnscope.measures.table import Table
from attnscope.scores import ALL, Layer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

BLOCK = 8_000_000
"""Weights computed at a time."""

PATTERN_FROM = 0.4
BROAD_FROM = 0.8


@dataclass(frozen=True, eq=False)
class Rows:
    """Some rows of one layer, and what is known about them.

    Attributes:
        weights: [head, query, key].
        query: positions of these rows.
        visible: how many keys each row may see.
        tokens: tokens of the stream, the same on both sides.
    """

    weights: Weights
    query: Int[np.ndarray, "query"]
    visible: Int[np.ndarray, "query"]
    tokens: Tokens

    @property
    def key(self) -> Int[np.ndarray, "key"]:
        """Positions of the keys."""
        return np.arange(self.weights.shape[2])


RowValues = Float[np.ndarray, "head query"]


def entropy(rows: Rows) -> RowValues:
    """-Σ w ln w, in nats: 0 for one key, ln(visible keys) for all alike (Clark et al. 2019)."""
    w = rows.weights
    logs = np.log(w, where=w > 0, out=np.zeros_like(w))
    return _each(-(w * logs).sum(-1))


def entropy_share(rows: Rows) -> RowValues:
    """Entropy over its largest possible value, ln(visible keys): 0..1; rows with one key out."""
    most = np.log(np.maximum(rows.visible, 1))
    share = np.full(rows.weights.shape[:2], np.nan, np.float32)
    np.divide(entropy(rows), most, out=share, where=(most > 0)[None])
    return share


def distance(rows: Rows) -> RowValues:
    """Σ w |query - key|, in tokens (Vig & Belinkov 2019)."""
    return _each((rows.weights * np.abs(rows.query[:, None] - rows.key)).sum(-1))


def confidence(rows: Rows) -> RowValues:
    """The largest weight of a row, 0..1 (Voita et al. 2019)."""
    return _each(rows.weights.max(-1))


def _each(values: Any) -> RowValues:
    """NumPy's reductions, as the arrays that they are here."""
    return np.asarray(values)


def _share(rows: Rows, wanted: Bool[np.ndarray, "query key"]) -> RowValues:
    """Weight on the wanted keys; NaN for rows that have none."""
    share = _each(np.einsum("hqk,qk->hq", rows.weights, wanted.astype(np.float32)))
    share[:, ~wanted.any(-1)] = np.nan
    return share


def previous_token(rows: Rows) -> RowValues:
    """Weight on the token before, 0..1."""
    return _share(rows, rows.key == rows.query[:, None] - 1)


def next_token(rows: Rows) -> RowValues:
    """Weight on the token after, 0..1."""
    return _share(rows, rows.key == rows.query[:, None] + 1)


def self_token(rows: Rows) -> RowValues:
    """Weight on the token itself, 0..1."""
    return _share(rows, rows.key == rows.query[:, None])


def first_token(rows: Rows) -> RowValues:
    """Weight on the first token, 0..1 (an attention sink: Xiao et al. 2023); its own row is out."""
    return _share(rows, (rows.key == 0) & (rows.query[:, None] > 0))


def special(rows: Rows) -> RowValues:
    """Weight on special tokens ([CLS], [SEP], ...), 0..1 (Clark et al. 2019)."""
    return _share(rows, np.broadcast_to(rows.tokens.special, rows.weights.shape[1:]))


def punctuation(rows: Rows) -> RowValues:
    """Weight on tokens that are punctuation only, 0..1."""
    marks = [bool(text) and all(c in string.punctuation for c in text) for text in rows.tokens.text]
    wanted = np.array(marks) & ~rows.tokens.special
    return _share(rows, np.broadcast_to(wanted, rows.weights.shape[1:]))


def duplicate_token(rows: Rows) -> RowValues:
    """Weight on earlier copies of the same token, 0..1 (Wang et al. 2022)."""
    return _share(rows, _copies(rows))


def induction(rows: Rows) -> RowValues:
    """Weight on the tokens that followed earlier copies of this one, 0..1 (Olsson et al. 2022)."""
    after = np.roll(_copies(rows), 1, axis=1)
    after[:, 0] = False
    return _share(rows, after)


def _copies(rows: Rows) -> Bool[np.ndarray, "query key"]:
    tokens = rows.tokens
    names = np.array(tokens.raw) if tokens.ids is None else tokens.ids
    earlier = rows.key < rows.query[:, None]
    copies: Bool[np.ndarray, "query key"] = (names[rows.query][:, None] == names) & earlier
    return copies


Measure = Callable[[Rows], RowValues]
MEASURES: dict[str, Measure] = {
    "entropy": entropy,
    "entropy_share": entropy_share,
    "distance": distance,
    "confidence": confidence,
    "previous_token": previous_token,
    "next_token": next_token,
    "self": self_token,
    "first_token": first_token,
    "special": special,
    "punctuation": punctuation,
    "duplicate_token": duplicate_token,
    "induction": induction,
}
PATTERNS = ("previous_token", "next_token", "self", "duplicate_token", "induction", "first_token")
ON_ONE_SIDE = {"entropy", "entropy_share", "confidence"}
"""Measures that need no relation between query and key positions: these work on cross streams."""


def measure(trace: Trace, name: str, stream: str | None = None) -> Float[np.ndarray, "layer head"]:
    """One measure for every head of a stream, [layer, head]; NaN where no row has a say.

    Raises:
        InputError: for an unknown name, or one that has no meaning for this stream.
    """
    table = heads(trace, [name], stream=stream)
    counts = {len(layer.heads) for layer in trace.stream(stream).layers}
    if len(counts) > 1:
        raise InputError(f"layers have different head counts {sorted(counts)}: use heads(trace).")
    return table[name].reshape(-1, counts.pop())


def heads(
    trace: Trace, measures: Sequence[str] | None = None, *, stream: str | None = None
) -> Table:
    """A table with one row a head and one column a measure.

    Args:
        trace: what to measure.
        measures: names from `MEASURES`; None for all that have a meaning here.
        stream: may be left out where there is only one.

    Returns:
        Columns `layer`, `head`, the measures (means over rows, NaN where no row has a say), and,
        when all are asked for, `pattern` with its `score`: the pattern with the largest share if
        that is at least 0.4, else `broad` for an entropy share from 0.8, else `mixed`.
    """
    found = trace.stream(stream)
    names = _names(measures, found)
    values = [_layer_values(found, layer, names) for layer in found.layers]
    columns: dict[str, np.ndarray] = {
        "layer": np.repeat(found.numbers, [len(layer.heads) for layer in found.layers]),
        "head": np.concatenate([layer.heads for layer in found.layers]),
    }
    stacked = np.concatenate(values, axis=1)
    columns |= {name: stacked[place] for place, name in enumerate(names)}
    if measures is None and set(PATTERNS) <= set(names):
        columns |= _patterns(columns)
    return Table(columns)


def _names(measures: Sequence[str] | None, stream: Stream) -> list[str]:
    allowed = set(MEASURES) if stream.query is stream.key else ON_ONE_SIDE
    if measures is None:
        return [name for name in MEASURES if name in allowed]
    for name in measures:
        if known("measure", name, MEASURES) not in allowed:
            raise InputError(
                f"{name!r} has no meaning for the {stream.name} stream, whose queries and keys are "
                f"different tokens; there are {', '.join(sorted(ON_ONE_SIDE))}."
            )
    return list(measures)


def _layer_values(
    stream: Stream, layer: Layer, names: Sequence[str]
) -> Float[np.ndarray, "measure head"]:
    sums = np.zeros((len(names), len(layer.heads)))
    counts = np.zeros_like(sums)
    for rows in _blocks(stream, layer):
        live = rows.weights.sum(-1) > 0
        for place, name in enumerate(names):
            values = np.where(live, MEASURES[name](rows), np.nan)
            sums[place] += np.nansum(values, axis=-1, dtype=np.float64)
            counts[place] += np.isfinite(values).sum(-1)
    with np.errstate(invalid="ignore"):
        return sums / counts


def _blocks(stream: Stream, layer: Layer) -> Iterator[Rows]:
    n_heads, n_query, n_key = layer.shape
    step = max(1, BLOCK // max(1, n_heads * n_key))
    for start in range(0, n_query, step):
        query = np.arange(start, min(start + step, n_query))
        weights = np.nan_to_num(layer.rows(ALL, slice(start, start + step)))
        yield Rows(weights, query, layer.visible_keys(query), stream.key)


def _patterns(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    shares = np.nan_to_num(np.stack([columns[name] for name in PATTERNS]))
    best, score = shares.argmax(0), shares.max(0)
    broad = np.nan_to_num(columns["entropy_share"])
    named = np.where(broad >= BROAD_FROM, "broad", "mixed").astype(object)
    clear = score >= PATTERN_FROM
    named[clear] = np.array(PATTERNS, dtype=object)[best[clear]]
    scores = np.where(clear, score, np.where(broad >= BROAD_FROM, broad, score))
    return {"pattern": named.astype(str), "score": scores}
