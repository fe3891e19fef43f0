"""Prepared inputs, held against what the model takes before it runs.

What a model says by itself of wrong inputs is seldom understood ("index out of range in self"),
and on a GPU such an error ends the process. What would need the model's own code to tell (which
inputs go together) is left to the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope.errors import InputError

DECODER_INPUTS = ("decoder_input_ids", "decoder_inputs_embeds", "labels")
MAIN_INPUTS = ("input_ids", "inputs_embeds", "pixel_values", "input_features", "input_values")
MEDIA = ("pixel_values", "input_features", "input_values")
AXES = {
    "input_ids": ("batch", "token"),
    "decoder_input_ids": ("batch", "token"),
    "inputs_embeds": ("batch", "token", "dim"),
    "decoder_inputs_embeds": ("batch", "token", "dim"),
    "input_features": ("batch", "feature", "time"),
    "input_values": ("batch", "time"),
}


def check_model(model: Any) -> None:
    """InputError unless this is a PyTorch model that can be run and watched."""
    if isinstance(model, torch.jit.ScriptModule):
        raise InputError(
            "model is a TorchScript module, whose attention is not seen from Python: give the "
            "model that it was made of."
        )
    if isinstance(model, nn.Module):
        _check_weights(model)
        return
    if isinstance(model, str):
        how = f"load it first: AutoModel.from_pretrained({model!r})."
        raise InputError(f"model is the name {model!r}, expected the model itself: {how}")
    if isinstance(getattr(model, "model", None), nn.Module):
        how = "pass what is in it: capture(pipe.model, pipe.tokenizer, text)."
        raise InputError(f"model is a {type(model).__name__}, expected a PyTorch model: {how}")
    raise InputError(
        f"model must be a PyTorch module (torch.nn.Module), got {type(model).__name__}. For "
        "weights of other frameworks: attnscope.from_attention(attentions, tokens)."
    )


def _check_weights(model: nn.Module) -> None:
    """InputError for weights without numbers; accelerate's hooks bring some when a module runs."""
    empty = [name for name, weight in model.named_parameters() if weight.is_meta]
    if empty and not any(hasattr(module, "_hf_hook") for module in model.modules()):
        raise InputError(
            f"{type(model).__name__} has weights without numbers (on the meta device), the first "
            f"is {empty[0]}: load the model with from_pretrained, or give it numbers with "
            "model.to_empty(device='cpu') and load_state_dict."
        )


def checked(model: Any, inputs: Any) -> Any:
    """Prepared inputs as a mapping of tensors."""
    if isinstance(inputs, torch.Tensor | np.ndarray):
        inputs = {getattr(model, "main_input_name", "input_ids"): inputs}
    if not isinstance(inputs, Mapping) or not len(inputs):
        empty = isinstance(inputs, Mapping)
        what = f"an empty {type(inputs).__name__}" if empty else type(inputs).__name__
        raise InputError(
            f"inputs= must be what the model is called with, a mapping such as "
            f"tokenizer(text, return_tensors='pt'), got {what}."
        )
    arrays = {n: torch.as_tensor(v) for n, v in inputs.items() if isinstance(v, np.ndarray)}
    if arrays or not isinstance(getattr(inputs, "encodings", None), list):
        inputs = {**inputs, **arrays}
    _check_names(model, inputs)
    for name, value in inputs.items():
        _check_form(str(name), value)
    _check_pixels(model, inputs.get("pixel_values"), inputs)
    return inputs


