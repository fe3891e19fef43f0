"""Tiles: the weights of some heads in a query range × key range, pooled by a step.

A picture of a long input asks for the part that it shows, at the resolution that it shows it in.
A tile costs what its own cells cost: a weight is exp(score - row sum), the row sums of a head are
computed once (`overview.row_sums`), keys out of reach of a causal mask or a window are skipped, and
steps from a block of the overview on are read from it. Scores are computed in stripes, so memory
is bounded by the tile that comes out, whatever goes in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.overview import Overview, block_of, known_of, overview, row_sums, weights_of
from attnscope.pooling import STRIPE, Canvas, Cells, pooled, stripes
from attnscope.scores import ALL, Layer, QKLayer, ScoreSpec

Over = Literal["mean", "max"]
OVERS = ("mean", "max")
CAUSAL = ScoreSpec(1.0, causal=True)
CELLS = (1, 1)
Picture = Float[np.ndarray, "kind row column"]
"""Mean and largest of each pixel of one head; of single cells, which are both, only one."""
TileCells = Float[np.ndarray, "head row column"]


@dataclass(frozen=True, eq=False)
class Tile:
    """Pooled weights of some heads.

    Attributes:
        mean: [head, row, column] mean weight of the cells under each pixel, 0..1, hidden cells
            counted as 0; NaN where none of them is visible.
        max: the largest weight of them, likewise; of quantities below 0 too (differences) the one
            farthest from 0.
        queries, keys: the ranges of positions shown.
        step: queries and keys a pixel (fewer in the last row and column).
    """

    mean: TileCells
    max: TileCells
    queries: range
    keys: range
    step: tuple[int, int]


def tile(
    layer: Layer,
    places: Sequence[int],
    queries: slice | range = ALL,
    keys: slice | range = ALL,
    step: int | tuple[int, int] = 1,
    *,
    over: Over | None = None,
) -> Tile:
    """The weights of some heads in a query range × key range, pooled by a step.

    Args:
        layer: any layer, also one of another quantity (`measures.quantity`).
        places: places of the heads in the layer's arrays, at least one.
        queries: positions, a range or a slice without a step of its own.
        keys: likewise.
        step: tokens a pixel, or (queries a pixel, keys a pixel), each at least 1.
        over: aggregate over the heads: the `mean` or the `max` of their pictures (each head is
            pooled first); the tile has one entry then.

    Returns:
        float32. Exact up to float32 rounding; where the step is a multiple of the overview's block
        (32 up to 32,768 tokens) and both ranges start on a block: to 0.05 %.

    Raises:
        InputError: for ranges or heads that are not there, or a step below 1.
    """
    _, n_query, n_key = layer.shape
    query, key = _range("queries", queries, n_query), _range("keys", keys, n_key)
    steps = _steps(step)
    if over is not None and over not in OVERS:
        raise InputError(f"over must be 'mean', 'max' or None, got {over!r}.")
    heads = [_place(layer, place) for place in places]
    if not heads:
        raise InputError("a tile needs at least one head; places is empty.")
    pictures: Iterator[Picture]
    canvas = Canvas(query, key, steps)
    pictures = (_picture(layer, place, canvas) for place in heads)
    if over is not None:
        pictures = iter([_aggregated(pictures, over)])
    made = np.stack(list(pictures))
    return Tile(made[:, 0], made[:, -1], query, key, steps)


def _picture(layer: Layer, place: int, canvas: Canvas) -> Picture:
    """One head, by the quickest way there is."""
    if not isinstance(layer, QKLayer):
        return _from_rows(layer, place, canvas)
    parts = (canvas.queries, canvas.keys)
    block, sides = block_of(layer), zip(parts, layer.shape[1:], canvas.steps, strict=True)
    if all(_is_blocks(block, *side) for side in sides):
        most_of_it = 2 * len(parts[0]) * len(parts[1]) >= layer.shape[1] * layer.shape[2]
        if most_of_it or place in known_of(layer).overviews:
            return _from_overview(overview(layer, place), canvas)
    return _from_cells(layer, place, canvas)


def _is_blocks(block: int, part: range, n: int, step: int) -> bool:
    """True where every pixel is made of whole blocks."""
    return not (part.start % block or step % block) and (part.stop == n or not part.stop % block)


def _from_cells(layer: QKLayer, place: int, canvas: Canvas) -> Picture:
    """Each weight from its score and its row's sum."""
    most = canvas.blank(np.maximum)
    if canvas.steps == CELLS:
        for logs, queries, keys in _logarithms(layer, place, canvas):
            canvas.pool(np.maximum, most, logs, queries, keys)
        hidden = np.isneginf(most)
        np.exp(most, out=most)[hidden] = np.nan
        return most[None]
    means = canvas.blank(np.add)
    for logs, queries, keys in _logarithms(layer, place, canvas):
        canvas.pool(np.maximum, most, logs, queries, keys)
        canvas.pool(np.add, means, np.exp(logs, out=logs), queries, keys)
    return np.stack(weights_of(means / canvas.sizes, most))


