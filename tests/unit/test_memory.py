"""How much a capture will record is said before it starts, and is what it then records."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
import transformers as hf

import attnscope
from attnscope._records import Writer
from attnscope.capture import forward, memory
from attnscope.capture.calls.keeping import queries_of
from attnscope.capture.generating import generate
from attnscope.capture.memory import Asked, available, estimate, in_words
from attnscope.errors import AttnscopeWarning
from attnscope.trace import Trace
from tests.generating import build_writer, prompt
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")
N = 30

READ = [name for name in FAMILIES if "input_ids" in FAMILIES[name].inputs()]
BESIDE = {"clip"}
"""Has images beside its text; see below."""
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


PICTURE = {"pixel_values": torch.zeros(1, 3, 32, 32)}
SOUND = {"input_values": torch.zeros(1, 4000)}
SIZES = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4}
PATCHES = SIZES | {"image_size": 32, "patch_size": 8}
FRAMES = SIZES | {
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
SENSING: dict[str, tuple[dict[str, Any], dict[str, torch.Tensor]]] = {
    "DeiT": (PATCHES, PICTURE),
    "Beit": (PATCHES, PICTURE),
    "Dinov2WithRegisters": (PATCHES, PICTURE),
    "VideoMAE": (PATCHES | {"num_frames": 4}, {"pixel_values": torch.zeros(1, 4, 3, 32, 32)}),
    "AST": (
        SIZES | {"max_length": 64, "num_mel_bins": 32},
        {"input_values": torch.zeros(1, 64, 32)},
    ),
    "Wav2Vec2": (FRAMES, SOUND),
    "Hubert": (FRAMES, SOUND),
    "Speech2Text": (
        {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4,
         "decoder_attention_heads": 4, "input_feat_per_channel": 16, "conv_channels": 32,
         "vocab_size": 60},
        {"input_features": torch.zeros(1, 80, 16), "decoder_input_ids": torch.arange(7)[None]},
    ),
}  # fmt: skip
"""Models of images, videos and sounds."""


def sensing(name: str) -> Any:
    return getattr(hf, f"{name}Model")(getattr(hf, f"{name}Config")(**SENSING[name][0])).eval()


@pytest.mark.parametrize("name", SENSING)
def test_patches_and_frames_are_counted(name: str) -> None:
    model, inputs = sensing(name), SENSING[name][1]
    found = recorded(capture(model, inputs=inputs))
    assert estimate(model, inputs, Asked()) == pytest.approx(found, rel=0.02)


@pytest.mark.parametrize("name", ["vit", "clip", "whisper"])
def test_images_and_sounds_beside_a_text_are_counted(name: str) -> None:
    model, inputs = build(name), {key: one[:1] for key, one in FAMILIES[name].inputs().items()}
    found = recorded(capture(model, inputs=inputs))
    assert estimate(model, inputs, Asked()) == pytest.approx(found, rel=0.02)


WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"max_new_tokens": 12},
    "length": {"max_length": 20},
    "one layer": {"max_new_tokens": 12, "layers": [1]},
    "values": {"max_new_tokens": 12, "values": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["llama", "gemma2", "bart"])
def test_a_generation_is_counted_before_it_runs(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(generate, "tell", lambda needed, *_: told.append(needed))
    trace = attnscope.generate(build_writer(name), None, prompt(), **WAYS[way])
    assert told == [pytest.approx(recorded(trace), rel=0.05)]


def test_all_beams_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(generate, "tell", lambda needed, *_: told.append(needed))
    for beams in (1, 3):
        attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=8, num_beams=beams)
    assert told[1] == pytest.approx(told[0] * (7 + 3 * 7) / (7 + 7))


def test_a_generation_says_what_helps(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2_000)
    monkeypatch.setattr(generate, "LARGE", 100)
    told = (
        r"this generation will record about 0 MB, and 0 MB of memory are free\. Keep less: layers= "
        r"and heads= some of them, max_new_tokens= fewer tokens, values=False no values\."
    )
    with pytest.warns(AttnscopeWarning, match=told) as caught:
        attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=3)
    assert caught[0].filename == __file__
    assert "generate, 0 MB to record" in capfd.readouterr().err


def test_what_is_not_known_is_not_guessed() -> None:
    assert estimate(torch.nn.Linear(2, 2), text(), Asked()) is None
    merging = hf.SwinModel(
        hf.SwinConfig(
            image_size=32,
            patch_size=2,
            embed_dim=16,
            depths=[2, 2],
            num_heads=[2, 4],
            window_size=4,
        )
    )
    assert estimate(merging, PICTURE, Asked()) is None  # tokens are merged from stage to stage
    stem = hf.MobileViTModel(hf.MobileViTConfig(image_size=64))
    assert estimate(stem, {"pixel_values": torch.zeros(1, 3, 64, 64)}, Asked()) is None
    options = FRAMES | {"position_embeddings_type": "relative"}
    relative = hf.Wav2Vec2ConformerModel(hf.Wav2Vec2ConformerConfig(**options))
    assert estimate(relative, SOUND, Asked()) is None  # a bias of every pair in every layer
    assert estimate(build("vit"), {"pixel_values": torch.zeros(1, 3, 3)}, Asked()) is None
    assert estimate(build("clip"), {**text(), "pixel_values": torch.zeros(9, 9)}, Asked())


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
    monkeypatch.setattr(forward, "LARGE", 100)
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
