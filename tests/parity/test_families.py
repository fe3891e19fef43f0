"""Captured weights are those of Transformers' own eager code, and capturing changes nothing."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy as np
import pytest
import torch

from attnscope.capture.hearing.registry import INTERFACE
from tests.models import FAMILIES, build, eager_attentions

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
    before, state = _outputs(model, inputs), _state(model)
    seen: list[Any] = []
    hook = model.register_forward_hook(lambda *call: seen.append(call[-1]))
    capture(model, inputs=inputs, index=0)
    hook.remove()
    for plain, captured in zip(before, _tensors(seen[0]), strict=True):
        assert torch.equal(plain, captured)
    assert _state(model) == state


def _kept(stream: str, inputs: dict[str, Any], item: int) -> tuple[Any, Any]:
    """Positions that are not padding, on the query and on the key side of a stream."""
    everything = slice(None)
    mask = inputs.get("attention_mask")
    source = everything if mask is None or stream == "vision" else mask[item].bool()
    return (
        everything if stream in ("decoder", "cross") else source,
        everything if stream == "decoder" else source,
    )


def _outputs(model: torch.nn.Module, inputs: dict[str, Any]) -> list[torch.Tensor]:
    with torch.no_grad():
        return _tensors(model(**inputs))


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for part in value for t in _tensors(part)] if isinstance(value, list | tuple) else []


def _state(model: torch.nn.Module) -> tuple[Any, ...]:
    """Everything that a capture touches or could touch."""
    files = {sys.modules[c.__module__] for m in model.modules() for c in type(m).__mro__}
    globals_ = {
        (file.__name__, name): id(value)
        for file in files
        for name, value in vars(file).items()
        if name == INTERFACE or name.endswith("attention_forward")
    }
    hooks = sum(
        len(m._forward_pre_hooks) + len(m._forward_hooks) + len(m._forward_pre_hooks_with_kwargs)
        for m in model.modules()
    )
    config: Any = model.config
    return globals_, hooks, str(config), config._attn_implementation
