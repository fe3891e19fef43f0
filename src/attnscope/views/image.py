"""Image view: a picture, and over it how much each patch is looked at.

The model sees patches, people see a picture: this view lays the weights of one query (a patch, or
a token such as [CLS]) over the picture that the patches were cut from.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from attnscope._numbers import index_of, numbers_of, spans_of
from attnscope.errors import InputError, MissingDependencyError
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.views.base import build_spec, chosen_streams, shown_layer, state_spec
from attnscope.views.neuron import explain_weights
from attnscope.wire.spec import Spec, Theme

LONGEST = 512
"""Pixels of the longer side that a page carries."""

STRETCHED = (
    "The picture was given as normalised numbers: they are stretched to black and white, so its "
    "colours are not the photograph's."
)

Pixels = UInt8[np.ndarray, "height width 3"]


def image_view(
    trace: Trace,
    image: Any,
    layer: int | None = None,
    heads: int | Sequence[int] | None = None,
    *,
    other: Any = None,
    query: int | None = None,
    grid: tuple[int, int] | None = None,
    layers: int | Sequence[int] | None = None,
    stream: str | None = None,
    theme: Theme = "auto",
) -> Spec:
    """The image view's spec; see `Trace.image_view`; `other` as in `Comparison.image_view`."""
    stream = _image_stream(trace, grid) if stream is None else stream
    streams, first = chosen_streams(trace, stream, layers, None)
    streams = [one for one in streams if one["name"].partition(":")[0] == first["name"]]
    found = trace.streams[first["name"]]
    rows, columns = grid_of(found, grid)
    number = shown_layer(trace, first, layer)["layer"]
    state = state_spec(first["name"], number)
    if heads is not None:
        state["heads"] = numbers_of("heads", heads)
        found.places(number, state["heads"])
    if query is not None:
        state["pinned"] = {"side": "query", "index": _query(found, query)}
    pixels, stretched = pixels_of(image)
    spec = build_spec("image", trace, streams, state, theme)
    height, width = pixels.shape[:2]
    spec["image"] = {
        "width": width,
        "height": height,
        "png": base64.b64encode(png(pixels)).decode(),
        "rows": rows,
        "columns": columns,
        "first": len(found.query) - rows * columns,
    }
    if other is not None:
        second, also = pixels_of(other)
        _check_size(pixels, second)
        spec["image"]["other"] = base64.b64encode(png(second)).decode()
        stretched = stretched or also
    spec["notes"] += [STRETCHED] if stretched else []
    return explain_weights(trace, spec)


def _check_size(first: Pixels, second: Pixels) -> None:
    sizes = [" × ".join(map(str, one.shape[:2])) for one in (first, second)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"the two pictures have different sizes (height × width): {' and '.join(sizes)} "
            "pixels. Give both as the model saw them, resized and cropped alike."
        )


def _image_stream(trace: Trace, grid: Any) -> str | None:
    """The first stream whose tokens are patches; None leaves it to the usual choice."""
    names = [name for name, s in trace.streams.items() if s.query.grid and s.key.grid]
    return names[0] if names and grid is None else None


def grid_of(stream: Stream, given: Any) -> tuple[int, int]:
    """Rows and columns of the patches, which are the last tokens on both sides.

    Raises:
        InputError: where they are not known, or do not fit the stream.
    """
    n_query, n_key = len(stream.query), len(stream.key)
    if n_query != n_key:
        raise InputError(
            f"the image view needs patches on both sides, and the {stream.name} stream has "
            f"{n_query} queries and {n_key} keys: choose another stream="
        )
    if given is None and stream.query.grid is None:
        raise InputError(
            f"the tokens of the {stream.name} stream are not known to be image patches. Name "
            "their rows and columns: image_view(image, grid=(14, 14))."
        )
    try:
        rows, columns = (index_of("grid", n) for n in given or stream.query.grid or ())
    except (TypeError, ValueError):
        raise InputError(f"grid must be (rows, columns) of the patches, got {given!r}.") from None
    if min(rows, columns) < 1 or rows * columns > n_query:
        raise InputError(
            f"grid {rows} × {columns} has {rows * columns} patches, and the {stream.name} stream "
            f"has {n_query} tokens: there must be as many or more."
        )
    return rows, columns


def _query(stream: Stream, query: Any) -> int:
    index = index_of("query", query)
    if not 0 <= index < len(stream.query):
        raise InputError(
            f"query {index} is not in the {stream.name} stream, which has "
            f"{spans_of('query token', range(len(stream.query)))}."
        )
    return index


def pixels_of(image: Any) -> tuple[Pixels, bool]:
    """A picture as bytes, at most `LONGEST` pixels a side; and whether its range was stretched.

    Args:
        image: a PIL image, the name of a file (both by Pillow), or an array or tensor [height,
            width], [height, width, 3 or 4] or [3, height, width]; integers 0..255, floats 0..1, or
            floats as a processor normalised them (`inputs["pixel_values"][0]`), which are
            stretched.

    Raises:
        InputError: for anything else.
        MissingDependencyError: for a file, without Pillow.
    """
    if isinstance(image, str | PathLike):
        image = _opened(Path(image))
    if hasattr(image, "convert") and hasattr(image, "getbands"):
        image = image.convert("RGB")
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (3, 4):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
        array = np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or not array.size:
        raise InputError(
            "image must be a PIL image, the name of a file, or an array [height, width, 3] or "
            f"[3, height, width]; got {type(image).__name__} of shape {list(array.shape)}."
        )
    shrunk, stretched = _as_unit(array[..., :3])
    return np.rint(_shrunk(shrunk) * 255).astype(np.uint8), stretched


def _opened(path: Path) -> Any:
    try:
        from PIL import Image
    except ImportError as cause:
        raise MissingDependencyError(
            "opening an image file needs Pillow: pip install pillow. Or give the image as an "
            "array [height, width, 3]."
        ) from cause
    try:
        return Image.open(path)
    except OSError as cause:
        raise InputError(f"cannot open {path} as an image: {cause}.") from cause


def _as_unit(array: np.ndarray) -> tuple[Float[np.ndarray, "height width 3"], bool]:
    """Numbers 0..1, and whether they had to be stretched to that."""
    if array.dtype.kind in "ub" or (array.dtype.kind == "i" and array.min() >= 0):
        return np.clip(array / (1 if array.dtype.kind == "b" else 255), 0, 1), False
    wide = np.nan_to_num(array.astype(np.float64))
    low, high = wide.min(), wide.max()
    if low >= 0 and high <= 1:
        return wide, False
    return (wide - low) / max(high - low, 1e-12), True


def _shrunk(
    image: Float[np.ndarray, "height width 3"],
) -> Float[np.ndarray, "rows columns 3"]:
    """Means over blocks of pixels, as many as it takes to fit `LONGEST`."""
    step = -(-max(image.shape[:2]) // LONGEST)
    for axis in (0, 1):
        starts = np.arange(0, image.shape[axis], step)
        sizes = np.diff([*starts, image.shape[axis]])
        shape = [1, 1, 1]
        shape[axis] = -1
        image = np.add.reduceat(image, starts, axis=axis) / sizes.reshape(shape)
    return image


def png(pixels: Pixels) -> bytes:
    """A PNG file of 8-bit RGB."""
    height, width = pixels.shape[:2]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )
