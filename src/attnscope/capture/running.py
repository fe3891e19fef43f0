"""How a model is run for a capture: unwrapped, uncompiled, and with errors that say what failed."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from attnscope.errors import AttnscopeError, AttnscopeWarning

_lock = threading.Lock()
_stance = ExitStack()
_users = 0


def bare(model: nn.Module) -> Any:
    """The model inside `torch.compile(model)`, `DataParallel` and `DistributedDataParallel`."""
    while True:
        if isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            return model


def device_of(model: nn.Module) -> torch.device:
    """Where a model's inputs go: its device, and where accelerate offloads its weights, the CPU.

    Modules whose weights are elsewhere while they do not run move what they are given themselves.
    """
    first = next(model.parameters(), torch.empty(0))
    device = torch.device(getattr(model, "device", first.device))
    return torch.device("cpu") if device.type == "meta" else device


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Run this model's compiled parts as they are written: a recorder cannot be compiled.

    PyTorch's switch is for all threads, so it is left alone where nothing of the model is compiled.
    Captures on several threads share it: the first one turns it, the last one turns it back.
    """
    if not any(_is_compiled(module) for module in model.modules()):
        yield
        return
    _turn(1)
    try:
        yield
    finally:
        _turn(-1)


def _turn(change: int) -> None:
    global _users
    with _lock:
        if not _users:
            _stance.enter_context(torch.compiler.set_stance("force_eager"))
        _users += change
        if not _users:
            _stance.close()


def _is_compiled(module: nn.Module) -> bool:
    """True after `torch.compile(module)`, `module.compile()`, and compiling its `forward`."""
    return (
        "_orig_mod" in module._modules
        or getattr(module, "_compiled_call_impl", None) is not None
        or hasattr(getattr(module, "forward", None), "_torchdynamo_orig_callable")
    )


@contextmanager
def explained(model: nn.Module, inputs: Mapping[str, Any], method: str = "") -> Iterator[None]:
    """Add to an exception of the model's that it is the model's, and what it was called with."""
    try:
        yield
    except AttnscopeError:
        raise
    except Exception as error:
        given = ", ".join(f"{name}: {_short(value)}" for name, value in inputs.items())
        error.add_note(
            f"attnscope: this was raised in the model's own {method or 'forward pass'}, "
            f"{type(model).__name__}{method and '.'}{method}({given}). Look whether "
            f"model{method and '.'}{method}(**inputs) runs without attnscope."
        )
        raise


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return repr(value) if isinstance(value, bool | int | float | None) else type(value).__name__


def warn(text: str) -> None:
    """Warn at the line outside attnscope that led here."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, AttnscopeWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("attnscope", "jaxtyping", "beartype")
