"""Attention in other tools' mappings: found, told apart, numbered; and what is refused."""

from __future__ import annotations

from collections import UserDict

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqModelOutput

import attnscope
from attnscope import InputError
from tests.browser.looking import random_weights

LAYERS = random_weights(3, 1, 2, 4, 4)  # [layer, batch, head, query, key]
STATES = np.random.default_rng(1).normal(size=(1, 4, 8)).astype(np.float32)
VECTORS = np.random.default_rng(2).normal(size=(1, 4, 2, 4)).astype(np.float32)


class Cache:
    """What TransformerLens' ActivationCache offers: keys and items, but no dict."""

    def __init__(self, entries):
        self.entries = entries

    def keys(self):
        return self.entries.keys()

    def items(self):
        return self.entries.items()


def lens_cache():
    entries = {"hook_embed": torch.tensor(STATES)}
    for number, layer in enumerate(LAYERS):
        entries[f"blocks.{number}.attn.hook_q"] = torch.tensor(VECTORS)
        entries[f"blocks.{number}.attn.hook_attn_scores"] = torch.tensor(layer).log()
        entries[f"blocks.{number}.attn.hook_pattern"] = torch.tensor(layer)
        entries[f"blocks.{number}.hook_resid_post"] = torch.tensor(STATES)
    return Cache(entries)


def nnsight_dict():
    names = [f"model.layers.{number}.self_attn.attention_interface.output" for number in range(3)]
    return dict(zip(names, map(torch.tensor, LAYERS), strict=True)) | {"lm_head": STATES}


def flax_intermediates():
    return {
        f"layer_{number}": {"attn": {"attention_weights": (layer,)}, "mlp": {"out": (STATES,)}}
        for number, layer in enumerate(LAYERS)
    }


MAPPINGS = {
    "TransformerLens": lens_cache(),
    "TransformerLens, short keys": Cache({("pattern", n): a for n, a in enumerate(LAYERS)}),
    "nnsight": nnsight_dict(),
    "Flax": flax_intermediates(),
    "Flax, frozen": UserDict(flax_intermediates()),
    "Keras": {f"layer_{n}/attention_scores": a for n, a in enumerate(LAYERS)},
    "Hugging Face": BaseModelOutput(
        last_hidden_state=torch.tensor(STATES), attentions=tuple(map(torch.tensor, LAYERS))
    ),
}


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_a_stack_is_found_with_its_layers(mapping):
    trace = attnscope.from_attention(mapping, list("abcd"))
    assert list(trace.streams) == ["self"]
    assert trace.stream().numbers == (0, 1, 2)
    for number in range(3):
        assert np.array_equal(trace.weights(number), LAYERS[number, 0])


def test_layers_keep_their_numbers_where_some_were_not_saved():
    cache = {f"blocks.{n}.attn.hook_pattern": a for n, a in zip((4, 10), LAYERS, strict=False)}
    assert attnscope.from_attention(cache).stream().numbers == (4, 10)
    assert attnscope.from_attention({"blocks.7.hook_pattern": LAYERS[0]}).stream().numbers == (7,)


def test_numbers_in_two_places_are_read_in_order():
    swin = {
        f"stages.{stage}.blocks.{block}.attn.softmax": LAYERS[stage + block]
        for stage in (1, 0)
        for block in (0, 1)
    }
    trace = attnscope.from_attention(swin)
    assert np.array_equal(trace.weights(3), LAYERS[2, 0])


def test_both_sides_of_an_encoder_decoder():
    cross = random_weights(2, 1, 2, 3, 4, seed=5)
    own = random_weights(2, 1, 2, 3, 3, seed=6)
    expected = {"encoder": LAYERS, "decoder": own, "cross": cross}
    hf = Seq2SeqModelOutput(
        encoder_attentions=tuple(LAYERS),
        decoder_attentions=tuple(own),
        cross_attentions=tuple(cross),
    )
    t2t = {"enc_atts": list(LAYERS), "dec_atts": list(own), "encdec_atts": list(cross)}
    for mapping in (hf, t2t):
        trace = attnscope.from_attention(mapping, list("abcd"), target_tokens=list("xyz"))
        assert list(trace.streams) == list(expected)
        for name, arrays in expected.items():
            assert np.array_equal(trace.weights(1, stream=name), arrays[1, 0])


def test_an_encoder_alone_is_self_attention():
    bert = {f"bert.encoder.layer.{n}.attention.self": a for n, a in enumerate(LAYERS)}
    assert list(attnscope.from_attention(bert).streams) == ["self"]


def test_what_has_no_attention_is_refused():
    with pytest.raises(InputError, match=r"nothing in this mapping is attention.*'hook_embed'"):
        attnscope.from_attention({"hook_embed": STATES, "q": VECTORS})
    with pytest.raises(InputError, match="It has no arrays"):
        attnscope.from_attention({})


def test_stacks_that_cannot_be_told_apart_are_refused():
    two = {f"{tower}.{n}.probs": a for tower in ("a", "b") for n, a in enumerate(LAYERS)}
    with pytest.raises(InputError, match=r"belongs to several stacks \('a\.\*\.probs', 'b\.\*"):
        attnscope.from_attention(two)


def test_a_models_output_without_attention_says_how_to_get_it():
    with pytest.raises(InputError) as caught:
        attnscope.from_attention(
            {"last_hidden_state": np.ones((1, 2, 4)), "pooler_output": np.ones((1, 4))}
        )
    assert str(caught.value).endswith(
        "It has 'last_hidden_state', 'pooler_output'. Load the model with attn_implementation="
        "'eager' and call it with output_attentions=True, or let attnscope record it as it is: "
        "attnscope.capture(model, tokenizer, text)."
    )
