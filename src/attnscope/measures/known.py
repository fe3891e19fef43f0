"""What to say of a name that nobody knows: those there are, and the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from attnscope.errors import InputError


def known(what: str, name: Any, among: Iterable[str]) -> str:
    """The name, if it is one of these.

    Raises:
        InputError: "no measure 'entopy'; there are entropy, ... Did you mean 'entropy'?"
    """
    names = list(among)
    if isinstance(name, str) and name in names:
        return name
    close = difflib.get_close_matches(str(name), names, 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise InputError(f"no {what} {name!r}; there are {', '.join(names)}.{hint}")
