"""A bar for long work on weights, and silence for short work."""

from __future__ import annotations

import numpy as np
import pytest
from tqdm import tqdm

import attnscope
from attnscope import _row_bar
from attnscope.measures.together import received

TOKENS = [f"t{place}" for place in range(40)]
ROWS = 2 * 3 * 40

LONG_WORK = {
    "measures of heads": lambda trace: trace.heads(),
    "pairs": lambda trace: trace.pairs(),
    "attention received": lambda trace: received(trace.stream(None), [0, 1], "mean"),
}


@pytest.fixture
def trace() -> attnscope.Trace:
    weights = np.full((1, 3, 40, 40), 1 / 40, dtype=np.float32)
    return attnscope.from_attention([weights, weights], TOKENS)


@pytest.mark.parametrize("what", LONG_WORK)
def test_long_work_counts_every_row_of_every_head(what, trace, capfd, monkeypatch):
    bars = []

    class Bar(tqdm):
        def close(self):
            bars.append((self.n, self.total))
            super().close()

    monkeypatch.setattr(_row_bar, "LONG", 1)
    monkeypatch.setattr(_row_bar, "tqdm", Bar)
    LONG_WORK[what](trace)
    assert bars[0] == (ROWS, ROWS)
    assert what in capfd.readouterr().err


@pytest.mark.parametrize("what", LONG_WORK)
def test_short_work_is_silent(what, trace, capfd):
    LONG_WORK[what](trace)
    assert capfd.readouterr().err == ""
