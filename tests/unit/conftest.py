"""Models and tokenizers that several files ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attnscope
from attnscope import pretrained
from tests.commands import FakeTrace


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """Words w1 to w31 by number."""
    from tests.words import word_tokenizer

    return word_tokenizer()


@pytest.fixture(scope="module")
def analytic() -> Any:
    """A GPT-2 whose heads are known exactly: two of them do induction."""
    from tests.models import analytic_gpt2

    return analytic_gpt2()


@pytest.fixture(scope="module")
def bert() -> Any:
    """A tiny one: two layers of four heads."""
    from tests.models import build

    return build("bert")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """What a command takes for a saved model, as long as it is not loaded."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    return str(tmp_path / "model")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """`attnscope.capture` gives a small trace of arrays."""
    weights = np.full((2, 2, 3, 3), 1 / 3, np.float32)
    trace = attnscope.from_attention(weights, ["the", "cat", "sat"])
    monkeypatch.setattr(attnscope, "capture", lambda *_, **__: trace)
    monkeypatch.setattr(pretrained, "load", lambda _: ("model", "tokenizer"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """What `attnscope.capture` was called with, with no model loaded."""
    calls = []

    def capture(*args, **options):
        calls.append((args, options))
        return FakeTrace()

    monkeypatch.setattr(attnscope, "capture", capture)
    monkeypatch.setattr(pretrained, "load", lambda name, **_: ("model", f"tokenizer of {name}"))
    return calls
