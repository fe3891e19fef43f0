"""How much a capture will record is said before it starts, and is what it then records."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from attnscope._records import Writer
from attnscope.capture import memory
from attnscope.capture.calls.keeping import queries_of
from attnscope.capture.memory import Asked, available, estimate, in_words
from attnscope.errors import AttnscopeWarning
from attnscope.trace import Trace
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")
N = 30

READ = [name for name in FAMILIES if "input_ids" in FAMILIES[name].inputs()]
BESIDE = {"clip"}
"""Has images beside its text, which are not counted."""
BROADCAST = {"bloom"}
"""Its bias is one row, held as a view of the whole."""


def ids(name: str) -> dict[str, torch.Tensor]:
    given = {"input_ids": torch.arange(3, 3 + N)[None]}
    if "decoder_input_ids" in FAMILIES[name].inputs():
        given["decoder_input_ids"] = torch.arange(3, 3 + N // 2)[None]
    return given


def recorded(trace: Trace) -> int:
    """Bytes of all arrays of a trace but masks, each once."""
    writer = Writer()
    for stream in trace.streams.values():
        writer.put(stream.layers, stream.name)
        writer.put(stream.witnesses, f"{stream.name} witness")
    return sum(array.nbytes for array in writer.arrays.values() if array.dtype != bool)


@pytest.mark.parametrize("name", [one for one in READ if one not in BESIDE | BROADCAST])
def test_the_estimate_is_what_is_recorded(name: str) -> None:
    model, inputs = build(name), ids(name)
    expected = estimate(model, inputs, Asked())
    assert expected == pytest.approx(recorded(capture(model, inputs=inputs)), rel=0.02)


@pytest.mark.parametrize("name", ["bert", "llama", "t5", "gemma2", "deepseek_v3"])
def test_values_are_counted(name: str) -> None:
    model, inputs = build(name), ids(name)
    expected = estimate(model, inputs, Asked(values=True))
    found = recorded(capture(model, inputs=inputs, values=True))
    assert expected == pytest.approx(found, rel=0.05)


@pytest.mark.parametrize(
    "limits",
    [
        {"layers": [1]},
        {"heads": [0, 3]},
        {"heads": [0]},
        {"queries": slice(-8, None)},
        {"dtype": "float16"},
        {"layers": [0], "heads": [2], "queries": slice(0, 20, 2), "dtype": "float16"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["llama", "bart"])
def test_limits_are_counted(name: str, limits: dict[str, Any]) -> None:
    model, inputs = (
        build(name, **({"decoder_attention_heads": 4} if name == "bart" else {})),
        ids(name),
    )
    asked = Asked(**{**limits, "queries": queries_of(limits.get("queries"))})
    found = recorded(capture(model, inputs=inputs, **limits))
    assert estimate(model, inputs, asked) == pytest.approx(found, rel=0.05)


def test_a_model_in_half_precision_takes_half() -> None:
    model, inputs = build("llama").half(), ids("llama")
    found = recorded(capture(model, inputs=inputs))
    assert estimate(model, inputs, Asked()) == pytest.approx(found, rel=0.02)


def test_what_is_not_known_is_not_guessed() -> None:
    assert estimate(build("vit"), FAMILIES["vit"].inputs(), Asked()) is None
    assert estimate(torch.nn.Linear(2, 2), text(), Asked()) is None


def test_too_little_memory_is_said_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2_000)
    told = (
        r"this capture will record about 0 MB, and 0 MB of memory are free\. Keep less: layers= "
        r"and heads= some of them, queries=slice\(-100, None\) the rows of the last tokens, "
        r"dtype='float16' half of float32, values=False no values\."
    )
    with pytest.warns(AttnscopeWarning, match=told) as caught:
        capture(build("llama"), inputs=text(), index=0)
    assert caught[0].filename == __file__


def test_much_is_said_in_the_progress_bar(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    capture(build("llama"), inputs=text(), index=0)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr("attnscope.capture.forward.LARGE", 100)
    capture(build("llama"), inputs=text(), index=0)
    assert "capture, 0 MB to record" in capfd.readouterr().err


def test_words_and_free_memory() -> None:
    assert (in_words(512_000_000), in_words(1_540_000_000), in_words(12 * 10**9)) == (
        "512 MB",
        "1.5 GB",
        "12.0 GB",
    )
    free = available()
    assert free is None or free > 1_000_000
