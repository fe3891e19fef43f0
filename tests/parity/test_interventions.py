"""Interventions do what one would do by hand, for every family: hooks, masks, weights of zeros."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from tests.models import FAMILIES, build

capture = importlib.import_module("attnscope.capture")

PROJECTION = re.compile(
    r"(o_proj|out_proj|attn\.c_proj|out_lin|attn\.Wo|attention\.output\.dense|self_attn\.dense"
    r"|attention\.dense|Attention\.o)$"
)
STREAM_NAMES = {
    "encoder": r"encoder.*self_?attn|encoder.*SelfAtt",
    "decoder": r"decoder.*self_?attn|decoder.*SelfAtt",
    "cross": r"encoder_attn|EncDec",
    "text": "text_model",
    "vision": "vision_model",
    "self": "",
}
CASES = [(name, stream) for name, family in FAMILIES.items() for stream in family.streams]
HEAD = 1


def tensors(output: Any) -> list[torch.Tensor]:
    values = output.to_tuple() if hasattr(output, "to_tuple") else output
    return [value for value in values if isinstance(value, torch.Tensor)]


def run(model: Any, inputs: Any) -> list[torch.Tensor]:
    with torch.no_grad():
        return tensors(model(**inputs))


def projections(model: Any, stream: str) -> list[torch.nn.Module]:
    """The output projections of a stream's attention, in the order of layers."""
    found = [
        module
        for name, module in model.named_modules()
        if PROJECTION.search(name) and re.search(STREAM_NAMES[stream], name)
    ]
    shared = [m for n, m in model.named_modules() if n.endswith("albert_layers.0.attention.dense")]
    return found or shared


@contextmanager
def by_hand(projection: torch.nn.Module, head: int, dim: int) -> Iterator[None]:
    """The head's slice of what the output projection is given becomes 0."""

    def cut(_: Any, args: Any) -> Any:
        given = args[0].clone()
        given[..., head * dim : (head + 1) * dim] = 0
        return (given, *args[1:])

    handle = projection.register_forward_pre_hook(cut)
    try:
        yield
    finally:
        handle.remove()


def value_dim(model: Any, projection: Any, stream: str, inputs: Any) -> int:
    """Width of a head's output: what the projection takes, over the heads."""
    heads = capture(model, inputs=inputs, index=0).streams[stream].layers[-1].heads
    weight = projection.weight
    width = weight.shape[0] if type(projection).__name__ == "Conv1D" else weight.shape[1]
    return width // len(heads)


@pytest.mark.parametrize(("name", "stream"), CASES)
def test_zeroing_a_head_is_zeroing_its_slice_of_the_projection(name: str, stream: str) -> None:
    model, inputs = build(name), FAMILIES[name].inputs()
    layers = projections(model, stream)
    layer = len(layers) - 1
    dim = value_dim(model, layers[layer], stream, inputs)
    with by_hand(layers[layer], HEAD, dim):
        expected = run(model, inputs)
    plain = run(model, inputs)
    heads = [(layer, HEAD)] if name != "albert" else [(0, HEAD), (1, HEAD)]
    with attnscope.ablate(model, heads, stream=stream):
        found = run(model, inputs)
    assert any(not torch.equal(a, b) for a, b in zip(found, plain, strict=True))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    for again, before in zip(run(model, inputs), plain, strict=True):
        assert torch.equal(again, before)


