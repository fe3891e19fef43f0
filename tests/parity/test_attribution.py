"""Direct logit attribution: parts sum to the logit, and heads are worth what a hand sum says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

import attnscope
from attnscope import CaptureError, InputError
from tests.models import FAMILIES, analytic_gpt2, build, make_peaked

DECODERS = (
    "gpt2", "opt", "gpt_neox", "phi", "llama", "mistral", "qwen3", "gemma2", "gemma3", "gpt_oss",
    "deepseek_v3", "bloom", "gptj",
)  # fmt: skip
SIDE_BY_SIDE = ("gpt_neox", "phi", "gptj")
IDS = torch.randint(3, 64, (1, 9), generator=torch.Generator().manual_seed(1))


def decoder(name: str, **options: Any) -> Any:
    """A family's tiny model with its head."""
    family = FAMILIES[name]
    config = getattr(hf, family.config)(**{**family.options, **options})
    config._attn_implementation = family.implementation
    torch.manual_seed(0)
    kind = {"gpt2": "GPT2LMHeadModel", "gemma3": "Gemma3ForCausalLM"}.get(name)
    model = getattr(hf, kind or family.model.replace("Model", "ForCausalLM"))(config)
    make_peaked(model)
    return model.eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(IDS).logits[0]


@pytest.mark.parametrize("name", DECODERS)
def test_parts_sum_to_the_logit_and_to_a_difference_of_two(name: str) -> None:
    off = {"final_logit_softcapping": None} if name == "gemma2" else {}
    model = decoder(name, **off)
    wanted = logits(model)
    for place in (-1, 4):
        one = attnscope.logit_attribution(
            model, inputs={"input_ids": IDS}, target=5, position=place
        )
        two = attnscope.logit_attribution(
            model, inputs={"input_ids": IDS}, target=5, against=7, position=place
        )
        assert one["logit"].sum() == pytest.approx(float(wanted[place, 5]), abs=1e-4)
        difference = float(wanted[place, 5] - wanted[place, 7])
        assert two["logit"].sum() == pytest.approx(difference, abs=1e-4)
    names = set(one["part"])
    first = "embedding and MLPs" if name in SIDE_BY_SIDE else "embedding"
    assert one["part"][0] == first
    assert ("mlp" in names) == (name not in SIDE_BY_SIDE)


def test_the_models_own_prediction_is_taken_apart_by_default() -> None:
    model = decoder("llama")
    table = attnscope.logit_attribution(model, inputs={"input_ids": IDS})
    assert table["logit"].sum() == pytest.approx(float(logits(model)[-1].max()), abs=1e-4)


def test_a_softcap_comes_after_the_parts() -> None:
    model = decoder("gemma2")
    table = attnscope.logit_attribution(model, inputs={"input_ids": IDS}, target=5)
    capped = 30 * np.tanh(table["logit"].sum() / 30)
    assert capped == pytest.approx(float(logits(model)[-1, 5]), abs=1e-4)


def test_what_a_head_writes_by_hand() -> None:
    """GPT-2: the head's slice of the projection, through the last norm with its own divisor."""
    model, kept = decoder("gpt2"), {}
    body = model.transformer
    handles = [
        block.attn.c_proj.register_forward_pre_hook(keep(kept, layer))
        for layer, block in enumerate(body.h)
    ]
    handles.append(body.ln_f.register_forward_pre_hook(keep(kept, "final")))
    logits(model)
    for handle in handles:
        handle.remove()
    table = attnscope.logit_attribution(model, inputs={"input_ids": IDS}, target=5)
    spread = kept["final"][-1].var(correction=0).add(body.ln_f.eps).sqrt()
    for row in table.rows():
        if row["part"] == "head":
            cut = slice(8 * row["head"], 8 * row["head"] + 8)
            wrote = kept[row["layer"]][-1, cut] @ body.h[row["layer"]].attn.c_proj.weight[cut]
            normed = (wrote - wrote.mean()) / spread * body.ln_f.weight
            worth = float((normed @ model.lm_head.weight[5]).detach())
            assert row["logit"] == pytest.approx(worth, abs=1e-5)


def keep(kept: dict[Any, torch.Tensor], name: Any) -> Any:
    return lambda _, args: kept.update({name: args[0][0].detach()})


def test_the_analytic_model_gives_the_numbers_of_its_construction() -> None:
    """Elhage et al.'s sum, known by hand: 19.875 - 0.125 - 0.25 + 0.5 = 20."""
    words = torch.randperm(31, generator=torch.Generator().manual_seed(0))[:20] + 1
    ids = torch.cat([torch.zeros(1, dtype=torch.long), words, words[:-1]])[None]
    model = analytic_gpt2()
    table = attnscope.logit_attribution(model, inputs={"input_ids": ids}, target=int(words[-1]))
    named = {(r["part"], r["layer"], r["head"]): r["logit"] for r in table.rows()}
    expected = {
        ("embedding", -1, -1): -0.25,
        ("head", 0, 0): -0.125,
        ("head", 1, 0): 19.875,
        ("norm bias", -1, -1): 0.5,
    }
    for part, value in named.items():
        assert value == pytest.approx(expected.get(part, 0), abs=1e-4)
    with attnscope.ablate(model, [(1, 0)]):
        without = attnscope.logit_attribution(
            model, inputs={"input_ids": ids}, target=int(words[-1])
        )
    gone = {(r["part"], r["layer"], r["head"]): r["logit"] for r in without.rows()}
    assert gone["head", 1, 0] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"target": 99}, "target 99 is no logit: they go from 0 to 63"),
        ({"target": "cat"}, "target='cat' needs the tokenizer: pass it, or the token's number"),
        ({"target": 1.5}, "target must be a whole number, got 1.5"),
        ({"position": 9}, "position 9 is not there: tokens go from 0 to 8"),
    ],
    ids=str,
)
def test_what_does_not_fit(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        attnscope.logit_attribution(decoder("llama"), inputs={"input_ids": IDS}, **given)


def test_models_that_cannot_be_taken_apart_say_why() -> None:
    with pytest.raises(InputError, match="GPT2Model has no unembedding that gives logits: load it"):
        attnscope.logit_attribution(build("gpt2").transformer, inputs={"input_ids": IDS}, target=1)
    inputs = {"input_ids": IDS, "decoder_input_ids": IDS}
    with pytest.raises(
        InputError, match="is no decoder of one stream: it has encoder, decoder, cr"
    ):
        attnscope.logit_attribution(build("t5"), inputs=inputs, target=1)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = hf.BertConfig(vocab_size=64, intermediate_size=48, is_decoder=True, **small)
    bert = hf.BertLMHeadModel(config).eval()
    with pytest.raises(CaptureError, match="normalises after each block, so that its last state"):
        attnscope.logit_attribution(bert, inputs={"input_ids": IDS}, target=1)
    padded = {"input_ids": IDS, "attention_mask": torch.tensor([[0] + [1] * 8])}
    with pytest.raises(
        InputError, match="the inputs have 9 tokens, 1 of them padding: give one te"
    ):
        attnscope.logit_attribution(decoder("llama"), inputs=padded, target=1)
