"""Values, projections and residuals give what the model's own modules computed."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

from attnscope.mixing import Mixing
from attnscope.scores import QKLayer
from tests.models import (
    DECODER,
    ENCODER,
    FAMILIES,
    IDS,
    build,
    make_peaked,
    square,
    text,
    text_pair,
)
from tests.untouched import untouched

capture = importlib.import_module("attnscope.capture")

IN, OUT = "input", "output"
AFTER = {
    "bert": ("encoder.layer.{}.attention.output", OUT),
    "distilbert": ("transformer.layer.{}.sa_layer_norm", OUT),
    "modernbert": ("layers.{}.mlp_norm", IN),
    "gpt2": ("transformer.h.{}.ln_2", IN),
    "opt": ("decoder.layers.{}.final_layer_norm", IN),
    "llama": ("layers.{}.post_attention_layernorm", IN),
    "mistral": ("layers.{}.post_attention_layernorm", IN),
    "qwen3": ("layers.{}.post_attention_layernorm", IN),
    "gemma2": ("layers.{}.pre_feedforward_layernorm", IN),
    "gemma3": ("layers.{}.pre_feedforward_layernorm", IN),
    "gpt_oss": ("layers.{}.post_attention_layernorm", IN),
    "deepseek_v3": ("layers.{}.post_attention_layernorm", IN),
    "vit": ("layers.{}.layernorm_after", IN),
}
"""Modules that hold the state after the attention block of layer {}, in a family's model."""

MORE: dict[str, tuple[str, str, dict[str, Any], Any, str]] = {
    "dinov2": (
        "Dinov2Model",
        "Dinov2Config",
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
         "patch_size": 8},
        square,
        "encoder.layer.{}.norm2",
    ),
    "granite": (
        "GraniteModel",
        "GraniteConfig",
        {**DECODER, **IDS, "residual_multiplier": 0.22},
        text,
        "layers.{}.post_attention_layernorm",
    ),
    "gpt_neox": (
        "GPTNeoXModel",
        "GPTNeoXConfig",
        {**ENCODER, "use_parallel_residual": False},
        text,
        "layers.{}.post_attention_layernorm",
    ),
}  # fmt: skip
"""A scaled branch, a factor a dimension, and blocks one after the other."""


@contextmanager
def noting(model: torch.nn.Module, path: str, end: str, n: int) -> Iterator[list[torch.Tensor]]:
    """What goes into, or comes out of, the modules of these layers."""
    seen: list[torch.Tensor] = []

    def note(_: Any, args: Any, output: Any) -> None:
        seen.append((args[0] if end == IN else output).detach())

    hooks = [model.get_submodule(path.format(i)).register_forward_hook(note) for i in range(n)]
    yield seen
    for hook in hooks:
        hook.remove()


def after_block(layer: QKLayer) -> np.ndarray:
    """The state after the attention block, from weights and mixing alone."""
    mixing = layer.mixing
    assert mixing is not None
    assert mixing.lacking == ""
    assert mixing.residual is not None
    added = mixing.projected(layer.rows())
    added = mixing.branch(added) if mixing.branch else added
    state = mixing.residual.astype(np.float32) + added
    return mixing.norm(state) if mixing.norm else state


def check(model: Any, inputs: dict[str, Any], path: str, end: str, item: int) -> list[Mixing]:
    n_layers = model.config.num_hidden_layers
    with noting(model, path, end, n_layers) as seen:
        trace = capture(model, inputs=inputs, index=item, values=True)
    mask = inputs.get("attention_mask")
    kept = slice(None) if mask is None else mask[item].bool()
    for layer, state in zip(trace.stream().layers, seen, strict=True):
        assert isinstance(layer, QKLayer)
        expected = state.reshape(2, -1, state.shape[-1])[item, kept].numpy()
        np.testing.assert_allclose(after_block(layer), expected, atol=2e-5 * abs(expected).max())
    return [layer.mixing for layer in trace.stream().layers]  # type: ignore[attr-defined]


@pytest.mark.parametrize("item", [0, 1], ids=["whole", "padded"])
@pytest.mark.parametrize("name", AFTER)
def test_the_state_after_the_block_is_the_models(name: str, item: int) -> None:
    found = check(build(name), FAMILIES[name].inputs(), *AFTER[name], item)
    is_post = name in ("bert", "distilbert")
    assert all((mixing.norm is not None) == is_post for mixing in found)


@pytest.mark.parametrize("name", MORE)
def test_scaled_branches_are_recognised(name: str) -> None:
    model_class, config, options, inputs, path = MORE[name]
    model = getattr(hf, model_class)(getattr(hf, config)(**options)).eval()
    make_peaked(model)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "lambda1" in parameter_name:
                parameter.uniform_(0.2, 2, generator=torch.Generator().manual_seed(0))
    check(model, inputs(), path, IN, 0)


