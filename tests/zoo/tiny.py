"""Any model type of Transformers, tiny: its configuration shrunk by rules, random peaked weights.

Nothing is downloaded. Rules go by the names of configuration fields; what they cannot know stands
in `sizes`.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING, MODEL_MAPPING_NAMES

from tests.models import make_peaked
from tests.zoo.sizes import CONFIG

WIDTH, HEADS, HEAD_DIM, LAYERS, VOCABULARY = 32, 4, 8, 2, 128

RULES: list[tuple[str, Any]] = [
    (r"num_(nextn_predict|kv_shared|register|residual|feat_extract|adapter)_.*", None),
    (r"(first_k_dense_replace|insert_layer_id|max_window_layers)", 1),
    (r"(num_|n_)?(key_value|kv|query)_?(heads|groups)|.*key_value_heads|multi_query_group_num", 2),
    (r".*(lora_rank|_rank|low_rank\w*)", 8),
    (r"(qk_rope|rope)_head_dim|rotary_dim|.*indexer?_head_dim", 4),
    (r"qk_head_dim", HEAD_DIM + 4),
    (r"mamba_(d_head|head_dim|headdim)", 16),
    (r"mamba_(n_groups|ngroups)|n_groups", 1),
    (r"mamba_(n_heads|num_heads)|n_mamba_heads", 4),
    (r"mla_head_dim", 4),
    (r".*head_(dim|size)s?|d_kv|kv_channels|attention_key_size", HEAD_DIM),
    (r".*(attention|attn|num|n|key|value|text|vision|encoder|decoder|index)_?n?_?heads?", HEADS),
    (r".*(n|num|hidden|encoder|decoder|text|vision|backbone)_layers?|.*_num_layers", LAYERS),
    (r".*transformer_layers?", LAYERS),
    (r"(e|d|num_)?(layers|depth)|n_layer|num_hidden_layers|.*num_(blocks|layers)|.*_depth", LAYERS),
    (r".*(intermediate|ffn|mlp|feed_?forward|inner|expansion)\w*(size|dim|dimension|hidden)", 48),
    (r"d_ff|n_inner|d_inner|.*ffn_dim|inner_dim|.*dim_feedforward", 48),
    (r".*(num|n)_\w*experts|.*num_experts|n_routed_experts|moe_num_experts", 4),
    (r".*experts_per_tok(en)?|moe_(topk|k|top_k)|top_k_experts|topk_group|n_group", 2),
    (r".*vocab_size|n_vocab|.*codebook_size", VOCABULARY),
    (r".*(position_embeddings|n_positions|n_ctx|max_seq_len|max_position)", 64),
    (r".*max_target_positions", 64),
    (r"(image|img|input_image|pretrain_image)_size", 32),
    (r"patch_size", 8),
    (r"num_mel_bins|n_mels", 8),
    (r".*(hidden|embed|embedding|model|feat|query|projection|proj)_(size|dim|dims)", WIDTH),
    (r".*(latent|state)_(size|dim|dims)", WIDTH),
    (r"(d_model|n_embd|dim|hidden_dim|embed_dim|width|projection_dim|feature_dim|mask_dim)", WIDTH),
    (r".*_(hidden_size|hidden_dim|embed_dim|dim)", WIDTH),
    (r".*_token_id|.*_token_index|pad_token_id|.*_(bos|eos|pad)_id", "token"),
]  # fmt: skip
"""Names of fields, whole, and their value: a number, None to leave it, or "token"."""

LATENT = {"num_key_value_heads": HEADS, "head_dim": 4}
"""Of multi-head latent attention: a key for every head, and `head_dim` is the rotary one."""

LEFT_OUT = (
    "architectures", "transformers_version", "dtype", "id2label", "label2id", "out_features",
    "out_indices", "stage_names", "feature_size", "per_layer_config", "_out_features",
    "_out_indices",
)  # fmt: skip
"""Fields that a configuration makes itself."""

BY_LAYER = re.compile(r".*(layer_types|layers_block_type|_layers|_types|indices|indexes|_layer\w*)")


def types() -> list[str]:
    """All model types that Transformers has a base model for."""
    return sorted(MODEL_MAPPING_NAMES)


def config_of(kind: str) -> Any:
    """The shrunk configuration of a model type."""
    default = CONFIG_MAPPING[kind]()
    given = _merged(shrunk(default.to_dict()), CONFIG.get(kind, {}))
    return type(default)(**given)


def _merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(base.get(name), dict)
        base = base | {name: _merged(base[name], value) if both else value}
    return base


def shrunk(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a configuration, and of those inside it, made small."""
    counts = (fields[n] for n in ("num_hidden_layers", "n_layer", "num_layers") if n in fields)
    depth = next(counts, 0)
    small = {n: _small(n, value, depth) for n, value in fields.items() if n not in LEFT_OUT}
    if fields.get("kv_lora_rank"):
        small |= {name: value for name, value in LATENT.items() if name in fields}
    return small


def _small(name: str, value: Any, depth: int) -> Any:
    if name == "rope_parameters" and isinstance(value, dict):
        return _rotary(value)
    if isinstance(value, dict):
        return shrunk(value) if "model_type" in value else value
    if isinstance(value, list):
        if BY_LAYER.fullmatch(name) and len(value) == depth:
            return _varied(value)
        return _stages(name, value) if all(type(one) is int for one in value) else value
    if isinstance(value, float) and "drop" in name:
        return 0.0
    return _number(name, value) if type(value) is int and value > 0 else value


def _rotary(fields: dict[str, Any]) -> dict[str, Any]:
    """Multimodal sections add up to half a head."""
    found = {n: _rotary(v) if isinstance(v, dict) else v for n, v in fields.items()}
    if isinstance(sections := found.get("mrope_section"), list):
        found["mrope_section"] = [2, 1, 1][: len(sections)] if len(sections) == 3 else sections
    return found


def _number(name: str, value: int) -> int:
    for pattern, small in RULES:
        if re.fullmatch(pattern, name):
            if small == "token":
                return min(value, VOCABULARY - 1)
            return value if small is None else min(value, small)
    return value


def _varied(values: list[Any]) -> list[Any]:
    """As many as there are layers, of as many kinds as can be."""
    kinds = list(dict.fromkeys(map(repr, values)))
    chosen = [values[[repr(v) for v in values].index(kind)] for kind in kinds][:LAYERS]
    return (chosen * LAYERS)[:LAYERS]


def _stages(name: str, values: list[int]) -> list[int]:
    """Fields with one number a stage of a vision model."""
    if re.fullmatch(r".*(depths|num_blocks|blocks_per_stage|layer_depths)", name):
        return [1] * len(values)
    if re.fullmatch(
        r".*(hidden_sizes|embed_dims?|dims|neck_hidden_sizes|embed_dim_per_stage)", name
    ):
        return [16 * (1 + (n > 0)) for n in range(len(values))]
    if re.fullmatch(r".*num_(attention_)?heads(_per_stage)?", name):
        return [1 + (n > 0) for n in range(len(values))]
    return values


def build(kind: str, config: Any, implementation: str | None = None) -> Any:
    """The type's base model with peaked weights, the same for every implementation."""
    if implementation:
        config._attn_implementation = implementation
    torch.manual_seed(0)
    model = MODEL_MAPPING[type(config)](config) if implementation is None else _eager(config)
    make_peaked(model)
    return model.eval()


def _eager(config: Any) -> Any:
    return MODEL_MAPPING[type(config)]._from_config(config, attn_implementation="eager")
