"""How many tokens go into a model's stacks, found before it runs.

Texts have their ids. What is made of an image or a sound follows from the convolutions in front of
its first attention module: they cut patches or frames, whose number is arithmetic. Stems of many
convolutions (a ResNet's) branch, and have no answer here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from torch import nn

from attnscope.capture.inputs.checks import past_length
from attnscope.capture.inputs.limits import NAMES

SENSED = ("pixel_values", "input_features", "input_values")
"""What images and sounds are called among a model's inputs."""
AHEAD = re.compile(
    r"(^|\.)(cls_token|class_(token|embedding)|dist\w*_token|register_tokens|detection_tokens)$"
)
"""Learned tokens that stand before the patches."""
POSITIONS = re.compile(r"pos(itions?)?_")
STEM = 8
"""Convolutions one behind the other at most: a speech model's have seven."""
CONVOLUTION = nn.Conv1d | nn.Conv2d | nn.Conv3d


class Lengths(NamedTuple):
    """Tokens of each side.

    Attributes:
        text: of `input_ids`; None where there are none.
        seen: made of an image or a sound; None where there is none, or the number is not known.
        target: of the decoder; None for a model without one.
        past: in the cache.
        more: that a generation will read behind the target, or the text.
    """

    text: int | None
    seen: int | None
    target: int | None
    past: int
    more: int = 0

    @property
    def source(self) -> int | None:
        """What an encoder, or a model of one stack, reads."""
        return self.seen if self.text is None else self.text


def lengths_of(
    model: nn.Module, inputs: Mapping[str, Any], attention: Sequence[str], more: int = 0
) -> Lengths:
    """How many tokens a model with these attention modules will work on."""
    text = _tokens(inputs, "")
    target = _tokens(inputs, "decoder_")
    if more and target is None and getattr(model.config, "is_encoder_decoder", False):
        target = 1
    return Lengths(text, _seen(model, inputs, attention), target, past_length(inputs), more)


def _tokens(inputs: Mapping[str, Any], side: str) -> int | None:
    given = (inputs.get(f"{side}{name}") for name in NAMES)
    return next((int(one.shape[1]) for one in given if isinstance(one, torch.Tensor)), None)


def _seen(model: nn.Module, inputs: Mapping[str, Any], attention: Sequence[str]) -> int | None:
    """Tokens that are made of an image or a sound."""
    given = next((inputs[name] for name in SENSED if inputs.get(name) is not None), None)
    if not isinstance(given, torch.Tensor):
        return None
    stem = _stem(model, list(given.shape[1:]), attention)
    if not 0 < len(stem) <= STEM:
        return None
    axes = _without_channels(list(given.shape[1:]), stem[0][1])
    if any(len(axes) != len(conv.kernel_size) for _, conv in stem):
        return None
    for _, conv in stem:
        axes = [_positions(conv, axis, n) for axis, n in enumerate(axes)]
    tower = stem[0][0].partition(".")[0] if "." in stem[0][0] else ""
    ahead = (
        parameter.numel() // parameter.shape[-1]
        for name, parameter in model.named_parameters()
        if AHEAD.search(name) and name.startswith(tower)
    )
    return int(prod(axes) + sum(ahead))


def _stem(
    model: nn.Module, shape: list[int], attention: Sequence[str]
) -> list[tuple[str, nn.Conv1d | nn.Conv2d | nn.Conv3d]]:
    """The convolutions from the first that takes such an input to the first attention module."""
    found: list[tuple[str, nn.Conv1d | nn.Conv2d | nn.Conv3d]] = []
    for name, module in model.named_modules():
        if found and name in attention:
            break
        if not isinstance(module, CONVOLUTION) or POSITIONS.search(name):
            continue
        if found or len(_without_channels(shape, module)) == len(module.kernel_size):
            found.append((name, module))
    return found


def _without_channels(shape: list[int], conv: Any) -> list[int]:
    """The axes along which a convolution moves; a sound of one channel has no axis for it."""
    if len(shape) == len(conv.kernel_size) and conv.in_channels == 1:
        return shape
    if conv.in_channels not in shape:
        return []
    place = shape.index(conv.in_channels)
    return shape[:place] + shape[place + 1 :]


def _positions(conv: Any, axis: int, n: int) -> int:
    """Where along an axis of n numbers the kernel is put down."""
    if conv.padding == "same":
        return n
    pad = 0 if conv.padding == "valid" else conv.padding[axis]
    reach = conv.dilation[axis] * (conv.kernel_size[axis] - 1) + 1
    return int((n + 2 * pad - reach) // conv.stride[axis] + 1)
