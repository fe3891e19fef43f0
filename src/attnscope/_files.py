"""Writing a file so that there is always a whole one: beside its place, then moved there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from attnscope.errors import AttnscopeError, SaveError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file for `path`, open for writing bytes; what is there is kept until it is whole.

    On leaving, the bytes are on the disk and the file takes its place in one step; after an
    exception (Ctrl-C too) nothing has changed. A process that is killed leaves a hidden file
    ending in `.partial` beside it.

    Raises:
        SaveError: when the file cannot be written.
    """
    temporary = None
    try:
        path = path.resolve()
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False
        ) as out:
            temporary = Path(out.name)
            yield out.file
            out.flush()
            os.fsync(out.fileno())
        temporary.chmod(mode)
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except AttnscopeError:
        raise
    except (OSError, ValueError) as cause:
        said = getattr(cause, "strerror", None) or cause
        raise SaveError(
            f"cannot write {path}: {said}. Nothing was changed; "
            "choose a folder that exists and that you may write to."
        ) from cause
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """The new name on the disk as well, where folders can be synchronised (not on Windows)."""
    if os.name != "posix":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
