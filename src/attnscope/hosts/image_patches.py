"""The image view as a figure: the picture, and over it what the chosen token looks at."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from attnscope.hosts.shown import Part, active_heads, shown_row, shown_stream
from attnscope.plot.ink import ink_of
from attnscope.plot.part import fused
from attnscope.plot.patches import (
    Overlaid,
    draw_patches,
    lay_patches,
    pixels_of,
    size_of,
    strongest,
)
from attnscope.trace import Trace
from attnscope.wire.spec import ImageSpec, PinnedSpec, Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_image(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """The pinned token's weights over the picture, or the first token's, as on the page."""
    overlaid, title, said = _overlaid(trace, spec, spec["image"]["png"])
    draw_patches(figure, overlaid, title, said, ink_of(spec["theme"]), width)


def draw_compared_image(
    trace: Trace, parts: Sequence[Part], figure: Figure, width: float | None
) -> None:
    """Both pictures below each other, in colours that can be compared; or the difference."""
    grid, ink = parts[0].spec["image"], ink_of(parts[0].spec["theme"])
    second = grid.get("other", grid["png"])
    pictures = [second] if len(parts) == 1 else [grid["png"], second]
    made = [_overlaid(trace, part.spec, png) for part, png in zip(parts, pictures, strict=True)]
    tops: dict[int | None, float] = {None: max(strongest(one.patches) for one, _, _ in made)}
    for each in zip(*(one.heads for one, _, _ in made), strict=True):
        tops[each[0][0]] = max(strongest(patches) for _, patches in each)
    across, high = size_of(made[0][0], width)
    figure.set(size_inches=(across, high * len(made)), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    rows = figure.subfigures(len(made), 1, squeeze=False)[:, 0]
    for row, part, (one, title, said) in zip(rows, parts, made, strict=True):
        row.set_facecolor(ink.bg)
        named = " · ".join(filter(None, [part.name, title, said]))
        lay_patches(row, replace(one, tops=tops), named, "", ink)


def _token(spec: Spec) -> PinnedSpec:
    """The token that the picture is about."""
    return spec["state"]["pinned"] or {"side": "query", "index": 0}


def _overlaid(trace: Trace, spec: Spec, png: str) -> tuple[Overlaid, str, str]:
    """What is laid over a picture; in words what that is, and what is not on it."""
    shown, grid, token = shown_stream(spec), spec["image"], _token(spec)
    row, stream = shown_row(spec, shown), trace.streams[shown["name"]]
    active = active_heads(spec, row)
    lines = {head: _line(stream.layer(row["layer"]).rows([place]), token)
             for head, place in zip(row["heads"], stream.places(row["layer"], row["heads"]),
                                    strict=True)}  # fmt: skip
    mean = fused(np.stack([lines[head] for head in active])[:, None], "mean")[0]
    at = token["index"] - grid["first"]
    overlaid = Overlaid(
        pixels_of(base64.b64decode(png)), _patches(mean, grid),
        [(head, _patches(line, grid)) for head, line in lines.items()], active,
        divmod(at, grid["columns"]) if at >= 0 else None, signed="pair" in shown,
    )  # fmt: skip
    name = getattr(stream, token["side"]).text[token["index"]]
    link = "What “{}” looks at" if token["side"] == "query" else "What looks at “{}”"
    which = f"head {active[0]}" if len(active) == 1 else f"mean of {len(active)} heads"
    said = "" if overlaid.signed else _beside(mean, grid, token)
    return overlaid, f"{link.format(name)} · layer {row['layer']}, {which}", said


def _line(rows: Float[np.ndarray, "1 query key"], token: PinnedSpec) -> Float[np.ndarray, "token"]:
    return rows[0, token["index"]] if token["side"] == "query" else rows[0, :, token["index"]]


def _patches(line: Float[np.ndarray, "token"], grid: ImageSpec) -> Float[np.ndarray, "row column"]:
    count = grid["rows"] * grid["columns"]
    kept = line[grid["first"] : grid["first"] + count]
    return kept.reshape(grid["rows"], grid["columns"])


def _beside(line: Float[np.ndarray, "token"], grid: ImageSpec, token: PinnedSpec) -> str:
    """What goes to tokens that are no patches, in words."""
    if not grid["first"] or token["side"] == "key":
        return ""
    share = 1 - float(np.nansum(_patches(line, grid)))
    return f"{100 * max(share, 0):.0f} % goes to tokens beside the patches"
