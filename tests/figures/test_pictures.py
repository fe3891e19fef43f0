"""Figures look as they did: compared with committed pictures, within tolerance.

After a change that is meant, look at the `-changed.png` files, then run
`ATTNSCOPE_MAKE_REFERENCES=1 python -m pytest tests/figures/test_pictures.py` and commit the new
references.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.figures.scenes import SCENES, picture
from tests.references import SHARE, References

REFERENCES = References(Path(__file__).parent / "references")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_figure_looks_as_in_the_reference(scene):
    REFERENCES.hold(picture(scene), scene.name)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_another_layers_weights_are_noticed(scene):
    assert REFERENCES.changed(picture(scene, roll=2), scene.name) > SHARE


def test_references_are_small_and_not_empty():
    REFERENCES.check_files([scene.name for scene in SCENES], largest=60_000)
