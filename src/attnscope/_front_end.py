"""Which sources decide the browser bundles, one a view, and the mark that each carries of them.

Standard library only and without imports from attnscope: the build hook loads this file by its
path, before the package exists. `assets.py` uses the same functions to refuse a stale bundle.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

STATIC = Path("src/attnscope/static")
"""Where the bundles lie in a checkout: head.js, model.js, ..."""

_FILES = ("package.json", "package-lock.json", "build.mjs", "tsconfig.json")
_MARK = re.compile(r"/\* attnscope front end, sources ([0-9a-f]{16}) \*/")


def bundles(web: Path) -> list[str]:
    """Return the names of the bundles that web/ makes: one for each file in src/pages."""
    return sorted(f"{path.stem}.js" for path in web.glob("src/pages/*.ts"))


def sources(web: Path) -> list[Path]:
    """Return every file that decides the bundles' bytes, in a fixed order."""
    listed = [web / name for name in _FILES]
    found = [path for path in [*listed, *web.glob("src/**/*")] if path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(web).as_posix())


def source_hash(web: Path) -> str:
    """Return 16 hexadecimal digits that change with any name or byte in `sources`."""
    digest = hashlib.sha256()
    for path in sources(web):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def banner(web: Path) -> str:
    """Return a bundle's first line: a comment with the hash of the sources."""
    return f"/* attnscope front end, sources {source_hash(web)} */"


def bundle_hash(bundle: Path) -> str | None:
    """Return the hash that a bundle carries; None without a bundle or without a mark."""
    if not bundle.is_file():
        return None
    with bundle.open(encoding="utf-8") as lines:
        mark = _MARK.match(lines.readline())
    return mark.group(1) if mark else None


def is_fresh(static: Path, web: Path) -> bool:
    """Tell whether all bundles are in the folder `static` and made from `web` as it is now."""
    made, now = bundles(web), source_hash(web)
    return bool(made) and all(bundle_hash(static / name) == now for name in made)
