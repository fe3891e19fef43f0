"""Traces as files: what comes back, what is refused, and what a failed save leaves behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import attnscope
from attnscope import InputError, LoadError, SaveError, Trace, store
from attnscope import overview as overviews
from attnscope._records import CLASSES
from attnscope.measures import quantity
from attnscope.overview import known_of
from tests.traces import equal, made, same, told


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_real_capture_comes_back_bit_for_bit_and_can_be_checked(minilm, tmp_path):
    trace = attnscope.capture(*minilm, "The cat sat.", "It was grey.", values=True)
    path = trace.save(tmp_path / "x.safetensors")
    again = attnscope.load(path)
    assert same(trace, again)
    assert equal(trace.provenance, again.provenance)
    assert again.stream().query is again.stream().key
    assert again.check() == trace.check()
    assert np.array_equal(again.weights(5), trace.weights(5))
    assert repr(again) == repr(trace)


def test_given_weights_and_several_streams_come_back(tmp_path):
    rng = np.random.default_rng(0)
    encoder, decoder, cross = (rng.random((2, 2, *shape)) for shape in [(5, 5), (3, 3), (3, 5)])
    encoder[0, 0, 0, 0] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning):
        trace = attnscope.from_attention(
            encoder=encoder, decoder=decoder, cross=cross, tokens=list("abcde"), model="m"
        )
    again = attnscope.load(trace.save(tmp_path / "x.safetensors"))
    assert same(trace, again)
    assert again.provenance == trace.provenance
    assert again.streams["cross"].key is again.streams["encoder"].key


def test_arrays_are_read_only_and_read_from_the_file(tmp_path):
    again = attnscope.load(made().save(tmp_path / "x.safetensors"))
    queries = again.stream().layers[0].queries
    assert not queries.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        queries[:] = 0


def test_what_layers_share_is_stored_once(tmp_path):
    n = 300
    bias = np.zeros((1, n, n), np.float32)
    visible = np.tri(n, dtype=bool)
    trace = made(n, layers=4, bias=bias, visible=visible)
    path = trace.save(tmp_path / "x.safetensors")
    assert path.stat().st_size < 1.6 * (bias.nbytes + visible.nbytes)
    layers = attnscope.load(path).stream().layers
    assert {id(layer.spec.bias) for layer in layers} == {id(layers[0].spec.bias)}


def test_other_tools_read_the_file(tmp_path):
    torch = pytest.importorskip("torch")
    import safetensors.torch

    numbers = torch.randn(2, 6, 4).to(torch.bfloat16)
    bits = numbers.view(torch.int16).numpy().view(np.uint16)
    trace = made()
    layer = replace(trace.stream().layers[0], queries=bits, dtype="bfloat16")
    stream = replace(trace.stream(), layers=(layer, trace.stream().layers[1]))
    path = Trace([stream]).save(tmp_path / "x.safetensors")
    found = safetensors.torch.load_file(path)
    assert torch.equal(found["self.layers.0.queries"], numbers)
    assert np.array_equal(found["self.layers.1.keys"].numpy(), trace.stream().layers[1].keys)
    assert np.array_equal(attnscope.load(path).weights(0), Trace([stream]).weights(0))


def test_the_fields_in_files_are_those_that_the_format_page_names(root):
    """A field that is renamed, or changes its meaning, needs a new `store.FORMAT`."""
    page = (root / "docs/file-format.md").read_text()
    assert f"format {store.FORMAT}" in page
    for name, kind in CLASSES.items():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` "))
        for field in fields(kind):
            assert f"`{field.name}`" in row, f"{name}.{field.name} is not in docs/file-format.md"


def test_loading_needs_no_torch(tmp_path):
    path = made().save(tmp_path / "x.safetensors")
    code = f"""
        import sys, attnscope
        trace = attnscope.load({str(path)!r})
        trace.weights(0), trace.heads(), trace.pairs()
        print([name for name in ("torch", "transformers") if name in sys.modules])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("empty", b"", "has 0 bytes and is no safetensors file"),
        ("text", b"once upon a time there was a file", "it does not begin like one"),
        ("pickle", pickle.dumps({"a": list(range(1000))}), "it does not begin like one"),
        ("short", (500).to_bytes(8, "little") + b"{}", "is not whole: it ends within its header"),
        ("list", (4).to_bytes(8, "little") + b"[ 1]", "its header is no JSON"),
        ("deep", (90000).to_bytes(8, "little") + b"[" * 90000, "its header is no JSON"),
        ("weights", safetensors.numpy.save({"w": np.ones(3)}), "but no trace: model weights, or"),
    ],
)
def test_foreign_files_are_refused(tmp_path, name, content, text):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LoadError, match=text):
        attnscope.load(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(LoadError, match=r"cannot read .*gone.*: No such file or directory. Give"):
        attnscope.load(tmp_path / "gone.safetensors")
    with pytest.raises(LoadError, match=r"cannot read .*: Is a directory"):
        attnscope.load(tmp_path)
    with pytest.raises(InputError, match="path must be the name of a file, got 3"):
        attnscope.load(3)
    with pytest.raises(LoadError, match=r"cannot read .*embedded null byte"):
        attnscope.load("a\0b")


def record(about: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(given for name, given in about["records"] if name == kind)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a, _: a.update(format=2), "has format 2, written by attnscope .*: pip install -U"),
        (lambda a, _: a.pop("format"), "it does not say its format"),
        (lambda a, _: a.pop("records"), "is damaged: KeyError"),
        (lambda a, _: record(a, "QKLayer").update(new=1), "its QKLayer has a field 'new', which"),
        (lambda a, _: record(a, "QKLayer").pop("keys"), "its QKLayer lacks keys"),
        (lambda a, _: record(a, "QKLayer").update(heads=[0, "1"]), "'heads' of its QKLayer is"),
        (lambda a, _: record(a, "QKLayer").update(heads=[0, 0]), "no heads, or one twice"),
        (lambda a, _: record(a, "QKLayer").update(heads=[0, 1, 2]), "does not fit {'head': 3"),
        (lambda a, _: record(a, "ScoreSpec").update(scaling=True), "'scaling' of its ScoreSpec"),
        (lambda a, _: record(a, "Tokens")["text"].pop(), "raw ones for others"),
        (lambda a, _: record(a, "Stream").update(numbers=[1, 1]), "layer numbers of self repeat"),
        (lambda a, _: record(a, "Stream").update(query={"record": 99}), "a 'record' where"),
        (lambda a, _: a["records"].append(["os.system", {}]), "holds a 'os.system', which"),
        (lambda a, _: a.update(shards=["../../etc/x.safetensors"]), "it names '../../etc"),
        (lambda a, _: a.update(streams=[{"record": 0}]), "a stream is something else"),
        (lambda _, h: h["self.layers.0.keys"].update(dtype="F8"), "holds what no trace has"),
        (lambda _, h: h["self.layers.0.keys"].update(shape=[2**62, 0]), "holds what no trace has"),
        (lambda _, h: h["self.layers.0.keys"].update(shape=[2, 3, 4]), "the array .* changed"),
        (
            lambda _, h: h["self.layers.0.keys"].update(shape=[2**40], data_offsets=[0, 2**42]),
            "is not whole: it should have",
        ),
    ],
)
def test_files_that_lie_are_refused(tmp_path, change, text):
    path = made().save(tmp_path / "x.safetensors")
    told(path, change)
    with pytest.raises(LoadError, match=text):
        attnscope.load(path)


