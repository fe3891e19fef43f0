"""A real JupyterLab: a cell shows the view, the widget shares its state, saved output lives on."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow

CELLS = [
    "import numpy as np, attnscope\n"
    "weights = np.random.default_rng(0).dirichlet(np.ones(6), (3, 4, 6)).astype('float32')\n"
    "trace = attnscope.from_attention(weights, list('uvwxyz'))\n"
    "trace.head_view(layer=1)",
    "widget = trace.head_view(layer=1).widget()\nwidget",
    "print('layer', widget.layer, 'heads', widget.heads, 'pinned', widget.pinned)",
    "widget.layer, widget.heads, widget.pinned = 0, [3], {'side': 'key', 'index': 5}",
]
OTHERS_NOISE = (
    r"Failed to load resource",  # Lab asks for settings and favicons that a bare install lacks
    r"\[object Object\]",
    r"(?i)jupyter|lumino|websocket|kernel|model not found|widget",
)


def notebook(folder: Path) -> Path:
    """A notebook with the cells, not run yet."""
    cells = [
        {"cell_type": "code", "source": source, "id": f"c{place}"}
        | {"metadata": {}, "outputs": [], "execution_count": None}
        for place, source in enumerate(CELLS)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path = folder / "first.ipynb"
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells}
    path.write_text(json.dumps(whole))
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[str, str, Path]]:
    """A JupyterLab on 127.0.0.1: (address, token, notebook)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, path = secrets.token_hex(16), notebook(tmp_path)
    home = {
        name: str(tmp_path / "home")
        for name in ("HOME", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "JUPYTER_DATA_DIR")
    }
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp_path}"]
    options += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class="]
    options[-1] += "jupyterlab.NeverCheckForUpdate"
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env={**os.environ, **home},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/api?token={token}", server, tmp_path / "lab.log")
        yield address, token, path
    finally:
        server.terminate()
        server.wait(20)


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()[-2000:]
            time.sleep(0.3)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def run_cells(page: Page, count: int) -> None:
    """Run the next cells, as Shift+Enter does."""
    for _ in range(count):
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(300)


def output(page: Page, cell: int):
    """The output area of a cell."""
    return page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea")


@pytest.mark.console_ok(*OTHERS_NOISE)
def test_a_notebook_from_first_cell_to_saved_file(page: Page, lab: tuple[str, str, Path]) -> None:
    address, token, path = lab
    page.set_viewport_size({"width": 1300, "height": 1500})
    page.goto(f"{address}/lab/tree/{path.name}?token={token}")
    first = page.locator(".jp-Notebook .jp-Cell .cm-content").first
    first.click(timeout=60_000)
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
        "data-status", "idle", timeout=60_000
    )
    run_cells(page, 2)
    drawn = "[data-attnscope-view=head][data-attnscope-state=drawn]"
    expect(output(page, 0).locator(drawn)).to_be_visible(timeout=60_000)
    live = output(page, 1).locator(drawn)
    expect(live).to_be_visible(timeout=60_000)

    live.locator("[data-side=query][data-index='2']").click()
    live.locator("button[data-head='1']").click()
    live.locator("[data-side=query][data-index='2']").press("]")
    expect(live.locator("select[name=layer]")).to_have_value("2")
    page.locator(".jp-Notebook .jp-Cell").nth(2).locator(".cm-content").click()
    run_cells(page, 1)
    said = output(page, 2)
    expect(said).to_contain_text("layer 2 heads [0, 2, 3]", timeout=30_000)
    expect(said).to_contain_text(re.compile(r"'index': 2"))

    run_cells(page, 1)
    expect(live.locator("select[name=layer]")).to_have_value("0", timeout=30_000)
    expect(live.locator("button[data-head='3']")).to_have_attribute("aria-pressed", "true")
    expect(live.locator("button[data-head='0']")).to_have_attribute("aria-pressed", "false")

    page.keyboard.press("Control+s")
    page.wait_for_timeout(1500)
    saved = json.loads(path.read_text())["cells"][0]["outputs"][0]["data"]
    assert "data-attnscope-id" in "".join(saved["text/html"])
    page.goto("about:blank")
    page.goto(f"{address}/lab/tree/{path.name}?token={token}")
    expect(output(page, 0).locator(drawn)).to_be_visible(timeout=60_000)
