"""A Trace as one file: memory-mapped, without pickle, opened without the model or torch.

The file is a safetensors file (docs/file-format.md). Arrays that layers share (masks, biases) are
there once; what is known of long heads (row sums, overviews) comes along, so that a map of them
opens at once. Above 4 GB the arrays go into further files, and the file is their index. Nothing is
trusted when a file is read: sizes, types and axes are checked before anything is made from them,
and checksums say whether the bytes are those that were written.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from attnscope._axes import check_generation, check_seen, check_stream, ensure
from attnscope._files import replacing
from attnscope._records import Writer, read
from attnscope._safetensors import AGAIN, Array, File, write
from attnscope.errors import InputError, LoadError
from attnscope.narrowing import narrowed, precision_of
from attnscope.overview import Seen, overviews_of, remember, seen_of
from attnscope.provenance import Provenance
from attnscope.scores import QKLayer
from attnscope.stream import Stream
from attnscope.trace import Trace

FORMAT = 1
NAME = "attnscope"
SUFFIX = ".safetensors"
SHARD = 4_000_000_000
VERIFIED = 1_000_000_000
"""Bytes up to which `load` reads the whole file to check it, if not told otherwise."""
LONG = 200_000_000
"""Bytes from which writing and checking take long enough for a progress bar."""


def save(
    trace: Trace,
    path: str | PathLike[str],
    *,
    dtype: str | None = None,
    overviews: bool | None = None,
) -> Path:
    """Write a trace; see `Trace.save`."""
    target = _path(path)
    if target.suffix.lower() != SUFFIX:
        raise InputError(
            f"cannot save a trace as {target.name!r}: the suffix must be {SUFFIX}, got "
            f"{target.suffix or 'none'!r}. Views are saved by trace.head_view().save('x.html')."
        )
    kept = precision_of(dtype)
    trace = trace if kept is None else _narrowed(trace, kept)
    overviews_of([layer for one in trace.streams.values() for layer in one.layers], overviews)
    about, arrays = _described(trace)
    _write(target, about, arrays)
    return target.resolve()


def _write(target: Path, about: dict[str, Any], arrays: Mapping[str, Array]) -> None:
    """Further files first, then the file itself: until then the old one is what there is."""
    old = _shards_of(target)
    parts = _parts(arrays)
    total = sum(array.nbytes for array in arrays.values())
    written: list[Path] = []
    try:
        with _bar("saving", total) as bar:
            if len(parts) > 1:
                about["shards"] = _shard_names(target, len(parts))
                for name, part in zip(about["shards"], parts, strict=True):
                    written.append(target.parent / name)
                    with replacing(written[-1]) as out:
                        write(out, {f"{NAME}_shard": target.name}, part, bar.update)
            with replacing(target) as out:
                write(
                    out, {NAME: json.dumps(about)}, parts[0] if len(parts) == 1 else {}, bar.update
                )
    except BaseException:
        old = written
        raise
    finally:
        for shard in old:
            shard.unlink(missing_ok=True)


def _path(path: Any) -> Path:
    if not isinstance(path, str | PathLike):
        raise InputError(f"path must be the name of a file, got {path!r}.")
    return Path(path).expanduser()


def _narrowed(trace: Trace, dtype: str) -> Trace:
    """The same trace with queries and keys (or weights) in another precision."""
    streams = trace.streams.values()
    made = [
        replace(one, layers=tuple(narrowed(layer, dtype) for layer in one.layers))
        for one in streams
    ]
    return Trace(made, trace.provenance, trace.generation)


def _described(trace: Trace) -> tuple[dict[str, Any], dict[str, Array]]:
    """What the file says of the trace, and the arrays that it names."""
    writer = Writer()
    about: dict[str, Any] = {"format": FORMAT, "written_by": f"{NAME} {version(NAME)}"}
    about["streams"] = [writer.put(stream, name) for name, stream in trace.streams.items()]
    about["provenance"] = writer.put(trace.provenance, "provenance")
    if trace.generation is not None:
        about["generation"] = writer.put(trace.generation, "generation")
    known = (
        (f"{name}.known.{place}", seen_of(layer))
        for name, stream in trace.streams.items()
        for place, layer in enumerate(stream.layers)
        if isinstance(layer, QKLayer)
    )
    about["known"] = [writer.put(seen, path) for path, seen in known if seen is not None]
    about["records"] = writer.records
    return about, writer.arrays


def _parts(arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
    """The arrays in order, in parts of at most `SHARD` bytes where no single one is larger."""
    parts: list[dict[str, Array]] = [{}]
    size = 0
    for name, array in arrays.items():
        if size + array.nbytes > SHARD and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][name] = array
        size += array.nbytes
    return parts


def _shard_names(target: Path, n: int) -> list[str]:
    """Names that no other saved trace has: the file there now, and its shards, stay in use."""
    once = uuid.uuid4().hex[:8]
    return [f"{target.stem}-{once}-{i + 1:05}-of-{n:05}{SUFFIX}" for i in range(n)]


def _shards_of(path: Path) -> list[Path]:
    """The further files of the trace that is there now, if there is one."""
    try:
        about = _about(File(path))
        return [_shard(path, name) for name in about.get("shards", ())]
    except LoadError:
        return []


def load(path: str | PathLike[str], *, verify: bool | None = None) -> Trace:
    """Open a trace that `trace.save(path)` wrote, without the model and without torch.

    The file is mapped into memory: what is looked at is read from the disk when it is looked at.

    Args:
        path: the file (of a trace in several files, the one that was named when it was saved).
        verify: read all of it and hold it to its checksums; None does so up to 1 GB. The
            description of the trace (tokens, shapes, rules) is always checked.

    Raises:
        LoadError: when the file is not there, not whole, damaged, no trace, or too new.
    """
    file = File(_path(path))
    about = _about(file)
    files = [file, *(File(_shard(file.path, name)) for name in about.get("shards", ()))]
    arrays = {name: array for one in files for name, array in one.arrays.items()}
    total = sum(array.nbytes for array in arrays.values())
    if verify or (verify is None and total <= VERIFIED):
        with _bar("checking", total) as bar:
            for one in files:
                one.verify(one.arrays, bar.update)
    try:
        return _trace_of(about, arrays)
    except LoadError as problem:
        raise LoadError(f"{file.path} is damaged: {problem}. {AGAIN}") from None
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as problem:
        raise LoadError(f"{file.path} is damaged: {problem!r:.200}. {AGAIN}") from problem


def _about(file: File) -> dict[str, Any]:
    """What a file says of its trace, once it is sure that it is one and of a known format."""
    if NAME not in file.metadata:
        raise LoadError(
            f"{file.path} is a safetensors file, but no trace: model weights, or one of the "
            "further files of a trace. Give a file that trace.save(path) wrote."
        )
    file.verify((), lambda _: None)
    try:
        about = json.loads(file.metadata[NAME])
        number, by = int(about["format"]), str(about["written_by"])
    except (LookupError, TypeError, ValueError, RecursionError):
        raise LoadError(f"{file.path} is damaged: it does not say its format. {AGAIN}") from None
    if number != FORMAT:
        raise LoadError(
            f"{file.path} has format {number}, written by {by:.80}; this attnscope reads format "
            f"{FORMAT}: pip install -U attnscope, or save the trace again."
        )
    return dict(about)


def _shard(path: Path, name: Any) -> Path:
    """A further file: beside the first, never elsewhere."""
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(SUFFIX):
        raise LoadError(f"{path} is damaged: it names {name!r:.80} as a further file. {AGAIN}")
    return path.parent / name


def _trace_of(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Trace:
    parts = read(about["records"], arrays)
    streams = [parts[place["record"]] for place in about["streams"]]
    provenance = parts[about["provenance"]["record"]]
    known = [parts[place["record"]] for place in about["known"]]
    ensure(isinstance(provenance, Provenance), "it does not say where it comes from")
    ensure(all(isinstance(one, Stream) for one in streams), "a stream is something else")
    ensure(all(isinstance(one, Seen) for one in known), "an overview is something else")
    ensure(len({stream.name for stream in streams}) == len(streams), "two streams with one name")
    for stream in streams:
        check_stream(stream)
    layers = [layer for stream in streams for layer in stream.layers]
    for seen in known:
        check_seen(seen, layers)
    generation = parts[about["generation"]["record"]] if "generation" in about else None
    if generation is not None:
        check_generation(generation, streams)
    trace = Trace(streams, provenance, generation)
    for seen in known:
        remember(seen)
    return trace


def _bar(what: str, total: int) -> Any:
    hidden = total < LONG
    return tqdm(total=total, desc=what, unit="B", unit_scale=True, disable=hidden, leave=False)
