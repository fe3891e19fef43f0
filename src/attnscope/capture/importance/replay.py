"""Blocks of layers that are not run again: their outputs are those of an earlier pass.

What comes before an ablated layer is the same in every ablation. Its blocks hand on what they did
in the pass that was recorded, so that on average half of a model is run. Blocks that hand things on
in another way than by their output make a pass that differs: who replays compares one first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

MOST = 2**30
"""Bytes of outputs kept at most; models with more are run whole."""


_turn = threading.Lock()


@dataclass(eq=False)
class Recorded:
    """Outputs of the blocks of one pass.

    Attributes:
        model: whose they are.
        blocks: name of the block by layer.
        items: of the batch.
        unembedding: the module that makes logits of hidden states, if there is one.
        outputs: by name of the block.
    """

    model: nn.Module
    blocks: Mapping[int, str]
    items: int
    unembedding: nn.Module | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    size: int = 0

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep what the blocks return on this thread, as far as there is room."""
        with ExitStack() as hooks:
            for name in self.blocks.values():
                module = self.model.get_submodule(name)
                hooks.callback(module.register_forward_hook(self._keep(name)).remove)
            yield

    def _keep(self, name: str) -> Any:
        thread = threading.get_ident()

        def keep(_: nn.Module, __: Any, output: Any) -> None:
            if threading.get_ident() != thread:
                return
            self.size += sum(tensor.nbytes for tensor in _tensors(output))
            self.outputs = {} if self.size > MOST else self.outputs | {name: output}

        return keep

    @contextmanager
    def before(self, layer: int, times: int) -> Iterator[None]:
        """Do not run the blocks of earlier layers on this thread: hand on what they returned.

        `times`: as often stands each item in the batch now, one run of all items after the other.
        One replays at a time: who comes while another thread does runs the whole model.
        """
        earlier = [name for number, name in self.blocks.items() if number < layer]
        known = all(name in self.outputs for name in earlier)
        with ExitStack() as stack:
            if known and (mine := _turn.acquire(blocking=False)):
                stack.callback(_turn.release)
            for name in earlier if known and mine else ():
                made = _repeated(self.outputs[name], self.items, times)
                stack.enter_context(_returning(self.model.get_submodule(name), made))
            yield

    @contextmanager
    def only(self, items: Sequence[int], places: Sequence[int]) -> Iterator[None]:
        """Make logits of these rows alone on this thread: [row, vocabulary], not of every token."""
        thread = threading.get_ident()

        def narrow(_: nn.Module, args: tuple[Any, ...]) -> Any:
            here = threading.get_ident() == thread and args and args[0].ndim == 3
            return (args[0][items, places], *args[1:]) if here else None

        with ExitStack() as hooks:
            if self.unembedding is not None:
                hooks.callback(self.unembedding.register_forward_pre_hook(narrow).remove)
            yield


def blocks_of(names: Mapping[int, str]) -> dict[int, str]:
    """The block of each layer by its attention module's name; {} where layers share a module.

    It is the outermost module that has this layer and no other in it.
    """
    blocks = {}
    for layer, name in names.items():
        others = [f"{other}." for number, other in names.items() if number != layer]
        parts = name.split(".")
        outer = [".".join(parts[: n + 1]) for n in range(len(parts))]
        alone = [one for one in outer if not any(o.startswith(f"{one}.") for o in others)]
        if not alone:
            return {}
        blocks[layer] = alone[0]
    return blocks


@contextmanager
def _returning(module: nn.Module, output: Any) -> Iterator[None]:
    """This module's forward pass returns this, on this thread."""
    own, usual, thread = module.__dict__.get("forward"), module.forward, threading.get_ident()

    def forward(*args: Any, **kwargs: Any) -> Any:
        return output if threading.get_ident() == thread else usual(*args, **kwargs)

    module.forward = forward
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


def _repeated(output: Any, items: int, times: int) -> Any:
    """The same with every tensor that has a row an item repeated."""
    if isinstance(output, torch.Tensor):
        whole = output.ndim and len(output) == items and times > 1
        return torch.cat([output] * times) if whole else output
    if isinstance(output, tuple | list):
        return type(output)(_repeated(one, items, times) for one in output)
    return output


def _tensors(output: Any) -> Sequence[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        return [output]
    parts = output if isinstance(output, tuple | list) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
