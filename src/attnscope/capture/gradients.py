"""Gradients of an objective by every attention weight, without eager attention or n × n memory.

Weights times values are the attention call's output O, so the gradient by a weight is the product
of the gradient by O with a value: dY/dw_ij = dY/dO_i · v_j. Only dY/dO is asked of autograd (and no
parameter's `.grad` is touched); the products are made when somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope._numbers import index_of
from attnscope.capture.calls.call import Call
from attnscope.capture.inputs.prepare import Prepared
from attnscope.capture.mixing.passing import Place
from attnscope.errors import CaptureError, InputError


def trackable(model: nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, made such that autograd can follow them; called outside inference mode.

    Raises:
        CaptureError: for a model whose weights were made in inference mode.
    """
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise CaptureError(
            "gradient= needs autograd, which cannot follow weights that were loaded under "
            "torch.inference_mode(): load the model outside of it."
        )
    return {
        name: value.clone() if isinstance(value, torch.Tensor) and value.is_inference() else value
        for name, value in inputs.items()
    }


def add_gradients(calls: Sequence[Call], value: torch.Tensor) -> None:
    """Give each recorded call's mixing the gradient of a number that the model led to."""
    followed = [call.followed for call in calls if call.followed is not None]
    alive = [one.live for one in followed if one.live is not None]
    if not alive:
        return
    if not value.requires_grad:
        raise InputError(
            "the objective does not depend on the attention that was recorded, or was cut off from "
            "it (.detach(), .item(), torch.no_grad()): return a tensor computed from the output."
        )
    found = torch.autograd.grad(value, alive, allow_unused=True)
    for one, gradient in zip(followed, found, strict=True):
        assert one.mixing is not None
        item = _item(gradient, one.live, one.place)
        one.mixing, one.live = replace(one.mixing, gradient=item), None


def _item(gradient: torch.Tensor | None, live: Any, place: Place) -> np.ndarray:
    """[head, query, dim] of the item; zeros where the objective does not depend on the call."""
    gradient = torch.zeros_like(live) if gradient is None else gradient
    item = gradient[place.index if len(gradient) > 1 else 0].detach().float()
    by_head = item.reshape(place.n_query, -1, live.shape[-1]).transpose(0, 1)
    return np.array(by_head.cpu().numpy(), order="C")


def objective(output: Any, wanted: Any, prepared: Prepared, tokenizer: Any) -> torch.Tensor:
    """The number that is derived.

    Args:
        output: what the model returned.
        wanted: a callable that makes a scalar tensor of it; or, for a model with logits, True for
            the largest logit of the last position (or the class), a token or class number, or a
            token's text.
        prepared: the model's inputs.
        tokenizer: turns a token's text into its number.

    Raises:
        InputError: where that does not fit the model.
    """
    if callable(wanted):
        return _scalar(wanted(output))
    logits = getattr(output, "logits", None)
    if not isinstance(logits, torch.Tensor):
        raise InputError(
            f"gradient={wanted!r} names a logit, and the model returns none "
            f"({type(output).__name__}): pass a function of the output, such as "
            "gradient=lambda output: output.last_hidden_state[0, 0].norm()."
        )
    row = logits[prepared.index if len(logits) > 1 else 0]
    row = row if row.ndim == 1 else row[_last(prepared, len(row))]
    if wanted is True:
        return row.max()
    number = (
        token_of("gradient", wanted, tokenizer)
        if isinstance(wanted, str)
        else index_of("gradient", wanted)
    )
    if not 0 <= number < len(row):
        raise InputError(f"gradient={number} is no logit: they go from 0 to {len(row) - 1}.")
    return row[number]


def _scalar(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.reshape(())
    what = f"a tensor of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
    raise InputError(f"gradient= must return one number (a tensor), it returned {what}.")


def _last(prepared: Prepared, length: int) -> int:
    """The last position of the item that is not padding."""
    side = prepared.target if "decoder_input_ids" in prepared.inputs else prepared.source
    return int(np.flatnonzero(side.queries.kept_of(length))[-1])


def token_of(what: str, text: str, tokenizer: Any) -> int:
    """The number of the one token that a text is.

    Raises:
        InputError: where there is no tokenizer, or the text is no token or several.
    """
    if tokenizer is None:
        raise InputError(f"{what}={text!r} needs the tokenizer: pass it, or the token's number.")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        pieces = tokenizer.convert_ids_to_tokens(ids)
        raise InputError(
            f"{what}={text!r} is {len(ids)} tokens {pieces}, expected one: pass one of them, or "
            "its number. (Some tokenizers need the space in front: ' cat'.)"
        )
    return int(ids[0])
