"""Any trace comes back from its file; any damage to the file is an error and nothing else."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import attnscope
from attnscope import LoadError, Stream, Tokens, Trace
from attnscope.capture.certify import Witness
from attnscope.mixing import Mixing, Norm
from attnscope.provenance import Certificate, Provenance
from attnscope.scores import QKLayer, ScoreSpec, WeightsLayer
from tests.traces import equal, same, told

few = settings(max_examples=60, deadline=None)
texts = st.text(min_size=1, max_size=5)


def a_trace(seed: int, names: list[str]) -> Trace:
    """A trace that has something of everything, of sizes and values drawn from the seed."""
    rng = np.random.default_rng(seed)
    n_query, n_key, dim, n_head, n_kv = (int(n) for n in rng.integers(1, 6, 5))
    maybe = lambda value: value if rng.random() < 0.6 else None  # noqa: E731
    numbers = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    spec = ScoreSpec(
        float(rng.random()),
        causal=bool(rng.random() < 0.5),
        offset=int(rng.integers(0, 4)),
        window=maybe(int(rng.integers(1, 9))),
        keys=maybe(rng.random(n_key) < 0.7),
        visible=maybe(rng.random((n_query, n_key)) < 0.7),
        bias=maybe(numbers(1, n_query, n_key)),
        softcap=maybe(5.0),
        sinks=maybe(numbers(n_head)),
    )
    norm = Norm(bool(rng.random() < 0.5), numbers(7), numbers(7), numbers(n_query))
    kv_head = rng.integers(0, n_kv, n_head)
    mixing = Mixing(
        numbers(n_kv, n_key, 3),
        kv_head,
        maybe(numbers(n_head, 3, 7)),
        maybe(numbers(7)),
        maybe(norm),
        maybe(numbers(n_query, 7)),
        norm,
        lacking=maybe("why") or "",
    )
    dtype = [np.float32, np.float16, np.uint16][seed % 3]
    layer = QKLayer(
        (numbers(n_head, n_query, dim) * 100).astype(dtype),
        (numbers(n_kv, n_key, dim) * 100).astype(dtype),
        spec,
        tuple(range(2, 2 + n_head)),
        kv_head,
        "a.b",
        "float16",
        maybe(tuple(range(n_kv))) or (),
        maybe(mixing),
    )
    witness = Witness(numbers(n_kv, n_key, 4), numbers(n_head, n_query, 4))
    given = WeightsLayer(rng.random((2, n_query, n_key)).astype(np.float32), (0, 3))
    query, key = (tokens(rng, n, names) for n in (n_query, n_key))
    key = query if n_key == n_query else key
    streams = [
        Stream("self", (3, 7), (layer, replace(layer, spec=spec)), query, key, (witness, None)),
        Stream(names[0], (0,), (given,), query, key),
    ]
    certificate = maybe(Certificate(1e-7, 3, 4))
    notes = tuple(names)
    return Trace(
        streams,
        Provenance(names[0], versions={"a": names[-1]}, certificate=certificate, notes=notes),
    )


def tokens(rng: np.random.Generator, n: int, names: list[str]) -> Tokens:
    made = Tokens.plain([str(name) for name in rng.choice(np.array(names, object), n)])
    some = rng.random() < 0.5
    return replace(
        made.with_segments([n // 2] if n > 1 else []),
        ids=rng.integers(0, 9, n) if some else None,
        spans=rng.integers(-1, 9, (n, 2)) if some else None,
        words=tuple(range(n)) if some else (),
        grid=(1, n) if rng.random() < 0.3 else None,
    )


@few
@given(st.integers(0, 2**32 - 1), st.lists(texts, min_size=1, max_size=4))
def test_any_trace_comes_back_bit_for_bit(seed: int, names: list[str]) -> None:
    trace = a_trace(seed, names)
    with tempfile.TemporaryDirectory() as folder:
        again = attnscope.load(trace.save(Path(folder) / "x.safetensors"))
        assert same(trace, again)
        assert equal(trace.provenance, again.provenance)
        for name, stream in trace.streams.items():
            assert (again.streams[name].query is again.streams[name].key) == (
                stream.query is stream.key
            )


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with one thing wrong: cut, grown, a byte changed, a stretch zeroed or taken out."""
    out = bytearray(data)
    length = int.from_bytes(data[:8], "little")
    place = int(rng.integers(0, len(out)) if rng.random() < 0.5 else rng.integers(0, 8 + length))
    kind = rng.integers(0, 6)
    if kind == 0:
        return data[:place]
    if kind == 1:
        out[place] ^= 1 << int(rng.integers(0, 8))
    if kind == 2:
        out[place : place + 40] = bytes(len(out[place : place + 40]))
    if kind == 3:
        out[:8] = int(rng.integers(0, 2**62)).to_bytes(8, "little")
    if kind == 4:
        out[place:place] = rng.bytes(int(rng.integers(1, 90)))
    if kind == 5:
        del out[place : place + int(rng.integers(1, 90))]
    return bytes(out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trace]:
    trace = a_trace(12, ["ein", "zwei"])
    return trace.save(tmp_path_factory.mktemp("store") / "x.safetensors"), trace


