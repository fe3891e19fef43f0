"""Open one page in headless Chromium and measure it.

`drawn_ms` is when the frame was *presented* in which the page's probe had its final value: a text
with `elementtiming` is put into that very frame and Chromium reports its presentation, so script,
style, layout, paint and raster are all in it. Interactions are real input, from the event's own
time stamp to the presentation of the last frame in which something changed. Wall times need a
quiet machine; compare within one run.
"""

from __future__ import annotations

import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Error, Page, TimeoutError, sync_playwright

from attnscope.doctor import find_chromium

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
)
"""A Chromium that does nothing of its own accord; tests start theirs with these, too."""

INIT = """
const pb = window.__pb = {times: {}, seq: 0};
new PerformanceObserver(list => {
  for (const e of list.getEntries()) pb.times[e.identifier] = e.renderTime || e.loadTime;
}).observe({type: 'element', buffered: true});
pb.beacon = () => {
  const id = 'b' + ++pb.seq, el = document.createElement('div');
  el.setAttribute('elementtiming', id);
  el.style.cssText = 'position:fixed;right:0;top:0;width:44px;height:14px;font:10px monospace;'
    + 'color:#000;background:#fff;z-index:2147483647;contain:strict;pointer-events:none';
  el.textContent = String(1000 + pb.seq);
  document.body.append(el);
  return id;
};
pb.probe = () => { try { return PROBE; } catch { return 0; } };
let id = null;
const tick = () => {
  if (document.body && id === null && pb.probe() >= EXPECTED) id = pb.beacon();
  if (id !== null && pb.times[id] !== undefined) { pb.drawn = pb.times[id]; return; }
  requestAnimationFrame(tick);
};
requestAnimationFrame(tick);
pb.draws = 0;
for (const name of ['clearRect', 'fillRect', 'fill', 'stroke', 'drawImage', 'putImageData']) {
  const draw = CanvasRenderingContext2D.prototype[name];
  CanvasRenderingContext2D.prototype[name] = function (...args) {
    pb.draws++;
    return draw.apply(this, args);
  };
}
pb.arm = (type, settled) => {
  pb.act = null;
  addEventListener(type, e => {
    const t0 = e.timeStamp;
    let mark = null, seen = pb.draws, frames = 0;
    const step = () => {
      if (pb.draws !== seen || frames === 1) { seen = pb.draws; mark = pb.beacon(); }
      if (++frames > 2 && settled() && pb.times[mark] !== undefined) {
        pb.act = pb.times[mark] - t0;
      } else requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }, {once: true, capture: true});
};
"""


@dataclass
class Measured:
    """What one run of one page cost; `failed` says why there is nothing."""

    drawn_ms: float = float("nan")
    peak_mb: float = float("nan")
    actions: dict[str, list[float]] = field(default_factory=dict)
    failed: str = ""

    def median(self, action: str) -> float:
        values = self.actions.get(action, [])
        return statistics.median(values) if values else float("nan")


@dataclass(frozen=True)
class Probe:
    """A cheap JavaScript expression that reaches `expected` when all is drawn."""

    expression: str
    expected: int
    settled: str = "() => true"

    def time(self, page: Page, event: str, act: Callable[[], Any]) -> float:
        """Milliseconds from a real input event to the presentation of its last change."""
        page.evaluate(f"__pb.arm({event!r}, {self.settled})")
        act()
        wait(page, "__pb.act !== null", 60)
        return float(page.evaluate("__pb.act"))


def measure(
    path: Path | str,
    probe: Probe,
    actions: dict[str, Callable[[Page, Probe], list[float]]] | None = None,
    *,
    timeout: float = 120,
    route: Callable[[Any], None] | None = None,
    viewport: tuple[int, int] = (1280, 900),
    running_s: float = 0,
) -> Measured:
    """One fresh browser, one page: a file, or an address of this machine.

    For its first second Chromium draws its own windows, which takes the processors from the page:
    `running_s` waits so long before the page is opened.
    """
    result = Measured()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=find_chromium(),
            headless=True,
            args=[*QUIET, "--mute-audio", "--force-device-scale-factor=1"],
            viewport={"width": viewport[0], "height": viewport[1]},
        )
        try:
            page = context.pages[0]
            context.route(re.compile("^https?://"), route or (lambda r: r.abort()))
            page.add_init_script(
                INIT.replace("PROBE", probe.expression).replace("EXPECTED", str(probe.expected))
            )
            page.wait_for_timeout(1000 * running_s)
            address = path if isinstance(path, str) else path.absolute().as_uri()
            page.goto(address, wait_until="commit", timeout=timeout * 1000)
            wait(page, "!!window.__pb && __pb.drawn !== undefined", timeout)
            result.drawn_ms = page.evaluate("__pb.drawn")
            for name, act in (actions or {}).items():
                result.actions[name] = act(page, probe)
        except TimeoutError:
            result.failed = f"not within {timeout:.0f} s"
        except Error as error:
            result.failed = str(error).splitlines()[0][:100]
        result.peak_mb = renderer_peak(profile)
        context.close()
    return result


def wait(page: Page, expression: str, seconds: float) -> None:
    """Poll from outside: inside the page, its security policy forbids evaluating strings."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{expression} not true")
        page.wait_for_timeout(20)


def renderer_peak(profile: str) -> float:
    """Peak resident memory (MB) of the largest renderer of the Chromium with this profile."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_text().replace("\0", " ")
                stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry.name)] = (int(stat[1]), command)
    ours = {pid for pid, (_, command) in parents.items() if profile in command}
    peaks = [0.0]
    for pid, (start, command) in parents.items():
        parent = start
        while parent in parents and parent not in ours:
            parent = parents[parent][0]
        if "--type=renderer" in command and (parent in ours or pid in ours):
            peaks.append(_high_water(pid))
    return max(peaks)


def _high_water(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def load_average() -> float:
    """How busy the machine is: above about 2, wall times are too long here."""
    return os.getloadavg()[0]


def medians(runs: Sequence[Measured]) -> Measured:
    """The median of each figure over runs that worked, or the first failure."""
    good = [run for run in runs if not run.failed]
    if not good:
        return runs[0]
    actions = {
        name: [value for run in good for value in run.actions.get(name, [])]
        for name in good[0].actions
    }
    return Measured(
        statistics.median(run.drawn_ms for run in good),
        max(run.peak_mb for run in good),
        actions,
    )
