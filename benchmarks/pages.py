"""Saved pages beside BertViz 1.4.1's, on the same real attention, in one run.

    python benchmarks/pages.py [--runs 5] [--bertviz] [--only 12x12x128]

Prints size, time to the first complete drawing (in a browser that runs, as a user's, and in one
that was started for it), hover and layer change (real input to painted frame), and the renderer's
peak memory, each against its bar. BertViz runs where it can, in a browser just started
(`pip install --no-deps bertviz==1.4.1`); its large cases need minutes and gigabytes.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bertviz_page
from attention import minilm, shaped, vectors
from harness import Measured, Probe, load_average, measure, medians

import attnscope

WORK = Path(__file__).parent / "out"
STATE = "document.querySelector('[data-attnscope-id]').dataset.attnscopeState"
RUNNING = 2.0
"""Seconds after which a Chromium no longer works for itself."""

Act = Callable[[Any, Probe], list[float]]
OURS = Probe(f"{STATE} === 'drawn' ? 1 : 0", 1, f"() => {STATE} === 'drawn'")


@dataclass(frozen=True)
class Case:
    """One shape and its bars (None: no bar)."""

    layers: int
    heads: int
    tokens: int
    view: str
    megabytes: float | None = None
    drawn_s: float | None = None
    acting_ms: float | None = None
    peak_mb: float | None = None
    bertviz: bool = False

    @property
    def name(self) -> str:
        """As in `12x12x128 model`."""
        return f"{self.layers}x{self.heads}x{self.tokens} {self.view}"


CASES = (
    Case(12, 12, 128, "model", 2.2, 0.5, bertviz=True),
    Case(12, 12, 128, "head", 2.2, 0.5, bertviz=True),
    Case(12, 12, 512, "model", 26, 1.0, 50),
    Case(12, 12, 512, "head", 26, 1.0, 50),
    Case(32, 32, 256, "model", 52, 1.5, peak_mb=700),
    Case(1, 2, 256, "neuron", acting_ms=50),
    Case(12, 12, 1024, "matrix", drawn_s=0.5, acting_ms=50),
    Case(12, 12, 2048, "matrix", 45, 2.0),
)


QUERIES = "[data-side=query][data-index]"
CELLS = "[data-layer][data-head]"


def hovering(selector: str, *places: int) -> Act:
    """An action: hover some of these elements, one after the other."""

    def act(page: Any, probe: Probe) -> list[float]:
        found = page.locator(selector)
        return [
            probe.time(page, "pointermove", lambda place=place: found.nth(place).hover(force=True))
            for place in places
        ]

    return act


def change_layer(page: Any, probe: Probe) -> list[float]:
    """Step through layers with the keyboard."""
    page.locator(QUERIES).nth(3).focus()
    return [probe.time(page, "keydown", lambda: page.keyboard.press("]")) for _ in range(7)]


def open_cells(page: Any, probe: Probe) -> list[float]:
    """Open several cells in detail, each of another layer."""
    cells = page.locator(CELLS)
    return [
        probe.time(page, "click", lambda place=place: cells.nth(place).click(force=True))
        for place in (1, 14, 27, 40, 53)
    ]


def hover_map(page: Any, probe: Probe) -> list[float]:
    """Point at cells of a heat map, one after the other."""
    box = page.locator(".plot").bounding_box()
    return [
        probe.time(
            page,
            "pointermove",
            lambda at=at: page.mouse.move(box["x"] + 37 * at, box["y"] + 29 * at),
        )
        for at in (3, 9, 4, 12, 7, 15, 5)
    ]


ACTIONS: dict[str, dict[str, Act]] = {
    "head": {"hover": hovering(QUERIES, 2, 5, 3, 8, 4, 9, 6), "layer change": change_layer},
    "model": {"hover cell": hovering(CELLS, 3, 17, 4, 30, 8, 41, 11), "open cell": open_cells},
    "matrix": {"hover": hover_map},
    "neuron": {"hover": hovering(QUERIES, 3, 5, 4, 7, 6, 9, 8)},
}


def ours(case: Case, layers: list[Any], tokens: list[str]) -> Path:
    """Our page, written."""
    path = WORK / f"{case.name.replace(' ', '-')}.html"
    if case.view == "neuron":
        vectors(case.tokens, dim=128).neuron_view(query=4).save(path)
        return path
    if case.view == "matrix":
        vectors(case.tokens, 64, case.layers, case.heads).matrix_view().save(path)
        return path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", attnscope.AttnscopeWarning)
        trace = attnscope.from_attention(layers, tokens)
    view = trace.head_view() if case.view == "head" else trace.model_view()
    view.save(path)
    return path


def theirs(case: Case, layers: list[Any], tokens: list[str]) -> tuple[float, Measured]:
    """Size in MB and one run of BertViz's page."""
    path = WORK / f"bertviz-{case.name.replace(' ', '-')}.html"
    bertviz_page.write(path, case.view, layers, tokens)
    lines = case.heads * case.tokens**2 * (case.layers if case.view == "model" else 1)
    probe = Probe("document.getElementsByTagName('line').length", lines)
    route = bertviz_page.router(bertviz_page.fetch(WORK / "cdn"))
    done = measure(path, probe, timeout=300, route=route)
    size = path.stat().st_size / 1e6
    path.unlink()
    return size, done


def verdict(value: float, bar: float | None) -> str:
    """The value with its bar."""
    shown = f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    if bar is None:
        return shown
    return f"{shown} ({'ok' if value <= bar else 'OVER'}, bar {bar:g})"


def main() -> None:
    """Run the cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bertviz", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    WORK.mkdir(exist_ok=True)
    records = []
    for case in (case for case in CASES if options.only in case.name):
        weights, tokens = minilm(min(case.tokens, 512))
        layers = shaped(weights, case.layers, case.heads)
        path = ours(case, layers, tokens)
        size = path.stat().st_size / 1e6
        run = medians([measure(path, OURS, ACTIONS[case.view]) for _ in range(options.runs)])
        warm = medians([measure(path, OURS, running_s=RUNNING) for _ in range(options.runs)])
        print(f"\n{case.name}  (load {load_average():.1f})")
        print(f"  page           {verdict(size, case.megabytes)} MB")
        print(f"  first drawing  {verdict(warm.drawn_ms / 1000, case.drawn_s)} s  {warm.failed}")
        print(f"  in a new browser {verdict(run.drawn_ms / 1000, case.drawn_s)} s  {run.failed}")
        for action in run.actions:
            bar = None if action == "open cell" else case.acting_ms
            print(f"  {action:<14} {verdict(run.median(action), bar)} ms median")
        print(f"  renderer peak  {verdict(run.peak_mb, case.peak_mb)} MB", flush=True)
        record: dict[str, Any] = {
            "case": case.name,
            "megabytes": size,
            "running": warm.drawn_ms,
            **asdict(run),
        }
        if options.bertviz and case.bertviz:
            other_size, other = theirs(case, layers, tokens)
            seconds = other.drawn_ms / 1000
            print(
                f"  BertViz        {other_size:.1f} MB, drawn {seconds:.1f} s, peak "
                f"{other.peak_mb:,.0f} MB {other.failed}; "
                f"{other.drawn_ms / run.drawn_ms:.0f} × slower, {other_size / size:.0f} × larger",
                flush=True,
            )
            record["bertviz"] = {"megabytes": other_size, **asdict(other)}
        records.append(record)
    (WORK / "pages.json").write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
