"""Texts, pairs, targets and tokenizers; and every complaint about them."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from attnscope.errors import InputError
from tests.models import build, text

capture = importlib.import_module("attnscope.capture")


@pytest.fixture(scope="module")
def words() -> Any:
    """A tokenizer of whole words, `w0` to `w59`, which ends a text with </s>."""
    vocabulary = {
        "<pad>": 0,
        "<s>": 1,
        "</s>": 2,
        "<unk>": 3,
        **{f"w{i}": i + 4 for i in range(60)},
    }
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def test_a_text(words: Any) -> None:
    trace = capture(build("bert"), words, "w1 w2 w3")
    assert trace.tokens.text == ("w1", "w2", "w3", "</s>")
    assert trace.weights(0).shape == (4, 4, 4)


def test_a_pair_has_segments(words: Any) -> None:
    trace = capture(build("bert"), words, "w1 w2", "w3")
    assert [(s.start, s.stop) for s in trace.tokens.segments] == [(0, 3), (3, 5)]


def test_the_decoder_shows_what_it_reads(words: Any) -> None:
    trace = capture(build("marian"), words, "w1 w2 w3", target="w4 w5")
    assert trace.streams["decoder"].query.text == ("<pad>", "w4", "w5")
    assert trace.streams["cross"].query.text == ("<pad>", "w4", "w5")
    assert trace.streams["cross"].key.text == ("w1", "w2", "w3", "</s>")


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_a_target_without_and_with_the_models_own_shift(name: str, words: Any) -> None:
    model = build(name, decoder_start_token_id=2)
    trace = capture(model, words, "w1", target="w4 w5")
    assert trace.streams["decoder"].query.text == ("</s>", "w4", "w5")


def test_lists_of_texts(words: Any) -> None:
    trace = capture(build("t5"), words, ["w1 w2 w3", "w4"], target=["w1", "w2 w3"], index=1)
    assert trace.streams["encoder"].query.text == ("w4", "</s>")
    assert trace.streams["decoder"].query.text == ("<pad>", "w2", "w3")
    assert trace.check().error < 1e-5


def test_a_tokenizer_names_prepared_inputs(words: Any) -> None:
    trace = capture(
        build("bert"),
        words,
        inputs=words(["w1", "w2 w3"], padding=True, return_tensors="pt"),
        index=0,
    )
    assert trace.tokens.text == ("w1", "</s>")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"nothing to run the model on: give a text, capture\(model, tokenizer, text\)"),
        ({"text": "w1"}, r"a text was given with no tokenizer: capture\(model, tokenizer, text\)"),
        ({"tokenizer": "w1 w2", "text": "w1"}, r"with the text 'w1 w2' as tokenizer"),
        ({"tokenizer": "words", "text": ""}, r"text is empty: give at least one word"),
        ({"tokenizer": "words", "text": " \n"}, r"text is empty"),
        ({"tokenizer": "words", "text": "w1", "text_pair": ""}, r"text_pair is empty"),
        ({"tokenizer": "words", "text": 3}, r"text must be a string .* got int"),
        ({"tokenizer": "words", "text": []}, r"text must be a string .* got list"),
        ({"tokenizer": "words", "text": "w1", "target": "w2"}, r"BertModel has no decoder"),
        ({"tokenizer": "words", "text": "w1", "inputs": text()}, r"or inputs=, not both"),
    ],
)
def test_complaints(options: dict[str, Any], said: str, words: Any) -> None:
    if options.get("tokenizer") == "words":
        options = {**options, "tokenizer": words}
    with pytest.raises(InputError, match=f"(?s){said}"):
        capture(build("bert"), **options)


IDS = torch.full((1, 5), 7)


TEXT_COMPLAINTS: list[tuple[str, dict[str, Any], str]] = [
    ("bert", {"text": "a \ud83d"}, r"text has '\\ud83d' at character 2, half of a character"),
    ("bert", {"text": ("a", "b")}, r"text is a tuple of two strings: for a pair .* text_pair="),
    ("t5", {"text": "a", "target": "\ude00"}, r"target has '\\ude00' at character 0"),
    (
        "bert",
        {"text": ["a", "b"], "text_pair": "c", "index": 0},
        r"text_pair= has 1, text= has 2\. Give text_pair= as a list of 2 strings, one for each",
    ),
    ("bert", {"text": ["a", "b"], "text_pair": ["c"], "index": 0}, r"has 1, text= has 2"),
    (
        "t5",
        {"text": "a", "target": ["b", "c"]},
        r"target= and text= do not fit together: target= has 2, text= has 1\. .* as one string",
    ),
    ("t5", {"text": ["a", "b", "c"], "target": ["b", "c"], "index": 0}, r"has 2, text= has 3"),
    ("bert", {"text": "a", "tokenizer": 5}, r"must be a Hugging Face tokenizer, got int: use Auto"),
    ("bert", {"text": "a", "tokenizer": {}}, r"must be a Hugging Face tokenizer, got dict"),
    ("bert", {"text": "a", "tokenizer": torch.nn.Identity()}, r"tokenizer, got Identity"),
    ("bert", {"inputs": IDS, "tokenizer": 5}, r"must be a Hugging Face tokenizer, got int"),
    (
        "bert",
        {"text": "a", "tokenizer": PreTrainedTokenizerFast},
        r"tokenizer, got \w+: use AutoTokenizer.from_pretrained",
    ),
    (
        "bert",
        {"text": "a", "tokenizer": Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))},
        r"got Tokenizer: use transformers.PreTrainedTokenizerFast\(tokenizer_object=tokenizer\)",
    ),
    (
        "vit",
        {"text": "a"},
        r"a text was given, and ViTModel takes no input_ids\. It takes pixel_values, .* inputs=",
    ),
    (
        "bert",
        {"text": "w1 " * 3, "segments": [("a", 0, 2)]},
        r"segments a 0:2 do not cover the 4 tokens",
    ),
    ("bert", {"text": "w1", "segments": [("a", 0)]}, r"segments must be .*got \('a', 0\)"),
    ("bert", {"text": "w1", "segments": "AB"}, r"segments must be a list such as .* got 'AB'"),
]


@pytest.mark.parametrize(("name", "options", "said"), TEXT_COMPLAINTS)
def test_complaints_about_texts(name: str, options: dict[str, Any], said: str, words: Any) -> None:
    model = never_run(build(name))
    with pytest.raises(InputError, match=f"(?s){said}"):
        capture(model, **{"tokenizer": words, **options})


def never_run(model: Any) -> Any:
    """The model, which fails the test when it runs: a complaint has to come before."""
    model.register_forward_pre_hook(lambda *_: pytest.fail("the model ran"))
    return model


def test_padding_is_asked_for_where_it_is_needed(words: Any) -> None:
    words = copy.deepcopy(words)
    words.pad_token = None
    assert len(capture(build("bert"), words, ["w1"]).tokens) == 2
    pair = capture(build("t5"), words, ["w1"], target=["w2"])
    assert len(pair.streams["decoder"].query) == 2
    with pytest.raises(
        InputError, match=r"2 texts are padded .*\.pad_token = tokenizer\.eos_token"
    ):
        capture(build("bert"), words, ["w1", "w2 w3"], index=0)


def test_chat_messages_are_sent_to_generate_or_to_the_template() -> None:
    messages = [{"role": "user", "content": "Who took the lamp?"}]
    with pytest.raises(InputError) as caught:
        capture.capture(build("gpt2"), object(), messages)
    assert str(caught.value) == (
        "text is chat messages, expected a string: attnscope.generate(model, tokenizer, messages) "
        "records what the model answers. To record one pass over them: capture(model, tokenizer, "
        "inputs=tokenizer.apply_chat_template(messages, return_dict=True, return_tensors='pt'))."
    )
