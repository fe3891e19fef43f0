"""Figures have the colours of the screen: Python's are compared with the front end's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attnscope.plot import colors, ink
from tests.node import Run, runs

MODES = ("light", "dark")


run = runs(Path(__file__).parent / "colors.ts")


@pytest.fixture(scope="module")
def screen(run: Run) -> dict[str, Any]:
    """What colors.ts prints: the colours of the front end by mode."""
    return run()


@pytest.mark.parametrize("mode", MODES)
def test_heads_and_layers_have_the_same_colors(screen, mode):
    assert [list(colors.head_color(head, mode)) for head in range(140)] == screen[mode]["heads"]
    assert [list(colors.layer_color(at, mode)) for at in range(40)] == screen[mode]["layers"]
    inks = {"#000": "#000000", "#fff": "#ffffff"}
    ours = [colors.ink_on(colors.head_color(head, mode)) for head in range(64)]
    assert ours == [inks[ink] for ink in screen[mode]["inks"]]


@pytest.mark.parametrize("mode", MODES)
def test_ramps_are_the_same_at_every_step(screen, mode):
    for layer, flat in enumerate(screen[mode]["ramps"]):
        ramp = np.array(flat).reshape(256, 4)
        np.testing.assert_array_equal(colors.heat_ramp(layer, mode), ramp[:255, :3])
        assert tuple(ramp[255, :3]) == colors.MISSING[mode]
    np.testing.assert_array_equal(colors.signed_ramp(mode), screen[mode]["signed"])
    sequential, diverging = screen[mode]["maps"]
    np.testing.assert_array_equal(colors.map_ramp(mode), sequential)
    np.testing.assert_array_equal(colors.signed_map_ramp(mode), diverging)


@pytest.mark.parametrize("mode", MODES)
def test_single_colors_are_the_same(screen, mode):
    assert "rgb({},{},{})".format(*colors.rgb(colors.WEIGHT[mode])) == screen[mode]["weight"]
    assert list(colors.CELL_GROUND[mode]) == screen[mode]["ground"]
    assert list(colors.NEUTRAL[mode]) == screen[mode]["neutral"]
    assert list(colors.MAP_MISSING[mode]) == screen[mode]["missing"]
    assert list(colors.SHADE[mode]) == screen[mode]["shade"]
    assert list(colors.SIGNED[mode]) == screen[mode]["above"]
    assert [list(color) for color in colors.signed_colors(mode)] == screen[mode]["gained"]


@pytest.mark.parametrize("name", ["patches", "changes"])
def test_the_colors_over_a_picture_are_the_same(screen, name):
    there = [list(map(float, re.findall(r"[\d.]+", one))) for one in screen["light"][name]]
    ramp = {"patches": colors.patch_ramp, "changes": colors.signed_patch_ramp}[name]()
    np.testing.assert_allclose(ramp * [255, 255, 255, 1], there, atol=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_the_themes_are_the_ones_of_the_style_sheet(root, mode):
    source = (root / "web/src/ui/style.ts").read_text(encoding="utf-8")
    start = ".root {" if mode == "light" else ".root[data-mode=dark] {"
    block = source[source.index(start) :].partition("}")[0]
    there = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    theme = ink.THEMES[mode]
    ours = {name: getattr(theme, name) for name in theme.__dataclass_fields__ if name != "mode"}
    assert ours == {name: there[name] for name in ours}


@pytest.mark.parametrize("mode", MODES)
def test_lightness_tells_the_weight_in_every_ramp(mode):
    """Grey prints and colour-blind readers see the same order: no two steps change places."""
    channel = np.array([0.2126, 0.7152, 0.0722])
    for ramp in (colors.map_ramp(mode), *(colors.heat_ramp(layer, mode) for layer in range(13))):
        steps = np.diff(((ramp / 255.0) ** 2.2 @ channel)[::6])
        assert (steps < 0).all() if mode == "light" else (steps > 0).all()