@pytest.mark.parametrize(
    "name", ["bert", "distilbert", "roberta", "electra", "llama", "gpt_neox", "gpt2", "gemma2"]
)
def test_hiding_a_token_is_masking_it(name: str) -> None:
    """Everywhere but at the token itself, which is hidden from the others and not from itself."""
    model, place = build(name), 4
    ids = torch.randint(3, 64, (1, 9), generator=torch.Generator().manual_seed(3))
    mask = torch.ones_like(ids)
    mask[0, place] = 0
    expected = run(model, {"input_ids": ids, "attention_mask": mask})[0]
    with attnscope.ablate(model, keys=place):
        found = run(model, {"input_ids": ids})[0]
    others = [at for at in range(9) if at != place]
    assert not torch.equal(found[:, others], run(model, {"input_ids": ids})[0][:, others])
    torch.testing.assert_close(found[:, others], expected[:, others], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("bert", "encoder.layer.1.attention.self.query"),
        ("gpt_neox", ""),
        ("llama", "layers.1.self_attn.q_proj"),
        ("opt", "decoder.layers.1.self_attn.q_proj"),
        ("vit", "layers.1.attention.q_proj"),
    ],
)
def test_uniform_weights_are_those_of_a_head_without_queries(name: str, weights: str) -> None:
    model, changed, inputs = build(name), build(name), FAMILIES[name].inputs()
    with torch.no_grad():
        for parameter in _query_rows(changed, weights):
            parameter.zero_()
    with attnscope.ablate(model, [(1, HEAD)], "uniform"):
        found = run(model, inputs)
    for ours, theirs in zip(found, run(changed, inputs), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def _query_rows(model: Any, weights: str) -> list[torch.Tensor]:
    """Rows of the query projection that make the head's queries."""
    if weights:
        module = model.get_submodule(weights)
        rows = slice(8 * HEAD, 8 * HEAD + 8)
    else:  # queries, keys and values of each head lie together
        module = model.layers[1].attention.query_key_value
        rows = slice(24 * HEAD, 24 * HEAD + 8)
    both = [module.weight, module.bias]
    return [parameter[rows] for parameter in both if parameter is not None]


@pytest.mark.parametrize(("name", "stream"), CASES)
def test_a_capture_inside_records_what_the_changed_model_attends_to(name: str, stream: str) -> None:
    """Uniform rows are uniform, hidden keys have no weight, and every row is certified."""
    model, inputs = build(name), FAMILIES[name].inputs()
    plain = capture(model, inputs=inputs, index=0)
    with attnscope.ablate(model, [(1, HEAD)], "uniform", stream=stream):
        uniform = capture(model, inputs=inputs, index=0)
    seen = plain.weights(1, HEAD, stream) > 0
    if name != "gpt_oss":  # whose sink takes its share
        expected = seen / seen.sum(-1, keepdims=True)
        np.testing.assert_allclose(uniform.weights(1, HEAD, stream), expected, atol=1e-6)
    assert uniform.check().error < 1e-5
    assert uniform.provenance.notes[0] == "Recorded with head 1.1 made uniform."
    with attnscope.ablate(model, keys=[2, 3], layers=[1], stream=stream):
        hidden = capture(model, inputs=inputs, index=0)
    weights = hidden.weights(1, stream=stream)
    outside = (
        [at for at in range(weights.shape[1]) if at not in (2, 3)] if stream != "cross" else [0]
    )
    assert not weights[:, outside][..., [2, 3]].any()
    assert hidden.check().error < 1e-5
    np.testing.assert_allclose(hidden.weights(0, stream=stream), plain.weights(0, stream=stream))
    with attnscope.ablate(model, [(0, 0)], stream=stream):
        zeroed = capture(model, inputs=inputs, index=0)
    np.testing.assert_allclose(zeroed.weights(0, stream=stream), plain.weights(0, stream=stream))
    assert zeroed.check().error < 1e-5


@pytest.mark.parametrize(
    "name", [name for name in FAMILIES if name not in ("gpt_oss", "vit", "clip", "whisper")]
)
def test_patterns_of_another_text_take_the_place_of_the_models_own(name: str) -> None:
    model, stream = build(name), FAMILIES[name].streams[-1]
    inputs = {key: value[:1] for key, value in FAMILIES[name].inputs().items()}
    other = {key: value.flip(1) if "ids" in key else value for key, value in inputs.items()}
    source = capture(model, inputs=other)
    with attnscope.patch(model, source, [(1, HEAD)], stream=stream):
        patched = capture(model, inputs=inputs)
    wanted = source.weights(1, HEAD, stream)
    np.testing.assert_allclose(patched.weights(1, HEAD, stream), wanted, atol=1e-6)
    plain = capture(model, inputs=inputs)
    np.testing.assert_allclose(
        patched.weights(1, 0, stream), plain.weights(1, 0, stream), atol=1e-6
    )
    assert patched.check().error < 1e-5


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5"])
@pytest.mark.parametrize("what", ["pattern", "output"])
def test_patching_a_model_with_its_own_trace_changes_nothing(name: str, what: str) -> None:
    model, stream = build(name), FAMILIES[name].streams[-1]
    inputs = {key: value[:1] for key, value in FAMILIES[name].inputs().items()}
    trace, plain = capture(model, inputs=inputs, values=True), run(model, inputs)
    with attnscope.patch(model, trace, what=what, layers=[0, 1], stream=stream):
        for ours, theirs in zip(run(model, inputs), plain, strict=True):
            torch.testing.assert_close(ours, theirs, atol=5e-6, rtol=0)