def test_a_key_head_that_is_not_there_is_refused(tmp_path):
    trace = made()
    layer = replace(trace.stream().layers[0], kv_head=np.array([0, 7]))
    stream = replace(trace.stream(), layers=(layer, layer))
    path = Trace([stream]).save(tmp_path / "x.safetensors")
    with pytest.raises(LoadError, match="a head's key head is not there"):
        attnscope.load(path)


def test_a_changed_byte_is_found_unless_told_not_to_look(tmp_path, monkeypatch):
    path = made().save(tmp_path / "x.safetensors")
    data = bytearray(path.read_bytes())
    data[-20] ^= 4
    path.write_bytes(data)
    with pytest.raises(LoadError, match=r"the array '.*' changed. Copy or save it again."):
        attnscope.load(path)
    attnscope.load(path, verify=False)
    monkeypatch.setattr(store, "VERIFIED", 10)
    attnscope.load(path)
    with pytest.raises(LoadError, match="changed"):
        attnscope.load(path, verify=True)


def test_a_text_that_changed_is_always_found(tmp_path):
    path = made().save(tmp_path / "x.safetensors")
    path.write_bytes(path.read_bytes().replace(b"t3", b"t4", 1))
    with pytest.raises(LoadError, match="its text 'attnscope' changed"):
        attnscope.load(path, verify=False)


def test_only_recorded_layers_can_be_saved_and_only_as_safetensors(tmp_path):
    trace = made()
    with pytest.raises(InputError, match=r"cannot save a trace as 'x.html': the suffix must be"):
        trace.save(tmp_path / "x.html")
    stream = quantity(trace, "score")
    with pytest.raises(
        InputError, match=r"self.layers.0 is a Derived, which is computed and cannot"
    ):
        Trace([stream]).save(tmp_path / "x.safetensors")
    layer = replace(trace.stream().layers[0], queries=np.ones((2, 6, 4), np.int16))
    stream = replace(trace.stream(), layers=(layer,), numbers=(0,))
    with pytest.raises(InputError, match="queries has numbers of type int16, which no file can"):
        Trace([stream]).save(tmp_path / "x.safetensors")
    assert names_in(tmp_path) == []


