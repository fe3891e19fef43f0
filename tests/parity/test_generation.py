"""What is recorded while a model generates is what one pass over the finished text gives."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

import attnscope
from tests.generating import (
    HEADS,
    N_NEW,
    PADDED,
    PAIRS,
    WAYS,
    WRITERS,
    build_writer,
    padded_prompts,
    prompt,
    recorded,
    written,
)
from tests.models import FAMILIES, make_peaked, seeded

capture = importlib.import_module("attnscope.capture")

EXACT = 1e-5

FEW = "llama", "gemma2"
"""Families that go every way in the fast tests; the others do so in the slow ones."""


def assert_as_in_one_pass(
    trace: attnscope.Trace, model: Any, whole: torch.Tensor, source: Any = None
) -> None:
    """The trace's weights and score specs are those of a capture of the finished text."""
    inputs = {"input_ids": whole[None]}
    if source is not None:
        inputs = {**source, "decoder_input_ids": whole[None]}
    expected = capture(model, inputs=inputs)
    assert list(trace.streams) == list(expected.streams)
    for name, stream in expected.streams.items():
        assert trace.streams[name].numbers == stream.numbers
        for number in stream.numbers:
            ours, theirs = (t.streams[name].layer(number) for t in (trace, expected))
            n_query = ours.shape[1]
            np.testing.assert_allclose(ours.rows(), theirs.rows()[:, -n_query:], atol=EXACT, rtol=0)
            assert ours.causal == (theirs.causal and n_query == theirs.shape[1])
            assert ours.spec.window == theirs.spec.window
            assert (ours.spec.visible is None) == (theirs.spec.visible is None)
            assert ours.queries.dtype == theirs.queries.dtype


def tokens_of(trace: attnscope.Trace) -> list[int]:
    return [int(piece) for piece in trace.generation.tokens.raw]


CASES = [
    pytest.param(name, way, marks=[] if way == "greedy" or name in FEW else pytest.mark.slow)
    for name in HEADS
    for way in WAYS
]


@pytest.mark.parametrize(("name", "way"), CASES)
def test_a_decoder_gives_the_rows_of_one_pass(name: str, way: str) -> None:
    model, inputs, options = build_writer(name), prompt(), WAYS[way]
    plain = written(model, inputs, **options)
    index = len(plain) - 1
    trace = recorded(model, inputs, index=index, **options)
    assert tokens_of(trace) == plain[index, 7:].tolist()
    assert trace.generation.start == 6
    assert_as_in_one_pass(trace, model, plain[index, :-1])


