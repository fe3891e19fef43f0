"""Work that can be stopped and taken up again: numbers by name in a JSON file.

The file is written beside its place and moved there, so that it is whole at any moment. It says
what it belongs to, and another run does not take it for its own.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from attnscope.errors import InputError, SaveError

VERSION = 1


class Progress:
    """Results by name, kept in a file where one is given.

    Attributes:
        done: what has been computed, lists of numbers by name.
    """

    def __init__(self, path: str | PathLike[str] | None, about: Mapping[str, Any]) -> None:
        """Takes up what the file at `path` holds.

        Args:
            path: the file; None keeps nothing. It need not be there yet.
            about: what the results belong to, JSON values by name.

        Raises:
            InputError: when the file is no state file, or belongs to other work; the text says in
                what they differ.
        """
        self._path = None if path is None else Path(path).expanduser()
        self._about = json.loads(json.dumps(dict(about)))
        self.done: dict[str, list[float]] = {}
        if self._path is not None and self._path.exists():
            self.done = self._read(self._path)

    def put(self, results: Mapping[str, list[float]]) -> None:
        """Add results, and write the file.

        Raises:
            SaveError: when it cannot be written; what was there before is still there.
        """
        self.done |= results
        if self._path is not None:
            content = {"attnscope_state": VERSION, "about": self._about, "done": self.done}
            _write(self._path, json.dumps(content))

    def _read(self, path: Path) -> dict[str, list[float]]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            version, about, done = (content[k] for k in ("attnscope_state", "about", "done"))
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise InputError(
                f"{path.name} is no state file of attnscope: give state= a name that is free."
            ) from cause
        differing = [name for name in self._about if about.get(name) != self._about[name]]
        if version != VERSION or differing:
            what = ", ".join(differing) or "the version of attnscope"
            raise InputError(
                f"{path.name} belongs to another run: it differs in {what}. Delete it, or give "
                "state= another name."
            )
        return {str(name): [float(x) for x in values] for name, values in done.items()}


def _write(path: Path, text: str) -> None:
    beside = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            beside = Path(file.name)
            file.write(text)
        beside.replace(path)
    except OSError as cause:
        if beside is not None:
            beside.unlink(missing_ok=True)
        raise SaveError(
            f"could not write {path}: {cause.strerror or cause}. Give state= a file in a folder "
            "that is there and can be written to; what was in the file before still is."
        ) from cause
