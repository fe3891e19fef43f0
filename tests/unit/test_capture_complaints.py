"""Complaints about prepared inputs, made before the model runs."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

from attnscope.errors import InputError
from tests.models import FAMILIES, build, image, text

capture = importlib.import_module("attnscope.capture")


IDS = torch.full((1, 5), 7)


MASK = {"input_ids": IDS, "attention_mask": torch.ones(1, 4)}


INPUT_COMPLAINTS: list[tuple[str, Any, str]] = [
    ("bert", np.array([1, 2]), r"shape \(2,\), expected \[batch, token\]"),
    ("bert", IDS - 8, r"input_ids has the id -1, and BertModel knows the ids 0 to 63: use this"),
    ("bert", IDS + 57, r"input_ids has the id 64, and BertModel knows the ids 0 to 63"),
    ("t5", {"input_ids": IDS, "decoder_input_ids": IDS - 107}, r"decoder_input_ids has .* -100"),
    ("bert", IDS.float(), r"inputs\['input_ids'\] is float32, expected whole .* ids\.long\(\)"),
    ("bert", IDS.bool(), r"inputs\['input_ids'\] is bool, expected whole numbers"),
    (
        "bert",
        {"input_ids": IDS, "attention_mask": [[1] * 5]},
        r"inputs\['attention_mask'\] is a list, expected a tensor",
    ),
    ("bert", MASK, r"attention_mask'\] has shape \(1, 4\), expected \[1, 5\]: one number for each"),
    ("bert", {**MASK, "attention_mask": torch.ones(5)}, r"shape \(5,\), expected \[1, 5\]"),
    (
        "bert",
        {"input_ids": None},
        r"nothing that BertModel runs on, only input_ids=None\. It takes",
    ),
    (
        "bert",
        {"inputs_embeds": torch.zeros(1, 40, 32)},
        r"\['inputs_embeds'\] has 40 tokens.* 8 too",
    ),
    (
        "bert",
        {"inputs_embeds": torch.zeros(6, 32)},
        r"has shape \(6, 32\), expected \[batch, token, dim\]: .* axis with embeds\[None\]",
    ),
    ("bert", torch.zeros(0, 5).long(), r"has shape \(0, 5\), which is empty: give at least one"),
    ("bert", torch.zeros(1, 0).long(), r"has shape \(1, 0\), which is empty"),
    (
        "vit",
        {"pixel_values": torch.zeros(3, 24, 32)},
        r"shape \(3, 24, 32\), expected \[batch, channel, height, width\]: .*pixel_values\[None\]",
    ),
    ("vit", {"pixel_values": torch.zeros(0, 3, 24, 32)}, r"which is empty"),
    (
        "vit",
        {"pixels": torch.zeros(1, 3, 24, 32)},
        r"has nothing that ViTModel runs on, only pixels\. It takes pixel_values, bool_masked_pos",
    ),
    ("vit", text(), r"nothing that ViTModel runs on, only input_ids, attention_mask\. It takes"),
    (
        "whisper",
        {"input_features": torch.zeros(8, 40), "decoder_input_ids": IDS},
        r"axis with features\[None\]",
    ),
]


@pytest.mark.parametrize(
    ("options", "said"),
    [
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
        ({"inputs": text(), "index": 0, "layers": []}, "layers is empty: name at least one layer"),
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
def test_complaints(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        capture(build("bert"), **options)


@pytest.mark.parametrize(("name", "inputs", "said"), INPUT_COMPLAINTS)
def test_complaints_about_inputs(name: str, inputs: Any, said: str) -> None:
    with pytest.raises(InputError, match=f"(?s){said}"):
        capture(never_run(build(name)), inputs=inputs)


def never_run(model: Any) -> Any:
    """The model, which fails the test when it runs: a complaint has to come before."""
    model.register_forward_pre_hook(lambda *_: pytest.fail("the model ran"))
    return model


def test_a_key_that_forward_does_not_take() -> None:
    class Strict(torch.nn.Module):
        def forward(self, input_ids: torch.Tensor) -> None: ...

    with pytest.raises(InputError, match=r"inputs= has mask, ids, which Strict does not take\. It"):
        capture(Strict(), inputs={"input_ids": IDS, "mask": IDS, "ids": IDS})


def test_segments_of_a_padded_text() -> None:
    for index, n in ((0, 11), (1, 8)):
        trace = capture(build("bert"), inputs=text(), index=index, segments=[("all", 0, n)])
        assert trace.tokens.segments[0].stop == n
    with pytest.raises(InputError, match="segments all 0:7 do not cover the 8 tokens"):
        capture(never_run(build("bert")), inputs=text(), index=1, segments=[("all", 0, 7)])


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


def test_a_text_in_the_place_of_the_tokenizer_is_told() -> None:
    with pytest.raises(InputError, match=r"with no tokenizer: capture\(model, tokenizer, text\)"):
        capture.capture(build("bert"), "The cat sat.")


def test_weights_without_numbers_are_named() -> None:
    model = build("bert").to("meta")
    with pytest.raises(InputError) as caught:
        capture.capture(model, inputs=text(), index=0)
    assert str(caught.value) == (
        "BertModel has weights without numbers (on the meta device), the first is "
        "embeddings.word_embeddings.weight: load the model with from_pretrained, or give it "
        "numbers with model.to_empty(device='cpu') and load_state_dict."
    )


def test_what_accelerate_brings_when_a_module_runs_is_let_through() -> None:
    model = build("bert")
    model.encoder._hf_hook = object()
    model.encoder.to("meta")
    importlib.import_module("attnscope.capture.inputs.checks").check_model(model)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_a_torchscript_module_is_refused() -> None:
    traced = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))
    with pytest.raises(InputError, match="TorchScript module, whose attention is not seen"):
        capture.capture(traced, inputs={"input": torch.ones(1, 2)})


def test_all_is_no_list_of_layers() -> None:
    with pytest.raises(InputError, match=r"layers must be layer numbers such .* got 'all'"):
        capture.capture(build("bert"), inputs=text(), index=0, layers="all")
