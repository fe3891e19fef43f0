"""Small random inputs for any model type: a batch of two, the second text shorter."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from tests.models import seeded
from tests.zoo.feeds import BATCH, BATCHES, FEEDS, N_TARGET, N_TOKENS, noise


def batch_of(kind: str) -> int:
    """Items in the batch."""
    return BATCHES.get(kind, BATCH)


def inputs_of(kind: str, model: Any) -> dict[str, Any]:
    """What the model's forward takes; for a model that reads text and more, the text alone."""
    if kind in FEEDS:
        return FEEDS[kind](model)
    names = inspect.signature(model.forward).parameters
    main = getattr(model, "main_input_name", "input_ids")
    needed = {n for n, p in names.items() if p.default is inspect.Parameter.empty}
    given: dict[str, Any] = {}
    if "input_ids" in names and (main == "input_ids" or "input_ids" in needed):
        given |= _text(model)
    for name, make in MAKERS.items():
        alone = main != "input_ids" and (name == main or name in needed)
        if name in names and (alone or name in _towers(model)):
            given[name] = make(model)
    if getattr(model.config, "is_encoder_decoder", False) and "decoder_input_ids" in names:
        given["decoder_input_ids"] = _ids(model, N_TARGET, 1)
    return given


def _towers(model: Any) -> set[str]:
    """What two-tower models need beside the text."""
    both = all(hasattr(model, name) for name in ("vision_model", "text_model"))
    return {"pixel_values"} if both else set()


def _ids(model: Any, n: int, seed: int) -> torch.Tensor:
    size = min(60, getattr(model.config.get_text_config(), "vocab_size", 60) or 60)
    return torch.randint(3, size, (BATCH, n), generator=seeded(seed))


def _text(model: Any) -> dict[str, torch.Tensor]:
    ids, pad = _ids(model, N_TOKENS, 0), getattr(model.config, "pad_token_id", None)
    mask = torch.ones_like(ids)
    ids[1, -3:], mask[1, -3:] = pad if type(pad) is int and 0 <= pad < 60 else 0, 0
    return {"input_ids": ids, "attention_mask": mask}


def _first(config: Any, *names: str, default: Any = None) -> Any:
    parts = (config, getattr(config, "vision_config", None), getattr(config, "audio_config", None))
    found = [getattr(part, name, None) for part in parts for name in names]
    return next((value for value in found if value is not None), default)


def _image(model: Any) -> torch.Tensor:
    size = _first(model.config, "image_size", "img_size", default=32)
    high, wide = size if isinstance(size, list | tuple) else (size, size)
    channels = _first(model.config, "num_channels", "in_channels", "in_chans", default=3)
    return noise(BATCH, channels if type(channels) is int else 3, high, wide)


def _video(model: Any) -> torch.Tensor:
    return _image(model)[:, None].repeat(1, _first(model.config, "num_frames", default=4), 1, 1, 1)


def _spectrum(model: Any) -> torch.Tensor:
    names = ("num_mel_bins", "feature_size", "input_feat_per_channel")
    return noise(BATCH, _first(model.config, *names, default=8), 64)


MAKERS = {
    "pixel_values": _image,
    "pixel_values_videos": _video,
    "input_features": _spectrum,
    "input_values": lambda _: noise(BATCH, 2000),
}
