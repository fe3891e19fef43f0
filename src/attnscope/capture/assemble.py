"""From recorded calls to a Trace: streams with names, layers with numbers, padding dropped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import numpy as np

from attnscope._numbers import spans_of
from attnscope._types import TokenMask
from attnscope.capture.calls.call import Call
from attnscope.capture.calls.masks import Trimmer
from attnscope.capture.editing.matching import changes_of
from attnscope.capture.inputs.patches import patch_tokens
from attnscope.capture.inputs.prepare import Prepared, Side
from attnscope.capture.mixing.matrices import mixing_of
from attnscope.capture.places.streams import Stack, side_of, stream_names
from attnscope.capture.recorder import Recording
from attnscope.errors import InputError
from attnscope.provenance import Certificate, Provenance
from attnscope.scores import Layer, QKLayer, WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

IMAGE_STREAM = ("vision", "visual", "image")


def trace_of(
    recording: Recording,
    certificate: Certificate,
    prepared: Prepared,
    segments: Any = None,
) -> Trace:
    """The Trace of a recorded and verified forward pass.

    Raises:
        InputError: when a layer number asked for, or the caller's tokens, do not fit the model.
    """
    check_layers(recording)
    notes = [*changes_of(recording.model), *_kept(recording)]
    streams = []
    for name, calls in _by_stream(recording).items():
        stream = _stream(name, calls, recording, prepared, notes)
        if segments is not None:
            stream = _with_segments(stream, segments)
        streams.append(_numbered(stream, calls[0], prepared))
    return Trace(streams, _provenance(recording, certificate, notes))


def _by_stream(recording: Recording) -> dict[str, list[Call]]:
    """The calls of each stream: of one stack, and of as many tokens in all their parts."""
    found: dict[str, list[Call]] = {}
    for stack, name in stream_names(tuple(recording.numbers)).items():
        for call in recording.calls:
            if call.stack == stack:
                sizes = call.layer.shape[1:]
                odd = name in found and found[name][0].layer.shape[1:] != sizes
                found.setdefault(f"{name}_{sizes[0]}x{sizes[1]}" if odd else name, []).append(call)
    return found


def check_layers(recording: Recording) -> None:
    """Raise InputError for a layer asked for that the model lacks."""
    there = sorted(set().union(*recording.numbers.values()))
    for layer in recording.layers or ():
        if layer not in there:
            raise InputError(
                f"layer {layer} is not in the model, which has {spans_of('layer', there)}."
            )


def _stream(
    name: str,
    calls: list[Call],
    recording: Recording,
    prepared: Prepared,
    notes: list[str],
) -> Stream:
    query_side, key_side = _sides(name, prepared)
    n_query, n_key = calls[0].n_query, calls[0].layer.shape[2]
    shown, keys = query_side.kept_of(n_query), key_side.kept_of(n_key)
    picked = calls[0].picked
    queries = shown if picked is None else shown[picked.rows]
    trimmer = Trimmer(queries, keys)
    if not all(_hides_padding(call.layer, trimmer) for call in calls):
        if picked is not None:
            raise InputError(
                f"queries= counts tokens without padding, and in the {name} stream the model "
                "attends to padding: give this text alone, without padding."
            )
        notes.append(f"{name}: padding is kept, because the model attends to it.")
        shown = queries = np.ones_like(queries)
        keys = np.ones_like(keys)
        trimmer = Trimmer(queries, keys)
    layers = tuple(_trimmed(call, trimmer) for call in calls)
    witnesses = tuple(call.witness and call.witness.trim(queries, keys) for call in calls)
    config, pixels = getattr(recording.model, "config", None), prepared.inputs.get("pixel_values")
    query = query_side.fit(shown, patch_tokens(config, pixels, n_query))
    one_side = query_side is key_side and np.array_equal(shown, keys)
    return Stream(
        name=name,
        numbers=tuple(call.number for call in calls),
        layers=layers,
        query=query,
        key=query if one_side else key_side.fit(keys, patch_tokens(config, pixels, len(keys))),
        witnesses=witnesses,
    )


def _numbered(stream: Stream, call: Call, prepared: Prepared) -> Stream:
    """With the queries that were kept, which keep their numbers."""
    if call.picked is None:
        return stream
    rows, n = call.picked.rows, call.picked.n_query
    shown = np.flatnonzero(_sides(stream.name, prepared)[0].kept_of(n))
    return replace(stream, query=stream.query.only(np.searchsorted(shown, rows).tolist()))


def _kept(recording: Recording) -> list[str]:
    """What is said of a trace that holds less than there was."""
    keeping, notes = recording.keeping, []
    if any(
        call.picked is not None and call.n_query > call.layer.shape[1] for call in recording.calls
    ):
        notes.append("Some queries only were recorded (queries=).")
    if keeping.dtype is not None and any(call.dtype != keeping.dtype for call in recording.calls):
        computed = ", ".join(sorted({call.dtype for call in recording.calls}))
        notes.append(f"Recorded in {keeping.dtype} (dtype=); the model computes in {computed}.")
    return notes


def shown_of(prepared: Prepared) -> Callable[[Stack, int], TokenMask]:
    """Which of so many queries of a stack are no padding."""
    both = any(name.startswith("decoder_") for name in prepared.inputs)

    def shown(stack: Stack, n: int) -> TokenMask:
        decoding = both and (stack.cross or side_of(stack) != "encoder")
        return (prepared.target if decoding else prepared.source).queries.kept_of(n)

    return shown


def _hides_padding(layer: Layer, trimmer: Trimmer) -> bool:
    if isinstance(layer, WeightsLayer):
        return not layer.weights[:, trimmer.queries][:, :, ~trimmer.keys].any()
    return trimmer.hides_padding(cast(QKLayer, layer).spec)


def _trimmed(call: Call, trimmer: Trimmer) -> Layer:
    layer, queries, keys = call.layer, trimmer.queries, trimmer.keys
    mixing = None
    if call.followed is not None:
        mixing = mixing_of(layer, call.followed, call.precision).trim(queries, keys)
    if isinstance(layer, WeightsLayer):
        weights = _taken(_taken(layer.weights, queries), keys, axis=2)
        return replace(layer, weights=weights, mixing=mixing)
    layer = cast(QKLayer, layer)
    return replace(
        layer,
        queries=_taken(layer.queries, queries),
        keys=_taken(layer.keys, keys),
        spec=trimmer(layer.spec),
        mixing=mixing,
    )


def _taken(array: np.ndarray, kept: TokenMask, axis: int = 1) -> np.ndarray:
    return array if kept.all() else np.compress(kept, array, axis=axis)


def _sides(name: str, prepared: Prepared) -> tuple[Side, Side]:
    """Query side and key side of a stream."""
    if name.startswith(IMAGE_STREAM):
        pixels = Side("tokens")
        return pixels, pixels
    if name.startswith("decoder"):
        return prepared.target.queries, prepared.target
    if name.startswith("cross"):
        return prepared.target.queries, prepared.source
    return prepared.source.queries, prepared.source


def _with_segments(stream: Stream, segments: Any) -> Stream:
    """The caller's segments are those of the source's tokens, as they are shown."""
    if stream.name.startswith(("decoder", *IMAGE_STREAM)):
        return stream
    key: Tokens = stream.key.with_segments(segments)
    if stream.name == "cross":
        return replace(stream, key=key)
    n_past = len(key) - len(stream.query)
    query = key.take(np.arange(len(key)) >= n_past) if n_past else key
    return replace(stream, key=key, query=query)


def _provenance(recording: Recording, certificate: Certificate, notes: Sequence[str]) -> Provenance:
    calls, config = recording.calls, getattr(recording.model, "config", None)
    return Provenance(
        model=_model_name(recording.model),
        model_type=getattr(config, "model_type", ""),
        dtype=", ".join(sorted({call.dtype for call in calls})),
        attention=", ".join(sorted({call.implementation for call in calls})),
        versions=_versions(),
        certificate=certificate,
        notes=tuple(notes),
    )


def _model_name(model: Any) -> str:
    """The name on the hub, or the folder's own name: pages are shared, paths are private."""
    name = str(getattr(getattr(model, "config", None), "_name_or_path", "") or "")
    if Path(name).exists() or Path(name).is_absolute():
        name = Path(name).name
    return name or type(model).__name__


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("attnscope", "torch", "transformers"):
        if name == "attnscope" or name in sys.modules:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                continue
    return found
