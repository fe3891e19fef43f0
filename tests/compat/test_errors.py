"""BertViz's own complaints, word for word and in its order; and what the old habits meet today."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqModelOutput

from attnscope import AttnscopeError
from attnscope.bertviz import head_view, model_view
from tests.compat.given import bert, layers

BOTH = pytest.mark.parametrize("view", [head_view, model_view])
ABCD = list("abcd")
SELF_ONLY = (
    "If you specify 'attention' you may not specify any encoder-decoder arguments. This argument "
    "is only for self-attention models."
)
RANK = (
    "The attention tensor does not have the correct number of dimensions. Make sure you set "
    "output_attentions=True when initializing your model."
)


def said(view: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the callers read the text
        view(*args, **kwargs)
    assert isinstance(caught.value, AttnscopeError)
    return str(caught.value)


@BOTH
def test_1_tokens_are_required(view):
    assert "'tokens' is required" in said(view, layers())
    assert "'tokens' is required" in said(view, layers(), encoder_attention=layers())


@BOTH
@pytest.mark.parametrize(
    "other",
    [
        {"encoder_attention": layers()},
        {"decoder_attention": layers()},
        {"cross_attention": layers()},
        {"encoder_tokens": ABCD},
        {"decoder_tokens": ABCD},
    ],
    ids=lambda other: next(iter(other)),
)
def test_2_attention_goes_with_no_encoder_decoder_argument(view, other):
    assert SELF_ONLY in said(view, layers(), ABCD, **other)
    wrong_rank = [layer[0, 0] for layer in layers()]
    assert SELF_ONLY in said(view, wrong_rank, ABCD, **other)


@BOTH
@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ([layer[0, 0] for layer in layers()], "(4, 4)"),
        (torch.zeros(1, 4, 32), "(4, 32)"),
        ([torch.zeros(1, 4, 32)] * 3, "(1, 4, 32)"),
        (torch.zeros(1, 32), "(32,)"),
        ([np.zeros((1, 1, 1, 4, 4))], "(1, 1, 1, 4, 4)"),
    ],
    ids=["no heads", "last_hidden_state", "hidden_states", "pooler_output", "too many"],
)
def test_3_layers_need_four_axes(view, given, shape):
    text = said(view, given, ABCD)
    assert RANK in text
    assert f"has shape {shape}, expected [1, head, query, key]" in text
    assert "attnscope.capture(model, tokenizer, text)" in text


@BOTH
@pytest.mark.parametrize("attention", ["encoder", "decoder", "cross"])
def test_4_each_stack_needs_its_tokens(view, attention):
    for side in ("encoder", "decoder") if attention == "cross" else (attention,):
        tokens = {f"{name}_tokens": ABCD for name in ("encoder", "decoder") if name != side}
        text = said(view, **{f"{attention}_attention": layers()}, **tokens)
        assert f"'{side}_tokens' required if '{attention}_attention' is not None" in text


@BOTH
def test_5_nothing_given(view):
    expected = "You must specify at least one attention argument."
    for arguments in ({}, {"tokens": ABCD}, {"encoder_tokens": ABCD}):
        assert expected in said(view, **arguments)


@pytest.mark.parametrize("included", [[0, 1], (0, 1), range(2), np.array([0, 1]), None])
def test_6_the_layer_has_to_be_included(included):
    text = said(head_view, layers(2), ABCD, layer=5, include_layers=included)
    assert text == "Layer 5 is not in include_layers: [0, 1]"
    assert "Layer -1 is not in include_layers" in said(head_view, layers(2), ABCD, layer=-1)


@BOTH
def test_7_tokens_have_to_be_as_many_as_positions(view):
    expected = "Attention has 4 positions, while number of tokens is 3 for tokens: a b c"
    assert expected in said(view, layers(), list("abc"))
    assert expected in said(view, encoder_attention=layers(), encoder_tokens=list("abc"))
    cross = {"cross_attention": layers(2, 3, 5, 4), "encoder_tokens": ABCD, "decoder_tokens": ABCD}
    assert "Attention has 5 positions, while number of tokens is 4" in said(view, **cross)
    cross["decoder_tokens"], cross["encoder_tokens"] = list("abcde"), list("ab")
    assert "Attention has 4 positions, while number of tokens is 2" in said(view, **cross)
    assert len(said(view, layers(), ["word"] * 9999)) < 500


@BOTH
def test_8_html_action_comes_last(view):
    expected = "'html_action' parameter must be 'view' or 'return"
    assert expected in said(view, layers(), ABCD, html_action="show")
    assert "number of tokens" in said(view, layers(), list("abc"), html_action="show")


def test_display_mode_is_checked():
    text = said(model_view, layers(), ABCD, display_mode="blue")
    assert "'display_mode' must be 'dark' or 'light'" in text
    assert "got 'blue'" in text


@BOTH
@pytest.mark.parametrize("tokens", ["a b c d", 4])
def test_tokens_have_to_be_a_list(view, tokens):
    assert "tokens must be a list with one string a token" in said(view, layers(), tokens)


@BOTH
@pytest.mark.parametrize("attention", [3, 0.5])
def test_attention_has_to_be_a_sequence(view, attention):
    assert RANK in said(view, attention, ABCD)


FIX = "attnscope.capture(model, tokenizer, text).head_view()"


@BOTH
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_the_old_habit_of_the_last_output_gets_the_fix_in_one_line(view, implementation):
    model, tokenizer = bert(implementation=implementation)
    model.config.return_dict = True
    inputs = tokenizer("the cat sat", return_tensors="pt")
    outputs = model(**inputs, output_attentions=implementation == "eager")
    outputs.cross_attentions = ()  # what from_pretrained(..., output_attentions=True) leads to
    attention = outputs[-1]
    assert attention == ()
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    text = said(view, attention, tokens)
    assert "attention is an empty tuple" in text
    assert "outputs[-1]" in text
    assert FIX in text
    assert "outputs.attentions by name" in text


@BOTH
@pytest.mark.parametrize("none", [(), [], (None, None), BaseModelOutput(), {"attentions": None}])
def test_every_kind_of_nothing_gets_the_fix(view, none):
    assert FIX in said(view, none, ABCD)
    assert FIX in said(view, encoder_attention=none, encoder_tokens=ABCD)


@BOTH
def test_attentions_that_are_none_get_the_fix(view):
    assert FIX in said(view, BaseModelOutput().attentions, ABCD)
    seq2seq = Seq2SeqModelOutput(encoder_attentions=(), decoder_attentions=(), cross_attentions=())
    assert FIX in said(view, seq2seq, encoder_tokens=ABCD, decoder_tokens=ABCD)


def test_texts_hold_no_line_breaks():
    texts = [said(head_view, (), ABCD), said(head_view), said(head_view, layers(), list("abc"))]
    assert not any(re.search(r"\n|  ", text) for text in texts)
