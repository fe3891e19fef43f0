"""The gallery shows every example, as it describes itself, in pictures that stay small."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def gallery() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "gallery.py"))


def test_the_page_says_what_the_examples_say(gallery):
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    assert page == gallery["text"](), "run: make pictures"


def test_every_example_has_its_picture(gallery):
    names = [name for section in gallery["sections"]().values() for name in section]
    assert sorted(names) == sorted(path.stem for path in (ROOT / "examples").glob("*.py"))
    for name in names:
        path = ROOT / "docs/pictures" / f"{name}.png"
        assert path.stat().st_size < gallery["LARGEST"]
        with Image.open(path) as image:
            assert image.width > 400
            assert len(image.getcolors(1 << 20)) > 20


def test_every_view_and_every_figure_has_an_example():
    from typing import get_args

    from attnscope import plot
    from attnscope.wire.spec import ViewName

    written = [path.read_text(encoding="utf-8") for path in (ROOT / "examples").glob("*.py")]
    for view in get_args(ViewName):
        assert any(f".{view}_view(" in text for text in written), view
    for figure in plot.__all__:
        assert any(f"plot.{figure}(" in text for text in written), figure
