"""Views from the local server, in a real Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.traces import made

FINISHED = re.compile("drawn|error")


@pytest.fixture
def start(tmp_path: Path) -> Iterator:
    """`start(trace)` runs `attnscope view FILE --serve` and gives (process, address)."""
    processes = []

    def started(trace):
        path = trace.save(tmp_path / "x.safetensors", overviews=True)
        command = [sys.executable, "-u", "-m", "attnscope", "view", str(path), "--serve"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process, [process.stdout.readline() for _ in range(3)][1].strip()

    yield started
    for process in processes:
        process.kill()
        process.communicate()


def drawn(page: Page) -> Locator:
    view = page.locator("[data-attnscope-view]").first
    expect(view).to_have_attribute("data-attnscope-state", FINISHED, timeout=30_000)
    assert view.get_attribute("data-attnscope-state") == "drawn", view.inner_text()
    return view


def test_all_views_are_drawn_and_linked(page: Page, start):
    process, url = start(made(40, causal=True))
    page.goto(url)
    assert page.url == f"{url}head"
    drawn(page)
    for name in ("Model", "Matrix", "Neuron", "Head"):
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_url(f"{url}{name.lower()}")
        drawn(page)
        expect(page.locator("a[aria-current]")).to_have_text(name)
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20) == ("Stopped.\n", "")


@pytest.mark.console_ok("ERR_CONNECTION_(REFUSED|RESET)")
def test_a_server_that_has_ended_is_said_in_the_view(page: Page, start):
    process, url = start(made(40, layers=9))
    page.goto(f"{url}head")
    view = drawn(page)
    process.kill()
    process.wait()
    page.get_by_role("combobox", name="Layer").select_option("8")
    expect(view).to_contain_text("attnscope's server does not answer", timeout=20_000)


def test_a_browser_that_is_closed_in_the_middle_harms_nobody(browser, start):
    process, url = start(made(5000, layers=1, causal=True))
    for _ in range(3):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{url}matrix", wait_until="commit")
            page.wait_for_timeout(100)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{url}matrix")
        drawn(page)
    assert httpx.get(f"{url}matrix").status_code == 200
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=20) == ("Stopped.\n", "")


@pytest.mark.console_ok("blocked by CORS", "Failed to load resource", "frame", "Fetch API")
def test_other_pages_of_the_browser_get_nothing(page: Page, start):
    """What a page elsewhere could do with the address, which it cannot know."""
    _, url = start(made(40))
    page.goto("about:blank")
    failed = "fetch(url, {method: 'POST', mode, body: '{}'}).then(r => r.type, e => 'no')"
    for mode in ("cors", "same-origin"):
        script = f"([url, mode]) => {failed}"
        assert page.evaluate(script, [f"{url}head/data", mode]) == "no"
    framed = "url => new Promise(r => {const f = document.createElement('iframe'); f.src = url;"
    framed += "f.onload = () => r(f.contentDocument === null); document.body.append(f)})"
    assert page.evaluate(framed, f"{url}head")
