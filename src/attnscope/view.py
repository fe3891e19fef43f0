"""What the user holds after `trace.head_view()`: a spec over a trace, and ways to show it.

A notebook cell shows it, `save` writes it to a file (a page or a figure), `html` gives it as a
string, `figure` as a matplotlib Figure, `widget` keeps it connected to Python. Hosts are imported
when one is asked for.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnscope._numbers import counted
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.wire.spec import Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attnscope.hosts.widget import Widget

PAGES = (".html", ".htm")
FIGURES = (".png", ".svg", ".pdf")

CELL_BYTES = 2_500_000
"""Up to this size a cell shows plain HTML, which lives on without a kernel. Jupyter drops output
above about 3 MB (its iopub data rate limit), so larger views are shown by the widget."""


class View:
    """A picture of a trace.

    Attributes:
        trace: what is shown.
        spec: how it is shown, as JSON (see `attnscope.wire.spec`).
    """

    def __init__(self, trace: Trace, spec: Spec) -> None:
        """Made by `Trace.head_view` and its siblings."""
        self.trace = trace
        self.spec = spec

    def html(self) -> str:
        """One self-contained HTML page that needs no network."""
        from attnscope.hosts.html import page_text

        return page_text(self.trace, self.spec)

    def save(
        self,
        path: str | PathLike[str],
        *,
        dpi: float | None = None,
        width: float | None = None,
    ) -> Path:
        """Write the view to a file; the suffix says what.

        Args:
            path: `.html` for an offline page; `.png`, `.svg` or `.pdf` for a figure of what the
                view shows (extra `plot`).
            dpi: dots per inch of a figure's pixels.
            width: inches of a figure.

        The file is written beside its place and moved there, so that an existing one is kept
        until the new one is whole.

        Raises:
            InputError: for a suffix that is not known, or a state that no figure can show.
            MissingDependencyError: for a figure without matplotlib.
            SaveError: when the file cannot be written.
        """
        if not isinstance(path, str | PathLike):
            raise InputError(f"path must be the name of a file, got {path!r}.")
        target = Path(path).expanduser()
        suffix = target.suffix.lower()
        if suffix in FIGURES:
            from attnscope.hosts.image import save_figure

            return save_figure(self.trace, self.spec, target, dpi=dpi, width=width)
        if suffix not in PAGES:
            raise InputError(
                f"cannot save a view as {target.name!r}: the suffix must be .html, "
                f"{', '.join(FIGURES[:-1])} or {FIGURES[-1]}, got {target.suffix or 'none'!r}."
            )
        if dpi is not None or width is not None:
            raise InputError(f"dpi= and width= are for figures; {target.name!r} is a page.")
        from attnscope.hosts.html import save_page

        return save_page(self.trace, self.spec, target)

    def figure(self, *, width: float | None = None) -> Figure:
        """A matplotlib Figure of what the view shows (extra `plot`); pyplot does not know it.

        Args:
            width: its inches.

        Raises:
            InputError: for a state that no figure can show; the text says what to do.
            MissingDependencyError: without matplotlib.
        """
        from attnscope.hosts.image import figure_of

        return figure_of(self.trace, self.spec, width=width)

    def widget(self) -> Widget:
        """The view as a notebook widget, whose layer, heads, pinned token... Python can set."""
        from attnscope.hosts.widget import Widget

        return Widget(self.trace, self.spec)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        from attnscope.hosts.html import fragment_text
        from attnscope.wire.replies import size_estimate

        plain = repr(self)
        if size_estimate(self.spec) * 4 // 3 <= CELL_BYTES:
            fragment = fragment_text(self.trace, self.spec)
            if len(fragment) <= CELL_BYTES:
                return {"text/html": fragment, "text/plain": plain}
        made: Any = self.widget()._repr_mimebundle_() or {}
        bundle = made[0] if isinstance(made, tuple) else made
        note = "This view is too large for a notebook file: run the cell, or save it as a page."
        return {**bundle, "text/html": f"<p>{note}</p>", "text/plain": plain}

    def __repr__(self) -> str:
        shown = self.spec["streams"]
        streams = ", ".join(f"{s['name']} {counted(len(s['layers']), 'layer')}" for s in shown)
        if "document" in shown[0]:
            streams = counted(len(shown), "document")
        title = f" of {self.spec['title']}" if self.spec["title"] else ""
        return f"<{self.spec['view']} view{title}: {streams}>"
