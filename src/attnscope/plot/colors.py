"""The front end's colours, computed the same way: OKLCH → sRGB, one colour a head, one hue a layer.

`web/src/draw/color.ts` is the source; a figure must show a head in the colour that it has on the
screen, so `tests/contract/test_colors.py` compares all of them. Lightness carries the number in
every ramp, monotonically, so they also read in grey and with any colour blindness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

Mode = Literal["light", "dark"]
Oklch = tuple[float, float, float]
"""Lightness 0..1, chroma, hue in degrees."""

Rgb = tuple[int, int, int]
"""0..255."""

DESIGNED = (
    (257, 0.17, 0.0),
    (47, 0.17, 0.06),
    (150, 0.15, 0.0),
    (18, 0.2, 0.0),
    (300, 0.17, 0.0),
    (200, 0.11, 0.05),
    (345, 0.19, 0.08),
    (92, 0.14, 0.09),
    (52, 0.08, -0.12),
    (255, 0.025, -0.02),
    (130, 0.18, 0.13),
    (278, 0.2, -0.12),
)
"""Twelve designed colours: hue, chroma and distance from the mode's lightness."""

BASE = {"light": 0.58, "dark": 0.71}
PALETTE = 128
ALIKE = 1e-9
"""Distances nearer than this are alike: the first wins, here and on the screen."""

MISSING: dict[str, Rgb] = {"light": (205, 207, 212), "dark": (70, 73, 80)}
MAP_MISSING: dict[str, Rgb] = {"light": (214, 190, 190), "dark": (92, 66, 66)}
NEUTRAL: dict[str, Rgb] = {"light": (60, 68, 82), "dark": (200, 207, 219)}
CELL_GROUND: dict[str, Rgb] = {"light": (246, 247, 250), "dark": (25, 28, 34)}
STRIP_GROUND: dict[str, Rgb] = {"light": (241, 243, 246), "dark": (33, 37, 44)}
POSITIVE: dict[str, Oklch] = {"light": (0.47, 0.19, 259), "dark": (0.74, 0.15, 250)}
NEGATIVE: dict[str, Oklch] = {"light": (0.63, 0.18, 47), "dark": (0.74, 0.16, 55)}
SHADE: dict[str, Rgb] = {"light": (255, 158, 74), "dark": (150, 78, 14)}
SIGNED: dict[str, Rgb] = {"light": (116, 174, 255), "dark": (24, 84, 172)}
WEIGHT: dict[str, Oklch] = {"light": (0.54, 0.14, 165), "dark": (0.78, 0.14, 168)}


def oklab(color: Oklch) -> tuple[float, float, float]:
    """Lightness, green-red, blue-yellow: distances here are how different colours look."""
    lightness, chroma, hue = color
    angle = hue * math.pi / 180
    return lightness, chroma * math.cos(angle), chroma * math.sin(angle)


def _linear(lab: tuple[float, float, float]) -> tuple[float, float, float]:
    lightness, a, b = lab
    x = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    y = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    z = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3
    return (
        4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
        -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
        -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z,
    )


def _gamma(value: float) -> int:
    v = min(max(value, 0), 1)
    return math.floor(255 * (12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055) + 0.5)


def _in_gamut(color: Oklch) -> Oklch:
    """The colour with its chroma lowered until it exists in sRGB."""
    lightness, chroma, hue = color
    while chroma > 0:
        if all(-0.0005 < v < 1.0005 for v in _linear(oklab((lightness, chroma, hue)))):
            break
        chroma -= 0.005
    return lightness, max(chroma, 0), hue


def rgb(color: Oklch) -> Rgb:
    """The nearest colour of a screen, 0..255 a channel."""
    red, green, blue = _linear(oklab(_in_gamut(color)))
    return _gamma(red), _gamma(green), _gamma(blue)


def hexed(color: Rgb) -> str:
    """`#rrggbb`, as matplotlib takes it."""
    return "#{:02x}{:02x}{:02x}".format(*color)


@cache
def _palette(mode: Mode) -> tuple[Oklch, ...]:
    share = 1 if mode == "light" else 0.9
    taken = [_in_gamut((BASE[mode] + dl * share, c, h)) for h, c, dl in DESIGNED]
    candidates = [
        _in_gamut((BASE[mode] + dl, c, 9 * step))
        for dl in (-0.16, -0.08, 0, 0.08, 0.15)
        for c in (0.06, 0.12, 0.18)
        for step in range(40)
    ]
    places = np.array([oklab(color) for color in candidates])
    nearest = np.full(len(candidates), np.inf)
    for color in taken:
        nearest = np.minimum(nearest, np.linalg.norm(places - oklab(color), axis=1))
    while len(taken) < PALETTE:
        best = int(np.argmax(nearest > nearest.max() - ALIKE))
        taken.append(candidates[best])
        nearest = np.minimum(nearest, np.linalg.norm(places - places[best], axis=1))
    return tuple(taken)


