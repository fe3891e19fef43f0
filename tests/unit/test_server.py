"""The local server: what it answers, and everything that it must not."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import numpy as np
import pytest

import attnscope
from attnscope import InputError, _row_bar
from attnscope.generation import Generation
from attnscope.hosts import server
from attnscope.hosts.server import LONGEST_REQUEST, Server
from attnscope.views.compared import SIDES
from attnscope.wire.replies import answer, requests_of
from tests.traces import made

PORT = 4567

GOOD = {"host": f"127.0.0.1:{PORT}", "origin": f"http://127.0.0.1:{PORT}"}


def run(work):
    """In a thread of its own: a worker that has driven a browser has a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def trace() -> attnscope.Trace:
    return made(40, causal=True)


@pytest.fixture(scope="module")
def served(trace) -> Server:
    return Server(trace, PORT)


def send(served: Server, method: str, path: str, **options: Any) -> httpx.Response:
    """One request to the application, by a browser that is on its page unless told otherwise."""

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(served.app)
        headers = options.pop("headers", GOOD)
        async with httpx.AsyncClient(transport=transport, base_url=served.url) as client:
            return await client.request(method, path, headers=headers, **options)

    return run(sent())


def unpacked(reply: httpx.Response) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(reply.content[:4], "little")
    return json.loads(reply.content[4 : 4 + length]), reply.content[4 + length :]


def test_the_address_leads_to_the_first_view(served):
    assert served.url.startswith(f"http://127.0.0.1:{PORT}/")
    assert len(served.url.split("/")[3]) >= 32
    reply = send(served, "GET", "")
    assert (reply.status_code, reply.headers["location"]) == (307, "head")


@pytest.mark.parametrize("view", ["head", "model", "matrix", "heads", "neuron"])
def test_every_view_has_a_page_and_its_data(served, trace, view):
    page = send(served, "GET", view)
    assert page.status_code == 200
    assert f'data-attnscope-served="{view}/data"' in page.text
    assert '<script type="text/plain"' not in page.text
    spec = getattr(trace, f"{view}_view")().spec
    for request in requests_of(spec):
        reply = send(served, "POST", f"{view}/data", json=request)
        meta, data = unpacked(reply)
        expected = answer(trace, spec, request)
        assert (reply.status_code, meta, data) == (200, expected.meta, expected.data)


def test_a_generation_starts_with_its_own_view_and_asks_for_rows():
    whole = made(12, causal=True)
    tokens = whole.tokens.take(np.arange(12) >= 9)
    generated = attnscope.Trace(
        list(whole.streams.values()), generation=Generation("self", 9, tokens)
    )
    served = Server(generated, PORT)
    assert send(served, "GET", "").headers["location"] == "generation"
    spec = generated.generation_view().spec
    for request in requests_of(spec):
        reply = send(served, "POST", "generation/data", json=request)
        assert (reply.status_code, unpacked(reply)[0]["arrays"][0]["name"]) == (200, "rows")


def test_a_tile_is_answered(served, trace):
    request = {"kind": "tile", "stream": "self", "layer": 1, "head": 0, "step": 2}
    reply = send(served, "POST", "matrix/data", json=request | {"query": [0, 40], "key": [0, 20]})
    meta, _ = unpacked(reply)
    assert {one["name"]: one["shape"] for one in meta["arrays"]} == {
        "mean": [20, 10],
        "max": [20, 10],
    }


def test_every_reply_forbids_what_a_page_must_not_do(served):
    replies = [send(served, "GET", "head"), send(served, "GET", "nothing")]
    replies += [send(served, "GET", "head", headers={"host": "evil"})]
    for reply in replies:
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "no-referrer"
        assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    policy = replies[0].text.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"host": f"127.0.0.1:{PORT}"}, 200),
        ("GET", {"host": f"localhost:{PORT}"}, 200),
        ("GET", {"host": f"127.0.0.1:{PORT + 1}"}, 403),
        ("GET", {"host": f"evil.example:{PORT}"}, 403),
        ("GET", GOOD | {"origin": "http://evil.example"}, 403),
        ("POST", GOOD, 200),
        ("POST", {"host": f"127.0.0.1:{PORT}"}, 403),
        ("POST", GOOD | {"origin": "null"}, 403),
        ("POST", GOOD | {"origin": f"https://127.0.0.1:{PORT}"}, 403),
        ("POST", GOOD | {"origin": "http://evil.example"}, 403),
        ("POST", GOOD | {"host": "evil.example"}, 403),
        ("PUT", GOOD, 405),
        ("DELETE", GOOD, 405),
    ],
)
def test_only_its_own_pages_get_an_answer(served, method, headers, status):
    path = "head" if method == "GET" else "head/data"
    request = {"kind": "layer", "stream": "self", "layer": 0}
    reply = send(served, method, path, headers=headers, json=request)
    assert reply.status_code == status


