"""The names, arguments and defaults are those of the real bertviz, which is installed for this."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

FUNCTIONS = [
    ("head_view", "head_view"),
    ("model_view", "model_view"),
    ("neuron_view", "show"),
    ("neuron_view", "get_attention"),
    ("util", "format_attention"),
    ("util", "num_layers"),
    ("util", "num_heads"),
    ("util", "format_special_chars"),
]


def positional(function: Any) -> list[tuple[str, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize(("module", "name"), FUNCTIONS)
def test_arguments_and_defaults_are_those_of_bertviz(module, name):
    theirs = getattr(importlib.import_module(f"bertviz.{module}"), name)
    ours = getattr(importlib.import_module(f"attnscope.bertviz.{module}"), name)
    assert theirs.__module__ == f"bertviz.{module}"
    assert positional(ours) == positional(theirs)
    extra = [p for p in inspect.signature(ours).parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert all(p.default is not p.empty for p in extra)


def test_the_neuron_view_is_a_module_that_can_be_called():
    from attnscope.bertviz import neuron_view
    from attnscope.bertviz.neuron_view import get_attention, show

    assert neuron_view.show is show
    assert neuron_view.get_attention is get_attention
    assert inspect.signature(neuron_view) == inspect.signature(show)
