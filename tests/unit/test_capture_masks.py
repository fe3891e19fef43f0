"""Masks are read as each implementation means them, and said as shortly as possible."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from attnscope.capture.calls.masks import MaskReader, Trimmer, read, recognise, unmasked
from attnscope.capture.tensors import Item
from attnscope.scores import QKLayer, ScoreSpec
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")

N = 6
AT, KEY = np.ogrid[:N, :N]
CAUSAL = KEY <= AT
PADDED = np.arange(N) < 4


def fields(**given: Any) -> dict[str, Any]:
    none = {"causal": False, "offset": 0, "window": None, "keys": None, "visible": None}
    return none | given


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in found
    )


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (np.ones((N, N), bool), fields()),
        (CAUSAL, fields(causal=True)),
        (CAUSAL & (KEY > AT - 3), fields(causal=True, window=3)),
        (CAUSAL & PADDED, fields(causal=True, keys=PADDED)),
        (np.broadcast_to(PADDED, (N, N)), fields(keys=PADDED)),
        (CAUSAL[3:], fields(causal=True, offset=3)),
        (
            (CAUSAL & (KEY > AT - 2))[3:],
            fields(causal=True, offset=3, window=2, keys=np.arange(N) > 1),
        ),
        (abs(AT - KEY) <= 1, fields(visible=abs(AT - KEY) <= 1)),
        (CAUSAL[:1], fields(keys=np.arange(N) < 1)),
    ],
    ids=[
        "all",
        "causal",
        "window",
        "causal-padded",
        "padded",
        "cache",
        "cache-window",
        "local",
        "one",
    ],
)
def test_recognise(visible: np.ndarray, expected: dict[str, Any]) -> None:
    found = recognise(visible)
    assert same(found, expected)
    mask = ScoreSpec(1.0, **found).mask(np.arange(len(visible)), N)
    assert np.array_equal(np.ones_like(visible) if mask is None else mask, visible)


def test_read_boolean_and_additive_masks_alike() -> None:
    keep = torch.from_numpy(CAUSAL)[None, None]
    lowest = torch.where(keep, 0.0, torch.finfo(torch.float32).min)
    for mask in (keep, lowest, lowest.clamp_min(-torch.inf), lowest.double().float() * 1.0):
        assert np.array_equal(read(mask, Item(0), N, N)["visible"], CAUSAL)


def test_read_takes_the_item_and_crops() -> None:
    mask = torch.stack([torch.ones(1, N, N + 2), torch.zeros(1, N, N + 2)]).bool()
    assert read(mask, Item(0), N, N)["visible"].all()
    assert not read(mask, Item(1), N, N)["visible"].any()
    assert read(mask[:1], Item(1), N, N)["visible"].shape == (N, N)


def test_read_keeps_additive_biases_and_masks_by_head() -> None:
    bias = torch.randn(1, 2, N, N, generator=torch.Generator().manual_seed(0))
    bias[:, :, 0, 5] = torch.finfo(torch.float32).min
    found = read(bias, Item(0), N, N)["bias"]
    assert np.isneginf(found[:, 0, 5]).all()
    assert np.array_equal(found[:, 1:], bias[0, :, 1:].numpy())
    by_head = torch.stack([torch.ones(N, N), torch.eye(N)]).bool()[None]
    found = read(by_head, Item(0), N, N)["bias"]
    assert not found[0].any()
    assert np.array_equal(found[1] == 0, np.eye(N, dtype=bool))


def given(module: Any = None, **kwargs: Any) -> dict[str, Any]:
    return {"module": module or SimpleNamespace(), **kwargs}


@pytest.mark.parametrize(
    ("implementation", "arguments", "n_query", "expected"),
    [
        ("eager", given(is_causal=True), N, {}),
        ("sdpa", given(), N, {"causal": True}),
        ("sdpa", given(), 1, {}),
        ("sdpa", given(is_causal=False), N, {}),
        ("sdpa", given(SimpleNamespace(is_causal=False)), N, {}),
        ("sdpa", given(SimpleNamespace(is_causal=False), is_causal=True), N, {"causal": True}),
        ("flash_attention_2", given(), 4, {"causal": True, "offset": 2, "window": None}),
        (
            "flash_attention_2",
            given(sliding_window=3),
            N,
            {"causal": True, "offset": 0, "window": 3},
        ),
    ],
)
def test_no_mask(
    implementation: str, arguments: dict[str, Any], n_query: int, expected: dict[str, Any]
) -> None:
    assert unmasked(implementation, arguments, n_query, N) == expected


def test_a_padding_mask_of_flash_attention() -> None:
    mask = torch.tensor([[1] * N, [1] * 4 + [0] * 2])
    tensor = torch.zeros(2, 1, N, 4)
    call = given(SimpleNamespace(is_causal=False), query=tensor, key=tensor, attention_mask=mask)
    found = MaskReader().fields("flash_attention_2", call, Item(1))
    assert np.array_equal(found["keys"], PADDED)


def test_a_block_mask_of_flex_attention() -> None:
    from torch.nn.attention.flex_attention import create_block_mask

    mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, N, N, device="cpu")
    assert np.array_equal(read(mask, Item(0), N, N)["visible"], CAUSAL)


def test_trimming_left_padding_leaves_a_plain_causal_mask() -> None:
    kept = np.arange(N) >= 2
    trimmer = Trimmer(kept, kept)
    spec = ScoreSpec(1.0, visible=CAUSAL & kept)
    assert trimmer.hides_padding(spec)
    trimmed = trimmer(spec)
    assert trimmed.causal
    assert trimmed.keys is None
    assert trimmed.visible is None
    assert not trimmer.hides_padding(ScoreSpec(1.0, causal=True))


def test_layers_share_one_mask_and_one_bias() -> None:
    trace = capture(build("modernbert"), inputs=text(), index=1)
    local, *_ = [layer for layer in trace.stream().layers if layer.spec.visible is not None]
    shared = [layer.spec.visible is local.spec.visible for layer in trace.stream().layers]
    assert sum(shared) >= 1
    t5 = capture(build("t5"), inputs=FAMILIES["t5"].inputs(), index=1).streams["decoder"]
    biases = {id(layer.spec.bias) for layer in t5.layers if isinstance(layer, QKLayer)}
    assert len(biases) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert", {"causal": False, "window": None}),
        ("gpt2", {"causal": True, "window": None}),
        ("mistral", {"causal": True, "window": 4}),
    ],
)
@pytest.mark.parametrize("item", [0, 1])
def test_masks_of_models_become_short(name: str, item: int, expected: dict[str, Any]) -> None:
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=item)
    for layer in trace.stream().layers:
        assert isinstance(layer, QKLayer)
        spec = layer.spec
        assert {"causal": spec.causal, "window": spec.window} == expected
        assert spec.keys is None
        assert spec.visible is None
        assert spec.offset == 0
