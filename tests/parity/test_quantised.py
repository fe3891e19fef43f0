"""Quantised and offloaded models: captured as they are, equal to what eager code of the same gives.

Quantised activations make steps of rounding errors, so that SDPA and eager code of one quantised
model differ by more than rounding; a capture is held to the code that ran.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from torch import nn

import attnscope
from attnscope.errors import CaptureError
from tests.models import FAMILIES, build

capture = importlib.import_module("attnscope.capture")
# These packages warn of one another's coming changes; ours is an error.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error::attnscope.AttnscopeWarning"),
]

NAMES = ["bert", "gpt2", "llama", "opt"]


def dynamic(model: Any) -> Any:
    """PyTorch's own: int8 weights, activations rounded as they come."""
    made: Any = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    return made


def quanto(model: Any) -> Any:
    given = pytest.importorskip("optimum.quanto")
    given.quantize(model, weights=given.qint8)
    given.freeze(model)
    return model


def torchao(model: Any) -> Any:
    given = pytest.importorskip("torchao.quantization")
    given.quantize_(model, given.Int8WeightOnlyConfig())
    return model


def torchao_dynamic(model: Any) -> Any:
    given = pytest.importorskip("torchao.quantization")
    given.quantize_(model, given.Int8DynamicActivationInt8WeightConfig())
    return model


def bitsandbytes(model: Any) -> Any:
    given = pytest.importorskip("bitsandbytes")
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and not name.endswith("lm_head"):
            sizes, bias = (module.in_features, module.out_features), module.bias is not None
            made = given.nn.Linear4bit(*sizes, bias=bias, quant_type="nf4")
            made.load_state_dict(module.state_dict())
            model.set_submodule(name, made.to("cpu"))
    return model


def hqq(model: Any) -> Any:
    given = pytest.importorskip("hqq.core.quantize")
    how = given.BaseQuantizeConfig(nbits=4, group_size=16)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and not name.endswith("lm_head"):
            made = given.HQQLinear(module, how, compute_dtype=torch.float32, device="cpu")
            model.set_submodule(name, made)
    return model


KINDS: list[Callable[[Any], Any]] = [dynamic, quanto, torchao, torchao_dynamic, bitsandbytes, hqq]


def held_to_eager(model: Any, name: str) -> None:
    """Every weight, in eager code; the certificate alone, in SDPA's."""
    inputs = FAMILIES[name].inputs()
    alone = {name: value[:1] for name, value in inputs.items()}
    for implementation in ("sdpa", "eager"):
        model.set_attn_implementation(implementation)
        with torch.no_grad():
            before = model(**alone)[0]
            trace = capture(model, inputs=alone)
            assert torch.equal(before, model(**alone)[0])
        assert trace.provenance.attention == implementation
        assert trace.check().skipped == 0
    with torch.no_grad():
        expected = model(**alone, output_attentions=True).attentions
    live = alone["attention_mask"][0].bool().numpy()
    for number, weights in enumerate(expected):
        reference = weights[0].float().numpy()[:, live][:, :, live]
        np.testing.assert_allclose(trace.weights(number), reference, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_a_quantised_model(kind: Callable[[Any], Any], name: str) -> None:
    held_to_eager(kind(build(name)), name)


def test_values_of_a_quantised_model_are_held_to_it() -> None:
    """Weights of int8 alone: the projection is still linear, and asked for its matrix."""
    model = quanto(build("bert"))
    trace = capture(model, inputs=FAMILIES["bert"].inputs(), index=0, values=True)
    assert [layer.mixing.lacking for layer in trace.stream().layers] == ["", ""]


def test_values_of_rounded_activations_are_not_claimed() -> None:
    """A projection that rounds what it is given is no matrix: said, not guessed."""
    trace = capture(dynamic(build("bert")), inputs=FAMILIES["bert"].inputs(), index=0, values=True)
    for layer in trace.stream().layers:
        assert "at most" in layer.mixing.lacking


def test_what_a_quantised_model_writes() -> None:
    torch.manual_seed(0)
    model = dynamic(build("gpt2"))
    trace = attnscope.generate(
        model, prompt={"input_ids": torch.tensor([[5, 6, 7, 8]])}, max_new_tokens=5, do_sample=False
    )
    assert trace.check().skipped == 0
    assert len(trace.tokens) == 8


@pytest.mark.parametrize("where", ["auto", "disk", "offloaded"])
def test_a_model_that_accelerate_places(where: str, tmp_path: Path) -> None:
    given = pytest.importorskip("accelerate")
    build("llama").save_pretrained(tmp_path / "model")
    disk = {"embed_tokens": "cpu", "rotary_emb": "cpu", "layers.0": "cpu", "layers.1": "disk"}
    options = {
        "auto": {"device_map": "auto"},
        "disk": {"device_map": {**disk, "norm": "disk"}, "offload_folder": tmp_path / "weights"},
        "offloaded": {},
    }[where]
    model = hf.AutoModel.from_pretrained(tmp_path / "model", **options)
    if where == "offloaded":
        given.disk_offload(model, tmp_path / "weights")
        assert model.device.type == "meta"
    held_to_eager(model, "llama")


def test_values_of_an_offloaded_model(tmp_path: Path) -> None:
    given = pytest.importorskip("accelerate")
    model, inputs = build("llama"), FAMILIES["llama"].inputs()
    expected = capture(model, inputs=inputs, index=0, values=True)
    given.disk_offload(model, tmp_path)
    found = capture(model, inputs=inputs, index=0, values=True)
    for one, other in zip(found.stream().layers, expected.stream().layers, strict=True):
        assert one.mixing.lacking == ""
        np.testing.assert_array_equal(one.mixing.values, other.mixing.values)
        np.testing.assert_allclose(one.mixing.projection, other.mixing.projection, atol=1e-6)


def test_a_quantised_key_cache_is_named_before_it_is_used() -> None:
    model, prompt = build("gpt2"), {"input_ids": torch.tensor([[5, 6, 7]])}
    told = (
        r"a quantised key cache rounds keys after they were used: .*\(leave cache_implementation="
    )
    with pytest.raises(CaptureError, match=told):
        attnscope.generate(model, prompt=prompt, cache_implementation="quantized", max_new_tokens=2)
