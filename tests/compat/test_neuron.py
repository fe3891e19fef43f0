"""neuron_view.get_attention and show: BertViz's four test ideas, for stock models of today."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from attnscope import CaptureError, InputError
from attnscope.bertviz import neuron_view
from tests.compat.given import WORDS, bert, gpt2, roberta
from tests.models import build

A, B = "The quick, brown fox jumps over the lazy dog.", "The cat sat on the dog."
PARTS = {"all": "ll", "aa": "aa", "bb": "bb", "ab": "ab", "ba": "ba"}


def attention(models: tuple[Any, Any], kind: str, *texts: str, **options: Any) -> Any:
    return neuron_view.get_attention(models[0], kind, models[1], *texts, **options)


def assert_rows_sum_to_one(weights: Any) -> None:
    np.testing.assert_allclose(np.sum(weights, -1), 1, atol=1e-5)


def assert_pieces_reassemble(result: Any) -> None:
    upper = np.concatenate([result["aa"]["attn"], result["ab"]["attn"]], -1)
    lower = np.concatenate([result["ba"]["attn"], result["bb"]["attn"]], -1)
    np.testing.assert_array_equal(np.concatenate([upper, lower], -2), result["all"]["attn"])


TOKENS_A = bert()[1].tokenize(f"[CLS]{A}[SEP]")
TOKENS_B = bert()[1].tokenize(f"{B}[SEP]")
HEADS = ["BertModel", "BertForSequenceClassification", "BertForQuestionAnswering"]


@pytest.mark.parametrize("kind", HEADS)
def test_bert_pair_with_every_head_class(kind):
    assert TOKENS_A[:6] == ["[CLS]", "the", "quick", ",", "brown", "fox"]
    config, tokenizer = bert()[0].config, bert()[1]
    result = attention((getattr(hf, kind)(config), tokenizer), "bert", A, B)
    assert list(result) == list(PARTS)
    named = {"a": TOKENS_A, "b": TOKENS_B, "l": TOKENS_A + TOKENS_B}
    for part, (left, right) in PARTS.items():
        assert (result[part]["left_text"], result[part]["right_text"]) == (
            named[left],
            named[right],
        )
        assert list(result[part]) == ["attn", "left_text", "right_text"]
    assert_rows_sum_to_one(result["all"]["attn"])
    assert_pieces_reassemble(result)


def test_bert_pair_weights_are_those_of_the_model_with_its_token_types():
    model, tokenizer = bert()
    result = attention((model, tokenizer), "bert", A, B)
    with torch.no_grad():
        eager = bert(implementation="eager")[0]
        output = eager(**tokenizer(A, B, return_tensors="pt"), output_attentions=True)
    expected = torch.stack(output.attentions)[:, 0]
    np.testing.assert_allclose(result["all"]["attn"], expected, atol=1e-6)


def test_bert_single_has_no_parts():
    result = attention(bert(), "bert", A)
    assert list(result) == ["all"]
    assert result["all"]["left_text"] == result["all"]["right_text"] == TOKENS_A
    assert isinstance(result["all"]["attn"][0][0][0][0], float)


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_second_sentence_is_none(empty):
    assert list(attention(bert(), "bert", A, empty)) == ["all"]


def test_roberta_names_its_special_tokens_and_starts_b_with_a_separator():
    result = attention(roberta(), "roberta", "a cat is", "the cat")
    assert result["aa"]["left_text"] == ["[CLS]", "a", " cat", " is", "[SEP]"]
    assert result["bb"]["left_text"] == ["[SEP]", "t", "he", " cat", "[SEP]"]
    assert_rows_sum_to_one(result["all"]["attn"])
    assert_pieces_reassemble(result)


def test_gpt2_sees_nothing_to_come_and_has_no_special_tokens():
    result = attention(gpt2(), "gpt2", "the cat is a cat")
    assert result["all"]["left_text"] == ["t", "he", " cat", " is", " ", "a", " cat"]
    weights = np.array(result["all"]["attn"])
    above = np.triu(np.ones(weights.shape[-2:], bool), 1)
    assert (weights[:, :, above] == 0).all()
    assert (weights[:, :, ~above] != 0).all()
    assert_rows_sum_to_one(weights)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_queries_and_keys_explain_the_weights(name):
    models = bert() if name == "bert" else (build(name), bert()[1])
    texts = (A, B) if name == "bert" else (A,)
    result = attention(models, name, *texts, include_queries_and_keys=True)
    for part in result.values():
        queries, keys = np.array(part["queries"]), np.array(part["keys"])
        assert queries.shape[:3] == np.shape(part["attn"])[:3]
        assert keys.shape[2] == np.shape(part["attn"])[3]
    queries, keys = (np.array(result["all"][side]) for side in ("queries", "keys"))
    scores = queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])
    if name == "llama":
        scores += np.triu(np.full(scores.shape[-2:], -np.inf), 1)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, result["all"]["attn"], atol=1e-5)


def test_parts_have_the_queries_of_the_left_and_the_keys_of_the_right():
    result = attention(bert(), "bert", A, B, include_queries_and_keys=True)
    n = len(TOKENS_A)
    for side, name in (("queries", 0), ("keys", 1)):
        whole = np.array(result["all"][side])
        halves = {"a": whole[:, :, :n], "b": whole[:, :, n:]}
        for part in ("aa", "ab", "ba", "bb"):
            np.testing.assert_array_equal(result[part][side], halves[part[name]])


ANY = ["distilbert", "electra", "albert", "modernbert", "opt", "qwen3", "gemma2", "gpt_oss"]


@pytest.mark.parametrize("name", ANY)
def test_every_type_that_can_be_captured_is_taken(name):
    result = attention((build(name), bert()[1]), name, A)
    assert result["all"]["left_text"][:4] == ["[CLS]", "the", "quick", ","]
    assert len(result["all"]["attn"]) == build(name).config.num_hidden_layers


def test_bert_type_names_are_taken_by_models_without_token_types():
    result = attention((build("distilbert"), bert()[1]), "bert", A, B)
    assert result["bb"]["left_text"] == TOKENS_B


def test_the_model_runs_in_evaluation_mode_and_is_left_as_it_was():
    model, tokenizer = bert()
    model.train()
    model.encoder.layer[0].eval()
    modes = [module.training for module in model.modules()]
    first, second = (attention((model, tokenizer), "bert", A) for _ in range(2))
    assert first == second
    assert [module.training for module in model.modules()] == modes


def said(*args: Any, **options: Any) -> str:
    messages = []
    for function in (neuron_view.show, neuron_view.get_attention, neuron_view):
        with pytest.raises((ValueError, NotImplementedError)) as caught:
            function(*args, **options)
        messages.append(str(caught.value))
    assert len(set(messages)) == 1
    return messages[0]


def test_complaints_are_those_of_bertviz():
    model, tokenizer = bert()
    for kind in (None, "", 3):
        assert "Invalid model type:" in said(model, kind, tokenizer, A)
    for nothing in ("", None):
        assert "Sentence A is required" in said(model, "bert", tokenizer, nothing)
    assert said(model, "gpt2", tokenizer, A, B) == "Model gpt2 does not support sentence pairs"
    xlnet = "Sentence-pair inputs for XLNet not currently supported."
    assert xlnet in said(model, "xlnet", tokenizer, A, B)
    with pytest.raises(ValueError, match="'html_action' parameter must be 'view' or 'return"):
        neuron_view.show(model, "bert", tokenizer, A, html_action="show")


def test_a_model_that_cannot_be_recorded_is_named():
    model = hf.RwkvModel(hf.RwkvConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2)).eval()
    with pytest.raises(CaptureError, match=r"RwkvModel .* ran without any attention"):
        neuron_view.get_attention(model, "bert", bert()[1], A)


def test_an_encoder_decoder_is_told_the_way():
    names = {name: i for i, name in enumerate(WORDS.split())}
    with pytest.raises(InputError, match="give target="):
        neuron_view.show(build("bart"), "bart", hf.BertTokenizer(names), A)


def test_show_gives_a_view_with_its_arguments(shown):
    models = bert()
    assert neuron_view.show(models[0], "bert", models[1], A, B, "light", 1, 2) is None
    spec = shown[0].spec
    assert (spec["view"], spec["theme"], spec["state"]["layer"]) == ("neuron", "light", 1)
    assert [s["name"] for s in spec["sides"][0]["segments"]] == ["A", "B"]
    assert neuron_view(models[0], "bert", models[1], A) is None
    assert shown[1].spec["theme"] == "dark"


@pytest.mark.parametrize("options", [{"layer": 99}, {"layer": 0, "head": 99}])
def test_a_layer_or_head_that_is_not_there_is_an_error(options):
    models = bert()
    with pytest.raises(InputError, match="99 is not in"):
        neuron_view.show(models[0], "bert", models[1], A, **options)


def test_show_returns_html():
    models = gpt2()
    html = neuron_view.show(models[0], "gpt2", models[1], "the cat is", html_action="return")
    assert 'data-attnscope-view="neuron"' in html.data
    assert html.data.isascii()
