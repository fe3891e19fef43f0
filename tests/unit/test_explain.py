"""Queries and keys behind weights: when a page carries them, and who may ask for them."""

from __future__ import annotations

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views import neuron
from attnscope.wire.replies import answer, requests_of, size_estimate
from attnscope.wire.spec import Request, key_of


def trace_of(tokens: int, dim: int = 8, layers: int = 2, bias: bool = False) -> Trace:
    numbers = np.random.default_rng(0)

    def vectors() -> np.ndarray:
        return numbers.normal(size=(3, tokens, dim)).astype(np.float32)

    added = numbers.normal(size=(1, tokens, tokens)).astype(np.float32) if bias else None
    spec = ScoreSpec(dim**-0.5, bias=added)
    made = tuple(
        QKLayer(vectors(), vectors(), spec, (0, 1, 2), np.arange(3)) for _ in range(layers)
    )
    names = Tokens.plain(f"t{place}" for place in range(tokens))
    return Trace([Stream("self", tuple(range(layers)), made, names, names)])


def asked(spec: dict) -> set[str]:
    return {key_of(request) for request in requests_of(spec)}


def test_a_small_page_carries_what_explains_its_weights() -> None:
    for view in (trace_of(9, bias=True).head_view(), trace_of(9, bias=True).model_view()):
        assert view.spec["carries"] == "both"
        kinds = {"layer/self/0", "layer/self/1", "vectors/self/0", "vectors/self/1", "bias/self/0"}
        assert asked(view.spec) == kinds


def test_a_page_that_would_grow_much_carries_weights_only() -> None:
    view = trace_of(300, dim=512, layers=1).head_view()
    assert view.spec["carries"] == "weights"
    assert asked(view.spec) == {"layer/self/0"}
    assert "rules" in view.spec["streams"][0]["layers"][0]


@pytest.mark.parametrize(("dim", "carries"), [(1, "both"), (8, "weights")])
def test_a_large_page_may_grow_by_a_quarter(
    monkeypatch: pytest.MonkeyPatch, dim: int, carries: str
) -> None:
    monkeypatch.setattr(neuron, "CARRIED", 0)
    spec = trace_of(60, dim=dim).head_view().spec
    more = size_estimate({**spec, "carries": "both"}) - size_estimate(
        {**spec, "carries": "weights"}
    )
    assert (more <= size_estimate({**spec, "carries": "weights"}) / 4) == (carries == "both")
    assert spec["carries"] == carries


def test_a_page_connected_to_python_may_ask_for_what_it_does_not_carry() -> None:
    trace = trace_of(300, dim=512, layers=1)
    spec = trace.head_view().spec
    reply = answer(trace, spec, {"kind": "vectors", "stream": "self", "layer": 0})
    assert [array["name"] for array in reply.meta["arrays"]] == ["queries", "keys"]
    absent: list[Request] = [
        {"kind": "bias", "stream": "self", "layer": 0},
        {"kind": "vectors", "stream": "self", "layer": 1},
        {"kind": "vectors", "stream": "other", "layer": 0},
    ]
    for request in absent:
        with pytest.raises(InputError, match="the page asked for"):
            answer(trace, spec, request)


def test_weights_alone_have_no_explanation() -> None:
    trace = attnscope.from_attention(np.full((2, 2, 3, 3), 1 / 3, np.float32))
    spec = trace.head_view().spec
    assert spec["carries"] == "weights"
    assert asked(spec) == {"layer/self/0", "layer/self/1"}
    assert "rules" not in spec["streams"][0]["layers"][0]
    with pytest.raises(InputError, match="the page asked for vectors of layer 0"):
        answer(trace, spec, {"kind": "vectors", "stream": "self", "layer": 0})


def test_the_neuron_view_carries_no_weights() -> None:
    spec = trace_of(5).neuron_view().spec
    assert spec["carries"] == "vectors"
    assert asked(spec) == {"vectors/self/0", "vectors/self/1"}
