"""Who may import whom, and what `import attnscope` loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "attnscope"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "transformers", "matplotlib", "pandas")
HOME_OF = {"capture": HEAVY, "plot": ("matplotlib",)}
LOWER = ("measures", "views", "wire")
UPPER = ("attnscope.capture", "attnscope.hosts")


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def everywhere(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        yield from imported(node)


def at_module_level(node: ast.AST) -> Iterator[str]:
    """Imports that run when the module is imported: not in functions, not under TYPE_CHECKING."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield from imported(child)
        yield from at_module_level(child)


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_imports_follow_the_rules(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    folder = place(path).split("/")[0]
    if folder in LOWER:
        wrong = [name for name in everywhere(tree) if is_within(name, UPPER)]
        assert not wrong, f"{folder}/ must know neither capture nor hosts"
    elsewhere = tuple(name for name in HEAVY if name not in HOME_OF.get(folder, ()))
    if elsewhere:
        heavy = [name for name in at_module_level(tree) if is_within(name, elsewhere)]
        assert not heavy, "imported at module level; import it in the function that needs it"
    relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert not relative, "imports are absolute here, so that these rules can be read off"


def test_rooms_of_capture_import_only_from_rooms_below_them():
    below: dict[str, set[str]] = {}
    for path in (PACKAGE / "capture").rglob("*.py"):
        room = path.relative_to(PACKAGE / "capture").parts[0].removesuffix(".py")
        names = everywhere(ast.parse(path.read_text(encoding="utf-8")))
        others = {name.split(".")[2] for name in names if name.startswith("attnscope.capture.")}
        below.setdefault(room, set()).update(others - {room})
    TopologicalSorter(below).prepare()  # raises CycleError, which names the rooms in the circle


@pytest.mark.parametrize(
    "statement", ["import attnscope", "from attnscope import cli, demo, trace"]
)
def test_importing_loads_nothing_heavy(statement):
    code = f"import sys\n{statement}\nprint([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    import attnscope

    missing = [name for name in attnscope.__all__ if not hasattr(attnscope, name)]
    assert not missing
    assert set(attnscope.__all__) <= set(dir(attnscope))
