"""A part of a long input: the weights between some queries and some keys, and what lies beyond.

Views of lines and of running text show tokens one by one, so of a long input they show some at a
time. Rows are computed whole, block by block, because what a query gives to keys that are not shown
must not vanish: it is summed up, before and after them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float

from attnscope._row_bar import is_much
from attnscope.errors import InputError
from attnscope.measures.together import fused
from attnscope.scores import Layer, QKLayer
from attnscope.stopping import check_wanted
from attnscope.stream import Stream
from attnscope.wire.spec import LayerSpec, Request
from attnscope.wire.tiles import MOST_BLOCKS, places_of, range_of

LONG, SHORT = 2048, 512
"""Tokens of a side above which a part is shown in any case, and up to which all always are."""
MOST_NUMBERS = 2**24
"""Numbers of one reply: 64 MB before they are packed."""
BLOCK = 2**23
"""Weights computed at a time."""


def is_windowed(stream: Stream, numbers: Iterable[int]) -> bool:
    """Whether the tokens of a stream are too many to show all weights of these layers."""
    longest = max(len(stream.query), len(stream.key))
    layers = [stream.layer(number) for number in numbers]
    return longest > LONG or (longest > SHORT and is_much(layers))


def part_arrays(stream: Stream, row: LayerSpec, request: Request) -> dict[str, np.ndarray]:
    """`value` [head, query, key]; `before` and `after` [head, query], sums over the other keys.

    Weights that are hidden are 0, those that are missing not a number, and left out of sums. With
    `over` the heads are put together, and are one.

    Raises:
        InputError: for a request that does not fit (requests come from pages: untrusted).
    """
    queries = range_of(request, "query", len(stream.query), MOST_BLOCKS)
    keys = range_of(request, "key", len(stream.key), len(stream.key))
    places = _places(stream, row, request)
    layer, over = stream.layer(row["layer"]), request.get("over")
    numbers = (1 if over else len(places)) * len(queries) * len(keys)
    if numbers > MOST_NUMBERS:
        raise InputError(
            f"the page asked for {numbers:,} weights at once: expected at most {MOST_NUMBERS:,}."
        )
    hidden = stream.key.special if request.get("hide") is True else None
    step = max(1, BLOCK // (len(places) * len(stream.key)))
    blocks = [
        _block(layer, places, slice(start, min(start + step, queries.stop)), keys, over, hidden)
        for start in range(queries.start, queries.stop, step)
    ]
    names = ("value", "before", "after")
    return {
        name: np.concatenate(parts, axis=1).astype(np.float32)
        for name, parts in zip(names, zip(*blocks, strict=True), strict=True)
    }


def _places(stream: Stream, row: LayerSpec, request: Request) -> list[int]:
    if "head" in request or "over" in request:
        return places_of(stream, row, request)
    return stream.places(row["layer"], row["heads"])


def _block(
    layer: Layer,
    places: list[int],
    queries: slice,
    keys: range,
    over: str | None,
    hidden: Bool[np.ndarray, "key"] | None,
) -> tuple[np.ndarray, ...]:
    """(value, before, after) of some rows."""
    check_wanted()
    rows, start = _rows(layer, places, queries)
    together = over == "mean" and isinstance(layer, QKLayer)
    if over is not None and not together:
        rows = fused(rows, over)[None]
    stop = start + rows.shape[2]
    value = np.zeros((len(rows), rows.shape[1], len(keys)), np.float32)
    seen = slice(max(keys.start, start), max(min(keys.stop, stop), keys.start, start))
    here = slice(seen.start - start, seen.stop - start)
    value[:, :, seen.start - keys.start : seen.stop - keys.start] = rows[:, :, here]
    if hidden is not None:
        rows[:, :, hidden[start:stop]] = 0
    first, last = (min(max(end - start, 0), stop - start) for end in (keys.start, keys.stop))
    found = value, _sums(rows[:, :, :first]), _sums(rows[:, :, last:])
    return tuple(each.mean(0)[None] for each in found) if together else found


def _sums(rows: Float[np.ndarray, "head query key"]) -> Float[np.ndarray, "head query"]:
    """Of what is there of each row."""
    sums: Float[np.ndarray, "head query"] = rows.sum(2)
    return np.nansum(rows, 2) if np.isnan(sums).any() else sums


def _rows(
    layer: Layer, places: list[int], queries: slice
) -> tuple[Float[np.ndarray, "head query key"], int]:
    """Weights of these rows, as far as they reach, and the key that they start with."""
    if not isinstance(layer, QKLayer):
        return layer.rows(places, queries), 0
    keys = layer.reach(queries)
    return layer.rows(places, queries, keys), keys.start
