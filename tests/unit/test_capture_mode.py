"""Attention in code of a module's own: what is recorded, what is not, and that nothing changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import attnscope
from attnscope.capture.forward import record
from attnscope.capture.recorder import Recording
from attnscope.errors import CaptureError, InputError
from attnscope.scores import QKLayer, WeightsLayer
from tests.handmade import BATCH, DIM, HEADS, QK, SIDE, Block, N, Own
from tests.models import build, text


def run(model: nn.Module, items: int = BATCH, **options: Any) -> tuple[Recording, Any]:
    torch.manual_seed(0)
    x = torch.randn(items, N, SIDE)
    with torch.no_grad(), record(model, batch=items, **options) as recording:
        output = model(x)
    with torch.no_grad():
        assert torch.equal(output, model(x))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    return recording, output


@pytest.mark.parametrize("how", [*QK, "with_bias", "capped"])
def test_weights_are_those_of_the_model(how: str) -> None:
    torch.manual_seed(1)
    model = Own(how).eval()
    items = 1 if "merged" in how else BATCH
    recording, _ = run(model, items, index=items - 1)
    certificate = recording.verify()
    assert (certificate.calls, certificate.skipped) == (2, 0)
    assert certificate.error < 1e-5
    for number, call in enumerate(recording.calls):
        assert call.number == number
        assert isinstance(call.layer, WeightsLayer if how == "capped" else QKLayer)
        expected = model.layers[number].expected[items - 1].numpy()
        np.testing.assert_allclose(call.layer.rows(), expected, atol=2e-6)


def test_queries_and_keys_are_those_multiplied() -> None:
    model = Own("matmul").eval()
    recording, _ = run(model)
    layer = recording.calls[0].layer
    assert isinstance(layer, QKLayer)
    assert layer.spec.scaling == pytest.approx(DIM**-0.5)
    assert layer.queries.shape == (HEADS, N, DIM)
    assert layer.spec.bias is None


def test_a_bias_of_head_and_key_takes_no_room() -> None:
    layer = run(Own("with_bias").eval())[0].calls[0].layer
    assert isinstance(layer, QKLayer)
    bias = layer.spec.bias
    assert bias is not None
    assert bias.shape == (HEADS, N, N)
    assert bias.strides[1] == 0


def test_weights_whose_use_is_not_seen_are_kept_and_said() -> None:
    class Lost(Block):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q = self.qkv(x).unflatten(-1, (3, HEADS, DIM)).transpose(1, 3)
            found = (q[:, :, 0] @ q[:, :, 1].mT).softmax(-1)
            return self.out((found[..., None] * q[:, :, 2][:, :, None]).sum(-2).mT.flatten(2).mT)

    class Shape(Lost):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q, k, v = self.qkv(x).unflatten(-1, (3, HEADS, DIM)).permute(2, 0, 3, 1, 4)
            found = (q @ k.mT).softmax(-1)
            mixed = (found[..., None] * v[:, :, None]).sum(-2)
            return self.out(mixed.transpose(1, 2).flatten(2))

    recording, _ = run(Shape("matmul").eval())
    certificate = recording.verify()
    assert (certificate.calls, certificate.skipped) == (0, 1)
    assert str(certificate) == "not certified: what the weights are multiplied with was not seen"


class Apart(nn.Module):
    """Weights are made in a module of their own, and multiplied with values in the one above."""

    class Weights(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n_heads, self.query, self.key = HEADS, *(nn.Linear(SIDE, SIDE) for _ in range(2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q, k = (one(x).unflatten(-1, (HEADS, DIM)) for one in (self.query, self.key))
            return (q.transpose(1, 2) @ k.transpose(1, 2).mT).softmax(-1)

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.value = Apart.Weights(), nn.Linear(SIDE, SIDE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        v = self.value(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2)
        return (self.attention(x) @ v).transpose(1, 2).flatten(2)


def test_weights_used_in_the_module_above_are_one_certified_layer() -> None:
    model = nn.Sequential(Apart(), Apart()).eval()
    recording, _ = run(model)
    certificate = recording.verify()
    assert [call.number for call in recording.calls] == [0, 1]
    assert (certificate.calls, certificate.skipped) == (2, 0)


def test_weights_used_farther_away_are_recorded_once_and_said() -> None:
    class Far(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.near, self.value = nn.Sequential(Apart.Weights()), nn.Linear(SIDE, SIDE)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            v = self.value(x).unflatten(-1, (HEADS, DIM)).transpose(1, 2)
            return (self.near(x) @ v).transpose(1, 2).flatten(2)

    recording, _ = run(nn.Sequential(Far()).eval())
    assert len(recording.calls) == 1
    assert recording.verify().skipped == 1


def test_weights_that_are_changed_before_use_are_not_certified() -> None:
    class Gated(Block):
        def matmul(self, q: Any, k: Any, v: Any) -> torch.Tensor:
            return ((q @ k.mT).softmax(-1) * torch.sigmoid(q[..., :1])) @ v

    recording, _ = run(Gated("matmul").eval())
    assert "changed before they are multiplied" in str(recording.verify())


def test_routers_and_vocabularies_are_no_attention() -> None:
    class Router(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.head = nn.Parameter(torch.randn(3, SIDE)), nn.Linear(SIDE, N)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tied = torch.einsum("bnd,ed->bne", x, self.weight).softmax(-1)
            turned = torch.matmul(x, self.weight.t()).softmax(-1)
            return self.head(x).softmax(-1)[..., :3] * tied * turned

    recording, _ = run(Router())
    assert not recording.numbers
    assert not recording.problems


@pytest.mark.parametrize("how", ["merged", "merged_sdpa"])
def test_heads_in_the_batch_axis_of_several_items_are_not_guessed(how: str) -> None:
    recording, _ = run(Own(how).eval())
    assert not recording.calls
    said = recording.unresolved["layers.0"]
    assert said == (
        "layers.0 puts heads or parts of an item into the batch axis, (8,), and with 2 items it is "
        "not certain which are whose: give one item alone."
    )


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(need_weights: bool, batch_first: bool) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(SIDE, HEADS, batch_first=batch_first)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x if batch_first else x.transpose(0, 1)
            mask = torch.triu(torch.ones(N, N, dtype=torch.bool), 1)
            out = self.attn(x, x, x, attn_mask=mask, need_weights=need_weights)[0]
            return out if batch_first else out.transpose(0, 1)

    torch.manual_seed(0)
    model = Model().eval()
    x = torch.randn(BATCH, N, SIDE)
    with torch.no_grad(), record(model, batch=BATCH, index=1) as recording:
        model(x)
    assert recording.verify().calls == 1
    side = x if batch_first else x.transpose(0, 1)
    mask = torch.triu(torch.ones(N, N, dtype=torch.bool), 1)
    _, expected = model.attn(side, side, side, attn_mask=mask, average_attn_weights=False)
    found = recording.calls[0].layer.rows()
    np.testing.assert_allclose(found, expected[1].detach().numpy(), atol=1e-6)


def test_a_transformer_of_torch_has_three_streams() -> None:
    model = nn.Transformer(SIDE, HEADS, 2, 3, 8, batch_first=True).eval()
    x, y = torch.randn(BATCH, N, SIDE), torch.randn(BATCH, 3, SIDE)
    with torch.no_grad():
        plain = model(x, y)
        with record(model, batch=BATCH) as recording:
            output = model(x, y)
    recording.verify()
    assert torch.allclose(output, plain, atol=1e-5)
    paths = {call.stack.path: call.layer.shape for call in recording.calls}
    assert paths == {
        "encoder.layers.*.self_attn": (HEADS, N, N),
        "decoder.layers.*.self_attn": (HEADS, 3, 3),
        "decoder.layers.*.multihead_attn": (HEADS, 3, N),
    }
    assert [call.number for call in recording.calls] == [0, 1, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("how", ["sdpa", "matmul"])
def test_dropout_is_not_certified(how: str) -> None:
    class Dropping(Block):
        def matmul(self, q: Any, k: Any, v: Any) -> torch.Tensor:
            return F.dropout((q @ k.mT).softmax(-1), 0.5) @ v

        def sdpa(self, q: Any, k: Any, v: Any) -> torch.Tensor:
            return F.scaled_dot_product_attention(q, k, v, dropout_p=0.5)

    with torch.no_grad(), record(Dropping(how)) as recording:
        recording.model(torch.randn(BATCH, N, SIDE))
    assert str(recording.verify()) == "not certified: dropout was active"


def test_several_items_need_an_index() -> None:
    recording, _ = run(Own("sdpa").eval(), index=None)
    with pytest.raises(InputError, match="the model works on a batch of 2: pass index="):
        recording.verify()


ABLATED = {
    "gpt2": "transformer.h.1.attn.c_proj",
    "bloom": "h.1.self_attention.dense",
    "sdpa": "layers.1.out",
    "matmul": "layers.1.out",
    "heads_last": "layers.1.out",
}


@pytest.mark.parametrize("name", ABLATED)
def test_ablation_equals_zeroing_the_projections_input(name: str) -> None:
    own = hasattr(Block, name)
    model = Own(name).eval() if own else build(name)
    inputs = {"x": torch.randn(BATCH, N, SIDE)} if own else text()
    with torch.no_grad():
        with record(model, batch=BATCH) as plain:
            before = first(model(**inputs))
        with attnscope.ablate(model, heads=[(1, 1)]):
            after = first(model(**inputs))
            with record(model, batch=BATCH) as inside:
                again = first(model(**inputs))
        hand = by_hand(model, ABLATED[name], inputs)
        assert torch.equal(first(model(**inputs)), before)
    assert not torch.equal(before, after)
    assert torch.equal(after, hand)
    assert torch.equal(again, hand)
    for one, other in zip(plain.calls, inside.calls, strict=True):
        assert np.array_equal(one.layer.rows(), other.layer.rows())
    assert inside.verify().calls == 2


@pytest.mark.parametrize("name", ["sdpa", "matmul", "by_head", "with_bias", "heads_last"])
def test_weights_in_a_models_own_code_are_edited(name: str) -> None:
    model = Own(name).eval()
    x = torch.randn(BATCH, N, SIDE)
    with torch.no_grad(), attnscope.ablate(model, [(1, 2)], "uniform"), record(model) as recording:
        model(x)
    recording.verify()
    found = recording.calls[1].layer.rows()
    expected = np.tri(N) / np.arange(1, N + 1)[:, None]
    np.testing.assert_allclose(found[2], expected, atol=1e-6)
    np.testing.assert_allclose(found[1], _expected(model, 1)[1], atol=2e-6)


def _expected(model: Any, layer: int) -> np.ndarray:
    return model.layers[layer].expected[0].numpy()


def test_weights_of_scores_that_are_no_scaled_product_cannot_be_edited() -> None:
    model = Own("capped").eval()
    with (
        pytest.raises(CaptureError, match=r"layers\.0 computes its scores in a way of its own"),
        attnscope.ablate(model, heads=[(0, 1)], mode="uniform"),
    ):
        model(torch.randn(BATCH, N, SIDE))


def first(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output[0]


def by_hand(model: nn.Module, projection: str, inputs: Any) -> torch.Tensor:
    """The output where head 1's slice of the input of this projection is zeroed."""

    def zero(_: nn.Module, args: Any) -> Any:
        out = args[0].clone()
        dim = out.shape[-1] // HEADS
        out[..., dim : 2 * dim] = 0
        return (out, *args[1:])

    hook = model.get_submodule(projection).register_forward_pre_hook(zero)
    found = first(model(**inputs))
    hook.remove()
    return found


def test_a_capture_inside_hears_its_own_model_only() -> None:
    inner, outer = Own("matmul", 1).eval(), Own("matmul").eval()
    inside: list[Recording] = []

    def nested(*_: Any) -> None:
        with record(inner) as recording:
            inner(torch.randn(1, N, SIDE))
        inside.append(recording)

    hook = outer.layers[0].out.register_forward_hook(nested)
    with torch.no_grad(), record(outer, batch=BATCH) as recording:
        outer(torch.randn(BATCH, N, SIDE))
    hook.remove()
    assert [call.number for call in recording.calls] == [0, 1]
    assert [len(one.calls) for one in inside] == [1]
