"""The rows of generated tokens: means over the heads of every layer, and the heads of one.

Half precision, because shares are sums over thousands of small weights: each is within 0.05 % of
itself, and so are the sums.
"""

from __future__ import annotations

import numpy as np

from attnscope._types import Weights
from attnscope.stream import Stream
from attnscope.wire.spec import LayerSpec, Request, StreamSpec


def step_requests(shown: StreamSpec, *, heads: bool) -> list[Request]:
    """What a page asks for of a stream with `steps`: the means first, then each layer's heads."""
    found: list[Request] = [{"kind": "rows", "stream": shown["name"]}]
    if heads:
        found += [
            {"kind": "rows", "stream": shown["name"], "layer": row["layer"]}
            for row in shown["layers"]
        ]
    return found


def step_arrays(stream: Stream, shown: StreamSpec, request: Request) -> dict[str, np.ndarray]:
    """`rows` [head shown, query, key] of a layer; [layer shown, query, key] without one."""
    if "layer" in request:
        made = _rows(stream, next(r for r in shown["layers"] if r["layer"] == request["layer"]))
    else:
        made = np.stack([_rows(stream, row).mean(0) for row in shown["layers"]])
    return {"rows": made.astype(np.float16)}


def _rows(stream: Stream, row: LayerSpec) -> Weights:
    return stream.layer(row["layer"]).rows(stream.places(row["layer"], row["heads"]))