def forward_inputs(model: nn.Module) -> tuple[list[str], bool]:
    """Names of what the model's `forward` takes, and whether it takes anything else too."""
    parameters = inspect.signature(model.forward).parameters.values()
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = [p.name for p in parameters if p.kind not in several]
    return names, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def taken(model: nn.Module, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that the model's `forward` names."""
    names, _ = forward_inputs(model)
    return {name: value for name, value in options.items() if name in names}


def _check_names(model: nn.Module, inputs: Mapping[str, Any]) -> None:
    names, takes_others = forward_inputs(model)
    who, takes = type(model).__name__, f"It takes {', '.join(names)}."
    unknown = [str(name) for name in inputs if name not in names]
    if unknown and not takes_others:
        raise InputError(f"inputs= has {', '.join(unknown)}, which {who} does not take. {takes}")
    given = [n for n, v in inputs.items() if v is not None and not str(n).endswith("mask")]
    if names and not set(given) & set(names):
        raise InputError(
            f"inputs= has nothing that {who} runs on, only "
            f"{', '.join(f'{n}=None' if v is None else str(n) for n, v in inputs.items())}. {takes}"
        )


def _check_form(name: str, value: Any) -> None:
    """Tensors, not lists, with all their axes and something in them."""
    known = name in (*MAIN_INPUTS, *DECODER_INPUTS) or name.endswith(("_mask", "_ids"))
    if known and isinstance(value, list | tuple):
        raise InputError(
            f"inputs['{name}'] is a {type(value).__name__}, expected a tensor: call the "
            "tokenizer with return_tensors='pt', or use torch.tensor."
        )
    if not isinstance(value, torch.Tensor) or name not in AXES:
        return
    axes, shape = AXES[name], tuple(value.shape)
    if len(shape) < len(axes) or (len(shape) > len(axes) and name.endswith("_ids")):
        raise InputError(
            f"inputs['{name}'] has shape {shape}, expected [{', '.join(axes)}]: for one item, "
            f"add the batch axis with {_last_word(name)}[None]."
        )
    if 0 in shape:
        raise InputError(_empty(name, shape))
    if name.endswith("_ids") and value.dtype not in (torch.int64, torch.int32):
        kind = str(value.dtype).removeprefix("torch.")
        raise InputError(
            f"inputs['{name}'] is {kind}, expected whole numbers: ids.long(), or inputs_embeds "
            "for vectors."
        )


def _last_word(name: str) -> str:
    return name.rpartition("_")[2]


def _empty(name: str, shape: tuple[int, ...]) -> str:
    return f"inputs['{name}'] has shape {shape}, which is empty: give at least one item."


def _check_pixels(model: Any, pixels: Any, inputs: Mapping[str, Any]) -> None:
    """An image model's [batch, channel, height, width]; some take lists of patches as well."""
    if not isinstance(pixels, torch.Tensor):
        return
    config = getattr(model, "config", None)
    channels = getattr(getattr(config, "vision_config", config), "num_channels", None)
    shape = tuple(pixels.shape)
    if pixels.ndim == 3 and shape[0] == channels and "spatial_shapes" not in inputs:
        raise InputError(
            f"inputs['pixel_values'] has shape {shape}, expected [batch, channel, height, width]: "
            "for one image, add the batch axis with pixel_values[None]."
        )
    if 0 in shape:
        raise InputError(_empty("pixel_values", shape))


def check_ids(model: Any, inputs: Mapping[str, Any]) -> None:
    """Raise InputError for an id that the model has no row for."""
    if any(inputs.get(name) is not None for name in MEDIA):
        return  # places for images and sounds may have ids of their own
    for name in ("input_ids", "decoder_input_ids"):
        ids, size = inputs.get(name), _vocabulary(model, name)
        if not isinstance(ids, torch.Tensor) or size is None:
            continue
        wrong = ids[(ids < 0) | (ids >= size)]
        if len(wrong):
            raise InputError(
                f"{name} has the id {int(wrong[0])}, and {type(model).__name__} knows the ids 0 "
                f"to {size - 1}: use this model's own tokenizer. (The -100 of labels is no id; "
                "padding has the tokenizer's pad_token_id and a 0 in the attention_mask.)"
            )


def _vocabulary(model: Any, name: str) -> int | None:
    """Rows of the table that these ids are looked up in; None where that is not known."""
    try:
        part = model.get_decoder() if name.startswith("decoder") else model
        table = part.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return table.num_embeddings if isinstance(table, nn.Embedding) else None


def check_mask(name: str, mask: Any, batch: int, n_tokens: int | None) -> None:
    """Raise InputError where a [batch, token] mask is not one of these inputs."""
    if not isinstance(mask, torch.Tensor) or mask.ndim > 2:
        return
    expected = f"[{batch}, {n_tokens or 'token'}]"
    shape = tuple(mask.shape)
    fits = mask.ndim == 2 and shape[0] == batch and n_tokens in (None, shape[1])
    if not fits:
        raise InputError(
            f"inputs['{name}'] has shape {shape}, expected {expected}: one number for each token "
            "of each item, 0 for padding (and for each one in past_key_values)."
        )


def past_length(inputs: Mapping[str, Any]) -> int:
    """Tokens whose keys and values are given in `past_key_values`."""
    cache: Any = inputs.get("past_key_values")
    if hasattr(cache, "get_seq_length"):
        return int(cache.get_seq_length())
    if isinstance(cache, list | tuple) and cache:
        return int(cache[0][0].shape[-2])
    return 0


def check_decoder(model: nn.Module, target: Any, encoding: Mapping[str, Any] | None) -> None:
    """An encoder-decoder needs something to decode; some models would quietly make it up."""
    if target is not None and not has_decoder(model):
        raise InputError(
            f"target= was given, and {type(model).__name__} has no decoder that reads one. For two "
            "texts in one input, use text_pair=."
        )
    given = encoding or {}
    if has_decoder(model) and target is None and all(given.get(n) is None for n in DECODER_INPUTS):
        raise InputError(
            f"{type(model).__name__} is an encoder-decoder and needs to know what the decoder "
            "reads: give target=... (the translation, the summary), or inputs= with "
            "decoder_input_ids. model.generate(**inputs) makes some."
        )


def has_decoder(model: nn.Module) -> bool:
    """True for an encoder-decoder whose decoder reads tokens."""
    config = getattr(model, "config", None)
    takes_target = "decoder_input_ids" in forward_inputs(model)[0]
    return takes_target and bool(getattr(config, "is_encoder_decoder", False))
