"""The notebook widget: the view connected to Python (anywidget).

Data are sent when the page asks for them, one layer a message; what takes long is computed beside
the kernel's own work, and stopped when the page has moved on. What the reader changes (layer,
heads, pinned token, ...) is a trait: readable, settable and observable from Python. The same class
serves Jupyter, VS Code, Colab and marimo.
"""

from __future__ import annotations

import os
import re
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets as t

from attnscope._numbers import index_of, spans_of
from attnscope.assets import bundle
from attnscope.errors import AttnscopeError, InputError
from attnscope.stopping import Stopped, check_wanted, stopping_when
from attnscope.trace import Trace
from attnscope.views.display import share
from attnscope.wire.replies import answer
from attnscope.wire.spec import Spec, StreamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from attnscope.view import View

STATE = (
    "stream",
    "filter",
    "layer",
    "heads",
    "head",
    "expanded",
    "pinned",
    "opened",
    "cells",
    "mean",
    "sort",
    "hide_special",
    "renormalise",
    "threshold",
    "over",
    "quantity",
    "words",
    "window",
    "cursor",
    "color",
    "fit",
    "blocks",
    "measure",
    "all_layers",
    "column",
    "search",
    "outcome",
    "step",
    "hide_first",
    "show",
)


THREADS = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "attnscope")
"""Where a kernel's replies are computed: the overview of a long head takes seconds, and neither the
kernel nor another request waits for it."""


def _told(done: Future[None]) -> None:
    """What went wrong in a thread, as if it had been in the kernel's own."""
    error = done.exception()
    if error is not None:
        traceback.print_exception(error)


