"""Who on this thread hears attention calls and edits them; the one place through which all pass.

Calls come from attention functions of Transformers (`registry`), and from a model's own code
(`mode`). Of nested captures of one model the innermost hears; editors all have their turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from attnscope.errors import CaptureError


@runtime_checkable
class Listener(Protocol):
    """Whoever wants to know of attention calls."""

    def owns(self, module: Any) -> bool:
        """Whether this is a module of the model listened to."""

    def heard(
        self, implementation: str, given: Mapping[str, Any], output: Any, passed_on: Any
    ) -> None:
        """One attention call of a module that it owns has just returned; must not raise.

        `passed_on` is what the model gets: the output itself, unless somebody edits it.
        """


@runtime_checkable
class Editor(Protocol):
    """Whoever changes attention calls."""

    def owns(self, module: Any) -> bool:
        """Whether this is a module of the model that it changes."""

    def edit_of(self, implementation: str, given: dict[str, Any]) -> tuple[Any, Any] | None:
        """The edit of this call, and where it is applied; None leaves the call as it is."""

    def unread(self, reason: CaptureError) -> None:
        """A call of a module that it owns cannot be read, and so is left as it is."""


class _Here(threading.local):
    """What this thread listens and edits with, and whether it is in an attention function now."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.editors: list[Editor] = []
        self.inside = False


_here = _Here()


@contextmanager
def inside() -> Iterator[None]:
    """What is called in the block is part of an attention call, and not heard as another one."""
    before, _here.inside = _here.inside, True
    try:
        yield
    finally:
        _here.inside = before


def is_inside() -> bool:
    """Whether this thread is inside an attention call, or records one."""
    return _here.inside


def is_editing(module: Any) -> bool:
    """Whether anybody on this thread edits calls of this module's model."""
    return any(editor.owns(module) for editor in _here.editors)


def unread(module: Any, reason: CaptureError) -> None:
    """Tell those who edit this module's model that one of its calls cannot be read."""
    for editor in _here.editors:
        if editor.owns(module):
            editor.unread(reason)


def listener_of(module: Any) -> Listener | None:
    """Who on this thread hears of this module's calls: the innermost listener that owns it."""
    return next((one for one in reversed(_here.listeners) if one.owns(module)), None)


def through(
    how: str, given: dict[str, Any], compute: Callable[[dict[str, Any] | None], Any]
) -> Any:
    """The one place through which every attention call of this thread passes.

    Editors change what it is given and what it returns; then the listener hears of it.

    Args:
        how: who computes it, `sdpa`, `eager`, ...; `softmax` for a model's own code.
        given: `module`, `query`, `key`, `value`, `attention_mask`, ...
        compute: the call itself; with None as the model made it, else with what editors made of
            `given`. Gives the output, [batch, query, head, dim], alone or in front of others.

    Returns:
        What the model goes on with: the output itself where nobody edits it.
    """
    module, edits = given.get("module"), []
    with inside():
        for editor in _here.editors:
            if editor.owns(module) and (found := editor.edit_of(how, given)) is not None:
                edits.append(found)
                given = found[0].inputs(found[1], given)
        output = compute(given if edits else None)
        passed_on = _edited(edits, given, output)
        listener = listener_of(module)
        if listener is not None:
            listener.heard(how, given, output, passed_on)
    return passed_on


def _edited(edits: Sequence[tuple[Any, Any]], given: dict[str, Any], output: Any) -> Any:
    """An attention function's result with its output [batch, query, head, dim] edited."""
    if not edits:
        return output
    out = output[0] if isinstance(output, tuple | list) else output
    heads, dim = given["query"].shape[1], given["value"].shape[-1]
    edited = out.reshape(*out.shape[:2], heads, dim)
    for edit, site in edits:
        edited = edit.applied(site, edited)
    edited = edited.reshape(out.shape)
    return (edited, *output[1:]) if isinstance(output, tuple | list) else edited
