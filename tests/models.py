"""Tiny random models, one row a family, that tests capture; and one whose attention is known.

Each is built from a configuration (nothing is downloaded), small enough to run in milliseconds,
and initialised so that its attention is peaked: a uniform row would hide most mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as hf

from attnscope.analytic import analytic_gpt2

__all__ = ["analytic_gpt2"]

N_TOKENS, N_TARGET, VOCABULARY = 11, 7, 64
BODY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL = {"vocab_size": VOCABULARY, "max_position_embeddings": 32, **BODY}
ENCODER = {**SMALL, "intermediate_size": 48}
DECODER = {**ENCODER, "num_key_value_heads": 2, "head_dim": 8}
PAIR = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 32,
}
IDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


@dataclass(frozen=True)
class Family:
    """A model class, its tiny configuration, what it reads, and the streams it must give."""

    model: str
    config: str
    options: dict[str, Any]
    inputs: Callable[[], dict[str, torch.Tensor]]
    streams: tuple[str, ...] = ("self",)
    implementation: str = "sdpa"


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def text() -> dict[str, torch.Tensor]:
    """A batch of two, the second one shorter: padded on the right."""
    ids = torch.randint(3, VOCABULARY, (2, N_TOKENS), generator=seeded())
    mask = torch.ones_like(ids)
    ids[1, -3:], mask[1, -3:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def text_left() -> dict[str, torch.Tensor]:
    """The same padded on the left."""
    return {name: value.flip(1) for name, value in text().items()}


def text_pair() -> dict[str, torch.Tensor]:
    target = torch.randint(3, VOCABULARY, (2, N_TARGET), generator=seeded(1))
    return {**text(), "decoder_input_ids": target}


def image() -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(2, 3, 24, 32, generator=seeded())}


def square() -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.randn(2, 3, 32, 32, generator=seeded())}


def sound() -> dict[str, torch.Tensor]:
    target = torch.randint(3, VOCABULARY, (2, N_TARGET), generator=seeded(1))
    return {
        "input_features": torch.randn(2, 8, 40, generator=seeded()),
        "decoder_input_ids": target,
    }


THREE = ("encoder", "decoder", "cross")
FAMILIES: dict[str, Family] = {
    "bert": Family("BertModel", "BertConfig", ENCODER, text),
    "distilbert": Family(
        "DistilBertModel",
        "DistilBertConfig",
        {
            "vocab_size": VOCABULARY,
            "dim": 32,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 48,
            "max_position_embeddings": 32,
        },
        text,
    ),
    "roberta": Family("RobertaModel", "RobertaConfig", ENCODER | IDS, text),
    "albert": Family("AlbertModel", "AlbertConfig", {**ENCODER, "embedding_size": 16}, text),
    "electra": Family("ElectraModel", "ElectraConfig", {**ENCODER, "embedding_size": 16}, text),
    "modernbert": Family(
        "ModernBertModel",
        "ModernBertConfig",
        {**ENCODER, **IDS, "num_hidden_layers": 3, "local_attention": 4},
        text,
    ),
    "gpt2": Family(
        "GPT2LMHeadModel",
        "GPT2Config",
        {
            **IDS,
            "vocab_size": VOCABULARY,
            "n_positions": 32,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
        },
        text_left,
    ),
    "opt": Family(
        "OPTModel", "OPTConfig", {**SMALL, "ffn_dim": 48, "word_embed_proj_dim": 32}, text
    ),
    "gpt_neox": Family("GPTNeoXModel", "GPTNeoXConfig", ENCODER, text),
    "phi": Family("PhiModel", "PhiConfig", ENCODER | IDS, text),
    "llama": Family("LlamaModel", "LlamaConfig", DECODER, text_left),
    "mistral": Family("MistralModel", "MistralConfig", {**DECODER, "sliding_window": 4}, text_left),
    "qwen3": Family("Qwen3Model", "Qwen3Config", DECODER | IDS, text),
    "gemma2": Family(
        "Gemma2Model",
        "Gemma2Config",
        {**DECODER, "sliding_window": 4, "attn_logit_softcapping": 5.0},
        text,
        implementation="eager",
    ),
    "gemma3": Family(
        "Gemma3TextModel",
        "Gemma3TextConfig",
        {**DECODER, "sliding_window": 4, "num_hidden_layers": 3, "sliding_window_pattern": 3},
        text,
    ),
    "gpt_oss": Family(
        "GptOssModel",
        "GptOssConfig",
        {**DECODER, **IDS, "sliding_window": 4, "num_local_experts": 2, "num_experts_per_tok": 1},
        text,
        implementation="eager",
    ),
    "deepseek_v3": Family(
        "DeepseekV3Model",
        "DeepseekV3Config",
        {
            **ENCODER,
            "num_key_value_heads": 4,
            "moe_intermediate_size": 16,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 8,
            "v_head_dim": 6,
        },
        text,
    ),
    "bart": Family("BartModel", "BartConfig", PAIR | IDS, text_pair, THREE),
    "marian": Family(
        "MarianMTModel",
        "MarianConfig",
        {**PAIR, **IDS, "decoder_start_token_id": 0},
        text_pair,
        THREE,
    ),
    "t5": Family(
        "T5ForConditionalGeneration",
        "T5Config",
        {
            "vocab_size": VOCABULARY,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 48,
            "num_layers": 2,
            "num_decoder_layers": 3,
            "num_heads": 4,
            "decoder_start_token_id": 0,
        },
        text_pair,
        THREE,
    ),
    "whisper": Family(
        "WhisperModel",
        "WhisperConfig",
        {
            **PAIR,
            **IDS,
            "num_mel_bins": 8,
            "max_source_positions": 20,
            "max_target_positions": 32,
            "decoder_start_token_id": 1,
        },
        sound,
        THREE,
    ),
    "vit": Family(
        "ViTModel",
        "ViTConfig",
        {**BODY, "intermediate_size": 48, "image_size": (24, 32), "patch_size": 8},
        image,
    ),
    "bloom": Family(
        "BloomModel",
        "BloomConfig",
        {**SMALL, "n_layer": 2, "n_head": 4},
        text,
        implementation="eager",
    ),
    "gptj": Family(
        "GPTJModel",
        "GPTJConfig",
        {
            **IDS,
            "vocab_size": VOCABULARY,
            "n_embd": 32,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 32,
            "rotary_dim": 4,
        },
        text,
        implementation="eager",
    ),
    "clip": Family(
        "CLIPModel",
        "CLIPConfig",
        {
            "text_config": ENCODER | IDS,
            "vision_config": {
                **BODY,
                "intermediate_size": 48,
                "image_size": 32,
                "patch_size": 8,
            },
            "projection_dim": 16,
        },
        lambda: {**text(), **square()},
        ("text", "vision"),
    ),
}


def build(name: str, implementation: str | None = None, **options: Any) -> Any:
    """A family's tiny model in evaluation mode; the same weights for every implementation."""
    family = FAMILIES[name]
    config = getattr(hf, family.config)(**{**family.options, **options})
    config._attn_implementation = implementation or family.implementation
    torch.manual_seed(0)
    model = getattr(hf, family.model)(config)
    make_peaked(model)
    return model.eval()


@torch.no_grad()
def make_peaked(model: torch.nn.Module) -> None:
    """Weights large enough for attention that is neither uniform nor one-hot."""
    generator = seeded(2)
    for name, weight in model.named_parameters():
        if weight.ndim >= 2:
            fan_in = 1 if "embed" in name else weight[0].numel()
            weight.normal_(0, 1.3 / math.sqrt(fan_in), generator=generator)
        elif "sinks" in name or "bias" in name:
            weight.normal_(0, 0.3, generator=generator)


def eager_attentions(name: str, inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What Transformers itself returns with eager attention, one tuple of layers a stream."""
    with torch.no_grad():
        output = build(name, "eager", **options)(**inputs, output_attentions=True)
    if name == "clip":
        return {
            "text": output.text_model_output.attentions,
            "vision": output.vision_model_output.attentions,
        }
    if "decoder_input_ids" in inputs:
        return {
            "encoder": output.encoder_attentions,
            "decoder": output.decoder_attentions,
            "cross": output.cross_attentions,
        }
    return {"self": output.attentions}