@pytest.mark.parametrize("name", ["bart", "marian", "t5", "whisper", "clip"])
def test_every_stream_of_several_is_followed(name: str) -> None:
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=1, values=True)
    for stream in trace.streams.values():
        for layer in stream.layers:
            assert isinstance(layer, QKLayer)
            assert layer.mixing is not None
            assert layer.mixing.lacking == ""
            assert layer.mixing.residual is not None
            assert layer.mixing.residual.shape == (len(stream.query), 32)
            assert layer.mixing.values.shape[1] == len(stream.key)
            assert (layer.mixing.norm is not None) == (name in ("bart", "marian"))


def test_cross_attention_of_t5_explains_the_block() -> None:
    model, inputs = build("t5"), text_pair()
    path = "decoder.block.{}.layer.2.layer_norm"
    with noting(model, path, IN, 3) as seen:
        trace = capture(model, inputs=inputs, index=0, values=True)
    for layer, state in zip(trace.stream("cross").layers, seen, strict=True):
        assert isinstance(layer, QKLayer)
        np.testing.assert_allclose(after_block(layer), state[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_outputs_and_model_are_as_without_capture(name: str) -> None:
    model, inputs = build(name), FAMILIES[name].inputs()
    with untouched(model, inputs):
        capture(model, inputs=inputs, index=0, values=True)


@pytest.mark.parametrize("name", ["gpt_neox", "phi"])
def test_blocks_side_by_side_have_no_residual_and_say_so(name: str) -> None:
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=0, values=True)
    layer = trace.stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.mixing is not None
    assert layer.mixing.projection is not None
    assert layer.mixing.residual is None
    assert "attention and MLP run side by side" in layer.mixing.lacking


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["bert", "llama", "gemma2"])
def test_half_precision_is_followed_too(name: str, dtype: torch.dtype) -> None:
    inputs, (path, end) = FAMILIES[name].inputs(), AFTER[name]
    model = build(name).to(dtype)
    with noting(model, path, end, 2) as seen:
        trace = capture(model, inputs=inputs, index=0, values=True)
    layer = trace.stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.mixing is not None
    assert layer.mixing.residual is not None
    from attnscope.scores import widen

    state = widen(layer.mixing.residual)
    added = layer.mixing.projected(layer.rows())
    state = state + (layer.mixing.branch(added) if layer.mixing.branch else added)
    state = layer.mixing.norm(state) if layer.mixing.norm else state
    expected = seen[0][0].float().numpy()
    np.testing.assert_allclose(state, expected, atol=0.03 * abs(expected).max())


class Adapted(torch.nn.Module):
    """A linear module with an adapter, as LoRA wraps them."""

    def __init__(self, base: torch.nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.down = torch.nn.Linear(32, 3, bias=False)
        self.up = torch.nn.Linear(3, 32, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.base_layer(x) + self.up(self.down(x))
        return made


class LinearAdapted(Adapted):
    """The same under a name that says it is linear."""


def test_an_adapter_on_the_projection_counts() -> None:
    model = build("llama")
    for layer in model.layers:
        layer.self_attn.o_proj = LinearAdapted(layer.self_attn.o_proj)
    check(model, FAMILIES["llama"].inputs(), *AFTER["llama"], 0)


def test_one_layer_is_understood_as_among_all() -> None:
    """ModernBERT's first layer has no norm before attention: alone it looks like post-norm."""
    inputs = FAMILIES["modernbert"].inputs()
    trace = capture(build("modernbert"), inputs=inputs, index=0, layers=[0], values=True)
    layer = trace.stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.mixing is not None
    assert layer.mixing.norm is None


def test_a_projection_of_another_kind_is_said_not_guessed() -> None:
    class Twice(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * x.abs().sum(-1, keepdim=True)

    model = build("llama")
    with torch.no_grad():
        old = model.layers[0].self_attn.o_proj
        model.layers[0].self_attn.o_proj = Twice(32, 32, bias=False)
        model.layers[0].self_attn.o_proj.weight.copy_(old.weight)
    trace = capture(model, inputs=FAMILIES["llama"].inputs(), index=0, values=True)
    first, second = trace.stream().layers
    assert isinstance(first, QKLayer)
    assert isinstance(second, QKLayer)
    assert first.mixing is not None
    assert first.mixing.projection is None
    assert "do not explain its output" in first.mixing.lacking
    assert second.mixing is not None
    assert second.mixing.lacking == ""


def test_values_need_all_heads() -> None:
    import attnscope

    with pytest.raises(attnscope.InputError, match="values= and gradient= need all heads"):
        capture(build("bert"), inputs=text(), index=0, heads=[0], values=True)


def test_without_values_nothing_is_followed() -> None:
    trace = capture(build("bert"), inputs=text(), index=0)
    assert all(layer.mixing is None for layer in trace.stream().layers)  # type: ignore[attr-defined]
