"""Where an attention call belongs: its stack and layer, and what else the same module called.

A module usually attends once in its forward pass. When it does so several times, the calls are
parts of one layer if their queries and keys are slices of one tensor (an image each, in Qwen-VL);
the same call again if they are the same tensors (DiffLlama, for two halves of the values); and
otherwise another kind of attention, a stack of its own (Nyström attention has three).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch

from attnscope.capture.places.streams import Numbering, Stack, stack_of
from attnscope.capture.places.where import Running


class Place(NamedTuple):
    """Where a call belongs; `role` is what it is beside earlier ones of the same forward pass."""

    stack: Stack
    number: int
    role: Literal["first", "part", "again"]


@dataclass
class _Forward:
    """The calls in one forward pass of a module.

    Their tensors are kept as long as it runs, so that the memory of none is taken for another's.
    """

    serial: int = -1
    calls: list[tuple[Place, Any, Any]] = field(default_factory=list)


class Placing:
    """Places the calls of one model in the order in which they come."""

    def __init__(self, names: Iterable[str]) -> None:
        """From the names of all modules of the model."""
        self.numbering = Numbering(names)
        self._forward = _Forward()

    def place(
        self,
        own: Running,
        running: Sequence[str],
        sizes: tuple[int, int],
        query: Any = None,
        key: Any = None,
    ) -> Place:
        """The place of a call.

        Args:
            own: the module that makes the call.
            running: the names of all that are running, outermost first.
            sizes: queries and keys.
            query: the tensor multiplied, or None where it is not known.
            key: the other one.
        """
        if own.serial != self._forward.serial or own.serial < 0:
            self._forward = _Forward(own.serial)
            own.at_end.append(self._forward.calls.clear)
        earlier = self._forward.calls
        for place, other_query, other_key in earlier:
            if _same(query, other_query) and _same(key, other_key):
                return place._replace(role="again")
            if _slices(query, other_query) and _slices(key, other_key):
                return place._replace(role="part")
        found = stack_of(own.name, own.crossing, *sizes)
        if self.numbering.layers_of(found.path, own.name) is not None:
            found = found._replace(ordinal=len(earlier))
        place = Place(found, self.numbering.next(found, own.name, running), "first")
        if own.serial >= 0:
            earlier.append((place, query, key))
        return place


def _same(one: Any, other: Any) -> bool:
    return _tensors(one, other) and _about(one) == _about(other)


def _about(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def _slices(one: Any, other: Any) -> bool:
    """Two runs of the tokens of one tensor."""
    return (
        _tensors(one, other)
        and one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
        and one.data_ptr() != other.data_ptr()
        and one.shape[:-2] == other.shape[:-2]
        and one.stride() == other.stride()
    )


def _tensors(*given: Any) -> bool:
    return all(isinstance(one, torch.Tensor) for one in given)
