"""From a model to a Trace: what is kept, what is said, and real models' known heads."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

import attnscope.capture
from attnscope.capture.forward import record
from attnscope.capture.places.streams import Stack, stream_names
from attnscope.errors import AttnscopeWarning, CaptureError, InputError
from attnscope.scores import QKLayer
from tests.models import FAMILIES, analytic_gpt2, build, text, text_pair

capture = importlib.import_module("attnscope.capture")


def test_the_package_is_the_function() -> None:
    assert callable(attnscope.capture)
    parameters = inspect.signature(capture).parameters
    assert list(parameters)[:4] == ["model", "tokenizer", "text", "text_pair"]


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, attnscope.capture; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layers_and_heads_that_are_kept() -> None:
    model = build("llama")
    every = capture(model, inputs=text(), index=0)
    some = capture(model, inputs=text(), index=0, layers=[1], heads=[3, 0])
    assert some.stream().numbers == (1,)
    layer = some.stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.heads == (3, 0)
    assert layer.queries.shape[0] == 2
    np.testing.assert_allclose(some.weights(1, 3), every.weights(1, 3), atol=1e-6)
    np.testing.assert_allclose(some.weights(1, 0), every.weights(1, 0), atol=1e-6)
    assert some.check().calls == 1


@pytest.mark.parametrize("name", ["llama", "gpt_oss", "t5"])
def test_one_head_of_each_layer(name: str) -> None:
    inputs = FAMILIES[name].inputs()
    every = capture(build(name), inputs=inputs, index=1)
    some = capture(build(name), inputs=inputs, index=1, heads=2)
    for stream in some.streams.values():
        for number in stream.numbers:
            expected = every.weights(number, 2, stream=stream.name)
            found = some.weights(number, 2, stream=stream.name)
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_streams_with_different_depths() -> None:
    trace = capture(build("bart"), inputs=text_pair(), index=0, layers=[2])
    assert list(trace.streams) == ["decoder", "cross"]
    with pytest.raises(InputError, match="layer 3 is not in the model, which has layers 0 to 2"):
        capture(build("bart"), inputs=text_pair(), index=0, layers=[3])


def test_albert_calls_one_module_for_every_layer() -> None:
    layers = capture(build("albert"), inputs=text(), index=0).stream().layers
    assert len({layer.name for layer in layers if isinstance(layer, QKLayer)}) == 1
    assert len(layers) == 2


def test_keys_are_not_repeated_and_nothing_else_is_kept_alive() -> None:
    layer = capture(build("llama"), inputs=text(), index=0).stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.keys.shape[0] == 2
    for array in (layer.queries, layer.keys):
        assert array.base is None or array.base.nbytes == array.nbytes


def test_sinks_take_their_share() -> None:
    trace = capture(build("gpt_oss"), inputs=text(), index=0)
    assert not trace.stream().layers[0].sums_to_one
    assert trace.weights(0).sum(-1).min() < 0.9


def test_provenance() -> None:
    provenance = capture(build("gemma2"), inputs=text(), index=0).provenance
    assert provenance.model == "Gemma2Model"
    assert (provenance.model_type, provenance.dtype) == ("gemma2", "float32")
    assert provenance.attention == "eager"
    assert {"torch", "transformers"} <= set(provenance.versions)


def test_a_model_whose_attention_is_no_softmax() -> None:
    model = hf.RwkvModel(
        hf.RwkvConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, context_length=16)
    )
    with pytest.raises(CaptureError) as caught:
        capture(model.eval(), inputs=text()["input_ids"], index=0)
    said = str(caught.value)
    assert "RwkvModel (model_type 'rwkv') ran without any attention that attnscope sees" in said
    assert "not in blocks.0.attention (RwkvSelfAttention) either" in said
    assert "State-space, linear and hashed attention have no weights of that kind" in said
    assert "attn_implementation='eager'" in said
    assert "attnscope.from_attention(outputs.attentions, tokens)" in said


def test_a_model_without_attention() -> None:
    class Lookup(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(64, 4)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            return self.table(input_ids)

    with pytest.raises(CaptureError, match=r"Lookup \(model_type 'unknown'\) ran without any"):
        capture(Lookup(), inputs=text()["input_ids"], index=0)


def test_attention_that_is_not_recorded_is_named() -> None:
    model = build("bert")

    class GatedAttention(torch.nn.Identity):
        """An attention of its own beside the model's."""

    model.encoder.layer[1].output.extra = GatedAttention()
    dense = model.encoder.layer[1].output.dense
    dense.register_forward_hook(lambda *call: model.encoder.layer[1].output.extra(call[-1]))
    told = r"1 attention modules ran and were not recorded: encoder\.layer\.1\.output\.extra"
    with pytest.warns(AttnscopeWarning, match=told):
        trace = capture(model, inputs=text(), index=0)
    assert trace.stream().numbers == (0, 1)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("bert-base", r"name 'bert-base', .* AutoModel.from_pretrained\('bert-base'\)"),
        (None, r"must be a PyTorch module .* got NoneType"),
        (
            SimpleNamespace(model=torch.nn.Identity(), tokenizer=None),
            r"capture\(pipe.model, pipe.tokenizer, text\)",
        ),
    ],
)
def test_what_is_not_a_model(model: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        capture(model, inputs=text())


def test_progress_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    capture(build("bert"), inputs=text(), index=0)
    assert capfd.readouterr().err == ""
    capture(build("bert"), inputs=text(), index=0, progress=True)
    shown = capfd.readouterr()
    assert "capture" in shown.err
    assert shown.out == ""


def test_record_hears_every_call_inside() -> None:
    model = build("gpt2")
    with record(model) as recording:
        model.generate(torch.full((1, 4), 5), max_new_tokens=3, do_sample=False, pad_token_id=0)
    recording.verify()
    assert [call.layer.shape for call in recording.calls[::2]] == [(4, 4, 4), (4, 1, 5), (4, 1, 6)]


def test_without_torch_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["torch"] = None
import attnscope
from attnscope import capture
assert attnscope.capture is capture
try:
    attnscope.capture(None, None, "a text")
except attnscope.MissingDependencyError as error:
    assert "torch is not installed: pip install 'attnscope[hf]'" in str(error), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_with_torch_it_is_the_function() -> None:
    code = """
import attnscope, inspect
from attnscope import capture
assert attnscope.capture is capture and inspect.isfunction(capture)
import attnscope.capture as again
from attnscope.capture.forward import capture as function
assert again is capture is function
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def stack(path: str, *, cross: bool = False) -> Stack:
    return Stack(path, cross, 5, 5)


@pytest.mark.parametrize(
    ("stacks", "names"),
    [
        ([stack("h.*.attn")], ["self"]),
        (
            [
                stack("encoder.block.*.layer.*.SelfAttention"),
                stack("decoder.block.*.layer.*.SelfAttention"),
                stack("decoder.block.*.layer.*.EncDecAttention", cross=True),
            ],
            ["encoder", "decoder", "cross"],
        ),
        (
            [
                stack("encoder.encoder.layer.*.attention.self"),
                stack("decoder.bert.encoder.layer.*.attention.self"),
                stack("decoder.bert.encoder.layer.*.crossattention.self", cross=True),
            ],
            ["encoder", "decoder", "cross"],
        ),
        ([stack("h.*.attn"), stack("h.*.crossattention", cross=True)], ["decoder", "cross"]),
        (
            [stack("text_model.encoder.layers.*"), stack("vision_model.encoder.layers.*")],
            ["text", "vision"],
        ),
        ([stack("a.*.attn"), Stack("a.*.attn", False, 9, 9)], ["self", "self_2"]),
    ],
    ids=["one", "t5", "bert2bert", "gpt2-cross", "clip", "shapes"],
)
def test_stream_names(stacks: list[Stack], names: list[str]) -> None:
    assert list(stream_names(stacks).values()) == names


def test_heads_made_by_hand_do_what_their_names_say() -> None:
    half = torch.randperm(31, generator=torch.Generator().manual_seed(0))[:20] + 1
    ids = torch.cat([torch.zeros(1, dtype=torch.long), half, half])[None]
    trace = capture(analytic_gpt2(), inputs=ids)
    previous, first = trace.weights(0, 0), trace.weights(0, 1)
    assert np.diagonal(previous, -1).min() > 0.999
    assert first[:, 0].min() > 0.999
    induction, duplicate = trace.weights(1, 0), trace.weights(1, 1)
    again = np.arange(22, 41)
    assert induction[again, again - 19].min() > 0.999
    np.testing.assert_allclose(duplicate[again, again - 20], 0.5, atol=1e-3)


def test_known_heads_of_minilm(minilm: tuple[Any, Any]) -> None:
    trace = capture(*minilm, "The cat sat on the mat because it was tired.")
    at = trace.tokens.text.index
    assert np.diagonal(trace.weights(0, 2), -1).mean() == pytest.approx(1.0, abs=2e-3)
    assert trace.weights(5, 11)[at("it"), at("cat")] == pytest.approx(0.71, abs=0.02)
    assert trace.check().error < 1e-5


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", "BertModel"),
        ("org/model", "org/model"),
        ("/data/secret/my-model", "my-model"),
        (str(Path(__file__).parent), "unit"),
    ],
)
def test_no_path_of_the_users_machine_reaches_a_page(name: str, shown: str) -> None:
    model = build("bert")
    model.config._name_or_path = name
    assert capture(model, inputs=text(), index=0).provenance.model == shown
