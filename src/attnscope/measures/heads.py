"""One number a head: entropy, distance, shares, and the pattern that describes it best.

Every measure is a mean over rows (queries); see `rows`. Rows that cannot have the property (no
earlier copy of the token for `duplicate_token`, say) are left out, so that a perfect head scores 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from attnscope._row_bar import row_bar
from attnscope.errors import InputError
from attnscope.measures.detector import detect_head
from attnscope.measures.difference import why_no_weights
from attnscope.measures.known import known, stream_of
from attnscope.measures.rows import Facts, Measure, Rows, RowValues, lengths_of, means
from attnscope.measures.table import Table
from attnscope.stream import Stream
from attnscope.trace import Trace

PATTERN_FROM = 0.4
BROAD_FROM = 0.8


def entropy(rows: Rows) -> RowValues:
    """-Σ w ln w, in nats: 0 for one key, ln(visible keys) for all alike (Clark et al. 2019)."""
    return rows.entropy


def entropy_share(rows: Rows) -> RowValues:
    """Entropy over its largest possible value, ln(visible keys): 0..1; rows with one key out."""
    most = np.log(np.maximum(rows.visible, 1))
    share = np.full(rows.total.shape, np.nan, np.float32)
    np.divide(entropy(rows), most, out=share, where=(most > 0)[None])
    return share


def distance(rows: Rows) -> RowValues:
    """Σ w |query - key|, in tokens (Vig & Belinkov 2019)."""
    return rows.along(np.abs(rows.query[:, None].astype(np.float32) - rows.key.astype(np.float32)))


def confidence(rows: Rows) -> RowValues:
    """The largest weight of a row, 0..1 (Voita et al. 2019)."""
    largest: RowValues = rows.weights.max(-1)
    return largest


def previous_token(rows: Rows) -> RowValues:
    """Weight on the token before, 0..1."""
    return rows.at(-1)


def next_token(rows: Rows) -> RowValues:
    """Weight on the token after, 0..1."""
    return rows.at(1)


def self_token(rows: Rows) -> RowValues:
    """Weight on the token itself, 0..1."""
    return rows.at(0)


def first_token(rows: Rows) -> RowValues:
    """Weight on the first token, 0..1 (an attention sink: Xiao et al. 2023); its own row is out."""
    return _without_first_row(rows, rows.weights[:, :, 0])


def first_token_norm(rows: Rows) -> RowValues:
    """Share of what is moved that comes from the first token, 0..1; needs values."""
    return _without_first_row(rows, rows.moved_on(rows.key == 0))


def _without_first_row(rows: Rows, values: RowValues) -> RowValues:
    kept: RowValues = np.where(rows.query > 0, values, np.float32(np.nan))
    return kept


def first_four(rows: Rows) -> RowValues:
    """Weight on the first four tokens, 0..1 (StreamingLLM's sinks: Xiao et al. 2023)."""
    return rows.on(rows.key < 4)


def special(rows: Rows) -> RowValues:
    """Weight on special tokens ([CLS], [SEP], ...), 0..1 (Clark et al. 2019)."""
    return rows.on(rows.facts.special)


def special_norm(rows: Rows) -> RowValues:
    """Share of what is moved that comes from special tokens, 0..1; needs values."""
    return rows.moved_on(rows.facts.special)


def delimiter(rows: Rows) -> RowValues:
    """Weight on special tokens after the first token ([SEP], </s>), 0..1 (Clark et al. 2019)."""
    return rows.on(rows.facts.delimiter)


def punctuation(rows: Rows) -> RowValues:
    """Weight on tokens that are punctuation only, 0..1."""
    return rows.on(rows.facts.punctuation)


def duplicate_token(rows: Rows) -> RowValues:
    """Weight on earlier copies of the same token, 0..1 (Wang et al. 2022)."""
    return rows.where(rows.copies)


def induction(rows: Rows) -> RowValues:
    """Weight on the tokens that followed earlier copies of this one, 0..1 (Olsson et al. 2022)."""
    return rows.where(rows.after_copies)


MEASURES: dict[str, Measure] = {
    "entropy": entropy,
    "entropy_share": entropy_share,
    "distance": distance,
    "confidence": confidence,
    "previous_token": previous_token,
    "next_token": next_token,
    "self": self_token,
    "first_token": first_token,
    "first_four": first_four,
    "special": special,
    "delimiter": delimiter,
    "punctuation": punctuation,
    "duplicate_token": duplicate_token,
    "induction": induction,
    "first_token_norm": first_token_norm,
    "special_norm": special_norm,
}
PATTERNS = ("previous_token", "next_token", "self", "duplicate_token", "induction", "first_token")
ON_KEYS = {
    "entropy", "entropy_share", "confidence", "first_four", "special", "delimiter", "punctuation",
    "special_norm",
}  # fmt: skip
"""Measures that need no relation between query and key positions: these work on cross streams."""

OF_VALUES = {"first_token_norm", "special_norm"}
"""Measures of what is moved."""


def measure(
    trace: Trace, name: str, stream: str | None = None, *, convention: str = "rows"
) -> Float[np.ndarray, "layer head"]:
    """One measure for every head of a stream, [layer, head]; NaN where no row has a say.

    Args:
        trace: what to measure.
        name: one of `MEASURES`.
        stream: may be left out where there is only one.
        convention: `rows`: the mean over rows that can have the property, so that a perfect head
            scores 1; `transformer_lens`: the score of its `detect_head`, see `detect_head`.

    Raises:
        InputError: for an unknown name or convention, or one that has no meaning here.
    """
    if convention == "transformer_lens":
        return detect_head(trace, name, stream=stream)
    if convention != "rows":
        raise InputError(f"convention must be 'rows' or 'transformer_lens', got {convention!r}.")
    table = heads(trace, [name], stream=stream)
    return by_layer(stream_of(trace, stream), table[name])


def by_layer(stream: Stream, values: Float[np.ndarray, "row"]) -> Float[np.ndarray, "layer head"]:
    """One value a head, in order, as [layer, head].

    Raises:
        InputError: where layers have different numbers of heads.
    """
    counts = {len(layer.heads) for layer in stream.layers}
    if len(counts) > 1:
        raise InputError(f"layers have different head counts {sorted(counts)}: use heads(trace).")
    return values.reshape(-1, counts.pop())


def heads(
    trace: Trace, measures: Sequence[str] | str | None = None, *, stream: str | None = None
) -> Table:
    """A table with one row a head and one column a measure.

    Args:
        trace: what to measure.
        measures: a name or names from `MEASURES`; None for all that have a meaning here.
        stream: may be left out where there is only one.

    Returns:
        Columns `layer`, `head`, the measures (means over rows, NaN where no row has a say), and,
        when all are asked for, `pattern` with its `score`: the pattern with the largest share if
        that is at least 0.4, else `broad` for an entropy share from 0.8, else `mixed`.

    Raises:
        InputError: for an unknown name, or a measure that has no meaning for this stream.
    """
    found = stream_of(trace, stream)
    if reason := why_no_weights(found):
        raise InputError(reason)
    measures = [measures] if isinstance(measures, str) else measures
    names, facts = _names(measures, found), Facts(found.key)
    wanted = [MEASURES[name] for name in names]
    with row_bar("measures of heads", found.layers) as bar:
        values = [means(layer, facts, wanted, bar) for layer in found.layers]
    stacked = np.concatenate(values, axis=1)
    columns = head_columns(found) | {name: stacked[i] for i, name in enumerate(names)}
    if measures is None and set(PATTERNS) <= set(names):
        columns |= _patterns(columns)
    return Table(columns)


def head_columns(stream: Stream) -> dict[str, np.ndarray]:
    """`layer` and `head` of every head of a stream, in order."""
    return {
        "layer": np.repeat(stream.numbers, [len(layer.heads) for layer in stream.layers]),
        "head": np.concatenate([layer.heads for layer in stream.layers]),
    }


def _names(measures: Sequence[str] | None, stream: Stream) -> list[str]:
    allowed = set(MEASURES) if stream.query is stream.key else ON_KEYS
    lacking = all(lengths_of(layer) is None for layer in stream.layers[:1])
    if measures is None:
        return [n for n in MEASURES if n in allowed and not (lacking and n in OF_VALUES)]
    if not isinstance(measures, Iterable):
        raise InputError(f"measures must be names such as ['entropy'], got {measures!r}.")
    names = list(measures)
    for name in names:
        if known("measure", name, MEASURES) not in allowed:
            different = "whose queries and keys are different tokens"
            if stream.query.numbers:
                different = "of which the capture kept some queries only (queries=)"
            raise InputError(
                f"{name!r} has no meaning for the {stream.name} stream, {different}; there are "
                f"{', '.join(sorted(ON_KEYS))}."
            )
        if lacking and name in OF_VALUES:
            raise InputError(
                f"{name!r} measures what is moved, which needs values: "
                "attnscope.capture(model, tokenizer, text, values=True)."
            )
    return names


def _patterns(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    shares = np.nan_to_num(np.stack([columns[name] for name in PATTERNS]))
    best, score = shares.argmax(0), shares.max(0)
    broad = np.nan_to_num(columns["entropy_share"])
    named = np.where(broad >= BROAD_FROM, "broad", "mixed").astype(object)
    clear = score >= PATTERN_FROM
    named[clear] = np.array(PATTERNS, dtype=object)[best[clear]]
    scores = np.where(clear, score, np.where(broad >= BROAD_FROM, broad, score))
    return {"pattern": named.astype(str), "score": scores}
