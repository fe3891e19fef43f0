"""What a capture holds while a model runs: what it keeps, and none of the model's own tensors."""

from __future__ import annotations

import gc
import importlib
from typing import Any

import pytest
import torch

from attnscope.capture import recorder, trimming
from tests.models import build

capture = importlib.import_module("attnscope.capture")


def shapes_alive(tokens: int) -> list[tuple[int, ...]]:
    """Shapes of the tensors [batch, head, token, ...] that exist now, masks left out."""
    found = [one for one in gc.get_objects() if type(one) is torch.Tensor]
    return [
        tuple(one.shape)
        for one in found
        if one.ndim == 4 and one.shape[1] > 1 and tokens in one.shape[2:]
    ]


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_a_layers_tensors_end_with_it(name: str) -> None:
    model = build(name)
    ids = torch.arange(29)[None] % 50
    gc.collect()
    seen: list[Any] = []
    kinds = [one for one in model.modules() if type(one).__name__.lower().endswith("attention")]
    _, second, *_ = [one for one in kinds if type(one) is type(kinds[0])]
    handle = second.register_forward_pre_hook(lambda *_: seen.append(shapes_alive(29)))
    try:
        inputs = {"input_ids": ids, "use_cache": False}
        capture(model, inputs=inputs, tokens=["a"] * 29)
    finally:
        handle.remove()
    assert seen == [[]]


@pytest.mark.parametrize("name", ["bloom", "gptj"])
def test_nothing_of_a_models_own_code_waits_for_the_garbage_collector(name: str) -> None:
    model = build(name)
    inputs = {"input_ids": torch.arange(29)[None] % 50}
    capture(model, inputs=inputs, tokens=["a"] * 29)
    gc.collect()
    gc.disable()
    try:
        capture(model, inputs=inputs, tokens=["a"] * 29)
        assert shapes_alive(29) == []
    finally:
        gc.enable()


def test_memory_is_given_back_after_each_long_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(recorder, "give_back", lambda: given.append(1))
    model = build("llama")
    ids = torch.arange(29)[None] % 50
    capture(model, inputs={"input_ids": ids, "use_cache": False}, tokens=["a"] * 29)
    assert not given
    monkeypatch.setattr(recorder, "LARGE", 1)
    capture(model, inputs={"input_ids": ids, "use_cache": False}, tokens=["a"] * 29)
    assert len(given) == model.config.num_hidden_layers


@pytest.mark.parametrize("problem", [AttributeError, OSError, TypeError])
def test_nothing_is_done_where_the_allocator_cannot(
    monkeypatch: pytest.MonkeyPatch, problem: type[Exception]
) -> None:
    def missing(_: Any) -> None:
        raise problem

    trimming._trim.cache_clear()
    monkeypatch.setattr(trimming.ctypes, "CDLL", missing)
    try:
        trimming.give_back()
    finally:
        trimming._trim.cache_clear()
    trimming.give_back()
