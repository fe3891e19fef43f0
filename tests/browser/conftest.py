"""A real Chromium, a page that fails its test when something goes wrong, and `open_view`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from attnscope.view import View
from benchmarks.harness import QUIET

LOCAL = re.compile(
    r"(about|data|file):|blob:(null|file|http://127\.0\.0\.1)|(http|ws)://127\.0\.0\.1[:/]"
)
ONLY_HERE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
FINISHED = re.compile("drawn|error")

OpenView = Callable[..., Locator]
QuietContext = Callable[..., AbstractContextManager[BrowserContext]]


_running: list[Browser] = []


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests of a worker; it resolves no name but 127.0.0.1.

    tests/visual has this fixture too, as one of its own: it gets the same Chromium.
    """
    if _running:
        yield _running[0]
        return
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=[*QUIET, ONLY_HERE])
        _running.append(launched)
        yield launched
        _running.clear()
        launched.close()


@pytest.fixture
def quiet_context(browser: Browser) -> QuietContext:
    """A context manager that gives a fresh profile, and complains at its end about any noise.

    Noise is an error in the console, an uncaught exception, or a request to anywhere but this
    machine. `quiet_context("pattern", ...)` lets console errors pass that match a pattern.
    """

    @contextmanager
    def quiet(*expected: str) -> Iterator[BrowserContext]:
        noise: list[str] = []
        made = browser.new_context(device_scale_factor=1, locale="en-GB", timezone_id="UTC")
        made.on("console", lambda said: _note_console(noise, said, expected))
        made.on("weberror", lambda error: noise.append(f"uncaught: {error.error}"))
        made.on("request", lambda sent: _note_request(noise, sent.url))
        made.on("page", lambda page: page.on("websocket", lambda ws: _note_request(noise, ws.url)))
        try:
            yield made
        finally:
            made.close()
        if noise:
            pytest.fail("\n".join(["the page was not quiet:", *noise]), pytrace=False)

    return quiet


def _note_console(noise: list[str], said: ConsoleMessage, expected: tuple[str, ...]) -> None:
    if said.type == "error" and not any(re.search(pattern, said.text) for pattern in expected):
        noise.append(f"console: {said.text}")


def _note_request(noise: list[str], url: str) -> None:
    if not LOCAL.match(url):
        noise.append(f"request: {url[:200]}")


@pytest.fixture
def context(
    quiet_context: QuietContext, request: pytest.FixtureRequest
) -> Iterator[BrowserContext]:
    """A quiet context for one test; `@pytest.mark.console_ok("pattern")` names expected errors."""
    marks = request.node.iter_markers("console_ok")
    with quiet_context(*[pattern for mark in marks for pattern in mark.args]) as made:
        yield made


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """An empty page in a fresh profile (see `context` for what it watches)."""
    return context.new_page()


@pytest.fixture
def open_view(tmp_path: Path) -> OpenView:
    """Opens a saved page, or the HTML of one, and returns the first drawn view in it.

    `open_view(page, path_or_html, width=1000, height=700, color_scheme="light")`
    """

    def opened(
        page: Page,
        source: Path | str,
        width: int = 1000,
        height: int = 700,
        color_scheme: Literal["light", "dark"] = "light",
        timeout: float = 30_000,
    ) -> Locator:
        if isinstance(source, str):
            path = tmp_path / f"view-{len(list(tmp_path.glob('view-*')))}.html"
            path.write_text(source, encoding="utf-8")
        else:
            path = source
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme)
        page.goto(path.resolve().as_uri())
        view = page.locator("[data-attnscope-view]").first
        expect(view).to_have_attribute("data-attnscope-state", FINISHED, timeout=timeout)
        state = view.get_attribute("data-attnscope-state")
        assert state == "drawn", f"the view is in state {state!r}: {view.inner_text()}"
        return view

    return opened


@pytest.fixture
def show(page: Page, open_view: OpenView) -> Callable[..., Locator]:
    """Opens a view: `show(trace.head_view(), width=1000, height=800, **options of open_view)`."""

    def showing(view: View, width: int = 1000, height: int = 800, **options: Any) -> Locator:
        return open_view(page, view.html(), width=width, height=height, **options)

    return showing
