"""How the weight of a row is shared out over the segments of the keys: prompt, turns, chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.measures.known import place_of, stream_of
from attnscope.measures.table import Table
from attnscope.normalised import kept_keys
from attnscope.scores import Layer
from attnscope.stream import Stream
from attnscope.tokens import Segment, Tokens, distinct
from attnscope.trace import Trace

BLOCK = 8_000_000
"""Weights computed at a time."""

Shares = Float[np.ndarray, "query segment"]


def shares(
    trace: Trace,
    *,
    by: Any = "segment",
    queries: Any = None,
    layer: int | None = None,
    head: int | None = None,
    drop: Any = None,
    renormalise: bool = True,
    stream: str | None = None,
) -> Table:
    """The share of a row's weight that each segment of the keys gets.

    Args:
        trace: what to measure.
        by: `segment`: each on its own; `name`: segments of one name together (all turns of the
            user); or runs of keys of your own, `[("question", 0, 9), ("chunk 1", 9, 40)]`, which
            may leave gaps.
        queries: positions of the rows, a slice or a list; None for the rows that made the generated
            tokens, and for all rows where nothing was generated.
        layer: number of a layer; None takes the mean over all layers.
        head: number of a head; None takes the mean over all heads.
        drop: `first` leaves the first key out, on which many heads rest (an attention sink: Xiao
            et al. 2023), `special` the special tokens; or positions of keys to leave out.
        renormalise: divide by what is left, so that the shares sum to 1 again; otherwise what was
            dropped is missing from the sum. Rows of which nothing is left are NaN.
        stream: may be left out where there is only one.

    Returns:
        One row a query: `query` (position), `token` (the token that the row made, where tokens were
        generated; else the query's own), and one column a segment, 0..1. Without `drop` they sum to
        the row's sum: 1, less where a learned sink takes its share.

    Raises:
        InputError: for segments, queries, keys, layers, heads or a stream that are not there.
    """
    found = stream_of(trace, stream)
    names, member = _members(found.key, by)
    rows, tokens = _rows(trace, found, queries)
    kept = kept_keys(found.key, drop, found.name).astype(np.float32)
    layers = found.numbers if layer is None else [layer]
    parts = [_layer_shares(found, n, head, rows, member * kept, kept) for n in layers]
    got, left = (np.mean(kind, axis=0) for kind in zip(*parts, strict=True))
    if drop is not None and renormalise:
        got = np.divide(got, left[:, None], out=np.full_like(got, np.nan), where=left[:, None] > 0)
    columns = {name: got[:, place] for place, name in enumerate(names)}
    numbers = np.array(found.query.numbered)[rows]
    return Table({"query": numbers, "token": np.array(tokens, dtype=str), **columns})


def _members(tokens: Tokens, by: Any) -> tuple[list[str], Float[np.ndarray, "segment key"]]:
    """Names of the groups of keys, and which keys are in each."""
    if by == "segment" or by == "name":
        runs = list(tokens.segments) or [Segment("all", 0, len(tokens))]
    else:
        runs = _runs(by, len(tokens))
    names = [run.name for run in runs] if by == "name" else distinct([run.name for run in runs])
    groups = list(dict.fromkeys(names))
    member = np.zeros((len(groups), len(tokens)), dtype=np.float32)
    for name, run in zip(names, runs, strict=True):
        member[groups.index(name), run.start : run.stop] = 1
    return groups, member


def _runs(by: Any, n: int) -> list[Segment]:
    given = by if isinstance(by, Sequence) and not isinstance(by, str) else None
    runs = []
    for item in given or ():
        try:
            name, start, stop = astuple(item) if isinstance(item, Segment) else item
            runs.append(Segment(str(name), index_of("start", start), index_of("stop", stop)))
        except (TypeError, ValueError):
            given = None
            break
    if not given:
        raise InputError(
            "by must be 'segment', 'name' or runs of keys such as [('question', 0, 9), "
            f"('context', 9, 40)], got {by!r}."
        )
    for run in runs:
        if not 0 <= run.start < run.stop <= n:
            raise InputError(
                f"by: {run.name!r} goes from {run.start} to {run.stop}, which is no run of the "
                f"{n} keys."
            )
    return runs


def _rows(
    trace: Trace, stream: Stream, queries: Any
) -> tuple[Int[np.ndarray, "query"], Sequence[str]]:
    """Positions of the rows, and a token for each."""
    n, made = len(stream.query), trace.generation
    if made is not None and n != len(trace.streams[made.stream].query):
        made = None
    if queries is None:
        rows = np.arange(n) if made is None else made.start + np.arange(len(made))
    elif isinstance(queries, slice):
        rows = np.arange(n)[queries]
    else:
        listed = queries if hasattr(queries, "__iter__") else [queries]
        rows = np.array([_place(stream.query, query) for query in listed], dtype=np.int64)
    wrong = rows[(rows < 0) | (rows >= n)]
    if len(wrong) or not len(rows):
        what = f"query {wrong[0]} is not there" if len(wrong) else "queries= names no row"
        raise InputError(f"{what}: the {stream.name} stream has queries 0 to {n - 1}.")
    texts = stream.query.text
    if made is None:
        return rows, [texts[row] for row in rows]
    return rows, [
        made.tokens.text[row - made.start] if row >= made.start else texts[row + 1] for row in rows
    ]


def _place(tokens: Tokens, query: Any) -> int:
    number = index_of("query", query)
    return place_of(tokens, number) if tokens.numbers else number


def _layer_shares(
    stream: Stream,
    number: int,
    head: int | None,
    rows: Int[np.ndarray, "query"],
    member: Float[np.ndarray, "segment key"],
    kept: Float[np.ndarray, "key"],
) -> tuple[Shares, Float[np.ndarray, "query"]]:
    """Of one layer: what each segment gets, and what all kept keys get; means over heads."""
    layer, places = stream.layer(number), stream.places(number, None if head is None else [head])
    to = np.concatenate([member, kept[None]]).T
    sums = np.concatenate([weights.mean(0) @ to for weights in _blocks(layer, places, rows)])
    return sums[:, :-1], sums[:, -1]


def _blocks(
    layer: Layer, places: Sequence[int], rows: Int[np.ndarray, "query"]
) -> Iterator[Float[np.ndarray, "head query key"]]:
    """Weights of these rows, some at a time."""
    step = max(1, BLOCK // max(1, len(places) * layer.shape[2]))
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    for run in runs:
        for start in range(int(run[0]), int(run[-1]) + 1, step):
            stop = min(start + step, int(run[-1]) + 1)
            yield np.nan_to_num(layer.rows(places, slice(start, stop)))
