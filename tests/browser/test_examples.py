"""Every example runs as it stands, and its view is drawn."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(set(FOLDER.glob("*.py")) - set(FOLDER.glob("figures_*.py")))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_ends_in_a_view_that_draws(path, page, open_view, tmp_path):
    view = runpy.run_path(str(path))["view"]
    open_view(page, view.save(tmp_path / f"{path.stem}.html"))
