"""The rows that made the generated tokens, as a trace of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.generation import GENERATED, Generation
from attnscope.measures.known import trace_of
from attnscope.scores import Layer, QKLayer, WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Segment, Tokens
from attnscope.trace import Trace


def steps(trace: Trace, start: int | None = None) -> Trace:
    """What the model looked at for each token that it generated, as a trace.

    Args:
        trace: a trace of `attnscope.generate`; or any other, with `start`.
        start: place of the first token that is taken as generated: a text whose answer was written
            elsewhere is looked at as if the model had written it.

    Returns:
        A trace whose queries are the tokens that were generated, each with the row that made it;
        keys are the tokens read, among which those generated are a segment. Of an encoder-decoder,
        the streams `decoder` and `cross`.

    Raises:
        InputError: where nothing was generated and no `start` is given, or it is not there.
    """
    made = generation_of(trace_of(trace), start)
    n = len(trace.streams[made.stream].query)
    streams = [
        _stream(stream, made)
        for name, stream in trace.streams.items()
        if name in (made.stream, "cross") and len(stream.query) == n
    ]
    return Trace(streams, trace.provenance)


def generation_of(trace: Trace, start: int | None) -> Generation:
    """What was generated; or what would have been, had the text from `start` on been.

    Raises:
        InputError: as `steps`.
    """
    if start is None:
        if trace.generation is None:
            raise InputError(
                "nothing was generated in this trace. Record it with attnscope.generate(model, "
                "tokenizer, prompt), or say with start= at which token an answer begins."
            )
        return trace.generation
    name = next((name for name in ("self", "decoder") if name in trace.streams), None)
    stream = trace.stream(name)
    if stream.query.numbers:
        raise InputError(
            "start= needs the rows of all tokens, and the capture kept some of them: leave its "
            "queries= out."
        )
    place, n, past = index_of("start", start), len(stream.key), len(stream.key) - len(stream.query)
    if past + 1 >= n:
        raise InputError(
            f"start={place}: this trace has one row and no token after it, so that no row of it "
            "made a token. Capture the text with its answer."
        )
    if not past < place < n:
        raise InputError(
            f"start={place} is no token that a row before it could have made: give {past + 1} to "
            f"{n - 1}."
        )
    tokens = stream.key.take(np.arange(n) >= place)
    return Generation(stream.name, place - past - 1, tokens)


def _stream(stream: Stream, made: Generation) -> Stream:
    rows = slice(made.start, made.start + len(made))
    kept = [_rows(layer, rows) for layer in stream.layers]
    witnesses = [
        witness and replace(cast(Any, witness), output=cast(Any, witness).output[:, rows])
        for witness in stream.witnesses
    ]
    key = stream.key if stream.name == "cross" else _with_generated(stream, made)
    return replace(
        stream, layers=tuple(kept), query=made.tokens, key=key, witnesses=tuple(witnesses)
    )


def _with_generated(stream: Stream, made: Generation) -> Tokens:
    """The tokens read, with a segment of those generated."""
    tokens, first = stream.key, first_made(stream, made)
    before = tokens.segments or (Segment("prompt", 0, len(tokens)),)
    if first >= len(tokens) or any(segment.start == first for segment in before):
        return tokens.with_segments(before)
    cut = [replace(one, stop=min(one.stop, first)) for one in before if one.start < first]
    return tokens.with_segments([*cut, Segment(GENERATED, first, len(tokens))])


def first_made(stream: Stream, made: Generation) -> int:
    """Place among the keys of the first token that was generated; their number if it was last."""
    return len(stream.key) - len(stream.query) + made.start + 1


def _rows(layer: Layer, rows: slice) -> Layer:
    _, n_query, n_key = layer.shape
    mixing = getattr(layer, "mixing", None)
    if mixing is not None:
        shown = np.zeros(n_query, bool)
        shown[rows] = True
        mixing = mixing.trim(shown, np.ones(n_key, bool))
    if not isinstance(layer, QKLayer):
        return WeightsLayer(layer.rows(queries=rows), layer.heads, mixing)
    spec = layer.spec
    spec = replace(
        spec,
        offset=spec.offset + rows.start,
        visible=None if spec.visible is None else spec.visible[rows],
        bias=None if spec.bias is None else spec.bias[:, rows],
    )
    return replace(layer, queries=layer.queries[:, rows], spec=spec, mixing=mixing)