@pytest.mark.parametrize("way", [way for way in WAYS if way != "prompt in chunks"])
@pytest.mark.parametrize("name", PAIRS)
def test_an_encoder_decoder_gives_its_three_streams(name: str, way: str) -> None:
    model, inputs, options = build_writer(name), prompt(), WAYS[way]
    plain = written(model, inputs, **options)
    index = len(plain) - 1
    trace = recorded(model, inputs, index=index, **options)
    assert tokens_of(trace) == plain[index, 1:].tolist()
    assert (trace.generation.stream, trace.generation.start) == ("decoder", 0)
    assert list(trace.streams) == ["encoder", "decoder", "cross"]
    assert trace.streams["cross"].query.raw == trace.streams["decoder"].query.raw
    assert_as_in_one_pass(trace, model, plain[index, :-1], inputs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 2, "num_return_sequences": 2},
        {"cache_implementation": "static"},
        {"use_cache": False},
    ],
    ids=["greedy", "beams", "static", "without cache"],
)
@pytest.mark.parametrize("name", PADDED)
def test_a_prompt_of_a_padded_batch_is_recorded_without_its_padding(
    name: str, options: dict[str, Any]
) -> None:
    model, inputs = build_writer(name), padded_prompts()
    plain = written(model, inputs, **options)
    each = len(plain) // 3
    for index in (each, len(plain) - 1):
        n_pad = [0, 3, 1][index // each]
        trace = recorded(model, inputs, index=index, **options)
        assert tokens_of(trace) == plain[index, 7:].tolist()
        assert [(s.name, s.start, s.stop) for s in trace.tokens.segments] == [
            ("prompt", 0, 7 - n_pad),
            ("generated", 7 - n_pad, 15 - n_pad),
        ]
        assert trace.generation.start == 6 - n_pad
        assert_as_in_one_pass(trace, model, plain[index, n_pad:-1])


@pytest.mark.parametrize("name", WRITERS)
def test_every_row_that_made_a_token_is_certified(name: str) -> None:
    trace = recorded(build_writer(name), prompt())
    certificate, every = trace.provenance.certificate, trace.check()
    assert certificate is not None
    streams = list(trace.streams.values())
    least = sum(
        len(layer.heads) * (4 if stream.name == "encoder" else N_NEW)
        for stream in streams
        for layer in stream.layers
    )
    assert least <= certificate.rows
    assert certificate.calls == every.calls == sum(len(stream.layers) for stream in streams)
    assert max(certificate.error, every.error) < EXACT


def test_a_beam_that_changed_its_place_is_followed() -> None:
    model, inputs = build_writer("llama"), prompt(7, 2)
    options = {"num_beams": 4, "num_return_sequences": 4}
    model.generation_config.eos_token_id = 30
    result = model.generate(**inputs, max_new_tokens=N_NEW, return_dict_in_generate=True, **options)
    lengths = (result.beam_indices >= 0).sum(1)
    changed = [len({*row.tolist()} - {-1}) > 1 for row in result.beam_indices]
    assert any(changed)
    assert len(set(lengths.tolist())) > 1
    for index, length in enumerate(lengths.tolist()):
        trace = recorded(model, inputs, index=index, **options)
        sequence = result.sequences[index, : 7 + length]
        assert tokens_of(trace) == sequence[7:].tolist()
        assert_as_in_one_pass(trace, model, sequence[:-1])


@pytest.mark.parametrize("pad", [0, 54], ids=["padded", "padded with the end"])
def test_a_sequence_that_ends_before_the_others_ends(pad: int) -> None:
    model, inputs = build_writer("llama"), prompt(7, 3)
    model.generation_config.eos_token_id = 54
    model.generation_config.pad_token_id = pad
    plain = written(model, inputs)
    lengths = [len(tokens_of(recorded(model, inputs, index=index))) for index in range(3)]
    assert lengths == [N_NEW, 3, N_NEW]
    trace = recorded(model, inputs, index=1)
    assert tokens_of(trace)[-1] == 54
    assert_as_in_one_pass(trace, model, plain[1, :9])


@pytest.mark.parametrize("given", ["all ids", "new ids"])
@pytest.mark.parametrize("name", ["llama", "mistral", "gemma2"])
def test_a_cache_with_tokens_gives_keys_without_rows(name: str, given: str) -> None:
    model, inputs = build_writer(name), prompt()
    plain = written(model, inputs)
    cache = hf.DynamicCache(config=model.config)
    with torch.no_grad():
        model(input_ids=inputs["input_ids"][:, :5], past_key_values=cache, use_cache=True)
    ids = inputs["input_ids"] if given == "all ids" else inputs["input_ids"][:, 5:]
    trace = recorded(model, {**inputs, "input_ids": ids, "past_key_values": cache})
    stream = trace.stream()
    assert (len(stream.query), len(stream.key)) == (2 + N_NEW - 1, 7 + N_NEW - 1)
    assert tokens_of(trace) == plain[0, 7:].tolist()
    assert trace.generation.start == 1
    assert_as_in_one_pass(trace, model, plain[0, :-1])


def test_embeddings_have_no_ids() -> None:
    model, inputs = build_writer("llama"), prompt()
    plain = written(model, inputs)
    vectors = model.get_input_embeddings()(inputs["input_ids"]).detach()
    given = {"inputs_embeds": vectors, "attention_mask": inputs["attention_mask"]}
    trace = recorded(model, given)
    assert trace.tokens.text[:8] == (*(f"#{i}" for i in range(7)), str(plain[0, 7].item()))
    assert_as_in_one_pass(trace, model, plain[0, :-1])


def test_passes_beside_the_generation_are_left_out() -> None:
    model, inputs = build_writer("llama"), prompt()
    plain = written(model, inputs, guidance_scale=1.5)
    trace = recorded(model, inputs, guidance_scale=1.5)
    assert tokens_of(trace) == plain[0, 7:].tolist()
    assert_as_in_one_pass(trace, model, plain[0, :-1])


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_tokens_that_an_assistant_guessed_wrong_are_taken_back(name: str) -> None:
    model, assistant, inputs = build_writer(name), build_writer(name), prompt()
    with torch.no_grad():
        noise = torch.randn(assistant.lm_head.weight.shape, generator=seeded())
        assistant.lm_head.weight += 0.3 * noise
    plain = written(model, inputs)
    trace = recorded(model, inputs, assistant_model=assistant)
    assert tokens_of(trace) == plain[0, 7:].tolist()
    assert_as_in_one_pass(trace, model, plain[0, :-1])


def test_a_cache_that_is_made_anew_half_way_is_recorded_anew() -> None:
    config = hf.Phi3Config(
        **{**FAMILIES["llama"].options, "pad_token_id": 0, "original_max_position_embeddings": 10},
        rope_scaling={"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [3.0] * 4},
    )
    torch.manual_seed(0)
    model = hf.Phi3ForCausalLM(config).eval()
    make_peaked(model)
    model.generation_config.eos_token_id = None
    plain = written(model, prompt())
    assert_as_in_one_pass(recorded(model, prompt()), model, plain[0, :-1])


def test_keys_that_are_rounded_after_they_were_used_are_refused() -> None:
    """As a quantised cache does: later rows look at other keys than those that were recorded."""

    class Rounded(hf.DynamicCache):
        def update(self, keys: Any, values: Any, layer_idx: int, *rest: Any, **more: Any) -> Any:
            found = super().update(keys, values, layer_idx, *rest, **more)
            layer = self.layers[layer_idx]
            layer.keys = (layer.keys * 2).round() / 2
            return found

    model = build_writer("llama")
    inputs = {**prompt(), "past_key_values": Rounded(config=model.config)}
    with pytest.raises(attnscope.CaptureError, match="do not explain the attention output"):
        recorded(model, inputs)


def test_a_sound_is_written_down() -> None:
    torch.manual_seed(0)
    model = hf.WhisperForConditionalGeneration(hf.WhisperConfig(**FAMILIES["whisper"].options))
    make_peaked(model.eval())
    model.generation_config.no_timestamps_token_id = 60
    sound = torch.randn(1, 8, 40, generator=seeded())
    plain = model.generate(sound, max_new_tokens=5)
    trace = attnscope.generate(model, None, {"input_features": sound}, max_new_tokens=5)
    assert tokens_of(trace) == plain[0, -5:].tolist()
    read = torch.tensor([int(piece) for piece in trace.streams["decoder"].query.raw])
    assert_as_in_one_pass(trace, model, read, {"input_features": sound})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_stored_as_it_is(dtype: torch.dtype) -> None:
    model, inputs = build_writer("llama").to(dtype), prompt()
    plain = written(model, inputs)
    trace = recorded(model, inputs)
    assert tokens_of(trace) == plain[0, 7:].tolist()
    expected = capture(model, inputs={"input_ids": plain[:, :-1]})
    assert trace.provenance.dtype == expected.provenance.dtype
    for number in trace.stream().numbers:
        gap = np.abs(trace.weights(number) - expected.weights(number))
        assert gap.max() < 0.05
        assert gap[:, :7].max() < 0.05
