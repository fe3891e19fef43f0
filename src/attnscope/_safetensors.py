"""The safetensors format, read and written with NumPy alone: arrays by name, one JSON header.

Eight bytes say how long the header is; the header says of every array its dtype, shape and place in
the bytes that follow (https://github.com/huggingface/safetensors). Reading maps the file into
memory and copies nothing; whatever a header claims is held against the file's size first. bfloat16,
which NumPy lacks, is uint16 here, as everywhere in attnscope.
"""

from __future__ import annotations

import json
import math
import mmap
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Shaped

from attnscope.errors import LoadError

DTYPES = {
    "F64": "<f8",
    "I64": "<i8",
    "F32": "<f4",
    "I32": "<i4",
    "F16": "<f2",
    "BF16": "<u2",
    "BOOL": "|b1",
    "U8": "|u1",
}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
HEADER_LIMIT = 100_000_000
"""Bytes: the format's own limit."""
ALIGNED = 64
CHUNK = 2**24
AGAIN = "Copy or save it again."

Array = Shaped[np.ndarray, "..."]
Tell = Callable[[int], Any]
"""Called with the number of bytes done since the last time."""


def write(
    out: IO[bytes], metadata: Mapping[str, str], arrays: Mapping[str, Array], tell: Tell
) -> None:
    """Write arrays and texts; `crc32` is added to the metadata: a JSON object with a checksum each.

    The checksums are known when all is written, so the header is written twice, at one length.
    """
    arrays = dict(sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    sums = dict.fromkeys([*metadata, *arrays], "0" * 8)
    start = out.tell()
    out.write(_header(metadata, arrays, sums))
    for name, array in arrays.items():
        flat = np.ascontiguousarray(array).astype(DTYPES[NAMES[array.dtype]], copy=False)
        sums[name] = checksum(array, flat.reshape(-1).view(np.uint8), tell, out.write)
    sums |= {name: _hex(zlib.crc32(text.encode())) for name, text in metadata.items()}
    out.seek(start)
    out.write(_header(metadata, arrays, sums))
    out.seek(0, 2)


def _header(
    metadata: Mapping[str, str], arrays: Mapping[str, Array], sums: Mapping[str, str]
) -> bytes:
    entries: dict[str, Any] = {"__metadata__": {**metadata, "crc32": json.dumps(sums)}}
    place = 0
    for name, array in arrays.items():
        entries[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    text = json.dumps(entries).encode()
    text += b" " * (-(len(text) + 8) % ALIGNED)
    return len(text).to_bytes(8, "little") + text


def checksum(
    array: Array,
    flat: Shaped[np.ndarray, "byte"],
    tell: Tell,
    write: Callable[[Any], Any] | None = None,
) -> str:
    """CRC-32 of an array's dtype, shape and bytes, which are written on the way."""
    total = zlib.crc32(f"{NAMES[array.dtype]}{list(array.shape)}".encode())
    for start in range(0, len(flat), CHUNK):
        part = flat[start : start + CHUNK].data
        total = zlib.crc32(part, total)
        if write is not None:
            write(part)
        tell(len(part))
    return _hex(total)


def _hex(number: int) -> str:
    return f"{number:08x}"


class File:
    """A safetensors file, mapped into memory.

    Attributes:
        path: where it is.
        metadata: the header's texts.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            LoadError: when it cannot be read, is no safetensors file, or is not whole.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                size = file.seek(0, 2)
                if size < 8:
                    raise LoadError(f"{path} has {size} bytes and is no safetensors file.")
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as cause:
            if isinstance(cause, LoadError):
                raise
            said = getattr(cause, "strerror", None) or cause
            raise LoadError(
                f"cannot read {path}: {said}. Give a file that trace.save(path) wrote."
            ) from None
        self._bytes = np.frombuffer(mapped, np.uint8)
        length = int.from_bytes(mapped[:8], "little")
        if length > HEADER_LIMIT:
            raise LoadError(f"{path} is no safetensors file: it does not begin like one.")
        if length > size - 8:
            raise LoadError(f"{path} is not whole: it ends within its header. {AGAIN}")
        self._start = 8 + length
        entries = self._entries(mapped[8 : self._start])
        self.metadata: dict[str, str] = self._texts(entries.pop("__metadata__", {}))
        self._given = entries

    @cached_property
    def arrays(self) -> dict[str, Array]:
        """Arrays by name, read-only; read from the disk where they are looked at."""
        return {name: self._array(name, entry) for name, entry in self._given.items()}

    def _entries(self, header: bytes) -> dict[str, Any]:
        try:
            entries = json.loads(header)
        except (ValueError, RecursionError):
            entries = None
        if not isinstance(entries, dict):
            raise LoadError(
                f"{self.path} is no safetensors file, or damaged: its header is no JSON."
            )
        return entries

    def _texts(self, given: Any) -> dict[str, str]:
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            raise LoadError(f"{self.path} is damaged: its metadata are not texts. {AGAIN}")
        return given

    def _array(self, name: str, entry: Any) -> Array:
        dtype, shape, (start, stop) = self._checked(name, entry)
        if stop > len(self._bytes) - self._start:
            raise LoadError(
                f"{self.path} is not whole: it should have {self._start + stop:,} bytes or more "
                f"and has {len(self._bytes):,}. {AGAIN}"
            )
        flat = self._bytes[self._start + start : self._start + stop]
        return flat.view(dtype).reshape(shape)

    def _checked(self, name: str, entry: Any) -> tuple[np.dtype[Any], list[int], list[int]]:
        """Dtype, shape and place of an array, if they fit together."""
        try:
            dtype = np.dtype(DTYPES[entry["dtype"]])
            shape, place = entry["shape"], entry["data_offsets"]
            start, stop = place
            whole = all(type(n) is int and 0 <= n < 2**48 for n in [*shape, *place])
            if whole and stop - start == math.prod(shape) * dtype.itemsize:
                np.empty(0).reshape([0, *shape])  # not too many axes, nor too long ones
                return dtype, shape, place
        except (KeyError, TypeError, ValueError):
            pass
        raise LoadError(
            f"{self.path} is damaged, or holds what no trace has: {name[:80]!r} is described as "
            f"{str(entry)[:120]}. {AGAIN}"
        )

    def verify(self, names: Iterable[str], tell: Tell) -> None:
        """Hold all texts and these arrays to their checksums.

        Raises:
            LoadError: naming the first that does not fit.
        """
        try:
            sums = dict(json.loads(self.metadata["crc32"]))
        except (KeyError, TypeError, ValueError, RecursionError):
            raise LoadError(f"{self.path} is damaged: it has no checksums. {AGAIN}") from None
        for name, text in self.metadata.items():
            if name != "crc32" and sums.get(name) != _hex(zlib.crc32(text.encode())):
                raise LoadError(f"{self.path} is damaged: its text {name!r} changed. {AGAIN}")
        for name in names:
            flat = self.arrays[name].reshape(-1).view(np.uint8)
            if sums.get(name) != checksum(self.arrays[name], flat, tell):
                raise LoadError(f"{self.path} is damaged: the array {name!r} changed. {AGAIN}")
