"""Value zeroing, against models whose value projections are cut by hand."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from attnscope import InputError, measures
from attnscope.capture.zeroing import block_name
from tests.models import FAMILIES, build
from tests.untouched import state_of

capture = importlib.import_module("attnscope.capture")

CUTS: dict[str, tuple[str, str, slice]] = {
    "bert": ("encoder.layer.{}", "encoder.layer.{}.attention.self.value", slice(None)),
    "gpt2": ("transformer.h.{}", "transformer.h.{}.attn.c_attn", slice(64, None)),
    "llama": ("layers.{}", "layers.{}.self_attn.v_proj", slice(None)),
    "gemma2": ("layers.{}", "layers.{}.self_attn.v_proj", slice(None)),
    "vit": ("layers.{}", "layers.{}.attention.v_proj", slice(None)),
}
"""A layer, the module that makes its values, and where in that module's output they are."""


def states_of(model: Any, inputs: dict[str, Any], layer: str) -> torch.Tensor:
    seen: list[Any] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda *call: seen.append(call[-1]))
    with torch.no_grad():
        model(**inputs)
    hook.remove()
    return seen[0][0] if isinstance(seen[0], tuple) else seen[0]


def by_hand(
    model: Any, inputs: dict[str, Any], layer: str, values: str, part: slice, item: int, keys: Any
) -> np.ndarray:
    """1 - cos [query, key], one run of the whole model a key, its value set to zero."""
    plain = states_of(model, inputs, layer)[item].double()
    columns = []
    for key in keys:

        def cut(_: Any, __: Any, output: torch.Tensor, key: int = key) -> torch.Tensor:
            output = output.clone()
            output[item, key, part] = 0
            return output

        hook = model.get_submodule(values).register_forward_hook(cut)
        states = states_of(model, inputs, layer)[item].double()
        hook.remove()
        columns.append(1 - torch.cosine_similarity(states, plain, dim=-1))
    return torch.stack(columns, -1).numpy()


@pytest.mark.parametrize("item", [0, 1], ids=["whole", "padded"])
@pytest.mark.parametrize("name", CUTS)
def test_value_zeroing_is_cutting_values_by_hand(name: str, item: int) -> None:
    inputs, (layer, values, part) = FAMILIES[name].inputs(), CUTS[name]
    model = build(name)
    trace = capture(model, inputs=inputs, index=item, value_zeroing=True)
    mask = inputs.get("attention_mask")
    kept = np.arange(len(trace.tokens)) if mask is None else np.flatnonzero(mask[item])
    for number in trace.stream().numbers:
        paths = layer.format(number), values.format(number)
        distances = by_hand(model, inputs, *paths, part, item, kept)[kept]
        expected = distances / distances.sum(-1, keepdims=True)
        np.testing.assert_allclose(measures.value_zeroing(trace, number), expected, atol=1e-4)
        shown = measures.quantity(trace, "value_zeroing").layer(number).rows()[0]
        np.testing.assert_allclose(shown, expected, atol=1e-4)


def test_cross_attention_of_t5_by_hand() -> None:
    inputs, model = FAMILIES["t5"].inputs(), build("t5")
    trace = capture(model, inputs=inputs, index=0, value_zeroing=True)
    paths = "decoder.block.1", "decoder.block.1.layer.1.EncDecAttention.v"
    distances = by_hand(model, inputs, *paths, slice(None), 0, range(11))
    expected = distances / distances.sum(-1, keepdims=True)
    found = measures.value_zeroing(trace, 1, stream="cross")
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_albert_calls_one_module_again_and_again() -> None:
    inputs, model = FAMILIES["albert"].inputs(), build("albert", num_hidden_layers=3)
    trace = capture(model, inputs=inputs, index=0, layers=[0, 2], value_zeroing=True)
    values = "encoder.albert_layer_groups.0.albert_layers.0.attention.value"
    blocks = "encoder.albert_layer_groups.0"
    expected = _third_call(model, inputs, blocks, values)
    np.testing.assert_allclose(measures.value_zeroing(trace, 2), expected, atol=1e-4)


def _third_call(model: Any, inputs: dict[str, Any], block: str, values: str) -> np.ndarray:
    """By hand for the third layer, where the same modules have run twice before."""

    def run(key: int | None) -> torch.Tensor:
        seen: list[torch.Tensor] = []
        calls: list[int] = []

        def cut(_: Any, __: Any, output: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            if len(calls) == 3 and key is not None:
                output = output.clone()
                output[0, key] = 0
            return output

        def note(_: Any, __: Any, output: Any) -> None:
            seen.append(output[0] if isinstance(output, tuple) else output)

        hooks = [
            model.get_submodule(values).register_forward_hook(cut),
            model.get_submodule(block).register_forward_hook(note),
        ]
        with torch.no_grad():
            model(**inputs)
        for hook in hooks:
            hook.remove()
        return seen[2][0].double()

    plain = run(None)
    distances = torch.stack(
        [1 - torch.cosine_similarity(run(key), plain, dim=-1) for key in range(11)], -1
    ).numpy()
    return distances / distances.sum(-1, keepdims=True)


def test_the_model_is_left_as_it_was() -> None:
    model, inputs = build("gpt2"), FAMILIES["gpt2"].inputs()
    state = state_of(model)
    capture(model, inputs=inputs, index=0, value_zeroing=True)
    assert state_of(model) == state


def test_few_tokens_at_once_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, model = FAMILIES["llama"].inputs(), build("llama")
    whole = capture(model, inputs=inputs, index=0, value_zeroing=True)
    module = importlib.import_module("attnscope.capture.zeroing")
    monkeypatch.setattr(module, "AT_ONCE", 44)
    pieces = capture(model, inputs=inputs, index=0, value_zeroing=True)
    for number in (0, 1):
        found = measures.value_zeroing(pieces, number)
        np.testing.assert_allclose(found, measures.value_zeroing(whole, number), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "names", "block"),
    [
        (
            "encoder.layer.3.attention.self",
            ["encoder.layer.2.attention.self", "encoder.layer.3.attention.self"],
            "encoder.layer.3",
        ),
        (
            "encoder.block.1.layer.0.SelfAttention",
            ["encoder.block.0.layer.0.SelfAttention", "encoder.block.1.layer.0.SelfAttention"],
            "encoder.block.1",
        ),
        ("groups.0.layers.0.attention", ["groups.0.layers.0.attention"], "groups.0"),
        ("0.layers.1.attn", ["0.layers.0.attn", "0.layers.1.attn"], "0.layers.1"),
        ("block.attention", ["block.attention"], "block"),
    ],
)
def test_a_layer_is_where_the_names_of_a_stack_differ(
    name: str, names: list[str], block: str
) -> None:
    assert block_name(name, set(names)) == block


def test_training_mode_is_refused() -> None:
    model = build("bert").train()
    with pytest.raises(InputError, match=r"differ by themselves in training mode: call model.eval"):
        capture(model, inputs=FAMILIES["bert"].inputs(), index=0, value_zeroing=True)


def test_without_it_the_measure_says_how_to_record_it() -> None:
    trace = capture(build("bert"), inputs=FAMILIES["bert"].inputs(), index=0, values=True)
    with pytest.raises(attnscope.InputError, match=r"tokenizer, text, value_zeroing=True\)"):
        measures.value_zeroing(trace, 0)
