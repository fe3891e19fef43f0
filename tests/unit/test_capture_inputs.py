"""What a capture is given: texts, prepared inputs, names, batches; and every complaint about it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from attnscope.errors import InputError
from attnscope.tokens import Tokens
from tests.models import FAMILIES, build, image, square, text, text_left, text_pair

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


def test_segments_are_those_of_the_tokens_shown(words: Any) -> None:
    runs = [("question", 0, 2), ("context", 2, 8)]
    trace = capture(build("bert"), inputs=text(), index=1, segments=runs)
    assert [s.name for s in trace.tokens.segments] == ["question", "context"]


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


def test_a_tokenizer_names_prepared_inputs(words: Any) -> None:
    trace = capture(
        build("bert"),
        words,
        inputs=words(["w1", "w2 w3"], padding=True, return_tensors="pt"),
        index=0,
    )
    assert trace.tokens.text == ("w1", "</s>")


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
        ({"inputs": {}}, r"inputs= must be what the model is called with.* got an empty dict"),
        ({"inputs": [1, 2, 3]}, r"inputs= must be .* got list"),
        ({"inputs": {"input_ids": [[1, 2]]}}, r"input_ids'\] is a list, expected a tensor.*'pt'"),
        ({"inputs": torch.arange(4)}, r"has shape \(4,\), expected \[batch, token\].*ids\[None\]"),
        ({"inputs": text()}, r"the inputs are a batch of 2: pass index= 0 to 1"),
        ({"inputs": text(), "index": 2}, r"index 2 is not in the batch: it holds items 0 to 1"),
        ({"inputs": text(), "index": 1.5}, r"index must be a whole number, got 1.5"),
        (
            {"inputs": text(), "index": 1, "tokens": ["a"] * 9},
            r"tokens= has 9 names, the model works on 11 tokens \(8 without padding\)",
        ),
        ({"inputs": text(), "index": 0, "tokens": "a b c"}, r"tokens= must be a list .* got str"),
        ({"inputs": text(), "index": 0, "layers": [0, 2]}, r"layer 2 .* has layers 0 to 1"),
        ({"inputs": text(), "index": 0, "layers": []}, r"layers= is empty"),
        ({"inputs": text(), "index": 0, "heads": [4]}, r"head 4 is not in .* has heads 0 to 3"),
        (
            {"inputs": {"input_ids": torch.ones(1, 40).long()}},
            r"the text has 40 tokens, the model takes at most 32: 8 too many. .*max_length=32",
        ),
        (
            {"inputs": {"input_ids": torch.ones(1, 3).long(), "attention_mask": torch.zeros(1, 3)}},
            r"attention_mask hides every token of item 0",
        ),
    ],
)
def test_complaints(options: dict[str, Any], said: str, words: Any) -> None:
    if options.get("tokenizer") == "words":
        options = {**options, "tokenizer": words}
    with pytest.raises(InputError, match=f"(?s){said}"):
        capture(build("bert"), **options)


def test_names_that_do_not_fit_an_image() -> None:
    with pytest.raises(InputError, match="tokens= has 3 names, the model works on 13 tokens: give"):
        capture(build("vit"), inputs=image(), index=0, tokens=["a", "b", "c"])


@pytest.mark.parametrize("name", ["bart", "marian", "t5", "whisper"])
def test_an_encoder_decoder_needs_a_target(name: str) -> None:
    inputs = {n: v for n, v in FAMILIES[name].inputs().items() if n != "decoder_input_ids"}
    with pytest.raises(InputError, match=r"is an encoder-decoder .* give target=.* or inputs="):
        capture(build(name), inputs=inputs, index=0)


LONGEST = {
    "bert": 32, "distilbert": 32, "roberta": 31, "albert": 32, "electra": 32, "gpt2": 32,
    "opt": 32, "bart": 32, "marian": 32,
}  # fmt: skip


@pytest.mark.parametrize("name", LONGEST)
def test_the_longest_text_runs_and_one_more_token_does_not(name: str) -> None:
    longest = LONGEST[name]
    target = {"decoder_input_ids": torch.full((1, 3), 5)} if name in ("bart", "marian") else {}
    capture(build(name), inputs={"input_ids": torch.full((1, longest), 5), **target}, layers=[0])
    with pytest.raises(InputError, match=f"takes at most {longest}: 1 too many"):
        capture(build(name), inputs={"input_ids": torch.full((1, longest + 1), 5), **target})


def test_a_target_that_is_too_long() -> None:
    inputs = {"input_ids": torch.full((1, 5), 5), "decoder_input_ids": torch.full((1, 34), 5)}
    with pytest.raises(InputError, match=r"the target has 34 tokens, .* at most 32: 2 too many"):
        capture(build("bart"), inputs=inputs)


@pytest.mark.parametrize("name", ["t5", "llama"])
def test_relative_positions_have_no_end(name: str) -> None:
    target = {"decoder_input_ids": torch.full((1, 3), 5)} if name == "t5" else {}
    capture(build(name), inputs={"input_ids": torch.full((1, 600), 5), **target}, layers=[0])
