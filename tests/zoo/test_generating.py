"""Every model type that writes, tiny: what `generate` records is what one pass over the text gives.

Types that cannot be built by the rules of `tiny`, or do not write from ids alone, are left out.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
)

import attnscope
from tests.models import make_peaked
from tests.zoo.tiny import config_of

capture = importlib.import_module("attnscope.capture")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

N_PROMPT, N_NEW = 7, 6
EXACT = 1e-5

WRITE = """
afmoe apertus arcee aria_text audioflamingo3 axk1 axk2 bamba bart beam bert-generation big_bird
bigbird_pegasus biogpt bitnet blenderbot blenderbot-small bloom codegen cohere cohere2 cohere2_moe
ctrl cwm dbrx deepseek_v2 deepseek_v3 deepseek_v32 diffllama doge dots3_note_text electra ernie
ernie4_5 ernie4_5_moe exaone4 exaone_moe falcon falcon_h1 flex_olmo flint fuyu gemma gemma2 gemma3
gemma3_text gemma3n_text gemma4 gemma4_text gemma4_unified gemma4_unified_text git glm glm4 glm4_moe
glm4_moe_lite glm_moe_dsa glmasr got_ocr2 gpt-sw3 gpt2 gpt_bigcode gpt_neo gpt_neox
gpt_neox_japanese gpt_oss gptj granite granite_speech granite_speech_plus granite_swa granitemoe
granitemoe_swa granitemoehybrid granitemoeshared helium hunyuan_v1_dense hunyuan_v1_moe hy_v3 hy_v4
hyperclovax inkling_text internlm3 iquestcoder jais2 jamba jetmoe kimi_linear kolibri1 laguna lfm2
lfm2_moe lfm3 llama llama4_text longcat_flash m2m_100 marian mbart megatron-bert mellum
mimo_v2_flash minicpm3 minimax minimax_m2 minimax_m3_vl_text ministral ministral3 mistral mixtral
mllama modernbert-decoder moshi moss_transcribe_diarize mpt mt5 mvp nanochat nemo_speechlm nemotron
nemotron_h nllb-moe olmo olmo2 olmo3 olmo_hybrid olmoe openai-gpt opt persimmon phi phi3
phi4_multimodal phimoe plbart qwen2 qwen2_audio qwen2_moe qwen3 qwen3_5_moe_text qwen3_5_text
qwen3_asr qwen3_moe qwen3_next recurrent_gemma rembert roc_bert roformer seamless_m4t
seamless_m4t_v2 seed_oss smollm3 solar_open stablelm starcoder2 t5gemma umt5 vaultgemma
vibevoice_asr voxtral whisper xglm youtu zamba zamba2 zaya
"""

OTHERWISE = """
camembert data2vec-text fsmt roberta-prelayernorm xlm-roberta xlm-roberta-xl xmod
"""
"""With a cache these models count positions otherwise than in one pass: their own logits differ by
0.5 and more. What is recorded is what they computed while they wrote."""

REFUSED = {
    "cpmant": "which are not those that the model read",
    "deepseek_v4": "do not explain the attention output",
    "falcon_mamba": "ran without any attention that attnscope sees",
    "inkling2_text": "has learned sinks .* one for each query",
    "led": "is not recorded while a model generates",
    "mamba": "ran without any attention that attnscope sees",
    "mamba2": "ran without any attention that attnscope sees",
    "pegasus_x": "puts scores .* together from several products",
    "prophetnet": "is not recorded while a model generates",
    "rwkv": "ran without any attention that attnscope sees",
    "t5gemma2": "reads what it writes and what it was given in one attention call",
    "xlm": "do not explain the attention output",
    "xlnet": "which are not those that the model read",
}


def writer(kind: str, **options: Any) -> Any:
    config = config_of(kind)
    found = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    config.is_decoder = found is not None
    found = found or MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING[type(config)]
    for name, value in options.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    model = (found[0] if isinstance(found, tuple | list) else found)(config)
    make_peaked(model)
    settings = model.generation_config
    settings.eos_token_id = settings.forced_eos_token_id = None
    settings.pad_token_id = 0
    return model.eval()


def inputs() -> dict[str, torch.Tensor]:
    seeded = torch.Generator().manual_seed(3)
    ids = torch.randint(3, 60, (1, N_PROMPT), generator=seeded)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def greedy(generate: Any, *given: Any, **options: Any) -> Any:
    return generate(*given, max_new_tokens=N_NEW, do_sample=False, num_beams=1, **options)


@pytest.mark.parametrize("kind", WRITE.split())
def test_the_rows_are_those_of_one_pass(kind: str) -> None:
    model = writer(kind)
    plain = greedy(model.generate, **inputs())
    trace = greedy(attnscope.generate, model, None, inputs())
    assert [int(piece) for piece in trace.generation.tokens.raw] == plain[0, -N_NEW:].tolist()
    given = {"input_ids": plain[:, :-1]}
    if model.config.is_encoder_decoder:
        given = {**inputs(), "decoder_input_ids": plain[:, :-1]}
    expected = capture(model, inputs=given)
    assert list(trace.streams) == list(expected.streams)
    for name, stream in expected.streams.items():
        assert trace.streams[name].numbers == stream.numbers
        for number in stream.numbers:
            ours, theirs = (one.weights(number, stream=name) for one in (trace, expected))
            np.testing.assert_allclose(ours, theirs, atol=EXACT, rtol=0)


@pytest.mark.parametrize("kind", OTHERWISE.split())
def test_the_rows_are_those_that_were_computed(kind: str) -> None:
    trace = greedy(attnscope.generate, writer(kind), None, inputs())
    told = {"output_attentions": True, "output_logits": True, "return_dict_in_generate": True}
    model = writer(kind, _attn_implementation="eager")
    result = greedy(model.generate, **inputs(), **told)
    name = "decoder" if model.config.is_encoder_decoder else "self"
    start = 0
    for step in result.decoder_attentions if name == "decoder" else result.attentions:
        n_query, n_key = step[0].shape[2:]
        for number, eager in zip(trace.streams[name].numbers, step, strict=True):
            ours = trace.weights(number, stream=name)[:, start : start + n_query, :n_key]
            np.testing.assert_allclose(ours, eager[0].numpy(), atol=EXACT, rtol=0)
        start += n_query
    given = {"input_ids": result.sequences[:, :-1]}
    if name == "decoder":
        given = {**inputs(), "decoder_input_ids": result.sequences[:, :-1]}
    with torch.no_grad():
        logits = model(**given).logits[0, -1]
    assert (logits - result.logits[-1][0]).abs().max() > 0.1  # else it belongs in WRITE


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_recorded_says_so(kind: str) -> None:
    with pytest.raises(attnscope.CaptureError, match=REFUSED[kind]):
        greedy(attnscope.generate, writer(kind), None, inputs())
