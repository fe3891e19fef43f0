"""Gradients by weights, against autograd through Transformers' eager attention."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from attnscope import CaptureError, InputError, measures
from tests.models import FAMILIES, analytic_gpt2, build
from tests.untouched import untouched

capture = importlib.import_module("attnscope.capture")


def objective(item: int) -> Any:
    """A number of the item's last position, whatever the model returns."""

    def along(output: Any) -> torch.Tensor:
        states = output.logits if hasattr(output, "logits") else output.last_hidden_state
        return states[item, -1].float() @ torch.linspace(-1, 1, states.shape[-1])

    return along


def by_autograd(name: str, item: int) -> dict[str, list[np.ndarray]]:
    """dY/dA · A [head, query, key] of each layer by stream, with eager attention."""
    inputs = FAMILIES[name].inputs()
    output = build(name, "eager")(**inputs, output_attentions=True)
    streams = {"self": output.get("attentions")}
    if "decoder_input_ids" in inputs:
        streams = {
            "encoder": output.encoder_attentions,
            "decoder": output.decoder_attentions,
            "cross": output.cross_attentions,
        }
    value = objective(item)(output)
    return {
        stream: [
            (gradient * weights)[item].detach().numpy()
            for gradient, weights in zip(
                torch.autograd.grad(value, layers, retain_graph=True), layers, strict=True
            )
        ]
        for stream, layers in streams.items()
    }


def kept(trace: attnscope.Trace, name: str, item: int, stream: str) -> tuple[Any, Any]:
    mask = FAMILIES[name].inputs().get("attention_mask")
    source = slice(None) if mask is None else mask[item].bool().numpy()
    query = slice(None) if stream in ("decoder", "cross") else source
    return query, slice(None) if stream == "decoder" else source


@pytest.mark.parametrize("item", [0, 1], ids=["whole", "padded"])
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "mistral", "gemma2", "gpt_oss", "t5"])
def test_gradients_equal_eager_autograd(name: str, item: int) -> None:
    inputs = FAMILIES[name].inputs()
    trace = capture(build(name), inputs=inputs, index=item, gradient=objective(item))
    for stream, layers in by_autograd(name, item).items():
        query, key = kept(trace, name, item, stream)
        for number, expected in enumerate(layers):
            found = measures.gradient_attention(trace, number, stream=stream)
            shown = expected[:, query][:, :, key]
            np.testing.assert_allclose(found, shown, atol=1e-5 * abs(shown).max())


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_relevancy_is_the_authors_update_rule(name: str) -> None:
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=0, gradient=objective(0))
    relevancy = np.eye(11)
    for products in by_autograd(name, 0)["self"]:
        relevancy = relevancy + products.clip(min=0).mean(0) @ relevancy
    np.testing.assert_allclose(measures.relevancy(trace), relevancy, atol=1e-5)
    last = measures.quantity(trace, "relevancy").layers[-1].rows()[0]
    np.testing.assert_allclose(last, relevancy, atol=1e-5)
    both = measures.quantity(trace, "gradient").layer(1).rows([2], slice(3, 5))
    np.testing.assert_allclose(both[0], measures.gradient_attention(trace, 1, 2)[3:5])


def residual_handled(relevancy: np.ndarray) -> np.ndarray:
    """The authors' handle_residual, row by row."""
    made = np.eye(len(relevancy))
    for row, own in enumerate(relevancy - np.eye(len(relevancy))):
        made[row] += own / own.sum() if own.sum() > 0 else 0
    return made


@pytest.mark.parametrize("name", ["t5", "marian"])
def test_relevancy_of_cross_attention_follows_the_authors_rules(name: str) -> None:
    """Rules 6, 7 and 10 as their script for DETR applies them, on eager weights and autograd."""
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=0, gradient=objective(0))
    cams = {
        stream: [products.clip(min=0).mean(0) for products in layers]
        for stream, layers in by_autograd(name, 0).items()
    }
    source = np.eye(cams["encoder"][0].shape[0])
    for cam in cams["encoder"]:
        source += cam @ source
    target, across = np.eye(len(cams["decoder"][0])), np.zeros(cams["cross"][0].shape)
    for own, cam in zip(cams["decoder"], cams["cross"], strict=True):
        across += own @ across
        target += own @ target
        across += residual_handled(target).T @ (cam @ residual_handled(source))
    found = measures.relevancy(trace, stream="cross")
    assert found.max() > 0
    np.testing.assert_allclose(found, across, rtol=1e-3, atol=1e-5 * across.max())


def test_relevancy_of_cross_attention_needs_both_stacks() -> None:
    trace = capture(build("t5"), inputs=FAMILIES["t5"].inputs(), index=0, gradient=objective(0))
    with pytest.raises(InputError, match=r"follows all layers: leave start_layer out\.$"):
        measures.relevancy(trace, start_layer=1, stream="cross")
    alone = attnscope.Trace([trace.streams["cross"]], trace.provenance)
    with pytest.raises(InputError, match=r"^relevancy needs the same tokens on both sides; cross"):
        measures.relevancy(alone)
    plain = capture(build("t5"), inputs=FAMILIES["t5"].inputs(), index=0)
    with pytest.raises(InputError, match=r"^this needs gradients, which layer 0 of encoder lacks"):
        measures.relevancy(plain, stream="cross")


