"""Builds what users install: once from sources without node on PATH, once from that sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = (
    "src",
    "web",
    "scripts",
    "pyproject.toml",
    "hatch_build.py",
    "constraints.txt",
    "README.md",
    "LICENSE",
)
NOT_SOURCES = ("node_modules", "static", "__pycache__")
CLOSED_REGISTRY = "http://127.0.0.1:9"


def _run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command and return its output; fail the test with what it said where it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{(done.stdout + done.stderr)[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def run() -> Callable[..., str]:
    """`run("command", "argument", env=None)` returns standard output."""
    return _run


@pytest.fixture(scope="session")
def bare_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine without node: PATH leads to a shell and nothing else."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PATH": str(folder)}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The sources as a fresh clone has them: no bundle, no node_modules."""
    copy = tmp_path_factory.mktemp("clone") / "attnscope"
    copy.mkdir()
    for name in SOURCES:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns(*NOT_SOURCES))
        else:
            shutil.copy(root / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def sdist(
    checkout: Path, bare_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An sdist built without node on PATH: the hook has to bring its own."""
    out = tmp_path_factory.mktemp("sdist")
    _run(sys.executable, "-m", "build", "--sdist", "--outdir", out, checkout, env=bare_env)
    return next(out.glob("attnscope-*.tar.gz"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, bare_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the sdist, with neither node nor an npm registry to be had."""
    out = tmp_path_factory.mktemp("wheel")
    env = {**bare_env, "npm_config_registry": CLOSED_REGISTRY}
    _run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", out, sdist, env=env)
    return next(out.glob("attnscope-*.whl"))


@pytest.fixture(scope="session")
def bare_python(
    wheel: Path, root: Path, bare_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The Python of an environment that holds the wheel and what it requires, and no more."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    _run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    constraints = root / "constraints.txt"
    _run(python, "-m", "pip", "install", "-q", "-c", constraints, wheel, env=bare_env)
    return python
