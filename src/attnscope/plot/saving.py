"""Figures as files, the same bytes whenever they are made: no dates, names from a fixed salt.

Text in an SVG is text, so that it can be searched and edited.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from attnscope._files import replacing
from attnscope.errors import InputError
from attnscope.plot import fonts

SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "attnscope", "pdf.fonttype": 42}
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": "attnscope"},
    ".svg": {"Date": None, "Creator": "attnscope"},
    ".pdf": {"CreationDate": None, "Creator": "attnscope", "Producer": "matplotlib"},
}


def save_drawn(draw: Callable[[], Figure], path: Path, dpi: float) -> Path:
    """Draw a figure and write it to a `.png`, `.svg` or `.pdf`; see `replacing`.

    Args:
        draw: makes the figure; it is called for this file, so that letters fit its kind.
        path: where.
        dpi: dots per inch of what is made of pixels.

    Raises:
        InputError: for another suffix.
        SaveError: when it cannot be written; nothing was changed then.
    """
    kind = path.suffix.lower()
    if kind not in METADATA:
        raise InputError(
            f"cannot save a figure as {path.name!r}: the suffix must be .png, .svg or .pdf, got "
            f"{path.suffix or 'none'!r}."
        )
    with rc_context(SETTINGS), _viewers_fonts(kind):
        figure = draw()
        named = {"format": kind[1:], "dpi": dpi, "metadata": METADATA[kind]}
        with replacing(path) as out:
            figure.savefig(out, facecolor=figure.get_facecolor(), **named)
    return path.resolve()


@contextmanager
def _viewers_fonts(kind: str) -> Iterator[None]:
    """An SVG's letters are found by whoever looks at it: none is replaced, none is missing."""
    if kind != ".svg":
        yield
        return
    kept = fonts.anywhere.set(True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
            yield
    finally:
        fonts.anywhere.reset(kept)
