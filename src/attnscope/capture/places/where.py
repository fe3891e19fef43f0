"""Which module of a model is running now, on this thread.

Hooks on the modules that have code of their own keep a stack: an attention call is named after the
module on top, and calls in one and the same forward pass of a module belong together. Where several
watch one model (a capture inside a capture, or inside an intervention) the last to begin is on top.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from attnscope.capture.places.streams import CROSS_INPUTS

NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)

PARTS = "torch.nn.modules", "transformers.activations", "transformers.pytorch_utils"
"""Files of small parts: what they compute belongs to who calls them."""

NOTHING: Mapping[str, Any] = {}
"""What PyTorch gives a hook that another thread is just taking off: it hears of nothing anyway."""

Hears = Callable[[nn.Module], bool]


@dataclass(frozen=True, eq=False)
class Running:
    """A module whose forward pass has begun and not ended.

    Attributes:
        who: who watches it.
        module, name: the module, and what the model calls it ("" is the model itself).
        serial: the number of this forward pass; no other has it.
        crossing: it was given another side's hidden states to attend to.
        given: its named arguments.
        at_end: called when it ends.
    """

    who: Any
    module: nn.Module
    name: str
    serial: int = -1
    crossing: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    at_end: list[Callable[[], None]] = field(default_factory=list)


class _Here(threading.local):
    def __init__(self) -> None:
        self.stack: list[Running] = []


_here = _Here()
_serials = itertools.count()


def plain(name: str) -> str:
    """A module's name without what `torch.compile` puts in front of it."""
    return name.replace("_orig_mod.", "").removesuffix("_orig_mod")


def attention_modules(model: nn.Module) -> dict[str, nn.Module]:
    """Modules whose class is called attention, by name."""
    return {plain(name): one for name, one in model.named_modules() if is_attention(one)}


def is_attention(module: nn.Module) -> bool:
    """True for a module whose class is called attention."""
    return "attention" in type(module).__name__.lower()


def running(who: Any) -> list[Running]:
    """The modules running now, outermost first; none while somebody else's watch is on top."""
    stack = _here.stack
    if not stack or stack[-1].who is not who:
        return []
    return [entry for entry in stack if entry.who is who]


def caller(who: Any, module: nn.Module, name: str) -> tuple[Running, list[str]]:
    """The running entry of a module, and the names of all that run, outermost first."""
    stack = [entry for entry in _here.stack if entry.who is who]
    own = next((entry for entry in reversed(stack) if entry.module is module), None)
    return own or Running(who, module, name), [entry.name for entry in stack]


@contextmanager
def watching(
    model: nn.Module, who: Any, hears: Hears, ran: dict[str, nn.Module] | None = None
) -> Iterator[None]:
    """Keep the stack while the block runs, and note in `ran` which modules ran.

    `hears` is asked whether a module's forward pass is one that `who` watches: not on another
    thread, not in a capture inside.
    """
    with ExitStack() as hooks:
        hooks.callback(_forget, who)
        for name, module in model.named_modules():
            if not _has_code(module):
                continue
            begin = _beginning(plain(name), who, hears, {} if ran is None else ran)
            hooks.callback(module.register_forward_pre_hook(begin, with_kwargs=True).remove)
            handle = module.register_forward_hook(_ending(who), prepend=True, always_call=True)
            hooks.callback(handle.remove)
        yield


def _has_code(module: nn.Module) -> bool:
    """False for small parts of PyTorch and Transformers, such as a softmax or a linear layer."""
    if isinstance(module, NEVER_CALLED):
        return False
    small = type(module).__module__.startswith(PARTS)
    return not small or next(module.children(), None) is not None


def _beginning(name: str, who: Any, hears: Hears, ran: dict[str, nn.Module]) -> Callable[..., None]:
    def begin(module: nn.Module, _: Any, kwargs: Mapping[str, Any] = NOTHING) -> None:
        if not hears(module):
            return
        ran[name] = module
        crossing = any(kwargs.get(other) is not None for other in CROSS_INPUTS)
        _here.stack.append(Running(who, module, name, next(_serials), crossing, kwargs))

    return begin


def _ending(who: Any) -> Callable[..., None]:
    def end(module: nn.Module, *_: Any) -> None:
        top = _here.stack[-1] if _here.stack else None
        if top is not None and top.who is who and top.module is module:
            for call in _here.stack.pop().at_end:
                call()
            top.at_end.clear()

    return end


def _forget(who: Any) -> None:
    """After an exception that hooks do not hear of, such as Ctrl-C."""
    _here.stack[:] = [entry for entry in _here.stack if entry.who is not who]
