"""The certificate finds formulas that do not explain the model, and lets rounding pass."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from attnscope.capture import certify
from attnscope.capture.calls import layers
from attnscope.capture.certify import Witness, tolerance
from attnscope.errors import AttnscopeWarning, CaptureError
from attnscope.scores import QKLayer, ScoreSpec
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")

WRONG: dict[str, tuple[str, Any]] = {
    "scaling": ("bert", lambda spec: {"scaling": spec.scaling * 1.05}),
    "causal": ("gpt2", lambda spec: {"visible": None, "causal": False}),
    "offset": ("llama", lambda spec: {"visible": None, "causal": True, "offset": -1}),
    "window": ("mistral", lambda spec: {"visible": None, "causal": True}),
    "padding": ("bert", lambda spec: {"visible": None}),
    "softcap": ("gemma2", lambda spec: {"softcap": None}),
    "sinks": ("gpt_oss", lambda spec: {"sinks": None}),
    "bias": ("t5", lambda spec: {"bias": None}),
}


@pytest.mark.parametrize("ingredient", WRONG)
def test_a_wrong_ingredient_is_an_error(ingredient: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, wrong = WRONG[ingredient]
    honest = layers._spec

    def dishonest(*given: Any) -> ScoreSpec:
        spec = honest(*given)
        return replace(spec, **wrong(spec))

    monkeypatch.setattr(layers, "_spec", dishonest)
    with pytest.raises(CaptureError, match=r"layer \d \(.+\): .* do not explain the attention"):
        capture(build(name), inputs=FAMILIES[name].inputs(), index=1)


def test_the_error_says_where_how_much_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = layers._spec
    monkeypatch.setattr(layers, "_spec", lambda *given: replace(honest(*given), scaling=1.0))
    with pytest.raises(CaptureError) as caught:
        capture(build("bert"), inputs=text(), index=0)
    said = str(caught.value)
    assert "layer 0 (encoder.layer.0.attention.self)" in said
    assert "The error is " in said
    assert "at most 1e-04 is rounding in float32" in said
    assert "attn_implementation='eager'" in said
    assert "attnscope.from_attention(outputs.attentions, tokens)" in said


def test_an_output_that_is_not_a_number_is_an_error() -> None:
    model = build("bert")
    with torch.no_grad():
        model.encoder.layer[1].attention.self.value.bias[0] = torch.nan
    with pytest.raises(CaptureError) as caught:
        capture(model, inputs=text(), index=0)
    assert str(caught.value) == (
        "the model computes NaN (not a number) in layer 1 (encoder.layer.1.attention.self), in "
        "float32: there are no weights to show. In half precision, large numbers overflow: try "
        "model.float(). Otherwise look into the inputs, and into the weights: "
        "[name for name, weight in model.named_parameters() if not weight.isfinite().all()]."
    )


def test_queries_and_outputs_that_are_infinite() -> None:
    model = build("bert")
    with torch.no_grad():
        model.encoder.layer[0].attention.self.value.bias[0] = torch.inf
    with pytest.raises(CaptureError, match=r"computes (infinite numbers|NaN \(.*\)) in layer 0"):
        capture(model, inputs=text(), index=0)


def test_weights_so_large_that_squares_overflow_give_an_error_and_no_warning() -> None:
    model = build("bert")
    with torch.no_grad():
        model.encoder.layer[0].attention.self.query.weight.mul_(1e30)
        model.encoder.layer[0].attention.self.key.weight.mul_(1e30)
    with pytest.raises(CaptureError, match="layer 0"):
        capture(model, inputs=text(), index=0)


@pytest.mark.parametrize("name", ["bert", "t5", "gemma2", "llama"])
def test_automatic_mixed_precision(name: str) -> None:
    model, inputs = build(name), FAMILIES[name].inputs()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trace = capture(model, inputs=inputs, index=1)
    assert trace.provenance.dtype == "bfloat16"
    assert trace.check().calls == sum(len(stream.layers) for stream in trace.streams.values())


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_kept_and_certified(dtype: torch.dtype, implementation: str) -> None:
    trace = capture(build("llama", implementation).to(dtype), inputs=text(), index=1)
    layer = trace.stream().layers[0]
    assert isinstance(layer, QKLayer)
    assert layer.dtype == trace.provenance.dtype == str(dtype).removeprefix("torch.")
    assert layer.queries.itemsize == layer.keys.itemsize == 2
    np.testing.assert_allclose(layer.rows().sum(-1), 1, atol=1e-5)


def test_dropout_is_kept_warned_about_and_not_certified() -> None:
    model = build("bert", attention_probs_dropout_prob=0.5).train()
    torch.manual_seed(7)
    seen: list[Any] = []
    hook = model.register_forward_hook(lambda *call: seen.append(call[-1].last_hidden_state))
    with torch.no_grad():
        model(**text())
    torch.manual_seed(7)
    with pytest.warns(AttnscopeWarning, match=r"in training mode.*call model\.eval\(\)") as told:
        trace = capture(model, inputs=text(), index=0)
    hook.remove()
    assert len(told) == 1
    assert torch.equal(*seen)
    assert model.training
    certificate = trace.provenance.certificate
    assert certificate is not None
    assert (certificate.calls, certificate.skipped) == (0, 2)
    assert "not certified: dropout was active" in repr(trace)
    np.testing.assert_allclose(trace.weights(0).sum(-1), 1, atol=1e-6)


def test_capturing_draws_no_random_numbers() -> None:
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    capture(build("bert"), inputs=text(), index=0)
    torch.manual_seed(0)
    model = build("bert")
    state = torch.get_rng_state()
    capture(model, inputs=text(), index=0)
    assert torch.equal(state, torch.get_rng_state())
    assert np.array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


def test_a_witness_counts_rows_that_see_something() -> None:
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, 1, 5, 4)).astype(np.float32)
    visible = np.tri(5, dtype=bool)
    visible[2] = False
    layer = QKLayer(queries, keys, ScoreSpec(0.5, visible=visible), (0,), np.zeros(1, np.int64))
    values = rng.normal(size=(1, 5, 4)).astype(np.float32)
    output = layer.rows() @ values
    output[:, 2] = 99
    assert Witness(values, output).check(layer) == (0.0, 4)
    output[:, 4] += 1
    error, _ = Witness(values, output).check(layer)
    assert error == pytest.approx(1 / np.abs(values).max())


def test_check_works_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = capture(build("t5"), inputs=FAMILIES["t5"].inputs(), index=1)
    whole = trace.check()
    monkeypatch.setattr(certify, "BLOCK", 1)
    assert trace.check().rows == whole.rows


def test_evaluation_mode_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capture(build("bert", attention_probs_dropout_prob=0.5), inputs=text(), index=0)


@pytest.mark.parametrize("gain", [1, 10])
def test_tolerance_grows_with_the_scores_and_not_without_end(gain: int) -> None:
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, 1, 5, 64)).astype(np.float32) * gain
    heads = np.zeros(1, np.int64)
    layer = QKLayer(queries, keys, ScoreSpec(0.125), (0,), heads)
    assert 1e-4 < tolerance(layer, "float32") < (1.2e-4 if gain == 1 else 1e-3)
    huge = replace(layer, queries=queries * np.float32(1e4))
    assert tolerance(huge, "float32") == pytest.approx(1e-4 + 1e-2, rel=1e-2)
