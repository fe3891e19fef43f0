"""Gives memory back that nobody uses.

A capture keeps arrays while a model's own come and go. The C library's allocator then holds much
that is free, in gaps that no later tensor fits into: at 8,192 tokens a process grew by four times
of what was kept. glibc can be asked to hand such pages back to the system, at any time; elsewhere
nothing is done.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

LARGE = 2**22
"""Bytes of a tensor from which it is worth it."""


def give_back() -> None:
    """Hand free pages of the allocator back to the system, where it can."""
    _trim()(0)


@cache
def _trim() -> Callable[[int], Any]:
    try:
        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc, not Unix
        return lambda _: None
    return trim
