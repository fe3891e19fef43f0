"""generate(output_attentions=True): its steps become one matrix a layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from attnscope import AttnscopeWarning, InputError
from attnscope.bertviz import head_view, model_view
from tests.compat.given import layers, softmaxed
from tests.generating import build_writer, prompt
from tests.models import build

PROMPT = torch.tensor([[5, 9, 11, 7]])


def generated(name: str, **options: Any) -> Any:
    return build(name, "eager").generate(
        PROMPT,
        attention_mask=torch.ones_like(PROMPT),
        output_attentions=True,
        return_dict_in_generate=True,
        **{"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, **options},
    )


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_a_decoder_gives_the_weights_of_one_pass_over_all_it_read(cache, shown):
    output = generated("gpt2", cache_implementation=cache, disable_compile=True)
    with torch.no_grad():
        whole = build("gpt2", "eager")(output.sequences[:, :-1], output_attentions=True)
    names = [f"t{token}" for token in output.sequences[0].tolist()]
    head_view(output.attentions, names[:-1])
    for number, layer in enumerate(whole.attentions):
        np.testing.assert_allclose(shown[0].trace.weights(number), layer[0], atol=1e-6)
    assert shown[0].spec["streams"][0]["causal"]


@pytest.mark.parametrize("view", [head_view, model_view])
def test_the_last_token_was_never_read_and_is_left_out(view, shown):
    output = generated("gpt2")
    names = [f"t{token}" for token in output.sequences[0].tolist()]
    with pytest.warns(
        AttnscopeWarning, match=f"the last token '{names[-1]}' was generated and"
    ) as told:
        view(output, names)
    assert told[0].filename == __file__
    assert list(shown[0].trace.tokens.text) == names[:-1]


def test_an_encoder_decoder_gives_its_three_stacks(shown):
    output = generated("marian")
    written = [f"t{token}" for token in output.sequences[0].tolist()]
    with pytest.warns(AttnscopeWarning, match="was generated and not read"):
        head_view(output, encoder_tokens=list("abcd"), decoder_tokens=written)
    trace = shown[0].trace
    assert list(trace.streams) == ["encoder", "decoder", "cross"]
    for number in range(3):
        np.testing.assert_allclose(trace.weights(number, stream="cross").sum(-1), 1, atol=1e-5)
        assert trace.weights(number, stream="cross").shape == (2, len(written) - 1, 4)
        assert not np.triu(trace.weights(number, stream="decoder"), 1).any()


def test_the_cache_of_a_sliding_window_holds_the_last_keys(shown):
    steps = [tuple(layers(1, 2, 3, 3)), tuple(layers(1, 2, 1, 2))]
    model_view(steps, list("abcd"))
    weights = shown[0].trace.weights(0)
    np.testing.assert_array_equal(weights[:, 3, 2:], steps[1][0][0, :, 0])
    assert not weights[:, 3, :2].any()


def test_steps_that_do_not_fit_together_are_an_error():
    first = tuple(layers(2))
    with pytest.raises(InputError, match=r"steps with \[1, 2\] layers"):
        head_view([first, tuple(layers(1, query=1, key=5))], list("abcde"))
    with pytest.raises(InputError, match="changes its number of heads"):
        head_view([first, tuple(layers(2, heads=4, query=1, key=5))], list("abcde"))
    hybrid = [(None, first[1]), (None, torch.from_numpy(softmaxed(1, 3, 1, 5)))]
    assert head_view(hybrid, list("abcde"), html_action="return").data


def whole(name: str, sequence: torch.Tensor) -> Any:
    """One pass over a finished text."""
    inputs = {"input_ids": sequence[None]}
    if name == "marian":
        inputs = {"input_ids": PROMPT, "decoder_input_ids": sequence[None]}
    with torch.no_grad():
        return build(name, "eager")(**inputs, output_attentions=True)


@pytest.mark.parametrize("way", [{"num_beams": 3}, {"do_sample": True}], ids=["beams", "samples"])
@pytest.mark.parametrize("index", [0, 2])
def test_the_sequence_asked_for_is_followed_through_the_beams(way, index, shown):
    torch.manual_seed(0)
    output = generated("gpt2", **{"num_return_sequences": 3, **way})
    sequence = output.sequences[index]
    names = [f"t{token}" for token in sequence.tolist()]
    with pytest.warns(AttnscopeWarning, match="was generated and not read"):
        head_view(output, names, index=index)
    for number, layer in enumerate(whole("gpt2", sequence[:-1]).attentions):
        np.testing.assert_allclose(shown[0].trace.weights(number), layer[0], atol=1e-6)


def test_the_three_stacks_of_a_beam(shown):
    output = generated("marian", num_beams=3, num_return_sequences=2)
    written = [f"t{token}" for token in output.sequences[1].tolist()]
    with pytest.warns(AttnscopeWarning, match="was generated and not read"):
        head_view(output, encoder_tokens=list("abcd"), decoder_tokens=written, index=1)
    expected = whole("marian", output.sequences[1, :-1])
    for name in ("encoder", "decoder", "cross"):
        for number, layer in enumerate(expected[f"{name}_attentions"]):
            ours = shown[0].trace.weights(number, stream=name)
            np.testing.assert_allclose(ours, layer[0], atol=1e-6)


def test_a_beam_that_changed_its_place_and_one_that_ended_early(shown):
    model, inputs = build_writer("llama", "eager"), prompt()
    options = {"num_beams": 4, "num_return_sequences": 4, "eos_token_id": 30, "max_new_tokens": 9}
    output = model.generate(
        **inputs, **options, output_attentions=True, return_dict_in_generate=True
    )
    lengths = (output.beam_indices >= 0).sum(1).tolist()
    assert any(len({*row.tolist()} - {-1}) > 1 for row in output.beam_indices)
    assert len(set(lengths)) > 1
    for index, length in enumerate(lengths):
        names = [f"t{token}" for token in output.sequences[index].tolist()]
        with pytest.warns(AttnscopeWarning, match="was generated and not read"):
            head_view(output, names, index=index)
        sequence = output.sequences[index : index + 1, : 7 + length - 1]
        with torch.no_grad():
            expected = model(sequence, output_attentions=True).attentions
        n_read = sequence.shape[1]
        for number, layer in enumerate(expected):
            ours = shown[-1].trace.weights(number)
            np.testing.assert_allclose(ours[:, :n_read, :n_read], layer[0], atol=1e-6)
            assert not ours[:, n_read:].any()


def test_beams_without_the_whole_output_are_warned_of(shown):
    output = generated("gpt2", num_beams=3)
    names = [f"t{token}" for token in output.sequences[0].tolist()][:-1]
    with pytest.warns(AttnscopeWarning, match="hold 3 sequences. If these are beams") as told:
        model_view(output.attentions, names, index=0)
    assert told[0].filename == __file__
