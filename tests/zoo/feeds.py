"""Inputs of model types that take something of their own; `inputs` has the rules for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tests.models import seeded

Feed = Callable[[Any], dict[str, Any]]
FEEDS: dict[str, Feed] = {}
BATCHES: dict[str, int] = {}

N_TOKENS, N_TARGET, BATCH = 11, 7, 2


def feeds(*kinds: str, batch: int = BATCH) -> Callable[[Feed], Feed]:
    def note(make: Feed) -> Feed:
        FEEDS.update(dict.fromkeys(kinds, make))
        BATCHES.update(dict.fromkeys(kinds, batch))
        return make

    return note


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed))


def words(n: int = N_TOKENS, seed: int = 0, most: int = 60) -> torch.Tensor:
    return torch.randint(3, most, (BATCH, n), generator=seeded(seed))


@feeds(
    "idefics3", "smolvlm", "modernvbert", "ultravbert", "idefics2", "granite_docling",
    "minicpmv4_7", "minicpm_ocr", "chameleon", "emu3",
)  # fmt: skip
def text(_: Any = None) -> dict[str, Any]:
    mask = torch.ones(BATCH, N_TOKENS, dtype=torch.long)
    mask[1, -3:] = 0
    return {"input_ids": words(), "attention_mask": mask}


@feeds("bros")
def boxes(_: Any) -> dict[str, Any]:
    return {**text(), "bbox": torch.rand(2, N_TOKENS, 8, generator=seeded())}


@feeds("udop")
def document(_: Any) -> dict[str, Any]:
    bbox = torch.rand(2, N_TOKENS, 4, generator=seeded())
    return {**text(), "bbox": bbox, "decoder_input_ids": words(N_TARGET, 1)}


@feeds("lxmert")
def two_sides(model: Any) -> dict[str, Any]:
    dim = model.config.visual_feat_dim
    return {**text(), "visual_feats": noise(2, 5, dim), "visual_pos": torch.rand(2, 5, 4)}


@feeds("perceiver")
def anything(model: Any) -> dict[str, Any]:
    return {"inputs": noise(2, 9, model.config.d_model)}


@feeds("decision_transformer")
def decisions(model: Any) -> dict[str, Any]:
    c = model.config
    return {
        "states": noise(2, 5, c.state_dim),
        "actions": noise(2, 5, c.act_dim),
        "rewards": noise(2, 5, 1),
        "returns_to_go": noise(2, 5, 1),
        "timesteps": torch.arange(5).expand(2, 5),
        "attention_mask": torch.ones(2, 5),
    }


@feeds("dia")
def channels(_: Any) -> dict[str, Any]:
    return {**text(), "decoder_input_ids": torch.randint(3, 60, (2, 7, 9), generator=seeded(1))}


@feeds(
    "qwen2_vl_vision", "qwen2_5_vl_vision", "qwen3_vl_vision", "qwen3_vl_moe_vision",
    "qwen3_5_vision", "qwen3_5_moe_vision", "qwen4_exp_vision", "glm4v_vision", "glm4v_moe_vision",
    "glm_ocr_vision", "glm5_next_vision", "exaone4_5_vision", "cohere_compass_vision", batch=1,
)  # fmt: skip
def packed(model: Any, columns: tuple[int, ...] = (4, 8)) -> dict[str, Any]:
    """Images of different width in one row of patches."""
    c = model.config
    dim = getattr(c, "in_channels", 3) * getattr(c, "temporal_patch_size", 2) * c.patch_size**2
    grid = torch.tensor([[1, 4, wide] for wide in columns])
    return {"hidden_states": noise(int(grid.prod(1).sum()), dim), "grid_thw": grid}


@feeds("hunyuan_vl_vision", "muse_glimmer_vision", "muse_spark_vision", batch=1)
def packed_pixels(model: Any) -> dict[str, Any]:
    found = packed(model)
    return {"pixel_values": found["hidden_states"], "grid_thw": found["grid_thw"]}


@feeds("idefics3_vision", "smolvlm_vision", "granite_docling_vision")
def pixels(model: Any) -> dict[str, Any]:
    return {"pixel_values": noise(2, 3, model.config.image_size, model.config.image_size)}


@feeds("pixtral", batch=1)
def one_image(_: Any) -> dict[str, Any]:
    return {"pixel_values": noise(1, 3, 32, 32)}


@feeds("swin2sr")
def small_image(_: Any) -> dict[str, Any]:
    return {"pixel_values": noise(2, 3, 8, 8)}


@feeds("detr", "conditional_detr", "dab-detr", "table-transformer", "deformable_detr", "yolos")
def scene(_: Any) -> dict[str, Any]:
    return {"pixel_values": noise(2, 3, 64, 64)}


@feeds("siglip2_vision_model")
def patches(model: Any) -> dict[str, Any]:
    c = getattr(model.config, "vision_config", model.config)
    return {
        "pixel_values": noise(2, 16, c.num_channels * c.patch_size**2),
        "pixel_attention_mask": torch.ones(2, 16, dtype=torch.long),
        "spatial_shapes": torch.tensor([[4, 4], [4, 4]]),
    }


@feeds("siglip2")
def patches_and_text(model: Any) -> dict[str, Any]:
    return text() | patches(model)


@feeds("videomae", "vivit", "timesformer", "vjepa2", "videoprism_vision_model")
def frames(model: Any) -> dict[str, Any]:
    c = model.config
    count = getattr(c, "num_frames", None) or getattr(c, "frames_per_clip", 4)
    size = getattr(c, "image_size", None) or c.crop_size
    name = "pixel_values" if c.model_type in ("videomae", "vivit", "timesformer") else VIDEOS
    size = size if isinstance(size, int) else size[0]
    return {name: noise(2, count, 3, size, size)}


VIDEOS = "pixel_values_videos"


@feeds("vilt")
def image_and_text(_: Any) -> dict[str, Any]:
    return text() | {"pixel_values": noise(2, 3, 32, 32)}


@feeds("idefics")
def images_in_text(model: Any) -> dict[str, Any]:
    size = model.config.vision_config.image_size
    seen = torch.ones(2, N_TOKENS, 1)
    return text() | {"pixel_values": noise(2, 1, 3, size, size), "image_attention_mask": seen}


@feeds("xclip")
def clip_of_frames(model: Any) -> dict[str, Any]:
    c = model.config.vision_config
    return text() | {"pixel_values": noise(2, c.num_frames, 3, c.image_size, c.image_size)}


@feeds("blip_2_qformer")
def queries(model: Any) -> dict[str, Any]:
    c = model.config
    states = noise(2, 9, c.encoder_hidden_size, seed=1)
    return {"query_embeds": noise(2, 6, c.hidden_size), "encoder_hidden_states": states}


@feeds("seggpt")
def prompts(model: Any) -> dict[str, Any]:
    high, wide = model.config.image_size
    names = ("pixel_values", "prompt_pixel_values", "prompt_masks")
    return {name: noise(2, 3, high // 2, wide, seed=n) for n, name in enumerate(names)}


@feeds("audio-spectrogram-transformer")
def spectrogram(model: Any) -> dict[str, Any]:
    return {"input_values": noise(2, 48, model.config.num_mel_bins)}


@feeds(
    "speech_to_text", "canary", "cohere_asr", "wav2vec2-bert", "parakeet_ctc", "parakeet_encoder",
    "parakeet_rnnt", "parakeet_tdt", "nemotron_asr_streaming", "nemotron_asr_streaming_encoder",
    "nemotron3_5_asr", "lasr_ctc", "lasr_encoder",
)  # fmt: skip
def time_first(model: Any) -> dict[str, Any]:
    c = getattr(model.config, "encoder_config", model.config)
    names = ("num_mel_bins", "input_feat_per_channel", "feature_projection_input_dim")
    dim = next(getattr(c, name) for name in names if getattr(c, name, None))
    given: dict[str, Any] = {"input_features": noise(2, 64, dim)}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = words(N_TARGET, 1)
    return given


@feeds("speecht5")
def states(_: Any) -> dict[str, Any]:
    return {"input_values": noise(2, 9, 32), "decoder_input_values": noise(2, 7, 32, seed=1)}


@feeds("patchtst", "patchtsmixer")
def series(model: Any) -> dict[str, Any]:
    return {"past_values": noise(2, model.config.context_length, model.config.num_input_channels)}


@feeds("autoformer", "informer", "time_series_transformer")
def forecast(model: Any) -> dict[str, Any]:
    c = model.config
    past, features = c.context_length + max(c.lags_sequence), c.num_time_features
    return {
        "past_values": noise(2, past),
        "past_time_features": noise(2, past, features),
        "past_observed_mask": torch.ones(2, past),
        "future_values": noise(2, c.prediction_length),
        "future_time_features": noise(2, c.prediction_length, features),
    }
