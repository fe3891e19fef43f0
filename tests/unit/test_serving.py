"""The command that serves views: until it is stopped, whoever goes away, whatever is missing."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

import attnscope
from attnscope import InputError
from attnscope.hosts.server import serve
from tests.commands import invoke
from tests.traces import made


def test_a_port_in_use_is_said(trace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"cannot listen on port {port}: Address already in"):
            serve(trace, port=port)


@pytest.fixture(scope="module")
def trace() -> attnscope.Trace:
    return made(40, causal=True)


@pytest.fixture
def running(trace, tmp_path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`attnscope view FILE --serve` in a process of its own, and its address."""
    path = trace.save(tmp_path / "x.safetensors")
    command = [sys.executable, "-u", "-m", "attnscope", "view", str(path), "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    try:
        yield process, lines[1].strip()
    finally:
        process.kill()
        process.communicate()


def test_the_command_serves_until_it_is_stopped(running):
    process, url = running
    assert httpx.get(f"{url}head", timeout=20).status_code == 200
    port = int(url.split(":")[2].split("/")[0])
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        other.connect((socket.gethostbyname("127.0.0.2"), port))
    process.send_signal(2)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "Stopped.\n", "")


def test_a_caller_that_goes_away_in_the_middle_harms_nobody(running):
    process, url = running
    address, token = url.split("/")[2:4]
    host, port = address.split(":")
    sent = [f"POST /{token}/matrix/data HTTP/1.1", f"host: {address}", f"origin: http://{address}"]
    head = "\r\n".join([*sent, "content-length: 42", "", ""]).encode()
    for body in (b"", b'{"kind": "tile"', b'{"kind":"layer","stream":"self","layer":0}'):
        for _ in range(5):
            with socket.create_connection((host, int(port))) as gone:
                gone.sendall(head + body)
    time.sleep(0.2)
    assert httpx.get(f"{url}head", timeout=20).status_code == 200
    process.send_signal(2)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_the_command_names_what_is_missing(trace, tmp_path, monkeypatch):
    path = str(trace.save(tmp_path / "x.safetensors"))
    monkeypatch.setitem(sys.modules, "attnscope.hosts.server", None)
    done = invoke("view", path)
    assert done.exit_code == 2
    assert "serving needs starlette and uvicorn: pip install 'attnscope[serve]'" in done.stderr
    done = invoke("view", path, "--serve", "-o", "x.html")
    assert "-o writes a page and --serve serves: give one of them." in done.stderr
