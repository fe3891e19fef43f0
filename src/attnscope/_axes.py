"""Whether the parts of a stream that was read from a file fit together.

Types are not enough: a mask with one key too few, a head whose key head is not there, words for
half the tokens would fail later, somewhere else. Axes have names in the declared types, so most of
this is one question: do all arrays agree on how many heads, queries and keys there are?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Shaped, jaxtyped

from attnscope._records import fits, hints
from attnscope.errors import LoadError
from attnscope.generation import Generation
from attnscope.mixing import Mixing
from attnscope.overview import Seen
from attnscope.predicted import Predicted
from attnscope.scores import Layer, QKLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens


def check_stream(stream: Stream) -> None:
    """LoadError where tokens, layers and witnesses of a stream do not agree."""
    n = len(stream.layers)
    ensure(n > 0 and len(stream.numbers) == n, f"{stream.name} has {n} layers with other numbers")
    ensure(len(set(stream.numbers)) == n, f"layer numbers of {stream.name} repeat")
    ensure(len(stream.witnesses) in (0, n), f"{stream.name} has witnesses for some layers")
    for tokens in (stream.query, stream.key):
        _check_tokens(tokens)
    witnesses = stream.witnesses or (None,) * n
    for layer, witness in zip(stream.layers, witnesses, strict=True):
        _check_layer(layer, witness, len(stream.query), len(stream.key))
    if stream.predicted is not None:
        _check_predicted(stream.predicted, len(stream.query))


def _check_predicted(predicted: Predicted, n_query: int) -> None:
    agree(predicted, query=n_query)
    named = {len(ranks) for ranks in predicted.tokens} == {predicted.ids.shape[1]}
    ensure(len(predicted.tokens) == n_query and named, "predictions for some tokens")


def check_generation(generation: Any, streams: Sequence[Stream]) -> None:
    """LoadError where generated tokens and the rows that made them do not agree."""
    ensure(isinstance(generation, Generation), "what was generated is something else")
    _check_tokens(generation.tokens)
    queries = {stream.name: len(stream.query) for stream in streams}
    ensure(generation.stream in queries, "tokens were generated in a stream that is not there")
    rows = queries[generation.stream] - generation.start
    fits = generation.start >= 0 and rows == len(generation.tokens)
    ensure(fits, "generated tokens and the rows that made them differ in number")


def ensure(true: bool, otherwise: str) -> None:
    """LoadError unless true."""
    if not true:
        raise LoadError(otherwise)


def _check_tokens(tokens: Tokens) -> None:
    n = len(tokens)
    ensure(n > 0 and len(tokens.raw) == n, "a side has no tokens, or raw ones for others")
    ensure(len(tokens.words) in (0, n), "words for some tokens")
    rising = all(a < b for a, b in pairwise((-1, *tokens.numbers)))
    ensure(len(tokens.numbers) in (0, n) and rising, "numbers for some tokens, or in no order")
    if tokens.grid is not None:
        ensure(min(tokens.grid) > 0 and math.prod(tokens.grid) <= n, "more patches than tokens")
    agree(tokens, token=n)
    tokens.with_segments(tokens.segments)


def _check_layer(layer: Layer, witness: Any, n_query: int, n_key: int) -> None:
    axes = {"head": len(layer.heads), "query": n_query, "key": n_key}
    ensure(0 < axes["head"] == len(set(layer.heads)), "a layer has no heads, or one twice")
    agree(layer, **axes)
    if isinstance(layer, QKLayer):
        agree(layer.spec, **axes, token=n_key)
        n_kv = len(layer.keys)
        _check_places(layer.kv_head, n_kv)
        ensure(len(layer.kv_numbers) in (0, n_kv), "numbers for some key heads")
        if witness is not None:
            agree(witness, **axes, kv_head=n_kv)
    mixing = getattr(layer, "mixing", None)
    if mixing is not None:
        _check_mixing(mixing, axes)


def _check_mixing(mixing: Mixing, axes: dict[str, int]) -> None:
    agree(mixing, **axes)
    _check_places(mixing.kv_head, len(mixing.values))
    for norm in (mixing.branch, mixing.norm):
        if norm is not None:
            agree(norm, query=axes["query"])


def _check_places(kv_head: np.ndarray, n: int) -> None:
    ensure(kv_head.min() >= 0 and kv_head.max() < n, "a head's key head is not there")


def check_seen(seen: Seen, layers: Sequence[Layer]) -> None:
    """LoadError where row sums and overviews are not those of a layer."""
    layer = seen.layer
    ensure(any(layer is one for one in layers), "an overview of no layer")
    n_head, n_query, n_key = layer.shape
    agree(seen, head=n_head, query=n_query)
    ensure(len(seen.places) == len(seen.overviews) == len(set(seen.places)), "overviews repeat")
    for place, overview in zip(seen.places, seen.overviews, strict=True):
        ensure(0 <= place < n_head and overview.block > 0, "an overview of no head")
        agree(overview, row=-(-n_query // overview.block), column=-(-n_key // overview.block))


def agree(part: Any, **axes: int) -> None:
    """LoadError unless the arrays of a part have the axes that its class declares, this long."""
    with jaxtyped("context"):
        named: Any = Shaped[np.ndarray, " ".join(axes)]
        assert isinstance(np.broadcast_to(np.uint8(0), tuple(axes.values())), named)
        for field in fields(part):
            value, hint = getattr(part, field.name), hints(type(part).__name__)[field.name]
            if isinstance(value, np.ndarray) and not fits(value, hint):
                raise LoadError(
                    f"{field.name} of its {type(part).__name__} has shape {value.shape}, which "
                    f"does not fit {axes}"
                )