def test_half_precision_halves_the_file(tmp_path):
    trace = made(200)
    full = trace.save(tmp_path / "x.safetensors")
    half = trace.save(tmp_path / "y.safetensors", dtype="float16")
    assert half.stat().st_size < 0.65 * full.stat().st_size
    again = attnscope.load(half)
    np.testing.assert_allclose(again.weights(1), trace.weights(1), atol=3e-3)
    assert {layer.dtype for layer in again.stream().layers} == {"float16"}
    with pytest.raises(InputError, match="dtype must be 'float16', 'float32' or None, got 'int8'"):
        trace.save(full, dtype="int8")
    layer = replace(trace.stream().layers[0], queries=np.full((2, 200, 4), 1e5, np.float32))
    with pytest.raises(InputError, match="layer has queries or keys beyond 65504"):
        Trace([replace(trace.stream(), layers=(layer,), numbers=(0,))]).save(full, dtype="float16")


def test_overviews_come_along(tmp_path, monkeypatch):
    trace = made(70)
    path = trace.save(tmp_path / "x.safetensors")
    assert attnscope.load(path).stream().layers[0] not in overviews._KNOWN
    trace.save(path, overviews=True)
    layer = attnscope.load(path).stream().layers[1]
    monkeypatch.setattr(overviews, "computed", None)
    was, now = known_of(trace.stream().layers[1]), known_of(layer)
    assert np.array_equal(was.sums, now.sums)
    assert np.array_equal(overviews.overview(layer, 1).mean, was.overviews[1].mean)


def test_long_inputs_get_their_overviews_unless_that_takes_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(overviews, "LONG_INPUT", 60)
    for affordable, known in [(1e9, 4), (10, 0)]:
        monkeypatch.setattr(overviews, "AFFORDABLE", affordable)
        again = attnscope.load(made(70).save(tmp_path / "x.safetensors"))
        layers = again.stream().layers
        assert sum(len(known_of(layer).overviews) for layer in layers) == known
    made(70).save(tmp_path / "x.safetensors", overviews=False)


def test_row_sums_of_some_rows_come_along(tmp_path):
    trace = made(70)
    layer = trace.stream().layers[0]
    overviews.row_sums(layer, 1, range(5, 9))
    again = attnscope.load(trace.save(tmp_path / "x.safetensors")).stream().layers[0]
    assert equal(known_of(again).sums, known_of(layer).sums)
    overviews.row_sums(again, 0, range(3))
    assert np.isfinite(known_of(again).sums[0, :3]).all()


def test_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD", 300)
    first, second = made(6), made(9)
    path = first.save(tmp_path / "x.safetensors")
    assert len(names_in(tmp_path)) == 4
    assert same(attnscope.load(path), first)
    old = set(names_in(tmp_path))
    second.save(path)
    assert same(attnscope.load(path), second)
    assert set(names_in(tmp_path)) & old == {"x.safetensors"}
    shard = next(name for name in names_in(tmp_path) if name != "x.safetensors")
    with pytest.raises(LoadError, match="but no trace: model weights, or one of the further files"):
        attnscope.load(tmp_path / shard)
    (tmp_path / shard).unlink()
    with pytest.raises(LoadError, match=f"cannot read .*{shard}: No such file"):
        attnscope.load(path)
    monkeypatch.undo()
    first.save(path)
    assert same(attnscope.load(path), first)


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    first, second = made(6), made(9)
    path = first.save(tmp_path / "x.safetensors")
    monkeypatch.setattr(store, "SHARD", 300)
    real, left = os.fsync, [3]

    def full(number: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SaveError, match=r"cannot write .*: No space left on device. Nothing was"):
        second.save(path)
    assert names_in(tmp_path) == ["x.safetensors"]
    assert same(attnscope.load(path), first)
    with pytest.raises(SaveError, match=r"cannot write .*nowhere.*: No such file or directory"):
        first.save(tmp_path / "nowhere" / "x.safetensors")


KILLED = """
    import os, signal, sys
    import numpy as np
    sys.path.insert(0, {root!r})
    from attnscope import store
    from tests.traces import made
    store.SHARD = 300
    left = [int(sys.argv[1])]

    def dying(real):
        def call(*args, **options):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **options)
        return call

    from pathlib import Path
    from attnscope import _safetensors
    os.fsync, Path.replace, Path.unlink = dying(os.fsync), dying(Path.replace), dying(Path.unlink)
    _safetensors.checksum = dying(_safetensors.checksum)
    made(9).save({path!r})
"""


@pytest.mark.slow
def test_a_killed_save_leaves_the_old_trace_or_the_new_one(root, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHARD", 300)
    first, second = made(6), made(9)
    path = first.save(tmp_path / "x.safetensors")
    code = textwrap.dedent(KILLED.format(root=str(root), path=str(path)))
    found = set()
    for step in range(0, 60, 3):
        done = subprocess.run([sys.executable, "-c", code, str(step)], check=False)
        now = attnscope.load(path)
        found.add((done.returncode, "old" if same(now, first) else "new"))
        assert same(now, first) or same(now, second)
    assert (-signal.SIGKILL, "old") in found
    assert (0, "new") in found
