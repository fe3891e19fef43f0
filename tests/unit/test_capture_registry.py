"""Captures leave nothing behind, in whatever order they end, and hear their own model only."""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.bert import modeling_bert
from transformers.models.gpt2 import modeling_gpt2

from attnscope.capture.forward import record
from attnscope.capture.hearing import registry
from tests.models import build, text

capture = importlib.import_module("attnscope.capture")

FILES = (modeling_bert, modeling_gpt2)
NAMES = ("ALL_ATTENTION_FUNCTIONS", "eager_attention_forward")
ORIGINAL = {(file, name): getattr(file, name) for file in FILES for name in NAMES}


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Any:
    yield
    assert all(getattr(file, name) is value for (file, name), value in ORIGINAL.items())
    assert not registry._wrapped
    assert not registry._here.listeners


def run(model: Any, seed: int = 0) -> Any:
    ids = torch.randint(3, 64, (1, 9), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return model(input_ids=ids)


def hooks(model: torch.nn.Module) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


def test_globals_are_stand_ins_inside_and_originals_outside() -> None:
    with record(build("bert")):
        for name in NAMES:
            assert getattr(modeling_bert, name) is not ORIGINAL[modeling_bert, name]
            assert getattr(modeling_gpt2, name) is ORIGINAL[modeling_gpt2, name]


def test_the_stand_in_answers_like_the_interface() -> None:
    real = ORIGINAL[modeling_bert, NAMES[0]]
    with record(build("bert")):
        stand_in: Any = getattr(modeling_bert, NAMES[0])
        assert "sdpa" in stand_in
        assert "nothing" not in stand_in
        assert stand_in.get("nothing") is None
        assert list(stand_in) == list(real)
        assert len(stand_in) == len(real)
        assert stand_in.valid_keys() == real.valid_keys()
        assert stand_in["sdpa"].__wrapped__ is real["sdpa"]


def test_the_innermost_of_nested_captures_hears() -> None:
    model = build("bert")
    with record(model) as outer:
        run(model)
        with record(model) as inner:
            run(model)
        run(model)
    assert (len(inner.calls), len(outer.calls)) == (2, 4)
    assert hooks(model) == 0


def test_a_capture_of_the_same_model_inside_its_forward_pass() -> None:
    model, inside = build("bert"), []

    def nested(*_: Any) -> None:
        if not inside:
            inside.append(None)
            inside.append(capture(model, inputs=torch.full((1, 5), 7)))

    hook = model.encoder.layer[0].register_forward_hook(nested)
    outer = capture(model, inputs=text(), index=0)
    hook.remove()
    alone = capture(model, inputs=text(), index=0)
    assert list(outer.streams) == ["self"]
    assert outer.stream().numbers == inside[1].stream().numbers == (0, 1)
    for layer in (0, 1):
        assert np.array_equal(outer.weights(layer), alone.weights(layer))
    assert inside[1].weights(1).shape == (4, 5, 5)


def test_a_part_of_the_model_that_is_captured_inside() -> None:
    model = build("bert")
    with record(model) as outer, record(model.encoder.layer[1]) as inner:
        run(model)
    assert (len(inner.calls), len(outer.calls)) == (1, 1)
    attention = [name for name in outer.ran if ".attention." in name]
    assert attention == ["encoder.layer.0.attention.self", "encoder.layer.0.attention.output"]


def test_captures_that_end_out_of_order() -> None:
    model = build("bert")
    first, second = record(model), record(model)
    with first as a:
        b = second.__enter__()
        run(model)
    run(model)
    second.__exit__(None, None, None)
    assert (len(a.calls), len(b.calls)) == (0, 4)


def test_another_model_is_not_recorded() -> None:
    model, other = build("bert"), build("bert")
    with record(model) as recording:
        run(other)
        assert not recording.calls
        run(model)
    assert len(recording.calls) == 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_inside_the_forward_pass(error: type[BaseException]) -> None:
    model = build("gpt2")

    def fail(*_: Any) -> None:
        raise error("in the middle")

    hook = model.transformer.h[1].mlp.register_forward_pre_hook(fail)
    with pytest.raises(error, match="in the middle"):
        capture(model, inputs=text(), index=0)
    hook.remove()
    assert hooks(model) == 0


def test_a_global_that_somebody_replaces_meanwhile_is_theirs() -> None:
    def theirs(module: Any, query: Any, key: Any, value: Any) -> None:
        raise NotImplementedError

    with record(build("bert")):
        modeling_bert.eager_attention_forward = theirs
    assert modeling_bert.eager_attention_forward is theirs
    modeling_bert.eager_attention_forward = ORIGINAL[modeling_bert, NAMES[1]]


@pytest.mark.parametrize("names", [("bert", "bert"), ("bert", "gpt2"), ("gpt2", None)])
def test_two_threads_at_once(names: tuple[str, str | None]) -> None:
    """Two models of one class, of two classes, and one model in both threads."""
    first = build(names[0])
    models = (first, first if names[1] is None else build(names[1]))
    everyone = threading.Barrier(2, timeout=20)

    def work(number: int) -> list[Any]:
        ids = torch.randint(3, 64, (1, 9), generator=torch.Generator().manual_seed(number))
        traces = []
        for _ in range(5):
            everyone.wait()
            traces.append(capture(models[number], inputs={"input_ids": ids}))
        return traces

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, range(2)))
    for number, traces in enumerate(found):
        ids = torch.randint(3, 64, (1, 9), generator=torch.Generator().manual_seed(number))
        alone = capture(models[number], inputs={"input_ids": ids})
        for trace in traces:
            for layer in (0, 1):
                assert np.array_equal(trace.weights(layer), alone.weights(layer))
    assert all(hooks(model) == 0 for model in models)


def test_a_capture_inside_another_threads_block() -> None:
    """One thread's block is open while another thread runs and captures the same model."""
    model = build("bert")
    with record(model) as outer:
        thread = threading.Thread(target=lambda: capture(model, inputs=text(), index=0))
        thread.start()
        thread.join()
        assert not outer.calls
        assert not outer.ran
