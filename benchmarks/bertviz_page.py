"""BertViz 1.4.1's page of the same attention, and local copies of what it loads from a CDN."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = {
    "require.min.js": ("requirejs@2.3.6", "require.js"),
    "d3.min.js": ("d3@5.7.0", "dist/d3.min.js"),
    "jquery.min.js": ("jquery@2.1.0", "dist/jquery.min.js"),  # 2.0.0, asked for, is not on npm
}


def fetch(folder: Path) -> dict[str, bytes]:
    """The three scripts by file name, from npm (once)."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (spec, member) in PACKAGES.items():
        place = folder / name
        if not place.exists():
            packed = subprocess.run(
                ["npm", "pack", "--silent", spec],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            )
            with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
                inner = archive.extractfile(f"package/{member}")
                assert inner is not None
                place.write_bytes(inner.read())
        found[name] = place.read_bytes()
    return found


def router(scripts: dict[str, bytes]) -> Any:
    """Answers BertViz's requests from the local copies and refuses all others."""

    def route(call: Any) -> None:
        body = scripts.get(call.request.url.rsplit("/", 1)[-1])
        if body is None:
            call.abort()
        else:
            call.fulfill(body=body, content_type="text/javascript")

    return route


def write(path: Path, view: str, layers: list[np.ndarray], tokens: list[str]) -> None:
    """Save BertViz's head or model view as its README says."""
    import bertviz
    import torch

    attention = [torch.from_numpy(layer)[None] for layer in layers]
    make = {"head": bertviz.head_view, "model": bertviz.model_view}[view]
    body = make(attention, tokens, html_action="return").data
    path.write_text(f'<!doctype html><meta charset="utf-8"><body>{body}</body>')