class Widget(anywidget.AnyWidget):
    """A view whose state Python shares.

    Attributes:
        stream: name of the stream shown.
        filter: `all`, or the segments shown, as in `A→B` (queries of A, keys of B).
        layer: number of the layer shown (head view, neuron view).
        heads: numbers of the heads switched on, or None for all (head view); may be empty while
            `mean` is on.
        head: number of the head shown (neuron view).
        expanded: whether the neurons are shown (neuron view).
        pinned: the selected token, `{"side": "query", "index": 3}`, or None.
        opened: the cell opened in detail, `{"layer": 4, "head": 5}`, or None (model view); its
            head is None for the mean over the layer's heads.
        cells: `auto`, `lines` or `heat` (model view).
        mean, sort, hide_special, renormalise, threshold: see `attnscope.views.display.Display`.
        over: `head`, or `mean` or `max` over the layer's heads (matrix view).
        quantity: what the numbers are, `weight` and others (matrix view, text view).
        words: whether words are shown instead of tokens (matrix view).
        window: the part shown, `{"query": [0, 40], "key": [10, 50]}`, None for all (matrix view),
            or for the beginning (head view and text view of a long input).
        cursor: the cell in question, `{"query": 3, "key": 5}`, or None (matrix view).
        color: `root`, `linear` or `log`: how numbers become colours (matrix view).
        fit: whether colours reach up to the largest number instead of 1 (matrix view).
        blocks: what a block of several cells shows, `max` or `mean` (matrix view).
        measure: the measure shown (heads view).
        step: the generated token shown, from 0 on (generation view).
        all_layers: whether the mean over layers is shown (generation view).
        hide_first: whether the first token is left out (generation view).
        show: `both` or `difference` (views of a comparison).
    """

    _spec = t.Dict().tag(sync=True)
    stream = t.Unicode().tag(sync=True)
    filter = t.Unicode("all").tag(sync=True)
    layer = t.Int().tag(sync=True)
    heads = t.List(t.Int(), allow_none=True).tag(sync=True)
    head = t.Int(allow_none=True).tag(sync=True)
    expanded = t.Bool().tag(sync=True)
    pinned = t.Dict(allow_none=True).tag(sync=True)
    opened = t.Dict(allow_none=True).tag(sync=True)
    cells = t.Enum(("auto", "lines", "heat"), "auto").tag(sync=True)
    mean = t.Bool().tag(sync=True)
    sort = t.Unicode("number").tag(sync=True)
    hide_special = t.Bool().tag(sync=True)
    renormalise = t.Bool().tag(sync=True)
    threshold = t.Float().tag(sync=True)
    over = t.Enum(("head", "mean", "max"), "head").tag(sync=True)
    quantity = t.Unicode("weight").tag(sync=True)
    words = t.Bool().tag(sync=True)
    window = t.Dict(allow_none=True).tag(sync=True)
    cursor = t.Dict(allow_none=True).tag(sync=True)
    color = t.Enum(("root", "linear", "log"), "root").tag(sync=True)
    fit = t.Bool().tag(sync=True)
    blocks = t.Enum(("max", "mean"), "max").tag(sync=True)
    measure = t.Unicode().tag(sync=True)
    all_layers = t.Bool().tag(sync=True)
    column = t.Bool().tag(sync=True)
    search = t.Unicode().tag(sync=True)
    outcome = t.Enum(("all", "right", "wrong"), "all").tag(sync=True)
    step = t.Int().tag(sync=True)
    hide_first = t.Bool().tag(sync=True)
    show = t.Enum(("both", "difference"), "both").tag(sync=True)

    def __init__(self, trace: Trace, spec: Spec) -> None:
        """A widget of this trace; `View.widget()` makes it."""
        self._trace = trace
        state = {name: value for name, value in spec["state"].items() if name in STATE}
        self._asked: dict[str, Event] = {}
        super().__init__(_spec=dict(spec), _esm=bundle(spec["view"]), **state)
        self.on_msg(self._serve)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            raise AttributeError(
                f"a widget has no {name!r} to set: its state is {', '.join(STATE)}. What else a "
                f"view takes is given when it is made, as in trace.head_view(theme='dark')."
            )
        super().__setattr__(name, value)

    def view(self) -> View:
        """The view in the state that the reader has brought it to."""
        from attnscope.view import View

        state = {name: getattr(self, name) for name in STATE}
        spec: Any = {**self._spec, "state": {**self._spec["state"], **state}}
        return View(self._trace, spec)

    def figure(self, *, width: float | None = None) -> Figure:
        """A matplotlib Figure of what the screen shows now; see `View.figure`."""
        return self.view().figure(width=width)

    def save(
        self, path: str | PathLike[str], *, dpi: float | None = None, width: float | None = None
    ) -> Path:
        """Write what the screen shows now to a page or a figure; see `View.save`."""
        return self.view().save(path, dpi=dpi, width=width)

    def _serve(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Answer a data request, or stop what is no longer wanted."""
        given = message if isinstance(message, dict) else {}
        identity, stop = str(given.get("id")), Event()
        if "stop" in given:
            self._asked.get(str(given["stop"]), stop).set()
        elif self._has_threads():
            self._asked[identity] = stop
            THREADS.submit(self._answer, given, stop).add_done_callback(_told)
        else:
            self._answer(given, stop)

    def _has_threads(self) -> bool:
        """Whether replies may come from other threads: in Jupyter's kernels they may."""
        return type(self.comm).__module__.partition(".")[0] == "ipykernel"

    def _answer(self, message: dict[str, Any], stop: Event) -> None:
        """Send the reply to a request; whatever goes wrong reaches the page as a text."""
        identity = message.get("id")
        try:
            if not isinstance(message.get("request"), dict):
                raise InputError("the page sent a message without a request.")
            with stopping_when(stop.is_set):
                check_wanted()
                reply = answer(self._trace, self._spec, message["request"])  # type: ignore[arg-type]
        except Stopped:
            return
        except Exception as error:
            said = str(error) if isinstance(error, AttnscopeError) else f"Python failed: {error!r}."
            self.send({"id": identity, "error": said})
            if not isinstance(error, AttnscopeError):
                raise
            return
        finally:
            self._asked.pop(str(identity), None)
        self.send({"id": identity, "meta": reply.meta}, [reply.data])

    def _shown(self) -> StreamSpec:
        """The stream on the screen: of those of one stack, that of the quantity shown."""
        stack = self._stack()
        ours = (s for s in stack if "quantity" in s and s["quantity"]["name"] == self.quantity)
        return next(ours, stack[0])

    def _stack(self) -> list[StreamSpec]:
        streams: list[StreamSpec] = self._spec["streams"]
        return [s for s in streams if s.get("stack", s["name"]) == self.stream]

    @t.validate("stream")
    def _known_stream(self, proposal: Any) -> str:
        shown = self._spec["streams"] if self._spec else [{"name": proposal["value"]}]
        names = list(dict.fromkeys(s.get("stack", s["name"]) for s in shown))
        if proposal["value"] not in names:
            raise InputError(f"stream must be one of {names}, got {proposal['value']!r}.")
        return str(proposal["value"])

    def _shown_layer(self, given: Any) -> int:
        number = index_of("layer", given)
        known = [row["layer"] for row in self._shown()["layers"]]
        if number not in known:
            raise InputError(
                f"layer {number} is not shown: this view has {spans_of('layer', known)}."
            )
        return number

    def _shown_head(self, given: Any) -> int:
        number = index_of("head", given)
        known = sorted({head for row in self._shown()["layers"] for head in row["heads"]})
        if number not in known:
            raise InputError(
                f"head {number} is not shown: this view has {spans_of('head', known)}."
            )
        return number

    @t.validate("layer")
    def _known_layer(self, proposal: Any) -> int:
        if not self._spec or not self.stream:
            return index_of("layer", proposal["value"])
        return self._shown_layer(proposal["value"])

    @t.validate("head")
    def _known_head(self, proposal: Any) -> int | None:
        if proposal["value"] is None or not self._spec or not self.stream:
            return None if proposal["value"] is None else index_of("head", proposal["value"])
        return self._shown_head(proposal["value"])

    @t.validate("heads")
    def _known_heads(self, proposal: Any) -> list[int] | None:
        if proposal["value"] is None or not self._spec or not self.stream:
            return None if proposal["value"] is None else list(proposal["value"])
        return [self._shown_head(head) for head in proposal["value"]]

    @t.validate("filter")
    def _known_filter(self, proposal: Any) -> str:
        if not self._spec or not self.stream:
            return str(proposal["value"])
        query, key = (
            self._spec["sides"][self._shown()[side]]["segments"] for side in ("query", "key")
        )
        known = ["all", *(f"{a['name']}→{b['name']}" for a in query for b in key)]
        wanted = re.sub(r"\s*(→|->)\s*", "→", proposal["value"])
        if wanted not in known:
            raise InputError(f"filter must be one of {known}, got {proposal['value']!r}.")
        return wanted

    @t.validate("opened")
    def _known_cell(self, proposal: Any) -> dict[str, int | None] | None:
        cell = proposal["value"]
        if cell is None or not self._spec or not self.stream:
            return None if cell is None else dict(cell)
        if set(cell) != {"layer", "head"}:
            raise InputError(f"opened must be None or {{'layer': ..., 'head': ...}}, got {cell!r}.")
        head = None if cell["head"] is None else self._shown_head(cell["head"])
        return {"layer": self._shown_layer(cell["layer"]), "head": head}

    @t.validate("sort")
    def _known_sort(self, proposal: Any) -> str:
        if not self._spec or not self.stream:
            return str(proposal["value"])
        names = ["number", *(measure["name"] for measure in self._shown()["measures"])]
        if proposal["value"] not in names:
            raise InputError(f"sort must be one of {names}, got {proposal['value']!r}.")
        return str(proposal["value"])

    @t.validate("step")
    def _known_step(self, proposal: Any) -> int:
        number = index_of("step", proposal["value"])
        if not self._spec or not self.stream or "steps" not in self._shown():
            return number
        n = len(self._spec["sides"][self._shown()["query"]]["text"])
        if not 0 <= number < n:
            raise InputError(
                f"step {number} is not shown: this view has {spans_of('step', range(n))}."
            )
        return number

    @t.validate("measure")
    def _known_measure(self, proposal: Any) -> str:
        return self._named("measures", "measure", proposal["value"])

    @t.validate("quantity")
    def _known_quantity(self, proposal: Any) -> str:
        if self._spec and self.stream:
            own = [s["quantity"]["name"] for s in self._stack() if "quantity" in s]
            if own and proposal["value"] not in own:
                raise InputError(f"quantity must be one of {own}, got {proposal['value']!r}.")
        return self._named("quantities", "quantity", proposal["value"])

    def _named(self, group: str, one: str, value: Any) -> str:
        """A name among those that the stream's spec has in this group; any where it has none."""
        shown = self._shown().get(group) if self._spec and self.stream else None
        names = [entry["name"] for entry in shown or []]  # type: ignore[attr-defined]
        if names and value and value not in names:
            raise InputError(f"{one} must be one of {names}, got {value!r}.")
        return str(value)

    @t.validate("threshold")
    def _known_threshold(self, proposal: Any) -> float:
        return share("threshold", proposal["value"])

    def _count(self, side: str) -> int:
        shown = self._shown()
        places = shown["words"] if self.words and "words" in shown else shown
        return len(self._spec["sides"][places[side]]["text"])  # type: ignore[literal-required]

    @t.validate("cursor")
    def _known_pair(self, proposal: Any) -> dict[str, int] | None:
        pair = proposal["value"]
        if pair is None or not self._spec or not self.stream:
            return None if pair is None else dict(pair)
        if set(pair) != {"query", "key"}:
            raise InputError(f"cursor must be None or {{'query': ..., 'key': ...}}, got {pair!r}.")
        known = {side: index_of(side, pair[side]) for side in ("query", "key")}
        for side, place in known.items():
            if not 0 <= place < self._count(side):
                last = self._count(side) - 1
                raise InputError(f"no {side} token {place}: this stream has tokens 0 to {last}.")
        return known

    @t.validate("window")
    def _known_window(self, proposal: Any) -> dict[str, list[float]] | None:
        window = proposal["value"]
        if window is None or not self._spec or not self.stream:
            return None if window is None else dict(window)
        try:
            known = {side: [float(end) for end in window[side]] for side in ("query", "key")}
            fits = all(
                0 <= start < stop <= self._count(side) for side, (start, stop) in known.items()
            )
        except (KeyError, TypeError, ValueError):
            fits = False
        if not fits:
            raise InputError(
                "window must be None or {'query': [start, stop], 'key': [start, stop]} within "
                f"{self._count('query')} queries and {self._count('key')} keys, got {window!r}."
            )
        return known

    @t.validate("pinned")
    def _known_token(self, proposal: Any) -> dict[str, Any] | None:
        pinned = proposal["value"]
        if pinned is None or not self._spec or not self.stream:
            return None if pinned is None else dict(pinned)
        side = pinned.get("side")
        if side not in ("query", "key"):
            raise InputError(
                "pinned must be None or {'side': 'query' or 'key', 'index': ...}, "
                f"got {pinned!r}."
            )
        count = len(self._spec["sides"][self._shown()[side]]["text"])  # type: ignore[literal-required]
        index = index_of("index", pinned.get("index"))
        if not 0 <= index < count:
            raise InputError(f"no {side} token {index}: this stream has tokens 0 to {count - 1}.")
        return {"side": side, "index": index}
