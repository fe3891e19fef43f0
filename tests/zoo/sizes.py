"""What the rules of `tiny` cannot know of a model type's configuration."""

from __future__ import annotations

from typing import Any

CONFIG: dict[str, dict[str, Any]] = {}


def config(*kinds: str, **fields: Any) -> None:
    for kind in kinds:
        CONFIG[kind] = CONFIG.get(kind, {}) | fields


# Rotary sections of models for images and text

SECTIONS = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
HALF = SECTIONS | {"mrope_section": [1, 1, 0], "partial_rotary_factor": 0.5}
WHOLE = (
    "qwen2_vl",
    "qwen2_5_vl",
    "paddleocr_vl",
    "glm_image",
    "glm_ocr",
    "glmga",
    "glm4v",
    "glm46v",
)
config(*WHOLE, text_config={"rope_parameters": SECTIONS})
config(*(f"{kind}_text" for kind in WHOLE), rope_parameters=SECTIONS)
config("glm4v_moe", text_config={"rope_parameters": HALF})
config("glm4v_moe_text", rope_parameters=HALF)

# Layers named in pairs, which 4.x does not take from a list

config("gpt_neo", attention_types=[[["global", "local"], 1]])

# Hybrids: one layer of each kind

MAMBA = {"mamba_headdim": 16, "n_mamba_heads": 4, "mamba_ngroups": 1}
config("bamba", attn_layer_indices=[1])
config("jamba", attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2)
config("granitemoehybrid", layer_types=["mamba", "attention"])
config("recurrent_gemma", num_hidden_layers=3, block_types=["recurrent", "recurrent", "attention"])
config("falcon_h1", mamba_d_ssm=64, mamba_n_heads=4, mamba_d_head=16)
config("mamba2", num_heads=4, head_dim=16, n_groups=1)
config("lfm2_moe", layer_types=["conv", "full_attention"])
config(
    "zamba2", **MAMBA, hybrid_layer_ids=[1], layers_block_type=["mamba", "hybrid"],
    num_mem_blocks=1, attention_hidden_size=64, attention_head_dim=16,
)  # fmt: skip
config(
    "zamba", num_hidden_layers=4, layers_block_type=["mamba", "hybrid", "mamba", "hybrid"],
    attn_layer_period=2, attn_layer_offset=1, attention_hidden_size=64, attention_head_dim=16,
    n_mamba_heads=2,
)  # fmt: skip
config(
    "nemotron_h", hybrid_override_pattern="M*", layers_block_type=["mamba", "attention"],
    mamba_num_heads=4, mamba_head_dim=16, n_groups=1,
)  # fmt: skip

# Text

config("deepseek_v2", num_experts_per_tok=2, n_group=1, topk_group=1, head_dim=4)
config("esm", vocab_size=64, pad_token_id=1, mask_token_id=2)
config("esmc", num_key_value_heads=4)
config("hunyuan_v1_dense", "hunyuan_v1_moe", "hunyuan_vl_text", "ministral", head_dim=8)
config("nemotron", head_dim=8, num_key_value_heads=2)
config("xlnet", d_model=32, n_head=4, d_head=8, d_inner=48)
config("xmod", default_language="en_XX", languages=["en_XX"])
config(
    "reformer", attn_layers=["local", "lsh"], axial_pos_embds_dim=[16, 16], axial_pos_shape=[4, 4],
    lsh_attn_chunk_length=4, local_attn_chunk_length=4, num_buckets=2,
)  # fmt: skip
config(
    "mobilebert", embedding_size=32, intra_bottleneck_size=32, true_hidden_size=32, hidden_size=32,
    num_attention_heads=4,
)  # fmt: skip
config("lilt", hidden_size=48, channel_shrink_ratio=2)
config("bros", dim_bbox_projection=8, dim_bbox_sinusoid_emb_2d=8, dim_bbox_sinusoid_emb_1d=1)
config(
    "moonshine", encoder_num_key_value_heads=4, decoder_num_key_value_heads=4,
    encoder_num_attention_heads=4, decoder_num_attention_heads=4,
)  # fmt: skip
config(
    "gemma3n_text", intermediate_size=[48, 48], activation_sparsity_pattern=None,
    num_kv_shared_layers=0, hidden_size_per_layer_input=8, laurel_rank=8,
)  # fmt: skip
config(
    "dbrx", attn_config={"kv_n_heads": 2, "clip_qkv": 8.0, "rope_theta": 1e4},
    ffn_config={"ffn_hidden_size": 48, "moe_num_experts": 2, "moe_top_k": 1},
)  # fmt: skip
config("longformer", "led", attention_window=[4, 4])
config("led", max_encoder_position_embeddings=64, max_decoder_position_embeddings=64)
config("longt5", local_radius=4, global_block_size=4)
config("pegasus_x", num_global_tokens=4, block_size=8)
config("big_bird", "bigbird_pegasus", attention_type="original_full")
config("youtu", "kimi_k25", head_dim=4)
config("step3p7", text_config={"sliding_window": 4})
config("chameleon", vocabulary_map={"<image>": 5})

