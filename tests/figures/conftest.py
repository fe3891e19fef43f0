"""Traces whose figures are known beforehand, and Figures that pyplot does not know."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib import rcdefaults
from matplotlib.figure import Figure

import attnscope
from attnscope.plot import fonts
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from tests.browser.looking import random_weights


@pytest.fixture(autouse=True)
def plain_matplotlib() -> Iterator[None]:
    """Default settings, no warning given yet, and no figure left behind in pyplot."""
    plt.switch_backend("agg")
    rcdefaults()
    fonts._warned.clear()
    yield
    plt.close("all")
    rcdefaults()


@pytest.fixture
def figure() -> Figure:
    """An empty figure."""
    return Figure()


TOKENS = ["[CLS]", "the", "cat", "sat", "down", "[SEP]"]


@pytest.fixture
def trace() -> Trace:
    """Three layers of four heads, six tokens in two segments, nothing masked."""
    return attnscope.from_attention(random_weights(3, 4, 6, 6), TOKENS, segments=[3])


@pytest.fixture
def causal() -> Trace:
    """Two layers of two heads with queries and keys, causal, five tokens."""
    rng = np.random.default_rng(3)
    tokens = Tokens.plain(["a", "b", "c", "d", "e"])
    spec = ScoreSpec(0.5, causal=True)
    layers = tuple(
        QKLayer(
            rng.normal(size=(2, 5, 4)).astype(np.float32),
            rng.normal(size=(2, 5, 4)).astype(np.float32),
            spec, (0, 1), np.array([0, 1]),
        )
        for _ in range(2)
    )  # fmt: skip
    return Trace([Stream("self", (0, 1), layers, tokens, tokens)])
