"""Heads view: layer × head map of any measure, a list of the heads to sort, one opened as a map."""

from __future__ import annotations

from collections.abc import Sequence

from attnscope.measures import Table
from attnscope.trace import Trace
from attnscope.views.base import build_spec, chosen_streams, state_spec
from attnscope.views.display import NOT_MEASURES, cells_of, measure_specs
from attnscope.views.matrix import add_map, with_precision
from attnscope.wire.spec import Spec, StreamSpec, Theme


def heads_view(
    trace: Trace,
    measure: str | None = None,
    *,
    layers: int | Sequence[int] | None = None,
    heads: int | Sequence[int] | None = None,
    stream: str | None = None,
    precision: str = "auto",
    theme: Theme = "auto",
) -> Spec:
    """The heads view's spec; see `Trace.heads_view`."""
    streams, first = chosen_streams(trace, stream, layers, heads)
    for shown in streams:
        add_map(trace, shown, "weight")
        wanted = measure if shown is first else None
        _add_measures(trace, shown, wanted)
    state = state_spec(first["name"], first["layers"][0]["layer"])
    state["measure"] = measure or first["measures"][0]["name"]
    return with_precision(build_spec("heads", trace, streams, state, theme), precision)


def _add_measures(trace: Trace, shown: StreamSpec, wanted: str | None) -> None:
    """The table of `trace.heads()` for the heads shown, and a measure that it lacks."""
    table = trace.heads(stream=shown["name"])
    there = [name for name in table.columns if name not in NOT_MEASURES]
    if wanted is not None and not (isinstance(wanted, str) and wanted in there):
        extra = trace.heads([wanted], stream=shown["name"])
        table = Table({**table.columns, wanted: extra[wanted]})
    names = [name for name in table.columns if name not in NOT_MEASURES]
    shown["measures"] = measure_specs(table, names, shown)
    if "pattern" in table.columns:
        shown["patterns"] = [
            [str(table["pattern"][at]) for at in row] for row in cells_of(table, shown)
        ]
