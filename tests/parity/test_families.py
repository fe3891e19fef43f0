"""Captured weights are those of Transformers' own eager code, and capturing changes nothing."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from tests.models import FAMILIES, build, eager_attentions
from tests.untouched import untouched

capture = importlib.import_module("attnscope.capture")

EXACT = 1e-5


@pytest.mark.parametrize("item", [0, 1], ids=["whole", "padded"])
@pytest.mark.parametrize("name", FAMILIES)
def test_weights_equal_eager_attentions(name: str, item: int) -> None:
    inputs = FAMILIES[name].inputs()
    trace = capture(build(name), inputs=inputs, index=item)
    expected = eager_attentions(name, inputs)
    assert set(trace.streams) == set(FAMILIES[name].streams) == set(expected)
    for stream_name, layers in expected.items():
        stream = trace.streams[stream_name]
        assert stream.numbers == tuple(range(len(layers)))
        query, key = _kept(stream_name, inputs, item)
        for number, layer in zip(stream.numbers, layers, strict=True):
            reference = layer[item][:, query][:, :, key].numpy()
            np.testing.assert_allclose(
                trace.weights(number, stream=stream_name), reference, atol=EXACT, rtol=0
            )
        assert len(stream.query) == reference.shape[1]
        assert len(stream.key) == reference.shape[2]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_row_is_certified(name: str) -> None:
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=1)
    some, every = trace.provenance.certificate, trace.check()
    assert some is not None
    assert 0 < some.rows < every.rows
    assert some.calls == every.calls == sum(len(s.layers) for s in trace.streams.values())
    assert max(some.error, every.error) < EXACT


@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_and_model_are_as_without_capture(name: str) -> None:
    model, inputs = build(name), FAMILIES[name].inputs()
    with untouched(model, inputs):
        capture(model, inputs=inputs, index=0)


def _kept(stream: str, inputs: dict[str, Any], item: int) -> tuple[Any, Any]:
    """Positions that are not padding, on the query and on the key side of a stream."""
    everything = slice(None)
    mask = inputs.get("attention_mask")
    source = everything if mask is None or stream == "vision" else mask[item].bool()
    return (
        everything if stream in ("decoder", "cross") else source,
        everything if stream == "decoder" else source,
    )
