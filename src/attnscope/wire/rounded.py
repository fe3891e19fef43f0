"""Queries and keys in eight bits a number, and how far off that puts each row's weights.

A page of a long input that carried exact queries and keys would be hundreds of megabytes. Here a
number is mean + step × code: a mean for each head and dimension (what all keys share changes no
weight), a step for each row, a code from -127 to 127.

The error is not estimated. Weights and scores are computed twice, from what was recorded and from
what a page will read, and compared cell by cell; each row then states three bounds (see `BOUNDS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int8, UInt8, UInt16

from attnscope._precision import widen
from attnscope.errors import InputError
from attnscope.scores import QKLayer
from attnscope.wire.spec import ErrorSpec

BOUNDS = ("weight", "ratio", "score")
"""What a row states: the most that a weight is off, the logarithm of a weight, a score."""

TOP, LARGEST, AN_OCTAVE = 127, 16.0, 8
BOUND_TABLE: Float[np.ndarray, "256"] = LARGEST * 2.0 ** (-np.arange(256) / AN_OCTAVE)
BOUND_TABLE[0] = np.inf

ROWS = 256
"""Queries that are compared at a time."""
FLOAT_ERROR = 2.0**-22
"""What rounding in float32 may add, here and in a page, which does the same sums in another order:
this part of the score, of scaling × |q| |k|, and of some units for exponents and logarithms."""

Errors = Float[np.ndarray, "3 head query"]


def rounded_arrays(layer: QKLayer, places: Sequence[int], number: int) -> dict[str, np.ndarray]:
    """`queries`, `keys` [head, token, dim] as int8, their `_steps` and `_means`, and `errors`.

    `errors` [3, head, query] are codes of `BOUND_TABLE`, in the order of `BOUNDS`.

    Args:
        layer: what was recorded.
        places: the heads shown.
        number: the layer's number, for an error text.

    Raises:
        InputError: where queries or keys hold something that is not a number.
    """
    kept = layer.kv_places(places)
    sides = {
        "queries": widen(layer.queries[list(places)]),
        "keys": widen(layer.keys[kept]),
    }
    named: dict[str, np.ndarray] = {}
    for name, vectors in sides.items():
        if not np.isfinite(vectors).all():
            raise InputError(
                f"layer {number} holds {name} that are not finite, which eight bits cannot say: "
                'use precision="exact".'
            )
        means = vectors.mean(1)
        steps = _steps(vectors, means)
        codes = _codes(vectors, means, steps)
        named |= {name: codes, f"{name}_steps": steps, f"{name}_means": means}
    named["errors"] = bound_codes(_errors(layer, places, kept, named))
    return named


def restored(
    codes: Int8[np.ndarray, "head token dim"],
    steps: UInt16[np.ndarray, "head token"],
    means: Float[np.ndarray, "head dim"],
) -> Float[np.ndarray, "head token dim"]:
    """The numbers that codes stand for, as a page reads them."""
    numbers: np.ndarray = codes * widen(steps)[..., None] + means[:, None]
    return numbers


def _steps(
    vectors: Float[np.ndarray, "head token dim"], means: Float[np.ndarray, "head dim"]
) -> UInt16[np.ndarray, "head token"]:
    """bfloat16, rounded up, so that no code exceeds `TOP`."""
    most: np.ndarray = np.abs(vectors - means[:, None]).max(-1) / np.float32(TOP)
    return ((most.view(np.uint32) + np.uint32(0xFFFF)) >> 16).astype(np.uint16)


def _codes(
    vectors: Float[np.ndarray, "head token dim"],
    means: Float[np.ndarray, "head dim"],
    steps: UInt16[np.ndarray, "head token"],
) -> Int8[np.ndarray, "head token dim"]:
    size = widen(steps)[..., None]
    codes: np.ndarray = np.zeros(vectors.shape, np.float32)
    np.divide(vectors - means[:, None], size, out=codes, where=size > 0)
    whole: np.ndarray = np.rint(codes).clip(-TOP, TOP)
    return whole.astype(np.int8)


def _errors(
    layer: QKLayer, places: Sequence[int], kept: list[int], named: Mapping[str, np.ndarray]
) -> Errors:
    """What `BOUNDS` say, of each row of these heads."""
    read = [
        restored(named[name], named[f"{name}_steps"], named[f"{name}_means"])
        for name in ("queries", "keys")
    ]
    found = np.zeros((3, len(places), layer.shape[1]), np.float32)
    for at, place in enumerate(places):
        exact, kv = layer.head(place), kept.index(int(layer.kv_head[place]))
        ours = replace(exact, queries=read[0][at : at + 1], keys=read[1][kv : kv + 1])
        for start in range(0, layer.shape[1], ROWS):
            part = slice(start, min(start + ROWS, layer.shape[1]))
            found[:, at, part] = _row_errors(exact, ours, part)
    return found


def _row_errors(exact: QKLayer, ours: QKLayer, part: slice) -> Float[np.ndarray, "3 query"]:
    """The errors of some rows of one head, which both layers hold alone."""
    keys = exact.reach(part)
    true, got = (one.scores(queries=part, keys=keys)[0] for one in (exact, ours))
    seen = ~np.isneginf(true)
    off = np.subtract(got, true, out=np.zeros_like(true), where=seen)
    sink = None if exact.spec.sinks is None else float(exact.spec.sinks[0])
    (weights, sums), (others, other_sums) = _softmax(true, sink), _softmax(got, sink)
    ratio = np.abs(np.where(seen, off - (other_sums - sums)[:, None], 0))
    largest = np.abs(np.where(seen, true, 0)).max(-1, initial=0)
    float_error = FLOAT_ERROR * (4 + largest + _sizes(exact, part))
    errors = [np.abs(cells).max(-1, initial=0) for cells in (others - weights, ratio, off)]
    return np.stack([errors[0] + float_error, errors[1] + 2 * float_error, errors[2] + float_error])


def _sizes(layer: QKLayer, part: slice) -> Float[np.ndarray, "query"]:
    """Scaling × |q| × the largest |k|: no score of a row is larger, nor any sum on the way."""
    longest = np.linalg.norm(layer.keys[0], axis=-1).max(initial=0)
    sizes: np.ndarray = np.linalg.norm(layer.queries[0, part], axis=-1)
    sizes *= longest * np.float32(abs(layer.spec.scaling))
    return sizes


def _softmax(
    scores: Float[np.ndarray, "query key"], sink: float | None
) -> tuple[Float[np.ndarray, "query key"], Float[np.ndarray, "query"]]:
    """Weights, and the logarithm of what they were divided by (0 for a row that sees nothing)."""
    top = scores.max(-1, initial=-np.inf if sink is None else sink)
    top = np.where(np.isneginf(top), np.float32(0), top)
    cells = np.exp(scores - top[:, None])
    total = cells.sum(-1) + (0 if sink is None else np.exp(sink - top))
    total = np.where(total > 0, total, np.float32(1))
    weights: np.ndarray = cells / total[:, None]
    sums: np.ndarray = top + np.log(total)
    return weights, sums


def bound_codes(errors: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """The code of the smallest bound in `BOUND_TABLE` that is no less than each error."""
    with np.errstate(divide="ignore"):
        codes = np.floor(-AN_OCTAVE * np.log2(errors.astype(np.float64) / LARGEST) - 1e-6)
    return codes.clip(0, 255).astype(np.uint8)


def stated(errors: Sequence[UInt8[np.ndarray, "3 _ _"]]) -> ErrorSpec:
    """What a page says of all its weights, by the bounds [3, head, query] of its key heads."""
    most = BOUND_TABLE[np.concatenate([codes[0].ravel() for codes in errors])]
    return {"largest": min(1.0, float(most.max())), "typical": min(1.0, float(np.median(most)))}
