"""Values that are recorded while a model generates are those of one pass over the finished text."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from attnscope.mixing import Mixing
from attnscope.scores import widen
from attnscope.stream import Stream
from tests.generating import (
    HEADS,
    PADDED,
    WAYS,
    WRITERS,
    build_writer,
    padded_prompts,
    prompt,
    recorded,
    written,
)

capture = importlib.import_module("attnscope.capture")

EXACT = 2e-6
"""Relative to the largest number of its kind."""
SIDE_BY_SIDE = "gpt_neox", "phi", "gptj"
"""Attention and MLP run side by side: a capture does not know the residual either."""

FEW = {("gemma2", "beams"), ("gemma2", "without cache"), ("llama", "prompt lookup")}
CASES = [
    pytest.param(name, way, marks=[] if (name, way) in FEW else pytest.mark.slow)
    for name in WRITERS
    for way in WAYS
    if way != "prompt in chunks" or name in HEADS
]


def mixings(stream: Stream) -> list[Mixing]:
    found = [stream.layer(number).mixing for number in stream.numbers]  # type: ignore[attr-defined]
    assert None not in found
    return found


def assert_mixes_as_in_one_pass(trace: attnscope.Trace, expected: attnscope.Trace) -> None:
    assert list(trace.streams) == list(expected.streams)
    for name, stream in expected.streams.items():
        for ours, theirs in zip(mixings(trace.streams[name]), mixings(stream), strict=True):
            assert ours.lacking == theirs.lacking
            for part in ("values", "projection", "bias", "residual"):
                close(getattr(ours, part), getattr(theirs, part))
            for part in ("norm", "branch"):
                norm, other = getattr(ours, part), getattr(theirs, part)
                assert (norm is None) == (other is None)
                if norm is not None:
                    close(norm.spread, other.spread)
                    close(norm.weight, other.weight)


def close(ours: np.ndarray | None, theirs: np.ndarray | None) -> None:
    assert (ours is None) == (theirs is None)
    if ours is None or theirs is None:
        return
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    wide, other = widen(ours), widen(theirs)
    assert np.abs(wide - other).max() <= EXACT * max(1, np.abs(other).max())


def in_one_pass(model: Any, name: str, inputs: dict[str, Any], ids: torch.Tensor) -> Any:
    given = (
        {"input_ids": ids[None]} if name in HEADS else {**inputs, "decoder_input_ids": ids[None]}
    )
    return capture(model, inputs=given, values=True)


@pytest.mark.parametrize(("name", "way"), CASES)
def test_every_way_to_generate(name: str, way: str) -> None:
    model, inputs, options = build_writer(name), prompt(), WAYS[way]
    plain = written(model, inputs, **options)
    trace = recorded(model, inputs, index=len(plain) - 1, values=True, **options)
    assert_mixes_as_in_one_pass(trace, in_one_pass(model, name, inputs, plain[-1, :-1]))


@pytest.mark.parametrize("name", WRITERS)
def test_every_family(name: str) -> None:
    model, inputs = build_writer(name), prompt()
    plain = written(model, inputs)
    trace = recorded(model, inputs, values=True)
    assert_mixes_as_in_one_pass(trace, in_one_pass(model, name, inputs, plain[0, :-1]))
    lacking = {mixing.lacking for one in trace.streams.values() for mixing in mixings(one)}
    assert (lacking == {""}) == (name not in SIDE_BY_SIDE)
    stream = list(trace.streams)[-1]
    moved = attnscope.measures.norm_weighted(trace, 0, stream=stream)
    assert moved.shape == trace.streams[stream].layer(0).shape
    assert (moved[:, -1].sum(-1) > 0).all()


@pytest.mark.parametrize("name", PADDED)
def test_a_prompt_of_a_padded_batch(name: str) -> None:
    model, inputs = build_writer(name), padded_prompts()
    plain = written(model, inputs)
    trace = recorded(model, inputs, index=1, values=True)
    assert_mixes_as_in_one_pass(trace, in_one_pass(model, name, inputs, plain[1, 3:-1]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    model, inputs = build_writer("llama").to(dtype), prompt()
    plain = written(model, inputs)
    trace = recorded(model, inputs, values=True)
    (ours, *_), (theirs, *_) = (
        mixings(one.stream()) for one in (trace, in_one_pass(model, "llama", inputs, plain[0, :-1]))
    )
    assert ours.values.dtype == theirs.values.dtype
    assert ours.lacking == ""
    np.testing.assert_array_equal(widen(ours.values), widen(theirs.values))  # those of embeddings


def test_a_head_that_is_ablated_moves_nothing() -> None:
    model, inputs = build_writer("llama"), prompt()
    with attnscope.ablate(model, heads=[(0, 1)]):
        plain = written(model, inputs)
        trace = recorded(model, inputs, values=True)
        assert_mixes_as_in_one_pass(trace, in_one_pass(model, "llama", inputs, plain[0, :-1]))
    assert not attnscope.measures.norm_weighted(trace, 0, 1).any()
    assert attnscope.measures.norm_weighted(trace, 0, 0).any()


def test_a_projection_that_changes_half_way_is_no_projection() -> None:
    """The first step's projection does not explain the later ones': said, and not shown."""
    model, inputs = build_writer("llama"), prompt()
    projection = model.model.layers[0].self_attn.o_proj

    class Changes:
        def put(self, ids: torch.Tensor) -> None:
            projection.weight.data *= 1.1

        def end(self) -> None: ...

    trace = recorded(model, inputs, values=True, streamer=Changes())
    first, second = mixings(trace.stream())
    assert first.projection is None
    assert first.lacking.startswith("the values and the output projection of model.layers.0.self")
    assert second.lacking == ""


def test_the_steps_know_what_they_move_and_files_keep_it(tmp_path: Any) -> None:
    trace = recorded(build_writer("llama"), prompt(), values=True)
    assert trace.generation is not None
    whole = attnscope.measures.norm_weighted(trace, 1)
    steps = attnscope.measures.norm_weighted(trace.steps(), 1)
    np.testing.assert_allclose(steps, whole[:, trace.generation.start :], atol=1e-6)
    again = attnscope.load(trace.save(tmp_path / "x.safetensors"))
    np.testing.assert_array_equal(attnscope.measures.norm_weighted(again, 1), whole)
    assert (attnscope.measures.alti(trace).sum(-1) - 1).max() < 1e-5


def test_all_heads_are_needed_and_values_are_asked_for() -> None:
    model = build_writer("llama")
    with pytest.raises(attnscope.InputError, match=r"need all heads, .*: leave heads= out"):
        recorded(model, prompt(), values=True, heads=[0])
    trace = recorded(model, prompt())
    with pytest.raises(attnscope.InputError, match=r"attnscope.generate\(.*values=True\)"):
        attnscope.measures.norm_weighted(trace, 0)


def test_the_projection_is_asked_once_and_not_every_step() -> None:
    model, asked = build_writer("llama"), []
    projection = model.model.layers[0].self_attn.o_proj
    forward = projection.forward
    projection.forward = lambda given: asked.append(given.shape) or forward(given)
    recorded(model, prompt(), values=True)
    assert len([shape for shape in asked if len(shape) == 2]) == 2  # nothing, and the units
