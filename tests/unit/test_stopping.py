"""Work that nobody waits for any more ends; nothing is lost, and all else goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from attnscope import Trace, pooling
from attnscope.hosts import server
from attnscope.hosts.server import Server
from attnscope.hosts.widget import Widget
from attnscope.overview import known_of, overview
from attnscope.stopping import Stopped, check_wanted, stopping_when
from tests.traces import made
from tests.unit.test_server import GOOD, PORT, run

TILE = {"kind": "tile", "stream": "self", "layer": 0, "head": 0, "step": 32}
WHOLE = TILE | {"query": [0, 600], "key": [0, 600]}


@pytest.fixture
def trace(monkeypatch) -> Trace:
    """Long enough for several stripes."""
    monkeypatch.setattr(pooling, "STRIPE", 600 * 32)
    return made(600, layers=1)


def after(count: int) -> Callable[[], bool]:
    """False so many times, and then True."""
    left = iter([False] * count)
    return lambda: next(left, True)


def test_an_overview_stops_between_two_stripes_and_is_whole_the_next_time(trace):
    layer: Any = trace.streams["self"].layers[0]
    with pytest.raises(Stopped), stopping_when(after(3)):
        overview(layer, 0)
    assert 0 not in known_of(layer).overviews
    assert overview(layer, 0).mean.shape == (19, 19)
    weights = trace.weights(0, 0)
    np.testing.assert_allclose(overview(layer, 0).max[0, 0], weights[:32, :32].max(), rtol=1e-3)


def test_only_what_is_inside_is_stopped():
    check_wanted()
    with stopping_when(lambda: True):
        with pytest.raises(Stopped):
            check_wanted()
        with stopping_when(lambda: False):
            check_wanted()
    check_wanted()


@pytest.fixture
def sent(monkeypatch) -> list[tuple[Any, Any]]:
    """What the widget sends to the page, from a kernel that lets other threads send."""
    found: list[tuple[Any, Any]] = []
    monkeypatch.setattr(Widget, "send", lambda _, said, data=None: found.append((said, data)))
    monkeypatch.setattr(Widget, "_has_threads", lambda _: True)
    return found


@pytest.fixture
def held(monkeypatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """(it has begun, it may go on) of every stripe."""
    begun, go = threading.Event(), threading.Event()

    def waiting() -> None:
        begun.set()
        assert go.wait(20)
        check_wanted()

    monkeypatch.setattr(pooling, "check_wanted", waiting)
    yield begun, go
    go.set()


def wait_for(done: Callable[[], Any]) -> None:
    for _ in range(400):
        if done():
            return
        threading.Event().wait(0.05)
    pytest.fail("it did not happen in 20 s")


def test_a_widget_answers_others_while_it_computes(trace, sent, held):
    begun, go = held
    widget = Widget(trace, trace.matrix_view().spec)
    widget._serve(widget, {"id": "slow", "request": WHOLE}, [])
    assert begun.wait(20)
    vectors = {"kind": "vectors", "stream": "self", "layer": 0}
    widget._serve(widget, {"id": "quick", "request": vectors}, [])
    wait_for(lambda: sent)
    assert [said["id"] for said, _ in sent] == ["quick"]
    go.set()
    wait_for(lambda: len(sent) == 2)
    assert sent[1][0]["id"] == "slow"
    assert not widget._asked


def test_a_widget_stops_what_the_page_takes_back(trace, sent, held):
    begun, go = held
    widget = Widget(trace, trace.matrix_view().spec)
    widget._serve(widget, {"id": "slow", "request": WHOLE}, [])
    assert begun.wait(20)
    widget._serve(widget, {"stop": "slow"}, [])
    widget._serve(widget, {"stop": ["no", "such"]}, [])
    go.set()
    wait_for(lambda: not widget._asked)
    assert sent == []
    layer: Any = trace.streams["self"].layers[0]
    assert not known_of(layer).overviews


def test_what_fails_in_a_thread_is_told_to_the_page_and_to_the_kernel(
    trace, sent, monkeypatch, capfd
):
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("attnscope.hosts.widget.answer", fails)
    widget = Widget(trace, trace.matrix_view().spec)
    widget._serve(widget, {"id": "1", "request": WHOLE}, [])
    wait_for(lambda: not widget._asked)
    assert sent == [({"id": "1", "error": "Python failed: ZeroDivisionError('a bug')."}, None)]
    wait_for(lambda: "ZeroDivisionError: a bug" in capfd.readouterr().err)


def test_without_a_kernel_replies_are_there_at_once(trace, monkeypatch):
    found: list[Any] = []
    monkeypatch.setattr(Widget, "send", lambda _, said, data=None: found.append(said["id"]))
    widget = Widget(trace, trace.matrix_view().spec)
    widget._serve(widget, {"id": "1", "request": WHOLE}, [])
    assert found == ["1"]


def test_the_server_stops_when_the_browser_is_gone(trace, monkeypatch):
    monkeypatch.setattr(server, "LOOKS", 0.01)
    ended: list[str] = []

    def forever(*_: Any) -> None:
        try:
            while True:
                check_wanted()
                threading.Event().wait(0.01)
        except Stopped:
            ended.append("stopped")
            raise

    monkeypatch.setattr(server, "answer", forever)
    served = Server(trace, PORT)
    path = served.url.removeprefix(f"http://127.0.0.1:{PORT}") + "matrix/data"

    async def gone() -> list[int]:
        statuses: list[int] = []
        said = [{"type": "http.request", "body": b"{}", "more_body": False}]
        until = time.monotonic() + 0.2

        async def receive() -> Any:
            if said:
                return said.pop()
            if time.monotonic() < until:
                await asyncio.sleep(20)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        headers = [(name.encode(), value.encode()) for name, value in GOOD.items()]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        await served.app({**scope, "query_string": b"", "root_path": ""}, receive, send)
        return statuses

    assert run(gone()) == [499]
    assert ended == ["stopped"]
