"""Runs a TypeScript file with the front end's own modules, in the node that builds it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.front_end import find_npm

Run = Callable[..., Any]


def runs(entry: Path) -> Any:
    """A fixture `run(asked)`: gives the file `asked` as JSON, returns what it prints as JSON.

    The name of the file with `asked` is the program's only argument.
    """

    @pytest.fixture(scope="module")
    def run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
        folder = tmp_path_factory.mktemp(entry.stem)
        command = _bundled(entry, folder, root)

        def running(asked: Any = None) -> Any:
            given = folder / "asked.json"
            given.write_text(json.dumps(asked))
            done = subprocess.run([*command, given], check=True, capture_output=True, text=True)
            return json.loads(done.stdout)

        return running

    return run


def _bundled(entry: Path, folder: Path, root: Path) -> list[str]:
    """Bundle the file into the folder with the front end's esbuild; the command that runs it."""
    npm, web = find_npm(), root / "web"
    if not (web / "node_modules/esbuild").is_dir():
        npm.run("ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=web)
    script, node = folder / f"{entry.stem}.mjs", npm.node_folder / "node"
    options = {"entryPoints": [str(entry)], "outfile": str(script), "bundle": True}
    options |= {"platform": "node", "format": "esm"}
    esbuild = (web / "node_modules/esbuild/lib/main.js").as_uri()
    build = f"import {{ build }} from {json.dumps(esbuild)}; await build({json.dumps(options)})"
    subprocess.run([node, "--input-type=module", "-e", build], check=True, capture_output=True)
    return [str(node), str(script)]
