"""Two thousand random requests over HTTP: each is refused, or its picture is the right one.

Pictures are held to all weights (or numbers of another quantity), pooled here by NumPy.
"""

from __future__ import annotations

import functools
import json
import random
import zlib
from typing import Any

import httpx
import numpy as np
import pytest

from attnscope import Trace, measures
from attnscope.hosts.server import Server
from attnscope.overview import BLOCK
from attnscope.wire.encode import GZIP
from attnscope.wire.replies import Reply
from tests.map_tiles import arrays_of
from tests.traces import made
from tests.unit.test_server import GOOD, PORT, run, unpacked

N = 150
"""Tokens: several blocks of an overview."""
HALF = 5e-4
"""How far off pooled numbers may be, by a part of themselves (float16)."""


@pytest.fixture(scope="module")
def trace() -> Trace:
    return made(N, causal=True)


@pytest.fixture(scope="module")
def served(trace: Trace) -> Server:
    return Server(trace, PORT)


KINDS = {
    "matrix": ["tile"] * 9 + ["vectors"],
    "head": ["layer", "vectors", "part"],
    "model": ["layer"],
    "neuron": ["vectors"],
}
NAMES = ["weight", "weight", "score", "rollout"]


def odd(rng: random.Random, depth: int = 0) -> Any:
    """Some JSON that a page might send, or nobody would."""
    near = ["tile", "layer", "thumbnails", "vectors", "bias", "mask", "self", "mean", "max", "sum"]
    plain = [None, True, -1, 0, 1, 2, 7, 2**31, 2**80, 0.5, 1e308, "", "x" * 50, *near]
    kind = rng.random()
    if depth > 3 or kind < 0.6:
        return rng.choice(plain)
    if kind < 0.8:
        return [odd(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(odd(rng, 9)): odd(rng, depth + 1) for _ in range(rng.randrange(4))}


def a_request(rng: random.Random, view: str) -> Any:
    """A request that fits the view, as far as it goes; every other one with some faults."""
    fields: dict[str, Any] = {
        "kind": rng.choice(KINDS[view]),
        "stream": "self",
        "layer": rng.randrange(2),
        "head": rng.randrange(2),
        "step": 2 ** rng.randrange(8),
        "query": a_range(rng),
        "key": a_range(rng),
    }
    if fields["kind"] == "vectors":
        fields["query"][1] = fields["query"][0] + 1
    elif rng.random() < 0.3:
        fields["over"] = rng.choice(["mean", "max"])
    if fields["kind"] == "tile":
        fields["quantity"] = rng.choice(NAMES)
        fields["rough"] = rng.random() < 0.2
    if rng.random() < 0.5:
        return fields
    for name in list(fields):
        chance = rng.random()
        if chance < 0.06:
            fields[name] = odd(rng)
        elif chance < 0.1:
            del fields[name]
        elif chance < 0.13:
            fields[name] = rng.choice(list(fields.values()))
        elif chance < 0.15:
            fields[name] = [100, -1]
    return fields if rng.random() < 0.9 else odd(rng)


def a_range(rng: random.Random) -> list[int]:
    """Any two places in order; as often such as pages ask for, on whole blocks."""
    if rng.random() < 0.5:
        return sorted(rng.sample(range(N + 1), 2))
    start, stop = sorted(rng.sample(range(0, N + BLOCK, BLOCK), 2))
    return [start, min(stop, N)]


def asked_for(served: Server, count: int) -> list[tuple[str, Any, httpx.Response]]:
    """(view, request, reply) of so many requests at random; some are no JSON."""

    async def all_of_them() -> list[tuple[str, Any, httpx.Response]]:
        rng, done = random.Random(0), []
        transport = httpx.ASGITransport(served.app)
        async with httpx.AsyncClient(transport=transport, base_url=served.url) as client:
            for number in range(count):
                view = rng.choice([*["matrix"] * 6, *KINDS])
                request = a_request(rng, view)
                body = json.dumps(request).encode()
                if number % 50 == 0:
                    request, body = None, rng.randbytes(rng.randrange(200))
                reply = await client.post(f"{view}/data", content=body, headers=GOOD)
                done.append((view, request, reply))
        return done

    return run(all_of_them())


def test_two_thousand_random_requests_get_no_wrong_picture(served, trace, capfd):
    """No request makes Python fail (500), and what it answers is what all weights say."""
    replies = asked_for(served, 2000)
    assert {reply.status_code for _, _, reply in replies} == {200, 400}
    assert all(reply.json()["error"] for *_, reply in replies if reply.status_code == 400)
    assert "Traceback" not in capfd.readouterr().err
    answered = [(request, reply) for _, request, reply in replies if reply.status_code == 200]
    seen = dict.fromkeys(["tile", "part", "layer", "vectors"], 0)
    for request, reply in answered:
        seen[request["kind"]] += 1
        CHECKS[request["kind"]](trace, request, Reply(*unpacked(reply)))
    assert seen["tile"] > 500
    assert min(seen.values()) > 40


def check_tile(trace: Trace, request: dict[str, Any], reply: Reply) -> None:
    got = arrays_of(reply)
    wanted = picture_of(trace, request)
    if "rough" in got:
        assert got["max"].shape == wanted["max"].shape
        told = np.isfinite(got["max"])
        assert (got["max"][told] <= wanted["max"][told] * (1 + HALF) + 1e-7).all()
        return
    assert got.keys() == wanted.keys()
    for name, cells in wanted.items():
        exact = 2e-6 if name == "value" else HALF
        np.testing.assert_allclose(got[name], cells, rtol=exact, atol=1e-6, err_msg=str(request))


def picture_of(trace: Trace, request: dict[str, Any]) -> dict[str, np.ndarray]:
    """The tile that was asked for, from all numbers; minus infinity for what is hidden."""
    numbers = all_numbers(trace, request.get("quantity", "weight"), request["layer"])
    over, step = request.get("over"), request["step"]
    heads = slice(None) if over or len(numbers) == 1 else [request["head"]]
    query, key = (np.arange(*request[side]) for side in ("query", "key"))
    cells = numbers[heads][:, query][:, :, key]
    cells[:, key > query[:, None]] = -np.inf
    join = {"mean": np.mean, "max": np.max}[over or "mean"]
    weights = request.get("quantity", "weight") == "weight"
    if step < BLOCK or not weights:  # from overviews on, each head is pooled before they are joined
        cells = join(cells, 0)[None]
    if step == 1:
        return {"value": cells[0]}
    zero = request.get("quantity") != "score"
    mean, largest = (join(part, 0) for part in pooled(cells, step, hidden_as_zero=zero))
    return {"mean": mean, "max": largest}


@functools.cache
def all_numbers(trace: Trace, name: str, layer: int) -> np.ndarray:
    """[head, query, key], or one for the layer as a whole."""
    return measures.quantity(trace, name, "self").layer(layer).rows().astype(np.float64)


def pooled(cells: np.ndarray, step: int, hidden_as_zero: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean, and the number farthest from 0, of blocks that start where the cells do."""
    rows, columns = (np.arange(0, size, step) for size in cells.shape[1:])

    def blocks(join: np.ufunc, values: np.ndarray) -> np.ndarray:
        return join.reduceat(join.reduceat(values, rows, 1), columns, 2)

    seen = np.isfinite(cells)
    counts = blocks(np.add, np.ones_like(cells) if hidden_as_zero else seen.astype(float))
    mean = blocks(np.add, np.where(seen, cells, 0)) / np.maximum(counts, 1)
    most = blocks(np.maximum, np.where(seen, cells, -np.inf))
    least = blocks(np.minimum, np.where(seen, cells, np.inf))
    hidden = np.isneginf(most)
    mean[hidden] = -np.inf
    return mean, np.where(-least > most, np.where(hidden, -np.inf, least), most)


def check_part(trace: Trace, request: dict[str, Any], reply: Reply) -> None:
    got, rows = arrays_of(reply), trace.weights(request["layer"])
    if over := request.get("over"):
        rows = getattr(rows, over)(0)[None]
    elif "head" in request:
        rows = rows[[request["head"]]]
    rows = rows[:, slice(*request["query"])]
    start, stop = request["key"]
    np.testing.assert_allclose(got["value"], rows[:, :, start:stop], atol=1e-6)
    np.testing.assert_allclose(got["before"], rows[:, :, :start].sum(2), atol=1e-5)
    np.testing.assert_allclose(got["after"], rows[:, :, stop:].sum(2), atol=1e-5)


def check_layer(trace: Trace, request: dict[str, Any], reply: Reply) -> None:
    assert reply.meta["encoding"] == "linear16"  # type: ignore[typeddict-item]
    high, low = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8).reshape(2, -1)
    weights = (high * 256.0 + low).reshape(reply.meta["shape"]) / 65534  # type: ignore[typeddict-item]
    np.testing.assert_allclose(weights, trace.weights(request["layer"]), atol=1.1e-5)


def check_vectors(trace: Trace, request: dict[str, Any], reply: Reply) -> None:
    layer, got = trace.streams["self"].layer(request["layer"]), arrays_of(reply)
    queries: Any = layer.queries  # type: ignore[attr-defined]
    if "query" in request and "head" in request:
        queries = queries[[request["head"]], slice(*request["query"])]
    np.testing.assert_array_equal(got["queries"], queries)
    np.testing.assert_array_equal(got["keys"], layer.keys)  # type: ignore[attr-defined]


CHECKS = {
    "tile": check_tile,
    "part": check_part,
    "layer": check_layer,
    "vectors": check_vectors,
}
