"""Finds the browser front end: one minified ES module that the package carries.

In a checkout the module is built from web/ and may be missing or older than its sources. Showing
an old front end would puzzle whoever just edited it, so `bundle` refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from attnscope import _front_end
from attnscope.errors import FrontEndError

_PACKAGE = Path(__file__).resolve().parent
_ADVICE = {
    "missing": "attnscope's front end is missing ({path}). ",
    "stale": "attnscope's front end is older than its sources in {web}. ",
}


@dataclass(frozen=True)
class FrontEnd:
    """What is known about the bundle without reading all of it.

    Attributes:
        path: where it is, or would be.
        web: its sources in a checkout; None in an installed package.
        state: "fresh", "stale" (made from other sources) or "missing".
        size: its bytes; 0 when missing.
    """

    path: Path
    web: Path | None
    state: Literal["fresh", "stale", "missing"]
    size: int

    @property
    def advice(self) -> str:
        """One or two sentences: what is wrong and what to run; empty when all is well."""
        if self.state == "fresh":
            return ""
        step = f"Run: make -C {self.web.parent} web" if self.web else "Install attnscope again."
        return _ADVICE[self.state].format(path=self.path, web=self.web) + step


def front_end(package: Path = _PACKAGE) -> FrontEnd:
    """Look for the bundle of the package in the given folder, and at its sources if there."""
    path, root = package / "static" / "attnscope.js", package.parents[1]
    web = root / "web" if package.parent.name == "src" and (root / "web").is_dir() else None
    if not path.is_file():
        return FrontEnd(path, web, "missing", 0)
    stale = web is not None and not _front_end.is_fresh(path, web)
    return FrontEnd(path, web, "stale" if stale else "fresh", path.stat().st_size)


@cache
def bundle() -> str:
    """Return the front end's JavaScript.

    Raises:
        FrontEndError: it is missing, or older than its sources in this checkout.
    """
    found = front_end()
    if found.advice:
        raise FrontEndError(found.advice)
    return found.path.read_text(encoding="utf-8")
