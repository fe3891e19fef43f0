"""What a capture is given besides texts: prepared inputs, names, batches, images."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch

from attnscope.tokens import Tokens
from tests.models import FAMILIES, build, image, square, text, text_left, text_pair

capture = importlib.import_module("attnscope.capture")


IDS = torch.full((1, 5), 7)


def test_segments_are_those_of_the_tokens_shown() -> None:
    runs = [("question", 0, 2), ("context", 2, 8)]
    trace = capture(build("bert"), inputs=text(), index=1, segments=runs)
    assert [s.name for s in trace.tokens.segments] == ["question", "context"]


@pytest.mark.parametrize("inputs", [text(), text_left()], ids=["right", "left"])
@pytest.mark.parametrize("name", ["bert", "llama", "gpt2", "mistral"])
def test_padding_is_dropped(name: str, inputs: dict[str, torch.Tensor]) -> None:
    """The item in its batch gives what it gives alone."""
    model = build(name)
    kept = inputs["attention_mask"][1].bool()
    ids = inputs["input_ids"][1:, kept]
    positions = inputs["attention_mask"].cumsum(1).sub(1).clamp_min(0)
    batch = capture(model, inputs={**inputs, "position_ids": positions}, index=1)
    alone = capture(model, inputs={"input_ids": ids})
    assert batch.tokens.text == alone.tokens.text == tuple(map(str, ids[0].tolist()))
    for layer in batch.stream().numbers:
        np.testing.assert_allclose(batch.weights(layer), alone.weights(layer), atol=1e-5)
    assert batch.check().error < 1e-5


def test_padding_that_the_model_attends_to_is_kept() -> None:
    inputs = {**FAMILIES["whisper"].inputs(), "attention_mask": torch.ones(2, 20).long()}
    inputs["attention_mask"][0, 15:] = 0
    trace = capture(build("whisper"), inputs=inputs, index=0)
    assert len(trace.streams["encoder"].query) == 20
    assert any("padding is kept" in note for note in trace.provenance.notes)


def test_names_for_prepared_inputs() -> None:
    padded, whole = [f"t{i}" for i in range(8)] + ["<pad>"] * 3, [f"t{i}" for i in range(8)]
    for names in (padded, whole, np.array(whole), Tokens.plain(whole)):
        trace = capture(build("bert"), inputs=text(), tokens=names, index=1)
        assert trace.tokens.text == tuple(whole)


def test_names_for_a_target() -> None:
    names = [f"t{i}" for i in range(7)]
    trace = capture(build("bart"), inputs=text_pair(), target_tokens=names, index=0)
    assert trace.streams["cross"].query.text == tuple(names)


def test_inputs_as_a_tensor_or_as_arrays() -> None:
    ids = text()["input_ids"][:1]
    first = capture(build("bert"), inputs=ids)
    second = capture(build("bert"), inputs={"input_ids": ids.numpy()})
    assert np.array_equal(first.weights(1), second.weights(1))


def test_patches_have_names() -> None:
    trace = capture(build("vit"), inputs=image(), index=0)
    assert trace.tokens.text[:6] == ("[CLS]", "r1c1", "r1c2", "r1c3", "r1c4", "r2c1")
    assert trace.tokens.text[-1] == "r3c4"
    assert trace.tokens.special.sum() == 1
    clip = capture(build("clip"), inputs={**text(), **square()}, index=1)
    assert clip.streams["vision"].query.text[1] == "r1c1"
    assert len(clip.streams["text"].query) == 8


def test_arrays_are_inputs() -> None:
    first, second = (capture(build("bert"), inputs=ids) for ids in (IDS, IDS.numpy()))
    assert np.array_equal(first.weights(1), second.weights(1))
