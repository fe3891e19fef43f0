"""The command that lists and runs the benchmarks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(root: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *args]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_every_benchmark_is_listed_with_what_it_measures(root: Path) -> None:
    lines = run(root).stdout.splitlines()
    scripts = [
        path.stem
        for path in (root / "benchmarks").glob("*.py")
        if path.stem != "__main__" and "if __name__ ==" in path.read_text()
    ]
    assert sorted(line.split()[0] for line in lines) == sorted(scripts)
    assert all(len(line.split()) > 5 for line in lines)


def test_one_that_there_is_not_is_named(root: Path) -> None:
    done = run(root, "speed")
    assert done.returncode == 1
    assert "no benchmark 'speed'; there are capture, length," in done.stderr
    assert done.stdout == ""
