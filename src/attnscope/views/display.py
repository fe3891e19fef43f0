"""What the head view and the model view show of the heads: order, mean, threshold, special tokens.

These are options of several views, each a part of the state that the reader can change.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

from attnscope.errors import InputError
from attnscope.measures import Table
from attnscope.trace import Trace
from attnscope.wire.spec import MeasureSpec, StateSpec, StreamSpec

MEASURED_UP_TO = 50_000_000
"""Weights of a stream up to which every measure is carried (about half a second); above, only the
one that `sort` names."""

NOT_MEASURES = {"layer", "head", "pattern", "score"}


class Display(TypedDict, total=False):
    """Options of the head view and the model view.

    Attributes:
        mean: show the mean over the layer's heads as one more head.
        sort: `number`, or the measure that orders the heads, largest first (`entropy`, ...; see
            `Trace.heads`).
        hide_special: leave out special tokens ([CLS], </s>, ...), as queries and as keys.
        renormalise: divide what is left of each row by its sum; needs `hide_special`.
        threshold: weights below this are not drawn, 0..1.
    """

    mean: bool
    sort: str
    hide_special: bool
    renormalise: bool
    threshold: float


def set_display(
    state: StateSpec, trace: Trace, streams: Sequence[StreamSpec], display: Mapping[str, Any]
) -> None:
    """Put the options into the state, and the measures to sort by into the streams.

    Raises:
        InputError: for a value that does not fit; TypeError for an option that there is not.
    """
    state.update(checked(display))  # type: ignore[typeddict-item]
    for shown in streams:
        own = [state["sort"]] if shown["name"] == state["stream"] else []
        shown["measures"] = _measures(trace, shown, [name for name in own if name != "number"])


def checked(display: Mapping[str, Any]) -> Display:
    """The options as plain values.

    Raises:
        InputError: for a value that does not fit; TypeError for an option that there is not.
    """
    values: Any = {}
    for name, value in display.items():
        if name not in Display.__annotations__:
            raise TypeError(f"a view has no option {name!r}: its options are {_options()}.")
        values[name] = CHECKS[name](name, value)
    check_renormalise(values)
    found: Display = values
    return found


def check_renormalise(values: Mapping[str, Any]) -> None:
    """InputError for renormalising what nothing was taken from."""
    if values.get("renormalise") and not values.get("hide_special"):
        raise InputError(
            "renormalise=True makes rows without special tokens sum to 1: it needs "
            "hide_special=True."
        )


def _options() -> str:
    return ", ".join(Display.__annotations__)


def switch(name: str, value: Any) -> bool:
    """True or False; InputError for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f"{name} must be 'number' or the name of a measure, got {value!r}.")
    return value


def share(name: str, value: Any) -> float:
    """A number from 0 to 1.

    Raises:
        InputError: for anything else.
    """
    try:
        number = float(operator.index(value)) if isinstance(value, int) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, str | bool) or not 0 <= number <= 1:
        raise InputError(f"{name} must be a number from 0 to 1, got {value!r}.")
    return number


CHECKS = {
    "mean": switch,
    "sort": _text,
    "hide_special": switch,
    "renormalise": switch,
    "threshold": share,
}


def _measures(trace: Trace, shown: StreamSpec, wanted: Sequence[str]) -> list[MeasureSpec]:
    """The measures of the heads shown: all while that is quick, else those wanted."""
    stream = trace.streams[shown["name"]]
    quick = sum(math.prod(layer.shape) for layer in stream.layers) <= MEASURED_UP_TO
    if not quick and not wanted:
        return []
    table = trace.heads(None if quick else wanted, stream=stream.name)
    names = [name for name in table.columns if name not in NOT_MEASURES]
    if not set(wanted) <= set(names):
        return measure_specs(trace.heads(wanted, stream=stream.name), wanted, shown)
    return measure_specs(table, names, shown)


def measure_specs(table: Table, names: Sequence[str], shown: StreamSpec) -> list[MeasureSpec]:
    """Columns of a table of heads, for the heads shown."""
    places = cells_of(table, shown)
    return [
        {"name": name, "values": [[_rounded(table[name][at]) for at in row] for row in places]}
        for name in names
    ]


def cells_of(table: Table, shown: StreamSpec) -> list[list[int]]:
    """The rows of a table of heads where the heads shown are: a list a layer."""
    numbers = zip(table["layer"].tolist(), table["head"].tolist(), strict=True)
    rows = {cell: row for row, cell in enumerate(numbers)}
    return [[rows[row["layer"], head] for head in row["heads"]] for row in shown["layers"]]


def _rounded(value: float) -> float | None:
    """Four digits, which is what people compare; None where a head has no such number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
