"""Tiles: the numbers of one head, or of a layer's heads put together, as a screen shows them.

A page that is connected to Python asks for a range of queries × a range of keys in blocks of
`step` × `step` cells, and gets for each block its mean and its maximum. Where a block is one cell
the number is exact (float32); pooled numbers travel as float16, at most 0.05 % off. That costs
twice the bytes of a logarithmic uint8, which is up to 2.8 % off over six decades: two steps of a
256-step colour map, and of no use for signed numbers.

Not a number means missing, minus infinity hidden by the mask: a hidden cell is not a zero.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Iterable
from weakref import WeakKeyDictionary

import numpy as np

from attnscope.computed import Derived
from attnscope.errors import InputError
from attnscope.measures import quantity
from attnscope.measures.together import fused
from attnscope.overview import BLOCK, known_of
from attnscope.pooling import Canvas, Pixels
from attnscope.scores import Layer, QKLayer, vectors_of
from attnscope.stream import Stream
from attnscope.tiles import Over, tile
from attnscope.trace import Trace
from attnscope.wire.preview import preview, too_much
from attnscope.wire.spec import LayerSpec, Request, StreamSpec
from attnscope.words import stream_over_words

MOST_BLOCKS = 512
"""Blocks a side that one request may ask for."""

ROWS = 64
"""Queries whose cells are put together at a time."""

_MADE: WeakKeyDictionary[Trace, dict[tuple[str, str, bool], Stream]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def stream_of(trace: Trace, shown: StreamSpec, request: Request) -> Stream:
    """The stream that holds what is asked for: weights, between words, or another quantity.

    Raises:
        InputError: for a quantity, or words, that the view does not show.
    """
    name, words = request.get("quantity", "weight"), request.get("words", False)
    if name == "weight" and words is False:
        return trace.streams[shown["name"]]
    if words and (words is not True or "words" not in shown or name != "weight"):
        raise InputError("the page asked for words, which this view does not show.")
    if name not in [quantity["name"] for quantity in shown.get("quantities", [])]:
        raise InputError(
            f"the page asked for the quantity {name!r}, which this view does not show."
        )
    with _LOCK:
        known = _MADE.setdefault(trace, {})
        if (shown["name"], name, words) not in known:
            stream = trace.streams[shown["name"]]
            made = stream_over_words(stream) if words else quantity(trace, name, stream.name)
            known[shown["name"], name, words] = made
        return known[shown["name"], name, words]


def quantity_arrays(stream: Stream, row: LayerSpec) -> dict[str, np.ndarray]:
    """`value` [head, query, key], float16, of the heads shown, or of the layer as a whole."""
    layer = stream.layer(row["layer"])
    places = stream.places(row["layer"], _own(layer, row))
    made = tile(layer, places)
    cells = [_told_apart(layer, head, made.queries, made.keys, 1) for head in made.mean]
    return {"value": np.stack(cells).astype(np.float16)}


def tile_arrays(stream: Stream, row: LayerSpec, request: Request) -> dict[str, np.ndarray]:
    """`value` [query, key] for single cells, else `mean` and `max` [query block, key block].

    Raises:
        InputError: for a request that does not fit (requests come from pages: untrusted).
    """
    step = _step(request)
    queries = range_of(request, "query", len(stream.query), MOST_BLOCKS * step)
    keys = range_of(request, "key", len(stream.key), MOST_BLOCKS * step)
    layer, places = stream.layer(row["layer"]), places_of(stream, row, request)
    over = request.get("over", "mean")
    rough = step >= BLOCK and isinstance(layer, QKLayer) and _is_rough(layer, places, request)
    if rough:
        assert isinstance(layer, QKLayer)
        _check_whole(zip((queries, keys), layer.shape[1:], strict=True), step)
        here = tuple(slice(part.start // step, -(-part.stop // step)) for part in (queries, keys))
        mean, largest = (picture[here] for picture in preview(layer, places, step, over))
    elif 1 < step < BLOCK and len(places) > 1 and isinstance(layer, QKLayer):
        mean, largest = _together(layer, places, queries, keys, step, over)
    else:
        if len(places) > 1 and not isinstance(layer, QKLayer):
            layer, places = _joined(layer, places, over), [0]
        made = tile(layer, places, queries, keys, step, over=over)
        mean, largest = made.mean[0], made.max[0]
    if step == 1:
        return {"value": _told_apart(layer, mean, queries, keys, step)}
    pictures = {"mean": mean, "max": largest}
    arrays = {
        name: _told_apart(layer, cells, queries, keys, step).astype(np.float16)
        for name, cells in pictures.items()
    }
    return {**arrays, "rough": np.ones(1, np.uint8)} if rough else arrays


def _check_whole(parts: Iterable[tuple[range, int]], step: int) -> None:
    """InputError unless ranges are made of whole blocks: a preview has no others."""
    if any(part.start % step or (part.stop % step and part.stop < n) for part, n in parts):
        raise InputError(f"the page asked for a preview of other than whole blocks of {step}.")


def _is_rough(layer: QKLayer, places: list[int], request: Request) -> bool:
    """Whether a preview is asked for and of use, or all that can be had while a page waits."""
    known = set(places) <= known_of(layer).overviews.keys()
    return (request.get("rough", False) is True and not known) or too_much(layer, places)


def row_arrays(stream: Stream, row: LayerSpec, request: Request) -> dict[str, np.ndarray]:
    """What makes one row of one head's weights: `queries` [1, 1, dim], `keys` [1, key, dim], ...

    Raises:
        InputError: for a request that does not fit, or a layer that keeps weights only.
    """
    layer = vectors_of(stream.layer(row["layer"]))
    query = range_of(request, "query", len(stream.query), 1)
    if "over" in request or layer is None:
        raise InputError("the page asked for the vectors of several rows, or of a layer without.")
    [place] = places_of(stream, row, request)
    spec, here = layer.spec, slice(query.start, query.stop)
    bias = layer.bias_of([place])
    named = {
        "queries": layer.queries[[place], here],
        "keys": layer.keys[layer.kv_places([place])],
        "sinks": None if spec.sinks is None else spec.sinks[[place]].astype(np.float32),
        "seen": None if spec.keys is None else spec.keys.astype(np.uint8),
        "bias": None if bias is None else bias[:, here].astype(np.float32),
        "mask": None if spec.visible is None else spec.visible[here].astype(np.uint8),
    }
    return {name: array for name, array in named.items() if array is not None}


def _joined(layer: Layer, places: list[int], over: Over) -> Derived:
    """Heads put together cell by cell: numbers may be missing, or below 0."""
    return Derived(layer, (0,), lambda _, part: fused(layer.rows(places, part), over)[None])


def _together(
    layer: QKLayer, places: list[int], queries: range, keys: range, step: int, over: Over
) -> tuple[Pixels, Pixels]:
    """Heads put together cell by cell and pooled then, as a page does that has the cells.

    `tile` pools each head first, which is quicker by far where overviews are at hand; but the mean
    of largest weights is more than the largest mean, and the picture would change with the zoom.
    """
    canvas = Canvas(queries, keys, (step, step))
    means, largest = canvas.blank(np.add), canvas.blank(np.maximum)
    some = step * max(1, ROWS // step)
    for start in range(queries.start, queries.stop, some):
        part = slice(start, min(start + some, queries.stop))
        cells = tile(layer, places, part, keys, over=over).mean[0]
        here = slice(keys.start, keys.stop)
        canvas.pool(np.add, means, np.nan_to_num(cells), part, here)
        canvas.pool(np.maximum, largest, np.nan_to_num(cells, nan=-np.inf), part, here)
    means /= canvas.sizes
    means[np.isneginf(largest)] = largest[np.isneginf(largest)] = np.nan
    return means, largest


def _told_apart(layer: Layer, cells: Pixels, queries: range, keys: range, step: int) -> Pixels:
    """Minus infinity for what is hidden, where a tile has NaN for that and for what is missing."""
    nothing = np.isnan(cells)
    if not isinstance(getattr(layer, "base", layer), QKLayer):
        last = np.minimum(np.arange(queries.start, queries.stop, step) + step, queries.stop) - 1
        first = np.arange(keys.start, keys.stop, step)
        nothing &= layer.causal & (first > last[:, None])
    return np.where(nothing, np.float32(-np.inf), cells)


def places_of(stream: Stream, row: LayerSpec, request: Request) -> list[int]:
    """Places of the one head asked for, or of all heads shown."""
    own = _own(stream.layer(row["layer"]), row)
    if "over" in request:
        if request["over"] not in ("mean", "max"):
            raise InputError(f"the page asked for the {request['over']!r} of all heads.")
        return stream.places(row["layer"], own)
    head = request.get("head")
    if head not in row["heads"] or isinstance(head, bool):
        raise InputError(f"the page asked for head {head!r}, which this view does not show.")
    return stream.places(row["layer"], own if own != row["heads"] else [head])


def _own(layer: Layer, row: LayerSpec) -> list[int]:
    """The heads shown, or the one that a quantity of the whole layer has."""
    return row["heads"] if set(row["heads"]) <= set(layer.heads) else list(layer.heads)


def _step(request: Request) -> int:
    step = request.get("step")
    if type(step) is not int or not 1 <= step <= 2**20 or step & (step - 1):
        raise InputError(f"the page asked for blocks of {step!r} cells: expected a power of two.")
    return step


def range_of(request: Request, side: str, count: int, longest: int) -> range:
    """A range of tokens that lies within those there are, and is not too long."""
    try:
        start, stop = (operator.index(place) for place in request[side])  # type: ignore[literal-required]
    except (KeyError, TypeError, ValueError):
        start, stop = -1, -1
    if not 0 <= start < stop <= count or stop - start > longest:
        raise InputError(
            f"the page asked for {side} tokens {request.get(side)!r}: expected [start, stop] "
            f"within 0 to {count} and at most {longest:,} tokens."
        )
    return range(start, stop)
