"""What a capture leaves as it is: the outputs of a model, and all that it could have patched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from attnscope.capture.hearing.registry import INTERFACE


@contextmanager
def untouched(model: torch.nn.Module, inputs: dict[str, Any]) -> Iterator[None]:
    """What is done with the model and these inputs gives its own outputs, and leaves no trace."""
    with torch.no_grad():
        before, state = tensors(model(**inputs)), state_of(model)
    seen: list[Any] = []
    hook = model.register_forward_hook(lambda *call: seen.append(call[-1]))
    yield
    hook.remove()
    for plain, captured in zip(before, tensors(seen[0]), strict=True):
        assert torch.equal(plain, captured)
    assert state_of(model) == state


def tensors(value: Any) -> list[torch.Tensor]:
    """All tensors of an output."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for part in value for t in tensors(part)] if isinstance(value, list | tuple) else []


def state_of(model: torch.nn.Module) -> tuple[Any, ...]:
    """Everything that a capture touches or could touch."""
    files = {sys.modules[c.__module__] for m in model.modules() for c in type(m).__mro__}
    globals_ = {
        (file.__name__, name): id(value)
        for file in files
        for name, value in vars(file).items()
        if name == INTERFACE or name.endswith("attention_forward")
    }
    hooks = sum(
        len(m._forward_pre_hooks) + len(m._forward_hooks) + len(m._forward_pre_hooks_with_kwargs)
        for m in model.modules()
    )
    config: Any = model.config
    return globals_, hooks, str(config), config._attn_implementation
