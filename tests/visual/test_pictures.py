"""Views look as they did: marks compared with committed pictures, within tolerance.

After a change that is meant, look at the `-changed.png` files, then run
`python tests/visual/make.py` and commit the new references.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tests.references import SHARE, References, changed
from tests.visual.scenes import SCENES, picture

REFERENCES = References(Path(__file__).parent / "references")


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_marks_look_as_in_the_reference(page, open_view, scene):
    image = picture(scene, page, open_view)
    REFERENCES.hold(image, scene.name)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_another_layers_weights_are_noticed(page, open_view, scene):
    image = picture(replace(scene, roll=2), page, open_view)
    assert REFERENCES.changed(image, scene.name) > SHARE


WRONG = {
    "other heads": {"layer": 1, "heads": [0, 1, 2]},
    "another theme": {"layer": 1, "theme": "dark"},
}


@pytest.mark.parametrize("options", WRONG.values(), ids=WRONG)
def test_other_heads_and_colors_are_noticed(page, open_view, options):
    scene = next(scene for scene in SCENES if scene.name == "head-light")
    image = picture(replace(scene, options=options), page, open_view)
    assert REFERENCES.changed(image, "head-light") > SHARE


@pytest.mark.parametrize("name", ["model-light", "model-heat"])
def test_swapped_cells_are_noticed(page, open_view, name):
    scene = next(scene for scene in SCENES if scene.name == name)
    swapped = replace(scene, options={"heads": [0, 2, 1, 3, 4, 5]})
    image = picture(swapped, page, open_view)
    assert REFERENCES.changed(image, name) > SHARE


def test_small_shifts_and_softer_edges_are_forgiven():
    reference = Image.open(REFERENCES.path("model-light")).convert("RGB")
    soft = reference.resize((reference.width - 1, reference.height - 1)).resize(reference.size)
    assert changed(soft, reference) <= SHARE
    assert changed(ImageChops.invert(soft), reference) > 0.5


def test_references_are_small_and_not_empty():
    REFERENCES.check_files([scene.name for scene in SCENES], largest=40_000)
