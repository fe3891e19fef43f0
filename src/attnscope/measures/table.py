"""A small labelled table: named columns of equal length, shown as text or HTML."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from attnscope.errors import InputError, MissingDependencyError

SHOWN = 20
WIDEST = 60
"""Letters of a cell that are printed; `rows()`, pandas, CSV and JSON have all."""


class Table:
    """Columns by name; every column has one value a row.

    Attributes:
        columns: the values, NumPy arrays, in order.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
        """Columns of equal length."""
        self.columns = {name: np.asarray(values) for name, values in columns.items()}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> np.ndarray:
        """A column by its name."""
        if name not in self.columns:
            raise InputError(f"no column {name!r} in this table; it has {', '.join(self.columns)}.")
        return self.columns[name]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row as a dict of plain Python values."""
        plain = [values.tolist() for values in self.columns.values()]
        for values in zip(*plain, strict=True):
            yield dict(zip(self.columns, values, strict=True))

    def sort(self, by: str, *, ascending: bool = False) -> Table:
        """The rows by a column, largest first; NaN last."""
        values = self[by]
        if values.dtype.kind == "f":
            order = np.argsort(values if ascending else -values, kind="stable")
        else:
            order = np.argsort(values, kind="stable")[:: 1 if ascending else -1]
        return self.take(order)

    def take(self, places: np.ndarray | slice) -> Table:
        """Some rows, by place or mask."""
        return Table({name: values[places] for name, values in self.columns.items()})

    def to_pandas(self) -> Any:
        """A pandas DataFrame (extra `frames`)."""
        try:
            from pandas import DataFrame
        except ImportError as cause:
            raise MissingDependencyError(
                "to_pandas needs pandas: pip install 'attnscope[frames]'. Without it, .rows() "
                "gives dicts and ['name'] a NumPy column."
            ) from cause
        return DataFrame(self.columns)

    def to_json(self) -> str:
        """A JSON list with one object a row; NaN becomes null."""
        return json.dumps([{k: _json(v) for k, v in row.items()} for row in self.rows()])

    def to_csv(self) -> str:
        """Comma-separated text with a header line."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(row.values() for row in self.rows())
        return out.getvalue()

    def __repr__(self) -> str:
        return self.to_text(SHOWN)

    def to_text(self, most: int) -> str:
        """Aligned columns of the first rows, numbers with three decimals."""
        cells = [list(self.columns), *self._cells(most)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        right = [values.dtype.kind in "if" for values in self.columns.values()]
        lines = [
            "  ".join(
                text.rjust(width) if number else text.ljust(width)
                for text, width, number in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in cells
        ]
        more = len(self) - most
        return "\n".join(lines + ([f"... {more:,} more rows"] if more > 0 else []))

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._cells(SHOWN)
        )
        more = f"<p>{len(self) - SHOWN:,} more rows</p>" if len(self) > SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"

    def _cells(self, count: int) -> list[list[str]]:
        return [[_shown(value) for value in row.values()] for row in self.take(slice(count)).rows()]


def _shown(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
