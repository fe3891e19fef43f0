"""What no file of the repository may hold, and how long files may be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MACHINE_PATH = re.compile(r"(?<![\w.])/(root|work|opt)/\w|/home/\w+/|/tmp/\w{1,2}/|[A-Z]:\\Users")
INSTALLER_FILES = (
    "pyproject.toml",
    "constraints.txt",
    "Makefile",
    "hatch_build.py",
    ".ci/run",
    "web/package.json",
    "web/.npmrc",
    "scripts/*",
)
LONGEST = 400


def tracked() -> list[Path]:
    """Every file that git has or would add."""
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in said.stdout.splitlines() if (ROOT / line).is_file()]


def texts() -> dict[str, str]:
    read = {}
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            read[path.relative_to(ROOT).as_posix()] = content.decode("utf-8")
    return read


def test_no_file_names_a_place_on_some_machine():
    found = {name: hit[0] for name, text in texts().items() if (hit := MACHINE_PATH.search(text))}
    assert not found


def test_installer_files_name_no_hosts():
    """Where packages come from is the machine's own setting."""
    paths = [path for pattern in INSTALLER_FILES for path in ROOT.glob(pattern) if path.is_file()]
    assert not [path.name for path in paths if re.search(r"https?://", path.read_text())]


def test_package_lock_has_no_download_addresses():
    assert '"resolved"' not in (ROOT / "web/package-lock.json").read_text()


def test_constraints_pin_every_package_exactly():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert "torch==2.13.0" in pins


def test_files_of_code_stay_short():
    folders = ("src/attnscope/", "web/src/", "web/test/", "tests/", "benchmarks/", "scripts/")
    lengths = {
        name: text.count("\n")
        for name, text in texts().items()
        if name.startswith(folders) and name.endswith((".py", ".ts", ".tsx"))
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST}


def test_the_maps_name_every_file_there_is():
    """ARCHITECTURE.md those of the package, web/README.md those of the front end."""
    package, front = Path("src/attnscope"), Path("web/src")
    paths = [path.relative_to(ROOT) for path in tracked()]
    modules = {path.name for path in paths if path.parent == package} - {"py.typed"}
    rooms = {f"{path.parts[2]}/" for path in paths if path.parent.parent == package}
    named = words_of("ARCHITECTURE.md")
    assert {*modules, *rooms} - {"__init__.py", "__main__.py"} <= named
    files = {path.stem for path in paths if path.is_relative_to(front)}
    assert files - {path.stem for path in paths if path.parent == front / "pages"} <= {
        word.removesuffix(".ts") for word in words_of("web/README.md")
    }


def words_of(document: str) -> set[str]:
    """What stands in a document as code; of paths also the last part."""
    words = set(re.findall(r"`([^`\n]+)`", (ROOT / document).read_text()))
    return words | {word.rpartition("/")[2] for word in words}


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "CONTRIBUTING.md", "web/README.md"])
def test_every_file_that_a_map_names_is_there(document):
    there = {path.name for path in tracked()}
    named = {word for word in words_of(document) if re.fullmatch(r"[\w.]+\.(py|ts|tsx|md)", word)}
    assert not named - there
