"""Layers with queries and keys, and the tiles that Python sends of them."""

from __future__ import annotations

import zlib

import numpy as np

from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire.encode import GZIP
from attnscope.wire.replies import Reply, answer

TYPES = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2"), "uint8": np.dtype("u1")}


def layer_of(tokens: int, heads: int = 3, seed: int = 0, **rules: object) -> QKLayer:
    numbers = np.random.default_rng(seed)
    return QKLayer(
        queries=numbers.normal(size=(heads, tokens, 8)).astype(np.float32) * 2,
        keys=numbers.normal(size=(heads, tokens, 8)).astype(np.float32),
        spec=ScoreSpec(**{"scaling": 0.5, **rules}),
        heads=tuple(range(heads)),
        kv_head=np.arange(heads),
    )


def trace_of(*layers: QKLayer) -> Trace:
    tokens = Tokens.plain([f"t{place}" for place in range(layers[0].shape[1])], segments=[4])
    return Trace([Stream("self", tuple(range(len(layers))), layers, tokens, tokens)])


def arrays_of(reply: Reply) -> dict[str, np.ndarray]:
    raw = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8)
    found, at = {}, 0
    for spec in reply.meta["arrays"]:
        kind = TYPES[spec["dtype"]]
        count = int(np.prod(spec["shape"]))
        planes = raw[at : at + count * kind.itemsize].reshape(kind.itemsize, count)
        found[spec["name"]] = planes.T.copy().view(kind).reshape(spec["shape"]).astype(np.float32)
        at += count * kind.itemsize
    assert at == len(raw)
    return found


def tile(trace: Trace, **request: object) -> dict[str, np.ndarray]:
    asked = {"kind": "tile", "stream": "self", "layer": 0, "step": 1, **request}
    return arrays_of(answer(trace, trace.matrix_view().spec, asked))
