"""Numbers that a user gives (layers, heads, batch items), checked; and numbers as words."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any

from attnscope.errors import InputError


def index_of(what: str, value: Any) -> int:
    """A whole number out of a Python or NumPy integer; InputError for anything else."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(
            f"{what} must be a whole number, got {value!r} ({type(value).__name__})."
        ) from None


def numbers_of(name: str, given: Any) -> list[int]:
    """Layer or head numbers given as one number or as several, in order, each once.

    Args:
        name: `layers` or `heads`, for texts.
        given: a whole number, or any iterable of them.

    Raises:
        InputError: for anything else, or none at all.
    """
    one = name.rstrip("s")
    if isinstance(given, str):
        raise InputError(f"{name} must be {one} numbers such as [0, 5], got {given!r}.")
    listed = given if hasattr(given, "__iter__") else [given]
    found = list(dict.fromkeys(index_of(one, number) for number in listed))
    if not found:
        raise InputError(f"{name} is empty: name at least one {one}, or leave it out for all.")
    return found


def is_number(value: Any) -> bool:
    """True for a Python or NumPy number, which True and False are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def item_of(index: Any, batch: int, what: str, purpose: str) -> int:
    """The item of a batch that `index` names; None will do where there is only one.

    Raises:
        InputError: "`what` a batch of 3: pass index= ... to choose the item to `purpose`", or an
            index that the batch lacks.
    """
    if index is None and batch > 1:
        raise InputError(
            f"{what} a batch of {batch}: pass index= 0 to {batch - 1} to choose the item to "
            f"{purpose}."
        )
    item = 0 if index is None else index_of("index", index)
    if not 0 <= item < batch:
        raise InputError(f"index {item} is not in the batch: it holds items 0 to {batch - 1}.")
    return item


def counted(number: int, what: str, several: str = "") -> str:
    """`1 layer`, `12 layers`; `several` where it is not made by an s."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def spans_of(what: str, numbers: Sequence[int]) -> str:
    """`layers 0 to 11`, `heads 1, 4, 7`, `layer 3`."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    if list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{what}s {numbers[0]} to {numbers[-1]}"
    return f"{what}s {', '.join(map(str, numbers))}"