def test_a_weights_gradient_predicts_what_taking_a_little_of_it_does() -> None:
    """Finite differences: the attention output of one head is made a little smaller."""
    inputs, model = FAMILIES["gpt2"].inputs(), build("gpt2").double()
    projection = model.transformer.h[1].attn.c_proj

    def along_double(output: Any) -> torch.Tensor:
        return output.logits[0, -1] @ torch.linspace(-1, 1, 64).double()

    def shrunk(by: float) -> float:
        def less(_: Any, args: Any) -> Any:
            (heads,) = args
            heads = heads.clone()
            heads[..., 16:24] *= 1 - by
            return (heads,)

        hook = projection.register_forward_pre_hook(less)
        with torch.no_grad():
            value = along_double(model(**inputs)).item()
        hook.remove()
        return value

    trace = capture(model, inputs=inputs, index=0, gradient=along_double)
    products = measures.gradient_attention(trace, 1, 2)
    step = 1e-5
    slope = (shrunk(-step) - shrunk(step)) / (2 * step)
    assert products.sum() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("frozen", [False, True])
def test_outputs_model_and_grads_are_as_before(frozen: bool) -> None:
    model, inputs = build("gpt2"), FAMILIES["gpt2"].inputs()
    model.requires_grad_(not frozen)
    with untouched(model, inputs):
        trace = capture(model, inputs=inputs, index=1, gradient=True)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(parameter.requires_grad != frozen for parameter in model.parameters())
    assert abs(measures.gradient_attention(trace, 0)).max() > 0


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_gradients_work_where_the_caller_has_switched_them_off(context: Any) -> None:
    model, inputs = build("gpt2"), FAMILIES["gpt2"].inputs()
    with context():
        inputs = {name: value.clone() for name, value in inputs.items()}
        trace = capture(model, inputs=inputs, index=0, gradient=True)
        assert not torch.is_grad_enabled()
    assert abs(measures.gradient_attention(trace, 0)).max() > 0


def test_a_model_of_inference_mode_is_refused() -> None:
    with torch.inference_mode():
        model = build("gpt2")
    inputs = FAMILIES["gpt2"].inputs()
    with pytest.raises(CaptureError, match="inference_mode"):
        capture(model, inputs=inputs, index=0, gradient=True)


def induction() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor([[0, 3, 4, 5, 3, 4]])}


@pytest.mark.parametrize("wanted", [True, 5, lambda output: output.logits[0, -1, 5]])
def test_the_induction_heads_weight_is_what_the_next_token_hangs_on(wanted: Any) -> None:
    trace = capture(analytic_gpt2(), inputs=induction(), tokens=range(6), gradient=wanted)
    products = measures.gradient_attention(trace, 1, 0)
    assert products[5].argmax() == 3
    assert products[5, 3] > 10 * np.abs(np.delete(products[5], 3)).max()
    assert measures.relevancy(trace)[5].argsort()[-2:].tolist() in ([5, 3], [3, 5])


def test_a_token_may_be_named_by_its_text(minilm: Any) -> None:
    from attnscope.capture.gradients import objective as of

    logits = torch.arange(40_000.0)[None, None].repeat(1, 3, 1)

    class Output:
        def __init__(self) -> None:
            self.logits = logits

    prepared = importlib.import_module("attnscope.capture.inputs.prepare").prepare(
        *minilm, "a", None, None, None, None, None, None
    )
    number = minilm[1].convert_tokens_to_ids("cat")
    assert of(Output(), "cat", prepared, minilm[1]).item() == number
    with pytest.raises(InputError, match=r"'catnip' is 3 tokens|'catnip' is 2 tokens"):
        of(Output(), "catnip", prepared, minilm[1])
    with pytest.raises(InputError, match="needs the tokenizer"):
        of(Output(), "cat", prepared, None)


@pytest.mark.parametrize(
    ("name", "wanted", "text"),
    [
        ("bert", True, "names a logit, and the model returns none (BaseModelOutput"),
        ("gpt2", 64, "gradient=64 is no logit: they go from 0 to 63"),
        ("gpt2", 1.5, "gradient must be a whole number, got 1.5"),
        ("gpt2", lambda output: output.logits, "it returned a tensor of shape (2, 11, 64)"),
        ("gpt2", lambda output: 3.0, "must return one number (a tensor), it returned 3.0"),
        ("gpt2", lambda output: output.logits.detach().sum(), "does not depend on the attention"),
    ],
)
def test_objectives_that_do_not_fit_are_named(name: str, wanted: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        capture(build(name), inputs=FAMILIES[name].inputs(), index=0, gradient=wanted)
    assert text in str(caught.value)


def test_without_gradient_the_measure_says_how_to_record_it() -> None:
    trace = capture(build("bert"), inputs=FAMILIES["bert"].inputs(), index=0, values=True)
    with pytest.raises(InputError, match=r"needs gradients, .* text, gradient=True\)"):
        measures.relevancy(trace)
