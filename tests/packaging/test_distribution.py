"""What the sdist and the wheel hold, and that the bundles in them are those of these sources."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path
from typing import get_args

import pytest

from attnscope import _front_end
from attnscope.wire.spec import ViewName

pytestmark = pytest.mark.slow

STATIC = "attnscope/static/"
BUDGET = 150_000
"""Bytes of each view's bundle: what a page or a widget loads."""
LOADS_CODE = re.compile(r"""(import|from)\s*\(?\s*["'`](https?:)?//|\beval\(|\bnew Function\b""")


@pytest.fixture(scope="module")
def bundles(wheel: Path, root: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        made = _front_end.bundles(root / "web")
        assert {STATIC + name for name in made} <= set(archive.namelist())
        return {name: archive.read(STATIC + name) for name in made}


def test_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"attnscope/py.typed", "attnscope/__init__.py"} <= names
    assert any(re.fullmatch(r"attnscope-.*\.dist-info/licenses/LICENSE", name) for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"attnscope"}
    assert not [name for name in names if name.endswith((".map", ".ts", ".tmp", ".pyc"))]


def test_sdist_holds_sources_bundles_and_hook(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    built = {f"src/{STATIC}head.js", f"src/{STATIC}model.js"}
    assert {*built, "hatch_build.py", "scripts/front_end.py", "web/build.mjs"} <= names
    assert not [name for name in names if "node_modules" in name]


def test_every_view_has_a_bundle(bundles):
    assert set(bundles) == {f"{view}.js" for view in get_args(ViewName)}


def test_each_bundle_is_within_its_budget(bundles):
    assert {name: len(code) for name, code in bundles.items() if len(code) > BUDGET} == {}


def test_bundles_carry_the_hash_of_their_sources(bundles, root, tmp_path):
    for name, code in bundles.items():
        (tmp_path / name).write_bytes(code)
    assert _front_end.is_fresh(tmp_path, root / "web")


def test_bundles_load_no_code_from_elsewhere(bundles):
    assert [name for name, code in bundles.items() if LOADS_CODE.search(code.decode())] == []


def test_building_twice_gives_the_same_bytes(bundles, root):
    """The checkout's bundles were built on their own, perhaps by another release of node."""
    for name, code in bundles.items():
        assert (root / _front_end.STATIC / name).read_bytes() == code
