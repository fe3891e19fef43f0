"""Models and tokenizers that several files ask for."""

from __future__ import annotations

from typing import Any

import pytest


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
