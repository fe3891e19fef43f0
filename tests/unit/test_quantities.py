"""Quantities: streams that hold a number per pair of tokens, made when somebody looks."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

import attnscope
from attnscope import InputError, measures
from attnscope.scores import ALL, Layer
from tests.models import analytic_gpt2

capture = importlib.import_module("attnscope.capture")


def of_weights(n: int = 6, n_layers: int = 3) -> attnscope.Trace:
    weights = np.random.default_rng(n).random((n_layers, 2, n, n)).astype(np.float32)
    return attnscope.from_attention(weights / weights.sum(-1, keepdims=True))


def cross() -> attnscope.Trace:
    return attnscope.from_attention(cross=np.full((1, 2, 2, 3), 1 / 3, np.float32))


def without_layer(trace: attnscope.Trace, place: int) -> attnscope.Trace:
    found = trace.stream()
    kept = [i for i in range(len(found.layers)) if i != place]
    numbers = tuple(found.numbers[i] for i in kept)
    layers = tuple(found.layers[i] for i in kept)
    return attnscope.Trace([replace(found, numbers=numbers, layers=layers)])


@pytest.fixture(scope="module")
def recorded() -> attnscope.Trace:
    ids = torch.tensor([[0, 3, 4, 5, 3, 4]])
    model = analytic_gpt2()
    return capture(
        model, inputs={"input_ids": ids}, tokens=range(6), gradient=True, value_zeroing=True
    )


@pytest.mark.parametrize("name", measures.QUANTITIES)
def test_every_quantity_is_a_stream_like_any_other(recorded: attnscope.Trace, name: str) -> None:
    trace = recorded
    if name in ("difference", "before", "after"):
        trace = attnscope.compare(recorded, recorded).difference
    stream, known = measures.quantity(trace, name), measures.QUANTITIES[name]
    for layer in stream.layers:
        assert isinstance(layer, Layer)
        assert layer.heads == ((0,) if known.per == "layer" else (0, 1))
        assert layer.shape == (len(layer.heads), 6, 6)
        whole = layer.rows()
        assert whole.dtype == np.float32
        assert whole.shape == layer.shape
        np.testing.assert_allclose(
            layer.rows([0], slice(1, 4)), whole[:1, 1:4], rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            layer.rows(ALL, slice(5, None)), whole[:, 5:], rtol=1e-5, atol=1e-6
        )
        seen = whole[np.isfinite(whole)]
        assert known.low is None or seen.min() >= known.low
        assert known.high is None or seen.max() <= known.high + 1e-6
        if layer.sums_to_one:
            np.testing.assert_allclose(whole.sum(-1), 1, atol=1e-5)


def test_scores_are_those_before_the_softmax(recorded: attnscope.Trace) -> None:
    scores = measures.quantity(recorded, "score").layer(1).rows()
    hidden = np.triu(np.ones((6, 6), bool), 1)
    assert np.isnan(scores[:, hidden]).all()
    made = np.exp(np.where(hidden, -np.inf, scores))
    made /= made.sum(-1, keepdims=True)
    np.testing.assert_allclose(made, recorded.weights(1), atol=1e-6)


def test_rollout_of_the_last_layer_is_the_function() -> None:
    trace = of_weights()
    stream = measures.quantity(trace, "rollout")
    np.testing.assert_allclose(stream.layers[-1].rows()[0], measures.rollout(trace), atol=1e-6)
    first = (trace.weights(0).mean(0) + np.eye(6)) / 2
    np.testing.assert_allclose(stream.layer(0).rows()[0], first, atol=1e-6)


def test_nothing_is_computed_before_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = of_weights()
    looked = []
    original = type(trace.stream().layers[0]).rows

    def rows(self: Layer, *args: object) -> np.ndarray:
        looked.append(self)
        return original(self, *args)

    monkeypatch.setattr(type(trace.stream().layers[0]), "rows", rows)
    stream = measures.quantity(trace, "rollout")
    assert looked == []
    stream.layer(1).rows()
    stream.layer(1).rows(ALL, slice(0, 2))
    assert len(looked) == 2


def test_several_threads_may_look_at_once() -> None:
    stream = measures.quantity(of_weights(40, 8), "rollout")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda layer: layer.rows(), stream.layers))
    alone = measures.quantity(of_weights(40, 8), "rollout")
    for found, expected in zip(made, alone.layers, strict=True):
        np.testing.assert_array_equal(found, expected.rows())


def test_what_a_stream_can_show_is_listed(recorded: attnscope.Trace) -> None:
    assert {"weight", "score", "rollout"} <= set(measures.quantities_of(recorded))
    assert "score" not in measures.quantities_of(of_weights())
    assert measures.quantities_of(cross()) == ["weight"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: measures.quantity(of_weights(), "rolout"), "no quantity 'rolout'; there are w"),
        (lambda: measures.quantity(of_weights(), "rolout"), "Did you mean 'rollout'?"),
        (lambda: measures.quantity(of_weights(), None), "no quantity None; there are weight"),
        (lambda: measures.quantity(of_weights(), "score"), "the self stream holds weights only"),
        (lambda: measures.quantity(of_weights(), "score"), "attnscope.capture(model, tokenizer"),
        (lambda: measures.quantity(cross(), "rollout"), "rollout needs the same tokens on both"),
        (
            lambda: measures.quantity(without_layer(of_weights(), 1), "rollout"),
            "this trace has layers 0, 2 only: capture without layers=",
        ),
    ],
)
def test_what_cannot_be_shown_is_said(call: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert text in str(caught.value)
