"""Finds the browser front end: minified ES modules that the package carries, one for each view.

In a checkout they are built from web/ and may be missing or older than their sources. Showing an
old front end would puzzle whoever just edited it, so `bundle` refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """What is known about the bundles without reading all of them.

    Attributes:
        path: the folder where they are, or would be.
        web: their sources in a checkout; None in an installed package.
        state: "fresh", "stale" (one was made from other sources, or is missing) or "missing".
        sizes: bytes of each view's bundle.
    """

    path: Path
    web: Path | None
    state: Literal["fresh", "stale", "missing"]
    sizes: Mapping[str, int]

    @property
    def advice(self) -> str:
        """One or two sentences: what is wrong and what to run; empty when all is well."""
        if self.state == "fresh":
            return ""
        step = f"Run: make -C {self.web.parent} web" if self.web else "Install attnscope again."
        return _ADVICE[self.state].format(path=self.path, web=self.web) + step


def front_end(package: Path = _PACKAGE) -> FrontEnd:
    """Look for the bundles of the package in the given folder, and at their sources if there."""
    path, root = package / "static", package.parents[1]
    web = root / "web" if package.parent.name == "src" and (root / "web").is_dir() else None
    sizes = {file.stem: file.stat().st_size for file in sorted(path.glob("*.js"))}
    if not sizes:
        return FrontEnd(path, web, "missing", sizes)
    stale = web is not None and not _front_end.is_fresh(path, web)
    return FrontEnd(path, web, "stale" if stale else "fresh", sizes)


@cache
def bundle(view: str) -> str:
    """Return the JavaScript of one view.

    Raises:
        FrontEndError: it is missing, or older than its sources in this checkout.
    """
    found = front_end()
    if found.advice:
        raise FrontEndError(found.advice)
    return (found.path / f"{view}.js").read_text(encoding="utf-8")