def head_color(number: int, mode: Mode) -> Rgb:
    """The colour of a head's lines; no two of the first 32 look alike."""
    return rgb(_palette(mode)[number % PALETTE])


def layer_color(layer: int, mode: Mode) -> Rgb:
    """The colour of a layer's lines: the hue turns 29° a layer, from blue."""
    return rgb((0.52 if mode == "light" else 0.76, 0.16, _hue(layer)))


def _hue(layer: int) -> float:
    return (258 + 29 * layer) % 360


@cache
def heat_ramp(layer: int, mode: Mode) -> UInt8[np.ndarray, "255 3"]:
    """255 steps from the ground to the layer's colour; lightness is linear in the step."""
    hue = _hue(layer)
    steps = (code / 254 for code in range(255))
    if mode == "light":
        colors = [
            (0.985 - 0.6 * t, 0.19 * math.sin(math.pi * min(t * 0.62, 0.5)), hue) for t in steps
        ]
    else:
        colors = [(0.2 + 0.75 * t, 0.17 * math.sin(math.pi * (0.04 + 0.8 * t)), hue) for t in steps]
    return _ramp(colors)


def _ramp(colors: Sequence[Oklch]) -> UInt8[np.ndarray, "step 3"]:
    ramp = np.array([rgb(color) for color in colors], np.uint8)
    ramp.setflags(write=False)
    return ramp


def signed_ramp(mode: Mode) -> UInt8[np.ndarray, "511 3"]:
    """Orange (negative) over the ground to blue (positive), as the neuron view's cells."""
    ground = np.array(STRIP_GROUND[mode], float)
    share = np.arange(256)[:, None] / 255
    halves = [
        np.floor(ground + (np.array(rgb(end[mode])) - ground) * share + 0.5)
        for end in (NEGATIVE, POSITIVE)
    ]
    return np.concatenate([halves[0][:0:-1], halves[1]]).astype(np.uint8)


@cache
def map_ramp(mode: Mode) -> UInt8[np.ndarray, "256 3"]:
    """The matrix view's colours: from white to dark blue, or from night blue to pale yellow."""
    return _ramp([_sequential(i / 255, mode) for i in range(256)])


@cache
def signed_map_ramp(mode: Mode) -> UInt8[np.ndarray, "256 3"]:
    """The matrix view's colours for signed numbers: orange below zero, blue above."""
    return _ramp([_diverging(i / 127.5 - 1, mode) for i in range(256)])


def _sequential(t: float, mode: Mode) -> Oklch:
    bow = math.sin(math.pi * t)
    if mode == "light":
        return 0.985 - 0.7 * t, 0.005 + 0.12 * bow**0.95, 125 + 150 * t**0.8
    return 0.2 + 0.76 * t, 0.03 + 0.115 * bow**0.9, 285 - 185 * t**1.15


def _diverging(t: float, mode: Mode) -> Oklch:
    size, hue = abs(t), 50 if t < 0 else 257
    lightness = 0.975 - 0.5 * size if mode == "light" else 0.22 + 0.58 * size
    return lightness, 0.17 * size**0.8, hue


STRONG = 2
"""A difference of 1 / STRONG or more has the full colour, as in the front end."""


def signed_colors(mode: Mode) -> tuple[Rgb, Rgb]:
    """The strongest colours of a difference: above zero, and below."""
    return rgb(_diverging(1, mode)), rgb(_diverging(-1, mode))


@cache
def signed_patch_ramp() -> Float[np.ndarray, "129 4"]:
    """The same as `patch_ramp` for differences: orange below 0, blue above."""
    made = []
    for t in (step / 64 - 1 for step in range(129)):
        color = rgb(_diverging(t, "dark"))
        made.append((*(channel / 255 for channel in color), 0.62 + 0.2 * abs(t)))
    ramp = np.array(made)
    ramp.setflags(write=False)
    return ramp


@cache
def patch_ramp() -> Float[np.ndarray, "65 4"]:
    """The image view's colours over a grey picture, with their opacity, all 0..1."""
    made = []
    for t in (step / 64 for step in range(65)):
        bow = math.sin(math.pi * (0.1 + 0.75 * t))
        color = rgb((0.2 + 0.72 * t, 0.05 + 0.15 * bow, (300 + 155 * t) % 360))
        made.append((*(channel / 255 for channel in color), 0.62 + 0.1 * t))
    ramp = np.array(made)
    ramp.setflags(write=False)
    return ramp


def ink_on(color: Rgb) -> str:
    """Black or white, whichever reads better on the colour."""
    linear = [((v / 255 + 0.055) / 1.055) ** 2.4 for v in color]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"
