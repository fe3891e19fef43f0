"""Which stream an attention call belongs to, and which layer of it.

A *stack* is all calls whose module path is the same but for numbers (`encoder.layers.*.self_attn`),
that are cross-attention or not, and that have as many queries and keys. Layers are numbered by
order of call within it: `layer_idx` is missing or different in many models, and ALBERT calls one
module several times. Streams are stacks with a name for people.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")
CROSS_NAME = re.compile(r"cross|encoder_attn|EncDecAttention|multihead_attn")
CROSS_INPUTS = (
    "encoder_hidden_states",
    "key_value_states",
    "encoder_states",
    "cross_states",
    "cross_attention_states",
    "encoder_output",
)
"""Arguments which, when given to an attention module, hold the other side's hidden states."""


class Stack(NamedTuple):
    """What the calls of one stream have in common."""

    path: str
    cross: bool
    n_query: int
    n_key: int


def stack_of(module: str, given_other_side: bool, n_query: int, n_key: int) -> Stack:
    """The stack of a call in the module of this name."""
    cross = given_other_side or CROSS_NAME.search(module) is not None
    return Stack(pattern_of(module), cross, n_query, n_key)


def pattern_of(module: str) -> str:
    """A module's name without its numbers: `encoder.layers.*.self_attn`."""
    return NUMBER.sub("*", module)


def stream_names(stacks: Sequence[Stack]) -> dict[Stack, str]:
    """A name for each stack: `self` if there is one; `encoder`, `decoder`, `cross`; or `text`..."""
    own = [stack for stack in stacks if not stack.cross]
    sides = {_side(stack) for stack in own}
    names: dict[Stack, str] = {}
    for stack in stacks:
        if stack.cross:
            name = "cross"
        elif len(own) == len(stacks) == 1:
            name = "self"
        elif sides == {"encoder", "decoder"} or len(own) < len(stacks):
            name = _side(stack) or "decoder"
        else:
            name = _distinguishing(stack, own)
        names[stack] = _unused(name, names.values())
    return names


def _side(stack: Stack) -> str:
    """`encoder` or `decoder`, whichever comes first (a BERT decoder has an encoder inside)."""
    parts = stack.path.split(".")
    return next((part for part in parts if part in ("encoder", "decoder")), "")


def _distinguishing(stack: Stack, others: Sequence[Stack]) -> str:
    """The first part of the path that not all stacks share, without `_model`."""
    parts = stack.path.split(".")
    paths = [other.path.split(".") for other in others]
    for place, part in enumerate(parts):
        if any(place >= len(path) or path[place] != part for path in paths):
            return part.removesuffix("_model").removesuffix("_tower")
    return "self"


def _unused(name: str, taken: object) -> str:
    known, number, found = set(taken), 1, name  # type: ignore[call-overload]
    while found in known:
        number += 1
        found = f"{name}_{number}"
    return found