def loaded(path: Path, memory: int) -> Trace | None:
    """The trace, or None for an error that names the file; with little memory either way."""
    tracemalloc.start()
    try:
        return attnscope.load(path)
    except LoadError as error:
        if str(path) not in str(error):
            raise
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < memory


@pytest.mark.parametrize("seed", range(200))
def test_damage_is_an_error_or_changes_nothing(whole: Any, tmp_path: Path, seed: int) -> None:
    """Nothing changes where the damage is in white space between header and arrays."""
    path, trace = whole
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(damaged(path.read_bytes(), np.random.default_rng(seed)))
    found = loaded(bad, 5_000_000)
    assert found is None or same(found, trace)


def twisted(value: Any, rng: np.random.Generator) -> Any:
    """Some JSON with one value somewhere replaced by another."""
    odd = [None, True, -1, 10**30, 0.5, "", "self.layers.0.keys", [], {}, [[]], {"record": 0}]
    odd += [{"array": "self.layers.0.keys"}, {"array": "no"}, {"map": {}}, 2**40]
    if isinstance(value, dict | list) and value and rng.random() < 0.93:
        at = rng.choice(np.array(list(value), object)) if isinstance(value, dict) else None
        at = int(rng.integers(0, len(value))) if at is None else at
        return type(value)(
            {**value, at: twisted(value[at], rng)}
            if isinstance(value, dict)
            else [*value[:at], twisted(value[at], rng), *value[at + 1 :]]
        )
    return odd[int(rng.integers(0, len(odd)))]


@pytest.mark.parametrize("seed", range(300))
def test_a_file_that_lies_is_an_error_or_a_trace(whole: Any, tmp_path: Path, seed: int) -> None:
    """Checksums fit, so that everything behind them is reached."""
    rng = np.random.default_rng(seed)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(whole[0].read_bytes())

    def change(about: dict[str, Any], header: dict[str, Any]) -> None:
        if seed % 4:
            new = twisted(about, rng)
            about.clear()
            about.update(new if isinstance(new, dict) else {"format": new})
        else:
            name = str(rng.choice([name for name in header if name != "__metadata__"]))
            header[name] = twisted(header[name], rng)

    told(bad, change)
    trace = loaded(bad, 20_000_000)
    if trace is not None:
        with np.errstate(all="ignore"):
            shapes = [one.rows().shape for s in trace.streams.values() for one in s.layers]
        assert all(min(shape) > 0 for shape in shapes)


def test_checksums_are_crc32_as_the_format_page_says(whole: Any) -> None:
    path, trace = whole
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    sums = json.loads(header["__metadata__"]["crc32"])
    keys = trace.streams["self"].layers[0].keys
    said = header["self.layers.0.keys"]
    text = f"{said['dtype']}{said['shape']}".encode()
    assert sums["self.layers.0.keys"] == f"{zlib.crc32(text + keys.tobytes()):08x}"
