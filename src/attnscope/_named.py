"""Attention weights found by name in a mapping, as other tools hand them out.

A TransformerLens `ActivationCache`, a dict of saved tensors by module name (nnsight, hooks), Flax's
`intermediates`, the lists of tensor2tensor, the output of a Hugging Face model: all are mappings,
nested or not, from names to arrays. What is attention in them is told by its name or, where names
say nothing, by its numbers (every row sums to 1); which stack and layer it is, by its path.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attnscope.errors import InputError

WEIGHTS_NAME = re.compile(
    r"(hook_pattern|attention_?weights|attn_?weights|attention_?probs|attentions|_atts?)(\.\d+)?$"
)
"""Endings that weights have in TransformerLens, Flax, Keras, Hugging Face and tensor2tensor."""

CROSS = re.compile(r"cross|enc_?dec|encoder_attn|multihead_attn")
NUMBER = re.compile(r"\d+")
SHOWN = 6
HOW_TO_GET_WEIGHTS = (
    "Load the model with attn_implementation='eager' and call it with output_attentions=True, or "
    "let attnscope record it as it is: attnscope.capture(model, tokenizer, text)."
)


def is_mapping(value: Any) -> bool:
    """True for a dict and for what has its `keys()` and `items()` without being one."""
    return hasattr(value, "items") and hasattr(value, "keys")


def stacks_of(mapping: Any) -> dict[str, list[Any]]:
    """Arrays by stream (`self`, or `encoder`, `decoder`, `cross`), one a layer; None for a gap.

    Raises:
        InputError: where nothing in the mapping is attention, or stacks cannot be told apart.
    """
    leaves = dict(_leaves(mapping))
    groups: dict[str, dict[tuple[int, ...], Any]] = defaultdict(dict)
    for path, array in leaves.items():
        if _is_weights(path, array):
            place = tuple(int(number) for number in NUMBER.findall(path))
            groups[NUMBER.sub("*", path)][place] = array
    if not groups:
        raise InputError(
            "nothing in this mapping is attention: expected arrays [batch, head, query, key] whose "
            f"rows sum to 1. It has {_listed(leaves)}. {_next_step(leaves)}"
        )
    stacks: dict[str, list[Any]] = {}
    for pattern, members in groups.items():
        name = _stream(pattern) if len(groups) > 1 else "self"
        if name in stacks:
            raise InputError(
                f"the attention in this mapping belongs to several stacks ({_listed(groups)}): "
                "pass those of one stack, or encoder=, decoder= and cross=."
            )
        stacks[name] = _by_layer(members)
    return stacks


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Arrays with their paths, `blocks.0.attn.hook_pattern`."""
    if is_mapping(value):
        inner = ((_name(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple) and any(hasattr(part, "shape") for part in value):
        inner = ((str(place), part) for place, part in enumerate(value))
    else:
        if hasattr(value, "shape"):
            yield path, value
        return
    for name, part in inner:
        yield from _leaves(part, f"{path}.{name}" if path else name)


def _name(key: Any) -> str:
    """A key as part of a path: TransformerLens takes ("pattern", 3) too."""
    return ".".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _is_weights(path: str, array: Any) -> bool:
    if len(array.shape) not in (3, 4) or 0 in tuple(array.shape):
        return False
    return WEIGHTS_NAME.search(path) is not None or (len(array.shape) == 4 and _sums(array))


def _sums(array: Any) -> bool:
    """Whether every row of the first item is made of shares that sum to 1."""
    first = array[0]
    first = first.detach().cpu().float() if hasattr(first, "detach") else first
    try:
        rows = np.asarray(first, np.float32)
    except (TypeError, ValueError):
        return False
    return bool(rows.min() >= 0 and np.abs(rows.sum(-1) - 1).max() < 0.02)


def _stream(pattern: str) -> str:
    if CROSS.search(pattern):
        return "cross"
    sides = [side for side in ("encoder", "decoder") if re.search(rf"\b{side[:3]}", pattern)]
    return sides[0] if len(sides) == 1 else "self"


def _by_layer(members: dict[tuple[int, ...], Any]) -> list[Any]:
    """Arrays at their layer's number: the only number that differs, else their order."""
    places = sorted(members)
    axes = [axis for axis, values in enumerate(zip(*places, strict=True)) if len(set(values)) > 1]
    if len(places) == 1 and places[0]:
        axes = [0]
    if len(axes) != 1:
        return [members[place] for place in places]
    layers: list[Any] = [None] * (places[-1][axes[0]] + 1)
    for place in places:
        layers[place[axes[0]]] = members[place]
    return layers


def _next_step(leaves: Mapping[str, Any]) -> str:
    """A model's outputs lack attention for a reason; a cache may name it otherwise."""
    if {"last_hidden_state", "logits"} & set(leaves):
        return HOW_TO_GET_WEIGHTS
    return (
        "Pass the arrays themselves, one a layer: from_attention([cache[name] for name in names], "
        "tokens)."
    )


def _listed(names: Any) -> str:
    shown = [repr(name) for name in list(names)[:SHOWN]]
    return ", ".join(shown) + (", ..." if len(names) > SHOWN else "") if shown else "no arrays"
