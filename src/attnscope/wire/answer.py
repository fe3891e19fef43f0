"""A data request of a view, answered with bytes: the one place where weights leave Python.

Every host asks here: the HTML host once for each request that its page will make, the widget when
its page makes one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attnscope.errors import InputError
from attnscope.trace import Stream, Trace
from attnscope.wire.encode import Encoded, deflate, encode, thumbnails
from attnscope.wire.spec import LayerSpec, ReplyMeta, Request, Spec, StreamSpec

KINDS = ("layer", "thumbnails")


@dataclass(frozen=True)
class Reply:
    """gzip'd bytes and how to read them."""

    meta: ReplyMeta
    data: bytes


def requests_of(spec: Spec) -> list[Request]:
    """Every request that a page with this spec can make, in the order it will want them."""
    images: list[Request] = [
        {"kind": "thumbnails", "stream": stream["name"]}
        for stream in spec["streams"]
        if stream["thumbnail"] is not None
    ]
    layers: list[Request] = [
        {"kind": "layer", "stream": stream["name"], "layer": row["layer"]}
        for stream in spec["streams"]
        for row in stream["layers"]
    ]
    return images + layers


def answer(trace: Trace, spec: Spec, request: Request) -> Reply:
    """The bytes for one request.

    Raises:
        InputError: for a request that does not fit the spec (requests come from pages: untrusted).
    """
    shown = _shown_stream(spec, request)
    stream = trace.stream(shown["name"])
    if request["kind"] == "thumbnails":
        if shown["thumbnail"] is None:
            raise InputError("the page asked for thumbnails, which this view does not use.")
        images = [small_images(encoded_layer(spec, stream, row), shown) for row in shown["layers"]]
        return thumbnail_reply(images)
    number = request.get("layer")
    rows = [row for row in shown["layers"] if row["layer"] == number]
    if not rows:
        raise InputError(f"the page asked for layer {number!r}, which this view does not show.")
    return layer_reply(encoded_layer(spec, stream, rows[0]))


def _shown_stream(spec: Spec, request: Request) -> StreamSpec:
    if request.get("kind") not in KINDS:
        raise InputError(f"the page asked for {request.get('kind')!r}: expected one of {KINDS}.")
    for stream in spec["streams"]:
        if stream["name"] == request.get("stream"):
            return stream
    raise InputError(f"the page asked for stream {request.get('stream')!r}, which is not shown.")


def encoded_layer(spec: Spec, stream: Stream, row: LayerSpec) -> Encoded:
    """The codes of a layer's shown heads."""
    places = stream.places(row["layer"], row["heads"])
    return encode(stream.layer(row["layer"]).rows(places), spec["encoding"])


def layer_reply(encoded: Encoded) -> Reply:
    """A layer's codes as a reply."""
    return _reply(encoded, encoded.packed())


def small_images(encoded: Encoded, shown: StreamSpec) -> np.ndarray:
    """A layer's thumbnails, in the size that the stream's spec names."""
    assert shown["thumbnail"] is not None
    height, width = shown["thumbnail"]
    return thumbnails(encoded, (height, width))


def thumbnail_reply(images: list[np.ndarray]) -> Reply:
    """The thumbnails of all layers as one reply."""
    stacked = Encoded(np.concatenate(images), "sqrt8", 0.5)
    return _reply(stacked, deflate(stacked.codes))


def _reply(encoded: Encoded, data: bytes) -> Reply:
    meta: ReplyMeta = {
        "shape": list(encoded.codes.shape),
        "encoding": encoded.encoding,
        "codec": "gzip",
        "spread": encoded.spread,
    }
    return Reply(meta, data)
