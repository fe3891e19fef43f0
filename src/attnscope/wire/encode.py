"""Weights as bytes, with a stated error.

Two encodings, both row-major and with the last code kept for *missing* (NaN):

* `sqrt8`: one byte, weight = (code / 254)^2. Fine steps where weights are small, which is where
  most are; at most 0.004 off.
* `linear16`: two bytes, weight = code / 65534, as a plane of high bytes and a plane of low bytes
  (they compress better apart); at most 0.00001 off.

Rows still sum to 1: within `ROW_SUM_ERROR` for `sqrt8`, whatever the weights.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from attnscope._types import Codes, Weights
from attnscope.wire.spec import ArraySpec, DtypeName, EncodingName

SQRT_STEPS, LINEAR_STEPS = 254, 65534
WEIGHT_ERROR: dict[EncodingName, float] = {"sqrt8": 0.004, "linear16": 0.00001}
ROW_SUM_ERROR = 0.03
SLACK = 0.001
"""How far outside 0..1 a weight may be by rounding (half precision)."""
GZIP = zlib.MAX_WBITS | 16

_CODES = np.arange(256, dtype=np.float32)
SQRT_WEIGHTS: Float[np.ndarray, "256"] = np.square(_CODES / SQRT_STEPS).astype(np.float32)
SQRT_WEIGHTS[255] = 0


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes of the weights of one layer, and how far one may be from its weight, in steps.

    `range` has the signed roots of the numbers that codes for 0 and 1 stand for, where they are no
    shares.
    """

    codes: UInt8[np.ndarray, "..."] | UInt16[np.ndarray, "..."]
    encoding: EncodingName
    spread: float
    range: tuple[float, float] | None = None

    def packed(self) -> bytes:
        """The codes as gzip'd bytes."""
        return deflate(_planes(self.codes) if self.encoding == "linear16" else self.codes)


def encode(weights: Weights, encoding: EncodingName) -> Encoded:
    """Codes of weights; NaN, and what is not within 0..1, becomes the code for missing."""
    outside = (weights < -SLACK) | (weights > 1 + SLACK)
    weights = np.where(outside, np.float32(np.nan), weights)
    return encode_sqrt8(weights) if encoding == "sqrt8" else encode_linear16(weights)


def encode_linear16(weights: Weights) -> Encoded:
    """Sixteen bits a weight, at most 0.00001 off."""
    codes = np.rint(np.clip(np.nan_to_num(weights), 0, 1) * LINEAR_STEPS).astype(np.uint16)
    codes[np.isnan(weights)] = LINEAR_STEPS + 1
    return Encoded(codes, "linear16", 0.5)


def encode_range(numbers: Weights) -> Encoded:
    """Sixteen bits a number of any size and sign, at most 0.004 % of the largest off.

    Codes are steps between the (signed) roots of the smallest number, 0 where that is larger, and
    the largest: small numbers have finer steps. What is not finite becomes missing.
    """
    wide = np.where(np.isfinite(numbers), numbers, np.nan).astype(np.float64)
    roots = np.sign(wide) * np.sqrt(np.abs(wide))
    there = ~np.isnan(roots)
    low = float(np.min(roots, where=there, initial=0))
    high = float(np.max(roots, where=there, initial=0))
    shares = (roots - low) / ((high - low) or 1.0)
    return replace(encode_linear16(shares.astype(np.float32)), range=(low, high))


def encode_sqrt8(weights: Weights) -> Encoded:
    """Eight bits a weight on a square-root scale, at most 0.004 off.

    Rounding alone can add up: 512 equal weights all round the same way, and the row would sum to
    0.96. Rows that far off get their worst-rounded small weights moved by one step; `spread` then
    says 1 step instead of 0.5.
    """
    clean = np.clip(np.nan_to_num(weights), 0, 1)
    codes = np.rint(np.sqrt(clean) * SQRT_STEPS).astype(np.uint8)
    drift = SQRT_WEIGHTS[codes].sum(-1) - clean.sum(-1)
    drifted = np.argwhere(np.abs(drift) > ROW_SUM_ERROR / 2)
    for row in map(tuple, drifted):
        codes[row] = _rebalanced(codes[row], clean[row], float(drift[row]))
    codes[np.isnan(weights)] = SQRT_STEPS + 1
    return Encoded(codes, "sqrt8", 1.0 if len(drifted) else 0.5)


