"""The matrix view at length: a served trace of 32,768 tokens in a real browser.

    python benchmarks/maps.py [--tokens 32768] [--runs 3]

First drawing (the map is there, if only roughly), drawn (sharp), and then with everything warm: pan
(a drag of some pixels to the painted frame), zoom (a wheel turn until sharp), hover. Once on a
trace that was just captured, once on one saved with its overviews.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from attention import vectors
from harness import Measured, Probe, load_average, measure
from pages import verdict

import attnscope
from attnscope.hosts.server import Server

STATE = "document.querySelector('[data-attnscope-id]').dataset.attnscopeState"
PLOT = "document.querySelector('[data-attnscope-id]').shadowRoot.querySelector('.plot canvas')"
DRAWN = f"() => {STATE} === 'drawn'"
FIRST = Probe(f"{PLOT}?.style.width ? 1 : 0", 1)
SHARP = Probe(f"{STATE} === 'drawn' ? 1 : 0", 1, DRAWN)
BARS = {"first drawing": 1000, "pan": 100, "zoom": 300, "hover": 50}


def middle(page: Any) -> tuple[float, float]:
    """Where the map's middle is on the screen."""
    box = page.locator(".plot").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def zooming(page: Any, probe: Probe) -> list[float]:
    """Turn the wheel over the map, down to single tokens and half-way back."""
    x, y = middle(page)
    page.mouse.click(x, y)
    page.wait_for_timeout(500)
    page.keyboard.press("Escape")
    turns = [-500] * 7 + [500] * 3
    return [probe.time(page, "wheel", lambda by=by: page.mouse.wheel(0, by)) for by in turns]


def panning(page: Any, _: Probe) -> list[float]:
    """Drag the map a bit at a time, into parts that were not shown yet."""
    probe = Probe("", 0)
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    times = []
    for step in range(1, 9):
        move = lambda step=step: page.mouse.move(x - 35 * step, y - 35 * step)  # noqa: E731
        times.append(probe.time(page, "pointermove", move))
    page.mouse.up()
    page.wait_for_timeout(500)
    return times


def hovering(page: Any, _: Probe) -> list[float]:
    """Point at cells."""
    probe = Probe("", 0)
    x, y = middle(page)
    moves = [(x + 31 * step, y - 23 * step) for step in (1, -3, 4, -2, 6, 2, -5)]
    return [probe.time(page, "pointermove", lambda to=to: page.mouse.move(*to)) for to in moves]


ACTIONS = {"zoom": zooming, "pan": panning, "hover": hovering}


class Serving:
    """A trace served by this process, as `attnscope view x.safetensors` does."""

    def __init__(self, trace: attnscope.Trace) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        made = Server(trace, sock.getsockname()[1], "matrix")
        self.url = made.url + "matrix"
        self._server = uvicorn.Server(uvicorn.Config(made.app, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, args=([sock],), daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.02)
        return self.url

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def to_us(route: Any) -> None:
    """Let requests to this machine through."""
    own = route.request.url.startswith("http://127.0.0.1")
    route.continue_() if own else route.abort()


def once(make: Callable[[], attnscope.Trace]) -> tuple[float, Measured]:
    """Milliseconds to the first drawing, and to the sharp one with all actions: a trace each."""
    with Serving(make()) as url:
        first = measure(url, FIRST, route=to_us)
    with Serving(make()) as url:
        return first.drawn_ms, measure(url, SHARP, ACTIONS, route=to_us)


def report(name: str, runs: list[tuple[float, Measured]]) -> None:
    """Print the medians with their bars."""
    print(f"\n{name}  (load {load_average():.1f})")
    failed = [run.failed for _, run in runs if run.failed]
    figures = {"first drawing": statistics.median(first for first, _ in runs)}
    figures["sharp"] = statistics.median(run.drawn_ms for _, run in runs)
    for action in ACTIONS:
        values = [value for _, run in runs for value in run.actions.get(action, [])]
        figures[action] = statistics.median(values) if values else float("nan")
        figures[f"{action}, slowest"] = max(values, default=float("nan"))
    for figure, value in figures.items():
        print(f"  {figure:<16} {verdict(value, BARS.get(figure))} ms")
    print(f"  renderer peak    {max(run.peak_mb for _, run in runs):.0f} MB {failed}", flush=True)


def main() -> None:
    """Measure both traces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=32768)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.tokens:,} tokens, 8 heads of 128 numbers, 2 key heads; {os.cpu_count()} cores")

    def made() -> attnscope.Trace:
        return vectors(options.tokens, 128, 1, 8, 2, "f2")

    report("as captured", [once(made) for _ in range(options.runs)])
    with tempfile.TemporaryDirectory() as folder:
        path = made().save(Path(folder) / "long.safetensors", overviews=True)
        report(
            "saved with overviews",
            [once(lambda: attnscope.load(path)) for _ in range(options.runs)],
        )


if __name__ == "__main__":
    main()
