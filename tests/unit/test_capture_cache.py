"""Inputs with a key/value cache: more keys than queries."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import pytest
import torch

from attnscope.errors import InputError
from tests.models import build

capture = importlib.import_module("attnscope.capture")


IDS = torch.full((1, 5), 7)


def never_run(model: Any) -> Any:
    """The model, which fails the test when it runs: a complaint has to come before."""
    model.register_forward_pre_hook(lambda *_: pytest.fail("the model ran"))
    return model


def cached(name: str = "llama") -> tuple[Any, dict[str, Any]]:
    """A model, and inputs of which a cache holds the first four tokens."""
    model = build(name)
    with torch.no_grad():
        cache = model(input_ids=IDS[:, :4], use_cache=True).past_key_values
    return model, {"input_ids": IDS[:, :3] + 1, "past_key_values": cache}


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_names_behind_a_cache(name: str) -> None:
    model, inputs = cached(name)
    trace = capture(model, inputs=inputs, tokens=list("abcdefg"))
    assert trace.weights(0).shape == (4, 3, 7)
    assert trace.stream().query.text == tuple("efg")
    assert trace.stream().key.text == tuple("abcdefg")
    assert trace.check().error < 1e-5


def test_a_cache_without_names() -> None:
    model, inputs = cached()
    stream = capture(model, inputs=inputs, segments=[("old", 0, 4), ("new", 4, 7)]).stream()
    assert stream.key.text == ("#0", "#1", "#2", "#3", "8", "8", "8")
    assert stream.query.text == ("8", "8", "8")
    assert [s.stop for s in stream.key.segments] == [4, 7]
    assert [(s.name, s.start, s.stop) for s in stream.query.segments] == [("new", 0, 3)]


def test_padding_in_a_cache() -> None:
    model, inputs = cached()
    mask = torch.tensor([[0, 0, 1, 1, 1, 1, 1]])
    for names in (list("abcdefg"), list("cdefg")):
        fresh = copy.deepcopy(inputs)
        stream = capture(model, inputs={**fresh, "attention_mask": mask}, tokens=names).stream()
        assert stream.key.text == tuple("cdefg")
        assert stream.query.text == tuple("efg")


def test_names_that_leave_the_cache_out() -> None:
    model, inputs = cached()
    said = (
        r"tokens= has 3 names, the model works on 7 tokens \(4 of them in past_key_values\): give"
    )
    with pytest.raises(InputError, match=said):
        capture(never_run(model), inputs=inputs, tokens=["a", "b", "c"])


def test_a_cache_of_the_decoder() -> None:
    model, inputs = build("bart"), {"input_ids": IDS}
    with torch.no_grad():
        cache = model(**inputs, decoder_input_ids=IDS[:, :4], use_cache=True).past_key_values
    inputs |= {"past_key_values": cache, "decoder_input_ids": IDS[:, :2] + 1}
    trace = capture(model, inputs=inputs, target_tokens=list("abcdef"))
    assert trace.streams["decoder"].key.text == tuple("abcdef")
    assert trace.streams["decoder"].query.text == tuple("ef")
    assert trace.streams["cross"].query.text == tuple("ef")
    assert len(trace.streams["cross"].key) == 5
