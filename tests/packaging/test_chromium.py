"""How `make test` comes by a Chromium, with package managers of our own on PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from attnscope import doctor


@pytest.fixture
def chromium_script(root: Path, monkeypatch):
    spec = importlib.util.spec_from_file_location("chromium", root / "scripts/chromium.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    monkeypatch.setattr(doctor, "_playwright_chromium", lambda: None)
    return module


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH of one empty folder, and a way to put commands there."""
    shell = shutil.which("sh")
    monkeypatch.setenv("PATH", str(tmp_path))

    def add(name: str, body: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!{shell}\n{body}\n")
        path.chmod(0o755)
        return path

    return add


def test_one_on_path_is_taken_as_it_is(chromium_script, tools, capsys):
    path = tools("google-chrome", "")
    assert chromium_script.main() == 0
    assert capsys.readouterr().out == f"· Chromium: {path}\n"


def test_the_package_manager_installs_one(chromium_script, tools, capsys):
    waiting, mv = tools("waiting", ""), shutil.which("mv", path=os.defpath)
    tools("apt-get", f'[ "$1" = update ] || {mv} {waiting} {waiting.parent}/chromium')
    assert chromium_script.main() == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "· Chromium: apt-get install --yes chromium"
    assert said[-1] == f"· Chromium: {waiting.parent}/chromium"


def test_every_way_is_tried_and_its_failure_told(chromium_script, tools, capsys, monkeypatch):
    tools("apt-get", "echo 'no such package' >&2; exit 100")
    tools("fetch", "echo 'no network' >&2; exit 1")
    monkeypatch.setattr(chromium_script, "_PLAYWRIGHT", (("fetch", "chromium"),))
    assert chromium_script.main() == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "· Chromium: apt-get install --yes chromium",
        "  failed: no such package",
        "· Chromium: fetch chromium",
        "  failed: no network",
    ]
    assert said.err == "error: no Chromium; install one that is on PATH as `chromium`\n"
