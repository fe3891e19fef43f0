"""What the sdist and the wheel hold, and that the bundle in them is the one of these sources."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from attnscope import _front_end

pytestmark = pytest.mark.slow

BUNDLE = "attnscope/static/attnscope.js"
BUDGET = 150_000
LOADS_CODE = re.compile(r"""(import|from)\s*\(?\s*["'`](https?:)?//|\beval\(|\bnew Function\b""")


@pytest.fixture(scope="module")
def bundle(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(BUNDLE)


def test_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {BUNDLE, "attnscope/py.typed", "attnscope/__init__.py"} <= names
    assert any(re.fullmatch(r"attnscope-.*\.dist-info/licenses/LICENSE", name) for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"attnscope"}
    assert not [name for name in names if name.endswith((".map", ".ts", ".tmp", ".pyc"))]


def test_sdist_holds_sources_bundle_and_hook(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/{BUNDLE}", "hatch_build.py", "scripts/front_end.py", "web/build.mjs"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_bundle_is_within_its_budget(bundle):
    assert len(bundle) <= BUDGET


def test_bundle_carries_the_hash_of_its_sources(bundle, root, tmp_path):
    (tmp_path / "bundle.js").write_bytes(bundle)
    assert _front_end.is_fresh(tmp_path / "bundle.js", root / "web")


def test_bundle_loads_no_code_from_elsewhere(bundle):
    assert LOADS_CODE.search(bundle.decode()) is None


def test_building_twice_gives_the_same_bytes(bundle, root):
    """The checkout's bundle was built on its own, perhaps by another release of node."""
    assert (root / _front_end.BUNDLE).read_bytes() == bundle
