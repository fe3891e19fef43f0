"""Both views look as they did: marks compared with committed pictures, within tolerance.

After a change that is meant, look at the `-changed.png` files, then run
`python tests/visual/make.py` and commit the new references.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from tests.visual.scenes import SCENES, SHARE, changed, picture

REFERENCES = Path(__file__).parent / "references"
MAKING = "ATTNSCOPE_MAKE_REFERENCES" in os.environ


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_marks_look_as_in_the_reference(page, open_view, scene):
    image = picture(scene, page, open_view)
    path = REFERENCES / f"{scene.name}.png"
    beside = path.with_name(f"{scene.name}-changed.png")
    beside.unlink(missing_ok=True)
    if MAKING:
        image.save(path, optimize=True)
    share = changed(image, Image.open(path))
    if share > SHARE:
        image.save(beside)
        pytest.fail(f"{share:.1%} of the pixels differ from {path.name}: compare {beside}")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_another_layers_weights_are_noticed(page, open_view, scene):
    image = picture(replace(scene, roll=2), page, open_view)
    assert changed(image, Image.open(REFERENCES / f"{scene.name}.png")) > SHARE


WRONG = {
    "other heads": {"layer": 1, "heads": [0, 1, 2]},
    "another theme": {"layer": 1, "theme": "dark"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_other_heads_and_colors_are_noticed(page, open_view, options):
    scene = next(scene for scene in SCENES if scene.name == "head-light")
    image = picture(replace(scene, options=options), page, open_view)
    assert changed(image, Image.open(REFERENCES / "head-light.png")) > SHARE


@pytest.mark.parametrize("name", ["model-light", "model-heat"])
def test_swapped_cells_are_noticed(page, open_view, name):
    scene = next(scene for scene in SCENES if scene.name == name)
    swapped = replace(scene, options={"heads": [0, 2, 1, 3, 4, 5]})
    image = picture(swapped, page, open_view)
    assert changed(image, Image.open(REFERENCES / f"{name}.png")) > SHARE


def test_small_shifts_and_softer_edges_are_forgiven():
    reference = Image.open(REFERENCES / "model-light.png").convert("RGB")
    soft = reference.resize((reference.width - 1, reference.height - 1)).resize(reference.size)
    assert changed(soft, reference) <= SHARE
    assert changed(ImageChops.invert(soft), reference) > 0.5


def test_references_are_small_and_not_empty():
    kept = {path.stem for path in REFERENCES.glob("*.png") if not path.stem.endswith("-changed")}
    assert kept == {scene.name for scene in SCENES}
    for name in kept:
        path = REFERENCES / f"{name}.png"
        assert path.stat().st_size < 40_000
        assert np.asarray(Image.open(path).convert("L")).std() > 2
