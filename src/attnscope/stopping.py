"""Long passes over weights that end early once nobody waits for them.

Whoever answers a page says how to tell (the page took its request back, or is gone); the passes ask
between their blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stopped(Exception):
    """Nobody waits for what is being computed."""


def _never() -> bool:
    return False


_STOPS: ContextVar[Callable[[], bool]] = ContextVar("_STOPS", default=_never)


@contextmanager
def stopping_when(stops: Callable[[], bool]) -> Iterator[None]:
    """Passes inside raise `Stopped` between their blocks as soon as `stops()` is true."""
    token = _STOPS.set(stops)
    try:
        yield
    finally:
        _STOPS.reset(token)


def check_wanted() -> None:
    """Stopped where nobody waits any more."""
    if _STOPS.get()():
        raise Stopped
