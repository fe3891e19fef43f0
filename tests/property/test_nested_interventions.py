"""Interventions within interventions, at random: a model is left as it was, whatever happens."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnscope
from attnscope import InputError
from tests.intervening import ids_of, nothing_left_behind, run
from tests.models import build

capture = importlib.import_module("attnscope.capture")

nothing_is_left_behind = pytest.fixture(autouse=True)(nothing_left_behind)


def hooks(model: Any) -> int:
    return sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in model.modules())


class Stop(Exception):
    """Raised by tests inside interventions."""


MAKERS = {
    "zero": lambda m, at, _: attnscope.ablate(m, [at]),
    "mean": lambda m, at, _: attnscope.ablate(m, [at], "mean"),
    "uniform": lambda m, at, _: attnscope.ablate(m, [at], "uniform"),
    "resample": lambda m, at, _: attnscope.ablate(m, [at], "resample"),
    "scale": lambda m, at, _: attnscope.ablate(m, [at], scale=0.5),
    "keys": lambda m, at, _: attnscope.ablate(m, keys=[at[0], at[1] + 2]),
    "layer": lambda m, at, _: attnscope.ablate(m, keys=3, layers=[at[0]]),
    "queries": lambda m, at, _: attnscope.ablate(m, [at], queries=[1, 2]),
    "pattern": lambda m, at, trace: attnscope.patch(m, trace, [at]),
    "output": lambda m, at, trace: attnscope.patch(m, trace, [at], "output"),
    "missing head": lambda m, at, _: attnscope.ablate(m, [(at[0], 9)]),
    "missing layer": lambda m, at, _: attnscope.ablate(m, [(7, at[1])]),
}

STEP = st.tuples(
    st.sampled_from(list(MAKERS)),
    st.tuples(st.integers(0, 1), st.integers(0, 3)),
    st.sampled_from(["run", "capture", "leave", "raise", "fail", "nothing"]),
)


def once(name: str) -> tuple[Any, Any]:
    """A model, and its trace of another text with as many tokens."""
    if name not in MODELS:
        model = build(name)
        MODELS[name] = model, capture(model, inputs={"input_ids": ids_of(seed=1)}, values=True)
    return MODELS[name]


def act(model: Any, then: str, stack: ExitStack) -> None:
    """One thing that happens inside the interventions that are on."""
    if then == "run":
        run(model)
    elif then == "capture":
        capture(model, inputs={"input_ids": ids_of()})
    elif then == "leave":
        stack.pop_all().close()
    elif then == "fail":  # in the middle of the model
        handle = list(model.modules())[-3].register_forward_hook(stop)
        try:
            run(model)
        finally:
            handle.remove()
    elif then == "raise":
        raise Stop


def stop(*_: Any) -> None:
    raise Stop


@settings(deadline=None, max_examples=60)
@given(
    st.lists(STEP, min_size=1, max_size=6),
    st.sampled_from(["bert", "gpt2", "llama", "bloom", "gptj"]),
)
def test_random_nests_of_interventions_leave_the_model_bit_for_bit(steps: Any, name: str) -> None:
    """Of models with the attention functions of transformers, and with attention of their own."""
    model, trace = once(name)
    before, state = run(model), {k: v.clone() for k, v in model.state_dict().items()}
    try:
        with ExitStack() as stack:
            for kind, at, then in steps:
                stack.enter_context(MAKERS[kind](model, at, trace))
                act(model, then, stack)
    except (Stop, InputError):
        pass
    assert torch.equal(run(model), before)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert hooks(model) == 0


MODELS: dict[str, tuple[Any, Any]] = {}
