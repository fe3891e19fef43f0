"""The image view as a figure: the picture, and over it what the chosen token looks at."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from attnscope.hosts.shown import active_heads, shown_row, shown_stream
from attnscope.plot.ink import ink_of
from attnscope.plot.part import fused
from attnscope.plot.patches import Overlaid, draw_patches, pixels_of
from attnscope.trace import Trace
from attnscope.wire.spec import ImageSpec, PinnedSpec, Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_image(trace: Trace, spec: Spec, figure: Figure, width: float | None) -> None:
    """The pinned token's weights over the picture, or the first token's, as on the page."""
    shown, grid = shown_stream(spec), spec["image"]
    row, stream = shown_row(spec, shown), trace.streams[shown["name"]]
    token: PinnedSpec = spec["state"]["pinned"] or {"side": "query", "index": 0}
    active = active_heads(spec, row)
    lines = {head: _line(stream.layer(row["layer"]).rows([place]), token)
             for head, place in zip(row["heads"], stream.places(row["layer"], row["heads"]),
                                    strict=True)}  # fmt: skip
    mean = fused(np.stack([lines[head] for head in active])[:, None], "mean")[0]
    at = token["index"] - grid["first"]
    overlaid = Overlaid(
        pixels_of(base64.b64decode(grid["png"])), _patches(mean, grid),
        [(head, _patches(line, grid)) for head, line in lines.items()], active,
        divmod(at, grid["columns"]) if at >= 0 else None,
    )  # fmt: skip
    name = getattr(stream, token["side"]).text[token["index"]]
    link = "What “{}” looks at" if token["side"] == "query" else "What looks at “{}”"
    which = f"head {active[0]}" if len(active) == 1 else f"mean of {len(active)} heads"
    title = f"{link.format(name)} · layer {row['layer']}, {which}"
    draw_patches(figure, overlaid, title, _beside(mean, grid, token), ink_of(spec["theme"]), width)


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
