"""The head view's marks as vector art: a curve a weight, as `web/src/draw/lines.ts` draws them.

Opacity is the weight; where many tokens and heads pile up it is the weight times `share_of`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path

from attnscope.plot.colors import Rgb

SCREEN_ROW = 24.0
"""CSS pixels of a row on the screen; everything else is in proportion to it."""

LEAST_ALPHA = 3 / 255
"""Fainter curves are left out: a renderer with 256 levels would make a grey haze of them."""

MOST_CURVES = 200_000
VECTORS = 10_000
"""Above so many curves a PDF or SVG holds them as an image."""

CODES = [Path.MOVETO, Path.CURVE3, Path.CURVE3, Path.CURVE3, Path.CURVE3]


@dataclass(frozen=True, eq=False)
class Frame:
    """Where curves run: from x0 to x1, rows downwards, all in points."""

    row: float
    x0: float
    x1: float

    def middle(self, row: int) -> float:
        """The middle of a row."""
        return (row + 0.5) * self.row


def share_of(heads: int, tokens: int) -> float:
    """What a weight is multiplied by to give its line's opacity when all lines are shown."""
    return min(1.0, max(1 / heads, 40 / (tokens * math.sqrt(heads))))


def lane_of(place: int, heads: int) -> float:
    """How far above or below the middle of its row a head's curves run, in shares of a row."""
    step = min(2.5, SCREEN_ROW * 0.68 / heads) / SCREEN_ROW
    return (place - (heads - 1) / 2) * step


def draw_curves(
    ax: Axes, maps: Sequence[Float[np.ndarray, "query key"]], colors: Sequence[Rgb],
    frame: Frame, share: float, threshold: float = 0.0,
) -> int:  # fmt: skip
    """One curve for each weight that can be seen, the faintest first; returns how many.

    Args:
        ax: its unit is a point, y grows downwards.
        maps: weights of each head; NaN is not drawn.
        colors: one a head.
        frame: where they run.
        share: what weights are multiplied by to give opacities.
        threshold: smaller weights are not drawn.
    """
    wide = lane_of(1, len(maps)) - lane_of(0, len(maps)) if len(maps) > 1 else 2 / SCREEN_ROW
    width = max(1 / SCREEN_ROW, min(2 / SCREEN_ROW, wide)) * frame.row
    total, least = 0, _least(maps, max(LEAST_ALPHA / share, threshold))
    for place, (weights, color) in enumerate(zip(maps, colors, strict=True)):
        query, key = np.nonzero(np.nan_to_num(weights) >= least)
        order = np.argsort(weights[query, key], kind="stable")
        query, key = query[order], key[order]
        lane = lane_of(place, len(maps)) * frame.row
        inks = np.empty((len(query), 4))
        inks[:, :3] = np.array(color) / 255
        inks[:, 3] = np.minimum(weights[query, key] * share, 1)
        ax.add_collection(_collection(query, key, lane, inks, frame, width), autolim=False)
        total += len(query)
    for collection in ax.collections:
        collection.set_rasterized(total > VECTORS)
    return total


def _least(maps: Sequence[np.ndarray], least: float) -> float:
    """The smallest weight drawn, so that there are no more than `MOST_CURVES`."""
    seen = np.concatenate([weights[np.nan_to_num(weights) >= least] for weights in maps])
    if len(seen) <= MOST_CURVES:
        return least
    return float(np.partition(seen, len(seen) - MOST_CURVES)[len(seen) - MOST_CURVES])


def _collection(
    query: np.ndarray, key: np.ndarray, lane: float, inks: np.ndarray, frame: Frame, width: float
) -> PathCollection:
    """Each curve is two quadratic arcs that meet in its middle."""
    x0, x1, quarter = frame.x0, frame.x1, (frame.x1 - frame.x0) / 4
    y0, y1 = ((rows + 0.5) * frame.row + lane for rows in (query, key))
    points = np.empty((len(query), 5, 2))
    points[:, :, 0] = x0, x0 + quarter, x0 + 2 * quarter, x1 - quarter, x1
    points[:, :, 1] = np.stack([y0, y0, (y0 + y1) / 2, y1, y1], 1)
    paths = [Path(point, CODES) for point in points]
    return PathCollection(
        paths, facecolors="none", edgecolors=inks, linewidths=width, capstyle="butt"
    )
