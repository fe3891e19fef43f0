"""The wheel works where nothing else is installed: no torch, no node, no network at run time."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow

USE = """
import importlib.util, sys
import numpy as np
import attnscope

weights = np.full((2, 3, 3), 1 / 3, dtype=np.float32)
trace = attnscope.from_attention([weights, weights], ["a", "b", "c"])
trace.model_view().save(sys.argv[1])
assert importlib.util.find_spec("torch") is None
print(attnscope.__version__)
"""


def test_a_view_is_saved_without_torch_or_node(bare_python, bare_env, run, tmp_path):
    page = tmp_path / "model.html"
    assert run(bare_python, "-c", USE, page, env=bare_env).strip() == "0.1.0"
    assert "attnscope front end, sources" in page.read_text(encoding="utf-8")


def test_doctor_finds_all_that_is_required(bare_python, bare_env, run):
    report = json.loads(run(bare_python.parent / "attnscope", "doctor", "--json", env=bare_env))
    assert report["ok"]
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert states["numpy"] == states["anywidget"] == states["bundle"] == "ok"
    assert states["torch"] == states["minilm"] == states["node"] == "missing"


def test_what_needs_torch_says_how_to_get_it(bare_python, bare_env, run, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    load = "from attnscope import pretrained, errors\ntry:\n    pretrained.load({!r})\n"
    catch = "except errors.MissingDependencyError as error:\n    print(error)"
    said = run(bare_python, "-c", load.format(str(tmp_path)) + catch, env=bare_env)
    assert "pip install 'attnscope[hf]'" in said
