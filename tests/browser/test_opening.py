"""Pages that are still being read: the first picture does not wait for the end, and is no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.looking import (
    FRAMES,
    STATE,
    hover,
    line_ends,
    random_weights,
    settle,
    shifted,
    trace_of,
)
from tests.browser.mapping import is_true, point, value, vectors_trace

Reading = Callable[[str, int], AbstractContextManager[tuple[Locator, Callable[[], None]]]]


@pytest.fixture
def reading(page: Page) -> Reading:
    """`reading(html, at)`: the view of a page that comes up to `at`, and what sends the rest."""

    @contextmanager
    def opened(html: str, at: int) -> Iterator[tuple[Locator, Callable[[], None]]]:
        more = threading.Event()

        class Halting(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(html[:at].encode())
                self.wfile.flush()
                more.wait(60)
                self.wfile.write(html[at:].encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Halting)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{server.server_port}/", wait_until="commit")
        try:
            yield page.locator("[data-attnscope-view]"), more.set
        finally:
            more.set()
            page.wait_for_load_state()
            server.shutdown()
            server.server_close()

    return opened


def is_reading(page: Page) -> bool:
    return bool(page.evaluate("document.readyState === 'loading'"))


def place_of(html: str, key: str) -> int:
    """Where the data block of this key begins."""
    return html.rindex("<script", 0, html.index(f'data-key="{key}'))


@pytest.mark.parametrize("precision", ["exact", "int8"])
def test_a_heat_map_is_drawn_before_the_rest_of_its_page_is_there(
    reading: Reading, precision: str
) -> None:
    trace = vectors_trace(9)
    html = trace.matrix_view(1, 2, precision=precision).html()
    behind = {"exact": "vectors/self/0", "int8": "rounded/self/0/0"}[precision]
    with reading(html, place_of(html, behind)) as (view, send_rest):
        expect(view).to_have_attribute(STATE, "drawn")
        assert is_reading(view.page)
        point(view, 6, 4)
        low, high = (float(end) for end in (value(view).split("–") * 2)[:2])
        assert low - 0.01 <= trace.weights(1, 2)[6, 4] <= high + 0.01
        view.locator("select[name=layer]").select_option("0")
        view.page.evaluate(FRAMES)
        assert is_reading(view.page)
        expect(view).to_have_attribute(STATE, "drawing")
        send_rest()
        settle(view)
        point(view, 3, 8)
        low, high = (float(end) for end in (value(view).split("–") * 2)[:2])
        assert low - 0.01 <= trace.weights(0, 2)[3, 8] <= high + 0.01


def test_half_a_block_is_waited_for(reading: Reading) -> None:
    trace = vectors_trace(9)
    html = trace.matrix_view(1, 2).html()
    half = (place_of(html, "vectors/self/1") + place_of(html, "vectors/self/0")) // 2
    with reading(html, half) as (view, send_rest):
        expect(view.locator(".root")).to_be_visible()
        view.page.evaluate(FRAMES)
        expect(view).to_have_attribute(STATE, "loading")
        send_rest()
        settle(view)
        point(view, 6, 4)
        assert is_true(value(view), trace.weights(1, 2)[6, 4])


def test_a_head_view_has_its_layer_before_the_others(reading: Reading) -> None:
    html = trace_of(shifted(3, 1, 8)).head_view(layer=2).html()
    with reading(html, place_of(html, "layer/self/0")) as (view, send_rest):
        expect(view).to_have_attribute(STATE, "drawn")
        assert is_reading(view.page)
        hover(view, "query", 0)
        assert line_ends(view, "key") == {2}
        view.locator("select[name=layer]").select_option("1")
        send_rest()
        settle(view)
        hover(view, "query", 0)
        assert line_ends(view, "key") == {1}


def test_a_model_view_has_its_thumbnails_before_all_else(reading: Reading) -> None:
    html = trace_of(random_weights(2, 3, 200, 200)).model_view().html()
    with reading(html, place_of(html, "layer/self/0")) as (view, _):
        expect(view).to_have_attribute(STATE, "drawn")
        assert is_reading(view.page)
