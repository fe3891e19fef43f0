"""Figures look as they did: compared with committed pictures, within tolerance.

After a change that is meant, look at the `-changed.png` files, then run
`ATTNSCOPE_MAKE_REFERENCES=1 python -m pytest tests/figures/test_pictures.py` and commit the new
references.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.figures.scenes import SCENES, picture
from tests.visual.scenes import SHARE, changed

REFERENCES = Path(__file__).parent / "references"
MAKING = "ATTNSCOPE_MAKE_REFERENCES" in os.environ


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_figure_looks_as_in_the_reference(scene):
    image = picture(scene)
    path = REFERENCES / f"{scene.name}.png"
    beside = path.with_name(f"{scene.name}-changed.png")
    beside.unlink(missing_ok=True)
    if MAKING:
        REFERENCES.mkdir(exist_ok=True)
        image.save(path, optimize=True)
    share = changed(image, Image.open(path))
    if share > SHARE:
        image.save(beside)
        pytest.fail(f"{share:.1%} of the pixels differ from {path.name}: compare {beside}")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_another_layers_weights_are_noticed(scene):
    assert changed(picture(scene, roll=2), Image.open(REFERENCES / f"{scene.name}.png")) > SHARE


def test_references_are_small_and_not_empty():
    kept = {path.stem for path in REFERENCES.glob("*.png") if not path.stem.endswith("-changed")}
    assert kept == {scene.name for scene in SCENES}
    for name in kept:
        path = REFERENCES / f"{name}.png"
        assert path.stat().st_size < 60_000
        assert np.asarray(Image.open(path).convert("L")).std() > 2