def test_nothing_is_found_without_the_token(served):
    for path in (
        "/",
        "/head",
        "/head/data",
        "//head",
        f"/{'x' * 32}/head",
        "/..",
        "/static/head.js",
    ):
        assert send(served, "GET", f"http://127.0.0.1:{PORT}{path}").status_code == 404
        assert send(served, "POST", f"http://127.0.0.1:{PORT}{path}", json={}).status_code == 404
    for path in ("", "nothing", "head/", "head/data/", "head/../../x", "%2e%2e/"):
        reply = send(served, "POST", path, json={})
        assert reply.status_code in (404, 405), path


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the page sent something that is no request."),
        (b"[]", "the page sent something that is no request."),
        (b"\xff\xfe", "the page sent something that is no request."),
        (b"[" * 4000, "the page sent something that is no request."),
        (b" " * (LONGEST_REQUEST + 1), "the page sent more than 4096 bytes."),
        (b'{"kind": "files"}', "the page asked for 'files': expected one of"),
        (b'{"kind": "layer", "stream": "self", "layer": 9}', "which this view does not show."),
    ],
)
def test_what_is_no_request_is_said(served, body, text):
    reply = send(served, "POST", "head/data", content=body)
    assert reply.status_code == 400
    assert text in reply.json()["error"]


def test_what_goes_wrong_in_python_is_told_to_the_page(trace, monkeypatch, capfd):
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(server, "answer", fails)
    reply = send(Server(trace, PORT), "POST", "head/data", json={})
    assert (reply.status_code, reply.json()["error"]) == (
        500,
        "Python failed: ZeroDivisionError('a bug').",
    )
    assert "ZeroDivisionError: a bug" in capfd.readouterr().err


def test_work_at_a_time_and_what_waits_is_bounded(trace, monkeypatch):
    running, most, release = [], [], threading.Event()

    def slow(*_: Any) -> Any:
        running.append(1)
        most.append(len(running))
        release.wait(10)
        running.pop()
        raise InputError("done")

    monkeypatch.setattr(server, "answer", slow)
    monkeypatch.setattr(server, "MOST_WAITING", 6)
    served = Server(trace, PORT)
    served._limit = anyio.CapacityLimiter(2)

    async def many() -> list[int]:
        transport = httpx.ASGITransport(served.app)
        async with httpx.AsyncClient(transport=transport, base_url=served.url) as client:
            asked = [client.post("head/data", json={}, headers=GOOD) for _ in range(9)]
            tasks = [asyncio.ensure_future(one) for one in asked]
            while len(running) < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            release.set()
            return [reply.status_code for reply in await asyncio.gather(*tasks)]

    statuses = run(many())
    assert sorted(statuses) == [400] * 6 + [503] * 3
    assert max(most) == 2
    assert served._waiting == 0


def test_a_view_that_is_not_there(trace):
    given = attnscope.from_attention(np.full((1, 1, 2, 2), 0.5), ["a", "b"])
    with pytest.raises(InputError, match="this trace has no 'neuron' view; it has head, model, m"):
        Server(given, PORT, "neuron")
    with pytest.raises(InputError, match="layer 9 is not in the self stream"):
        Server(trace, PORT, layers=[9])


def test_long_inputs_start_with_the_matrix():
    assert send(Server(made(600), PORT), "GET", "").headers["location"] == "matrix"


def test_views_that_go_through_all_weights_first_are_made_of_long_inputs_when_asked_for(
    trace, monkeypatch
):
    monkeypatch.setattr(_row_bar, "LONG", 1)
    assert not {"heads", "text"} & set(Server(trace, PORT)._views)
    assert "text" in Server(trace, PORT, "text")._views
    assert "heads" in Server(trace, PORT, "heads")._views


def test_a_comparison_has_its_views_and_their_data():
    one, other = (
        attnscope.from_attention(np.full((1, 1, n, n), 1 / n, np.float32), [*"abc"[: n - 1], "z"])
        for n in (2, 3)
    )
    served = Server(attnscope.compare(one, other), PORT)
    assert list(served._views) == ["head", "model", "matrix", "text", "heads"]
    for name, view in served._views.items():
        asked = [{"kind": "layer", "stream": f"self:{side}", "layer": 0} for side in SIDES]
        for request in asked:
            assert served._answered(view, request, threading.Event()).status_code == 200, name
        refused = served._answered(
            view, {"kind": "layer", "stream": "self", "layer": 0}, threading.Event()
        )
        assert refused.status_code == 400
