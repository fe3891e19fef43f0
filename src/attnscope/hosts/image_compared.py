"""A comparison as a figure: both traces side by side, or their difference, as on the page.

What draws one trace draws each: first on a figure that is thrown away, which says how much room it
takes, then in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from attnscope.errors import InputError
from attnscope.hosts.image_patches import draw_compared_image
from attnscope.hosts.image_texts import draw_compared_texts
from attnscope.hosts.shown import Part, opened_cell, parts_shown
from attnscope.plot.canvas import PAGE, empty_figure, write_title
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import ink_of
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire.spec import Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Trace, Spec, Any, float | None], None]
"""Draws a part of a view's state on an empty Figure, or on Axes."""


@dataclass(frozen=True)
class Panel:
    """One picture of several: what draws it, and what it shows."""

    draw: Draw
    part: Part


def draw_compared(
    draws: Sequence[Draw], trace: Trace, spec: Spec, figure: Figure, width: float | None
) -> None:
    """The figure of a comparison's view.

    Args:
        draws: what draws the view, and, where it has one, the head opened beside it.
        trace: the comparison's.
        spec: the view's.
        figure: an empty one.
        width: inches (None: a page).

    Raises:
        InputError: for a state that no figure can show.
    """
    parts, trace = parts_shown(spec), _with_dashes(trace, spec)
    if spec["view"] == "text":
        draw_compared_texts(trace, parts, figure, width)
    elif spec["view"] == "image":
        draw_compared_image(trace, parts, figure, width)
    else:
        _check_drawn(spec)
        _draw_rows(_rows(draws, spec, parts), trace, figure, width)


def _with_dashes(trace: Trace, spec: Spec) -> Trace:
    """The trace with a dash where a text lacks a token of the other."""
    made: dict[int, Tokens] = {}

    def dashed(tokens: Tokens, side: int) -> Tokens:
        kinds = spec["sides"][side].get("kinds", [])
        if "gap" not in kinds:
            return tokens
        pairs = zip(tokens.text, kinds, strict=True)
        text = tuple("–" if kind == "gap" else one for one, kind in pairs)
        return made.setdefault(id(tokens), replace(tokens, text=text))

    streams = dict(trace.streams)
    for shown in spec["streams"]:
        stream = streams[shown["name"]]
        query, key = dashed(stream.query, shown["query"]), dashed(stream.key, shown["key"])
        streams[shown["name"]] = replace(stream, query=query, key=key)
    return Trace(list(streams.values()), trace.provenance)


def _check_drawn(spec: Spec) -> None:
    """InputError for differences that are made of more than weights."""
    wide = spec["view"] == "generation" or spec["state"]["expanded"]
    if wide and spec["state"]["show"] == "difference":
        raise InputError(
            f"the difference in the {spec['view']} view cannot be drawn as a figure: show both, "
            'show="both", or save it as a page, whose Save button makes an SVG or PNG of it.'
        )


def _rows(draws: Sequence[Draw], spec: Spec, parts: Sequence[Part]) -> list[list[Panel]]:
    """Pictures beside each other; below each other where one takes the page's width."""
    first, *opened = draws
    if spec["view"] == "generation" or spec["state"]["expanded"]:
        return [[Panel(first, part)] for part in parts]
    top = [Part(spec, "")] if spec["view"] == "heads" else parts
    rows = [[Panel(first, part) for part in top]]
    if opened and opened_cell(spec) is not None:
        rows.append([Panel(opened[0], part) for part in parts])
    return rows


def _draw_rows(
    rows: Sequence[Sequence[Panel]], trace: Trace, figure: Figure, width: float | None
) -> None:
    natural = [sum(_size(one, trace, None)[0] for one in row) for row in rows]
    across = width or min(PAGE, max(natural))
    heights = [max(_size(one, trace, across / len(row))[1] for one in row) for row in rows]
    ink = ink_of(rows[0][0].part.spec["theme"])
    figure.set(size_inches=(across, sum(heights)), facecolor=ink.bg)
    figure.set_layout_engine("constrained")
    grid = figure.add_gridspec(len(rows), 2, height_ratios=heights)
    for place, row in enumerate(rows):
        for column, one in enumerate(row):
            ax = figure.add_subplot(grid[place, :] if len(row) == 1 else grid[place, column])
            one.draw(trace, one.part.spec, ax, across / len(row))
            _retitle(ax, one.part)


def _size(panel: Panel, trace: Trace, width: float | None) -> tuple[float, float]:
    """Inches that a picture takes, of this width or the one that suits it."""
    tried = empty_figure()
    panel.draw(trace, panel.part.spec, tried, width)
    across, high = tried.get_size_inches()
    return float(across), float(high)


def _retitle(ax: Any, part: Part) -> None:
    """The name of what is shown in front of the title, instead of the stream's."""
    if not part.name:
        return
    stream = part.spec["state"]["stream"]
    about = ax.get_title().removeprefix(f"{stream.capitalize()}, ")
    known = part.spec["view"] == "model" and not about.lower().startswith("layer")
    made = part.name if known else f"{part.name} · {about[:1].lower()}{about[1:]}"
    write_title(ax, None, made, ink_of(part.spec["theme"]), letters_for([made]))
