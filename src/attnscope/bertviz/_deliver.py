"""Showing a view, or returning it as BertViz did."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attnscope.errors import InputError

if TYPE_CHECKING:
    from attnscope.view import View
    from attnscope.wire.spec import Theme

save_folder: Path | None = None
"""Where views are written as pages when no notebook can show them (`python -m ... --save`)."""


class HTML:
    """What `html_action='return'` gives where IPython is not installed: the same `.data`."""

    def __init__(self, data: str) -> None:
        self.data = data

    def _repr_html_(self) -> str:
        return self.data


def deliver(name: str, view: View, html_action: str) -> Any:
    """Show the view (`view`), or return it as an object with `.data` (`return`)."""
    if html_action == "return":
        from attnscope.hosts.html import fragment_text

        return _html(ascii_only(fragment_text(view.trace, view.spec)))
    if html_action != "view":
        raise InputError(
            f"'html_action' parameter must be 'view' or 'return', got {html_action!r}."
        )
    _show(name, view)
    return None


def theme_of(display_mode: str) -> Theme:
    """BertViz's `display_mode` as a theme."""
    if display_mode not in ("dark", "light", "auto"):
        raise InputError(
            f"'display_mode' must be 'dark' or 'light' (or 'auto', to follow the page), got "
            f"{display_mode!r}."
        )
    return cast("Theme", display_mode)


def ascii_only(fragment: str) -> str:
    r"""The fragment with `\u` escapes for all but ASCII.

    Such letters only stand in its JSON and in strings of its script, where both read the escape as
    the letter. So the file is right whatever encoding `open(path, "w")` or the browser assumes.
    """
    return re.sub(r"[^\x00-\x7f]", _escaped, fragment)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _html(data: str) -> Any:
    return _ipython().HTML(data) if find_spec("IPython") else HTML(data)


def _ipython() -> Any:
    return import_module("IPython.display")


def _show(name: str, view: View) -> None:
    if save_folder is not None:
        print(f"{name}: wrote {view.save(_free_path(save_folder, name))}", file=sys.stderr)
    elif _in_notebook():
        _ipython().display(view)
    else:
        print(
            f"{name}: there is no notebook here to show the view in. To see it, write it to a "
            f"page: view = {name}(..., html_action='return'); "
            "open('view.html', 'w').write(view.data). Or run the script with: "
            "python -m attnscope.bertviz --save FOLDER script.py",
            file=sys.stderr,
        )


def _in_notebook() -> bool:
    """True where IPython runs with something that can show HTML, so not in a terminal."""
    running = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return running is not None and type(running).__name__ != "TerminalInteractiveShell"


def _free_path(folder: Path, name: str) -> Path:
    taken = {path.name for path in folder.glob(f"{name}-*.html")}
    number = next(n for n in range(1, len(taken) + 2) if f"{name}-{n}.html" not in taken)
    return folder / f"{name}-{number}.html"