def _rebalanced(
    codes: UInt8[np.ndarray, "key"], weights: Float[np.ndarray, "key"], drift: float
) -> UInt8[np.ndarray, "key"]:
    """A row's codes with as many moved by one step as it takes to undo most of the drift.

    Only codes up to half the range move (weights up to 0.25), where a whole step is under 0.004.
    """
    step = -1 if drift > 0 else 1
    rounding = np.sqrt(weights) * SQRT_STEPS - codes
    movable = (codes <= SQRT_STEPS // 2) & (rounding * step > 0)
    order = np.argsort(-rounding * step)
    order = order[movable[order]]
    moved = (codes[order].astype(np.int16) + step).clip(0).astype(np.uint8)
    gained = np.cumsum(np.abs(SQRT_WEIGHTS[moved] - SQRT_WEIGHTS[codes[order]]))
    take = int(np.searchsorted(gained, abs(drift) - ROW_SUM_ERROR / 4))
    codes = codes.copy()
    codes[order[: take + 1]] = moved[: take + 1]
    return codes


def decode(encoded: Encoded) -> Weights:
    """Weights of codes, as the page reads them; NaN where missing."""
    if encoded.encoding == "sqrt8":
        return np.where(encoded.codes == 255, np.nan, SQRT_WEIGHTS[encoded.codes])
    weights = encoded.codes / np.float32(LINEAR_STEPS)
    return np.where(encoded.codes == LINEAR_STEPS + 1, np.nan, weights).astype(np.float32)


def thumbnails(encoded: Encoded, size: tuple[int, int]) -> Codes:
    """[head, query, key] pooled to `size` by maximum, as sqrt8 codes; all missing stays missing."""
    codes = encoded.codes
    if encoded.encoding == "linear16":
        codes = encode_sqrt8(decode(encoded)).codes
    codes = codes + np.uint8(1)  # missing wraps to 0, below every weight
    for axis, wanted in zip((1, 2), size, strict=True):
        starts = np.arange(wanted) * codes.shape[axis] // wanted
        codes = np.maximum.reduceat(codes, starts, axis=axis)
    return codes - np.uint8(1)


DTYPES: dict[str, DtypeName] = {
    "float32": "float32",
    "float16": "float16",
    "uint16": "bfloat16",
    "uint8": "uint8",
    "int8": "int8",
}
"""NumPy has no bfloat16: uint16 holds its bits (see `scores.widen`)."""


def pack_arrays(named: Mapping[str, np.ndarray], level: int = 6) -> tuple[list[ArraySpec], bytes]:
    """Arrays of the kinds in `DTYPES` as one gzip'd body, exact to the bit."""
    specs: list[ArraySpec] = []
    body = bytearray()
    for name, array in named.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        body += little.reshape(-1, 1).view(np.uint8).T.tobytes()
        specs.append({"name": name, "dtype": DTYPES[array.dtype.name], "shape": list(array.shape)})
    return specs, deflate(bytes(body), level)


def deflate(data: np.ndarray | bytes, level: int = 6) -> bytes:
    """gzip, without a time stamp, so that equal data give equal bytes."""
    packer = zlib.compressobj(level, zlib.DEFLATED, GZIP)
    raw = data if isinstance(data, bytes) else np.ascontiguousarray(data).data.cast("B")
    return packer.compress(raw) + packer.flush()


def _planes(codes: np.ndarray) -> bytes:
    return (codes >> 8).astype(np.uint8).tobytes() + (codes & 255).astype(np.uint8).tobytes()
