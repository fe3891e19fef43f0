"""Stands in for the attention functions of Transformers, so that their calls are heard.

A Transformers model looks its attention function up in its own modeling file at every forward
pass: in the global `ALL_ATTENTION_FUNCTIONS`, or as `eager_attention_forward`. For the duration of
a capture these globals are replaced by stand-ins that call the same function with the same
arguments, once: through `listeners.through`, which tells this thread's listener what passed.

Captures may nest and overlap between threads, and end in any order: the stand-ins do not belong to
a capture. The first one puts them there, the last one to leave takes them away (a count of users
for each global), and a listener is found when a call happens, not when a stand-in is made. Where
captures of one model nest, the innermost one hears its calls: they are not part of the outer pass.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from torch import nn

from attnscope.capture.hearing.listeners import Editor, Listener, _here, through

INTERFACE = "ALL_ATTENTION_FUNCTIONS"
ROLES = ("module", "query", "key", "value", "attention_mask")

AttentionFunction = Callable[..., Any]
Place = tuple[ModuleType, str]


@dataclass
class _Wrapped:
    original: Any
    stand_in: Any
    users: int = 0


_lock = threading.RLock()
_wrapped: dict[Place, _Wrapped] = {}


@contextmanager
def listening(model: nn.Module, listener: Listener) -> Iterator[None]:
    """Tell `listener` of every attention call on this thread while the block runs."""
    with _standing_in(model, _here.listeners, listener):
        yield


@contextmanager
def editing(model: nn.Module, editor: Editor) -> Iterator[None]:
    """Let `editor` change this model's attention calls on this thread while the block runs."""
    with _standing_in(model, _here.editors, editor):
        yield


@contextmanager
def _standing_in(model: nn.Module, here: list[Any], who: Any) -> Iterator[None]:
    taken: list[Place] = []
    try:
        for place in attention_globals(model):
            _take(place, taken)
        here.append(who)
        try:
            yield
        finally:
            here.remove(who)
    finally:
        for place in taken:
            _leave(place)


def attention_globals(model: nn.Module) -> list[Place]:
    """Where the modeling files of this model's classes keep their attention functions."""
    classes = {cls for module in model.modules() for cls in type(module).__mro__}
    files = {sys.modules.get(cls.__module__) for cls in classes}
    return [
        (file, name)
        for file in files
        if file is not None and not _is_foreign(file)
        for name, value in list(vars(file).items())
        if name == INTERFACE or _is_attention_function(name, value)
    ]


def _is_foreign(file: ModuleType) -> bool:
    """True for torch, and for the file that other files import the interface from."""
    name = file.__name__
    return name.partition(".")[0] in ("torch", "builtins") or name == "transformers.modeling_utils"


def _is_attention_function(name: str, value: Any) -> bool:
    named = name.endswith("attention_forward") and inspect.isfunction(value)
    return named and _takes_a_module(value)


@functools.lru_cache(maxsize=64)
def _takes_a_module(function: AttentionFunction) -> bool:
    parameters = list(inspect.signature(function).parameters)
    return len(parameters) >= 4 and parameters[0] in ("module", "self")


def _take(place: Place, taken: list[Place]) -> None:
    file, name = place
    with _lock:
        wrapped = _wrapped.get(place)
        if wrapped is None:
            original = getattr(file, name)
            wrapped = _wrapped[place] = _Wrapped(original, _stand_in(name, original))
        wrapped.users += 1
        taken.append(place)
        setattr(file, name, wrapped.stand_in)


def _leave(place: Place) -> None:
    file, name = place
    with _lock:
        wrapped = _wrapped[place]
        wrapped.users -= 1
        if wrapped.users:
            return
        del _wrapped[place]
        if getattr(file, name, None) is wrapped.stand_in:
            setattr(file, name, wrapped.original)


def _stand_in(name: str, original: Any) -> Any:
    if name == INTERFACE:
        return _Interface(original)
    kinds = ("sdpa", "flash", "flex")
    return _telling(original, next((kind for kind in kinds if kind in name), "eager"))


class _Interface:
    """Stands in for `ALL_ATTENTION_FUNCTIONS` (an object; up to Transformers 4.50 a dict)."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def get_interface(self, name: str | None, default: AttentionFunction) -> AttentionFunction:
        return _telling(self._real.get_interface(name, default), name)

    def get(self, name: str, default: Any = None) -> Any:
        found = self._real.get(name, default)
        return _telling(found, name) if callable(found) else found

    def __getitem__(self, name: str) -> AttentionFunction:
        return _telling(self._real[name], name)

    def __setitem__(self, name: str, function: AttentionFunction) -> None:
        self._real[name] = function

    def __contains__(self, name: object) -> bool:
        return name in self._real

    def __iter__(self) -> Iterator[str]:
        return iter(self._real)

    def __len__(self) -> int:
        return len(self._real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@functools.lru_cache(maxsize=64)
def _telling(function: AttentionFunction, implementation: str | None) -> AttentionFunction:
    """The same attention function, edited, which afterwards tells this thread's listener."""
    if hasattr(function, "_attnscope_tells"):
        return function

    @functools.wraps(function)
    def attend(*args: Any, **kwargs: Any) -> Any:
        if _here.inside or not (_here.listeners or _here.editors):
            return function(*args, **kwargs)

        def compute(edited: dict[str, Any] | None) -> Any:
            return function(*args, **kwargs) if edited is None else _called(function, args, edited)

        return through(implementation or "eager", _by_name(function, args) | kwargs, compute)

    attend._attnscope_tells = True  # type: ignore[attr-defined]
    return attend


def _called(function: AttentionFunction, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
    """Call with edited arguments: as many by position as there were."""
    names = list(_by_name(function, args))
    rest = {name: value for name, value in given.items() if name not in names}
    return function(*(given[name] for name in names), **rest)


def _by_name(function: AttentionFunction, args: tuple[Any, ...]) -> dict[str, Any]:
    """Positional arguments by name; the first five have the same role in every modeling file."""
    names: tuple[str, ...] = ROLES
    if len(args) > len(ROLES):
        names += tuple(inspect.signature(function).parameters)[len(ROLES) :]
    return dict(zip(names, args, strict=False))
