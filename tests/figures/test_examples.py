"""Every example that makes a figure runs as it stands; those of views are run by tests/browser."""

from __future__ import annotations

import io
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("figures_*.py"))


def test_there_are_examples_and_the_page_shows_them():
    assert EXAMPLES
    page = (ROOT / "docs/figures.md").read_text(encoding="utf-8")
    gallery = ROOT / "docs/pictures"
    for path in EXAMPLES:
        picture = gallery / f"{path.stem}.png"
        assert picture.exists()
        assert picture.stat().st_size < 300_000
    shown = {line.split("(")[1].rstrip(")") for line in page.splitlines() if line[:2] == "!["}
    assert {str(Path(name)) for name in shown} <= {f"pictures/{p.stem}.png" for p in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_ends_in_a_figure(path):
    figure = runpy.run_path(str(path))["figure"]
    out = io.BytesIO()
    figure.savefig(out, format="png")
    image = np.asarray(Image.open(out).convert("L"))
    assert image.std() > 5
