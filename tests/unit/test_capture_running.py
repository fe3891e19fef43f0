"""How the model is run: wrapped and compiled ones, errors of its own, warnings."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import attnscope.capture
from attnscope.capture.forward import record
from attnscope.errors import AttnscopeWarning, InputError
from tests.models import FAMILIES, build, text

capture = importlib.import_module("attnscope.capture")


def _forward(model: Any) -> Any:
    model.forward = torch.compile(model.forward, fullgraph=True, backend="eager")
    return model


def _in_place(model: Any) -> Any:
    model.compile(fullgraph=True, backend="eager")
    return model


WRAPPED = {
    "forward": _forward,
    "in place": _in_place,
    "module": lambda model: torch.compile(model, fullgraph=True, backend="eager"),
    "parallel": torch.nn.DataParallel,
    "both": lambda model: torch.compile(torch.nn.DataParallel(model), backend="eager"),
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("name", ["bert", "t5"])
def test_a_model_that_is_wrapped(name: str, wrap: Any) -> None:
    inputs = FAMILIES[name].inputs()
    plain = capture(build(name), inputs=inputs, index=1)
    trace = capture(wrap(build(name)), inputs=inputs, index=1)
    assert list(trace.streams) == list(plain.streams)
    assert trace.provenance.model == plain.provenance.model
    for one, other in zip(trace.streams.values(), plain.streams.values(), strict=True):
        assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
        for number in one.numbers:
            np.testing.assert_allclose(one.layer(number).rows(), other.layer(number).rows())


def test_wrapping_does_not_hide_what_is_missing() -> None:
    model = torch.compile(build("t5"), backend="eager")
    with pytest.raises(InputError, match="T5ForConditionalGeneration is an encoder-decoder"):
        capture(model, inputs=text(), index=0)


def test_compiling_is_as_before_after_captures_that_overlap() -> None:
    from torch._dynamo import eval_frame

    model = _in_place(build("bert"))
    first, second = record(model), record(model)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert eval_frame._stance.stance == "force_eager"
    second.__exit__(None, None, None)
    assert eval_frame._stance.stance == "default"
    with record(build("bert")):
        assert eval_frame._stance.stance == "default"


def test_an_error_of_the_models_own_says_what_it_was_called_with() -> None:
    inputs = {"input_ids": torch.full((1, 5), 7), "position_ids": torch.full((1, 5), 99)}
    with pytest.raises((IndexError, RuntimeError), match=r"out of (bounds|range)") as caught:
        capture(build("bert"), inputs=inputs)
    assert caught.value.__notes__ == [
        "attnscope: this was raised in the model's own forward pass, BertModel(input_ids: int64 "
        "[1, 5], position_ids: int64 [1, 5]). Look whether model(**inputs) runs without attnscope."
    ]


def test_warnings_point_at_the_line_that_called() -> None:
    model = build("bert").train()
    for call in (attnscope.capture, capture, attnscope.capture.forward.capture):
        with pytest.warns(AttnscopeWarning) as told:
            call(model, inputs=text(), index=0)
        assert [warning.filename for warning in told] == [__file__]
