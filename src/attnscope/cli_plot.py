"""`attnscope plot`: a figure for a paper, from a text or a saved trace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from attnscope.trace import Trace

TAKES: dict[str, list[str]] = {
    "head": ["layer", "head"],
    "layer": ["layer"],
    "lines": ["layer", "query"],
    "measure": ["measure"],
    "model": [],
    "neurons": ["layer", "head", "query"],
    "rollout": [],
    "text": ["query", "layer", "head"],
}
"""Which options each figure of attnscope.plot takes."""

NEEDS = {"head": 1, "layer": 1, "lines": 1, "measure": 1, "neurons": 3}
"""So many of these it cannot do without."""


def options_of(figure: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the figure takes of these; a usage error where one is missing or for another figure."""
    takes = TAKES[figure]
    for name in ("layer", "head", "query", "measure"):
        if given[name] is not None and name not in takes:
            raise click.UsageError(f"--figure {figure} takes no --{name}.")
    for name in takes[: NEEDS.get(figure, 0)]:
        if given[name] is None:
            raise click.UsageError(f"--figure {figure} needs --{name}.")
    taken = {name: given[name] for name in takes if given[name] is not None}
    if taken.get("query", "").isdecimal():
        taken["query"] = int(taken["query"])
    if "measure" in taken:
        taken["name"] = taken.pop("measure")
    return taken | {name: given[name] for name in ("stream", "theme", "width")}


def write_figure(
    trace: Trace, figure: str, options: Mapping[str, Any], path: Path, dpi: float
) -> Path:
    """Draw a figure of attnscope.plot and write it to a file."""
    from attnscope import plot
    from attnscope.plot.canvas import empty_figure
    from attnscope.plot.saving import save_drawn

    def draw() -> Any:
        return getattr(plot, figure)(trace, **options, ax=empty_figure()).figure

    return save_drawn(draw, path, dpi)
