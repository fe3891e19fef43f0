"""What tests of interventions share: inputs, a run of them, and that nothing is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers.models.bert import modeling_bert

from attnscope.capture.hearing import registry

ORIGINAL = modeling_bert.ALL_ATTENTION_FUNCTIONS


def nothing_left_behind() -> Iterator[None]:
    """For a fixture: after the test the library of models is as it was, and nobody edits."""
    yield
    assert modeling_bert.ALL_ATTENTION_FUNCTIONS is ORIGINAL
    assert not registry._wrapped
    assert not registry._here.editors


def ids_of(n: int = 9, seed: int = 0, batch: int = 1) -> torch.Tensor:
    return torch.randint(3, 64, (batch, n), generator=torch.Generator().manual_seed(seed))


def run(model: Any, ids: torch.Tensor | None = None, **inputs: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids_of() if ids is None else ids, **inputs)[0]
