"""Small traces without a model, and what tests of their files need."""

from __future__ import annotations

import json
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

import attnscope
from attnscope import Stream, Tokens, Trace
from attnscope._records import CLASSES
from attnscope.scores import QKLayer, ScoreSpec


def made(n: int = 6, layers: int = 2, **spec: Any) -> Trace:
    """Layers with two heads over one key head; what `spec` names is shared by all of them."""
    rng = np.random.default_rng(n)
    side = Tokens.plain([f"t{place}" for place in range(n)], segments=[n // 2])
    kept = []
    for _ in range(layers):
        queries, keys = (rng.normal(size=(h, n, 4)).astype(np.float32) for h in (2, 1))
        kv_head = np.zeros(2, np.int64)
        kept.append(QKLayer(queries, keys, ScoreSpec(0.5, **spec), (0, 1), kv_head, "layer"))
    return Trace([Stream("self", tuple(range(layers)), tuple(kept), side, side)])


def equal(a: Any, b: Any) -> bool:
    """True for parts with the same classes, fields and arrays."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    if type(a).__name__ in CLASSES:
        named = (field.name for field in fields(a))
        return type(a) is type(b) and all(equal(getattr(a, n), getattr(b, n)) for n in named)
    return bool(dict(a) == dict(b)) if hasattr(a, "keys") else bool(a == b)


def same(a: Trace, b: Trace) -> bool:
    streams = list(a.streams) == list(b.streams)
    return streams and all(equal(a.streams[n], b.streams[n]) for n in a.streams)


def told(path: Path, change: Any) -> None:
    """Change what a file says of its trace, with checksums that fit."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about = json.loads(header["__metadata__"]["attnscope"])
    change(about, header)
    text = json.dumps(about)
    sums = json.loads(header["__metadata__"]["crc32"])
    sums["attnscope"] = f"{zlib.crc32(text.encode()):08x}"
    header["__metadata__"] = {"attnscope": text, "crc32": json.dumps(sums)}
    new = json.dumps(header).encode()
    path.write_bytes(len(new).to_bytes(8, "little") + new + data[8 + length :])


def of_words(words, seed: int = 0, n_layers: int = 2, n_heads: int = 3, segments=()):
    rng = np.random.default_rng(seed)
    weights = rng.random((n_layers, n_heads, len(words), len(words))).astype(np.float32) ** 3
    weights /= weights.sum(-1, keepdims=True)
    return attnscope.from_attention(weights, words, segments=segments)