# Images

RESNET = {
    "model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 16, 32],
    "depths": [1, 1, 1, 1], "out_features": ["stage4"],
}  # fmt: skip
THREE = RESNET | {"out_features": ["stage2", "stage3", "stage4"]}
BACKBONE = {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None}
config(
    "detr", "conditional_detr", "dab-detr", "table-transformer",
    **BACKBONE, backbone_config=RESNET, num_queries=6,
)  # fmt: skip
config("deformable_detr", **BACKBONE, backbone_config=THREE, num_queries=6)
config("grounding-dino", "mm-grounding-dino", num_queries=6)
config(
    "swin", "swinv2", "donut-swin", "maskformer-swin",
    image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4,
)  # fmt: skip
config(
    "swin2sr", image_size=8, patch_size=1, embed_dim=16, depths=[2], num_heads=[2], window_size=4
)
config("hiera", image_size=[64, 64], embed_dim=8, num_heads=[1, 2, 2, 2])
config("levit", image_size=64)
config("mobilevitv2", image_size=64)
config("pixtral", "vilt", image_size=32, patch_size=8)
config("layoutlmv3", coordinate_size=6, shape_size=4)
config("yolos", image_size=[64, 64], patch_size=16, num_detection_tokens=4)
config("videomae", "vivit", "timesformer", num_frames=4)
config("vjepa2", crop_size=32, frames_per_clip=4, pred_num_mask_tokens=2)
config("vivit", tubelet_size=[2, 8, 8])
config(
    "seggpt", image_size=[64, 32], patch_size=8, pretrain_image_size=32, decoder_hidden_size=16,
    intermediate_hidden_state_indices=[0, 1], merge_index=0,
)  # fmt: skip
config(
    "perceiver", d_model=32, d_latents=32, num_latents=6, num_self_attends_per_block=2,
    num_self_attention_heads=4, num_cross_attention_heads=4, qk_channels=32, v_channels=32,
)  # fmt: skip

# Sound, and series of numbers

SHORT = ("whisper", "qwen2_audio_encoder", "voxtral_encoder", "moss_transcribe_diarize_audio")
config(*SHORT, max_source_positions=32)
config(
    "audio-spectrogram-transformer", num_mel_bins=32, max_length=48, patch_size=8,
    frequency_stride=8, time_stride=8,
)  # fmt: skip
config("wav2vec2-bert", feature_projection_input_dim=16)
config("patchtst", context_length=16, patch_length=4, patch_stride=4)
config(
    "autoformer", "informer", "time_series_transformer", prediction_length=6, context_length=12,
    lags_sequence=[1, 2], num_time_features=2, num_static_categorical_features=0,
)  # fmt: skip