def _logarithms(layer: QKLayer, place: int, canvas: Canvas) -> Iterator[tuple[Cells, slice, slice]]:
    """Logarithms of weights, their queries and their keys, a stripe at a time."""
    query, n_key = canvas.queries, len(canvas.keys)
    sums = row_sums(layer, place, query)
    again = len(query) * n_key // STRIPE * n_key  # keys that stripes widen to float32, in all
    source, heads = (layer, [place])
    if again > sum(layer.shape[1:]):
        source, heads = layer.head(place), [0]
    for queries in stripes(query, n_key, canvas.steps[0]):
        keys = canvas.covering(layer.reach(queries))
        logs = source.scores(heads, queries, keys)[0]
        logs -= sums[queries.start - query.start : queries.stop - query.start, None]
        yield logs, queries, keys


def _from_overview(seen: Overview, canvas: Canvas) -> Picture:
    """Pixels that are made of whole blocks."""
    block, parts = seen.block, (canvas.queries, canvas.keys)
    here = tuple(slice(part.start // block, -(-part.stop // block)) for part in parts)
    ratio = (canvas.steps[0] // block, canvas.steps[1] // block)
    cells = Canvas(*parts, (block, block)).sizes
    mean = pooled(np.nan_to_num(seen.mean[here]) * cells, ratio, np.add) / canvas.sizes
    most = pooled(np.nan_to_num(seen.max[here].astype(np.float32), nan=-1), ratio, np.maximum)
    mean[most < 0] = most[most < 0] = np.nan
    return np.stack([mean, most])


def _from_rows(layer: Layer, place: int, canvas: Canvas) -> Picture:
    """Any layer's own rows: given weights, quantities. Cells that are not finite do not count."""
    means, counts = canvas.blank(np.add), canvas.blank(np.add)
    most, least = canvas.blank(np.maximum), canvas.blank(np.minimum)
    keys = slice(canvas.keys.start, canvas.keys.stop)
    for queries in stripes(canvas.queries, layer.shape[2], canvas.steps[0]):
        cells = layer.rows([place], queries)[0, :, keys]
        seen = np.isfinite(cells)
        canvas.pool(np.add, means, np.where(seen, cells, np.float32(0)), queries, keys)
        canvas.pool(np.add, counts, seen.astype(np.float32), queries, keys)
        if layer.causal:
            CAUSAL.hide(seen, False, np.arange(queries.start, queries.stop), keys)
        canvas.pool(np.maximum, most, np.where(seen, cells, np.float32(-np.inf)), queries, keys)
        canvas.pool(np.minimum, least, np.where(seen, cells, np.float32(np.inf)), queries, keys)
    hidden, most = np.isneginf(most), np.where(-least > most, least, most)
    means[hidden] = most[hidden] = np.nan
    return np.stack([means / np.maximum(counts, 1), most])


def _aggregated(pictures: Iterator[Picture], over: Over) -> Picture:
    """One picture of several, as they come; NaN where all of them are."""
    joined, count = next(pictures).astype(np.float64), 1
    for picture in pictures:
        count += 1
        largest = np.fmax(joined, picture)  # of a number and NaN, the number
        if over == "mean":
            joined += picture
            np.copyto(joined, largest, where=np.isnan(joined))
        else:
            joined = largest
    return (joined / count if over == "mean" else joined).astype(np.float32)


def _range(name: str, given: Any, n: int) -> range:
    """The positions of a range or slice that has no step of its own and stays within n."""
    if not isinstance(given, slice | range) or given.step not in (None, 1):
        raise InputError(f"{name} must be a range such as range(0, 512), got {given!r}.")
    start, stop = (given.start or 0), (n if given.stop is None else given.stop)
    start, stop = index_of(name, start), index_of(name, stop)
    if not 0 <= start < stop <= n:
        raise InputError(
            f"{name} {start} to {stop} are not there: give a range within 0 to {n}, not empty."
        )
    return range(start, stop)


def _steps(step: Any) -> tuple[int, int]:
    pair = tuple(step) if isinstance(step, tuple | list) else (step, step)
    numbers = tuple(index_of("step", number) for number in pair)
    if len(numbers) != 2 or min(numbers) < 1:
        raise InputError(f"step must be at least 1, or (queries, keys) a pixel, got {step!r}.")
    return numbers


def _place(layer: Layer, place: Any) -> int:
    number = index_of("place", place)
    if not 0 <= number < layer.shape[0]:
        raise InputError(f"no head at place {number}: the layer keeps {layer.shape[0]}.")
    return number
