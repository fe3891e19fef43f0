"""Which stream an attention call belongs to, and which layer of it.

A *stack* is all calls whose module path is the same but for numbers (`encoder.layers.*.self_attn`),
that are cross-attention or not, and that have as many queries and keys. Streams are stacks with a
name for people.

A layer's number is its place in the list of layers that the model keeps it in, so that the
attention layers of a hybrid keep their own numbers (`layer_idx` is missing or different in many
models). Where a number is taken (ALBERT calls one module for every layer) or there is no such list,
layers are numbered by order of call.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
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
    """What the calls of one stream have in common.

    `ordinal` tells apart several kinds of attention in one module: 0 for the first.
    """

    path: str
    cross: bool
    n_query: int
    n_key: int
    ordinal: int = 0


def stack_of(module: str, given_other_side: bool, n_query: int, n_key: int) -> Stack:
    """The stack of a call in the module of this name."""
    cross = given_other_side or CROSS_NAME.search(module) is not None
    return Stack(pattern_of(module), cross, n_query, n_key)


@functools.lru_cache(maxsize=4096)
def pattern_of(module: str) -> str:
    """A module's name without its numbers: `encoder.layers.*.self_attn`."""
    return NUMBER.sub("*", module)


class Numbering:
    """Numbers the layers of each stack while the model runs."""

    def __init__(self, names: Iterable[str]) -> None:
        """From the names of all modules of the model."""
        self._places: dict[str, list[tuple[str, ...]]] = {}
        for name in names:
            pattern = pattern_of(name)
            self._places.setdefault(pattern, []).append(tuple(NUMBER.findall(name)))
        self._taken: dict[Stack, set[int]] = {}
        self._columns: dict[str, int | None] = {}

    def next(self, stack: Stack, name: str, running: Sequence[str]) -> int:
        """The number of the next layer of a stack, called in the module `name`.

        `running` are the names of the modules running now, outermost first: where layers share a
        module (Zamba), the one that is running tells which layer it is.
        """
        taken = self._taken.setdefault(stack, set())
        number = self._index(stack.path, name, running)
        if number is None or number in taken:
            number = max(taken, default=-1) + 1
        taken.add(number)
        return number

    def layers_of(self, path: str, name: str) -> str | None:
        """What the names of this stack's layers start with: `model.layers.`; None for no list."""
        column = self._column(path)
        if column is None:
            return None
        found = list(NUMBER.finditer(name))
        return name[: found[column].start()]

    def _index(self, path: str, name: str, running: Sequence[str]) -> int | None:
        prefix = self.layers_of(path, name)
        if prefix is None:
            return None
        inner = (one[len(prefix) :] for one in (*running, name) if one.startswith(prefix))
        numbers = (one.partition(".")[0] for one in inner)
        return next((int(number) for number in numbers if number.isdecimal()), None)

    def _column(self, path: str) -> int | None:
        """Which of the numbers in a path is the layer's: the one that varies, or the first."""
        if path not in self._columns:
            self._columns[path] = self._find_column(path)
        return self._columns[path]

    def _find_column(self, path: str) -> int | None:
        places = self._places.get(path) or [()]
        varying = [n for n, column in enumerate(zip(*places, strict=True)) if len(set(column)) > 1]
        if len(varying) > 1 or not places[0]:
            return None
        return varying[0] if varying else 0


def stream_names(stacks: Sequence[Stack]) -> dict[Stack, str]:
    """A name for each stack: `self` if there is one; `encoder`, `decoder`, `cross`; or `text`..."""
    own = [stack for stack in stacks if not stack.cross]
    sides = {side_of(stack) for stack in own}
    names: dict[Stack, str] = {}
    for stack in stacks:
        if stack.cross:
            name = "cross"
        elif len(own) == len(stacks) == 1:
            name = "self"
        elif sides == {"encoder", "decoder"} or len(own) < len(stacks):
            name = side_of(stack) or "decoder"
        else:
            name = _distinguishing(stack, own)
        names[stack] = _unused(name, names.values())
    return names


def side_of(stack: Stack) -> str:
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
