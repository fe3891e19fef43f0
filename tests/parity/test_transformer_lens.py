"""Weights, scores and head detection equal TransformerLens' (4.3), from a file it wrote.

See tests/fixtures/make_transformer_lens.py for how the file is made, and why it is a file.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from attnscope import InputError, measures
from tests.models import analytic_gpt2, build

capture = importlib.import_module("attnscope.capture")
FILE = Path(__file__).resolve().parents[1] / "fixtures" / "transformer_lens.json"
LENS = json.loads(FILE.read_text())
MODELS = ("analytic", "gpt2", "llama")


@pytest.fixture(scope="module", params=MODELS)
def both(request: Any) -> tuple[attnscope.Trace, dict[str, Any]]:
    model = analytic_gpt2() if request.param == "analytic" else build(request.param)
    inputs = {"input_ids": torch.tensor([LENS["ids"]])}
    return capture(model, inputs=inputs, tokens=LENS["ids"]), LENS[request.param]


def test_weights_are_its_patterns(both: tuple[attnscope.Trace, dict[str, Any]]) -> None:
    trace, lens = both
    for number, layer in enumerate(lens["weights"]):
        expected = np.nan_to_num(np.array(layer, dtype=float))
        np.testing.assert_allclose(trace.weights(number), expected, atol=2e-6)


def test_scores_are_its_scores(both: tuple[attnscope.Trace, dict[str, Any]]) -> None:
    trace, lens = both
    stream = measures.quantity(trace, "score")
    for number, layer in enumerate(lens["scores"]):
        expected = np.array(layer, dtype=float)
        np.testing.assert_allclose(stream.layer(number).rows(), expected, rtol=1e-4, atol=1e-4)


def test_heads_are_detected_alike(both: tuple[attnscope.Trace, dict[str, Any]]) -> None:
    trace, lens = both
    for case in lens["detected"]:
        options = {k: v for k, v in case.items() if k not in ("pattern", "scores")}
        found = measures.detect_head(trace, case["pattern"], **options)
        np.testing.assert_allclose(found, case["scores"], atol=2e-6, err_msg=str(options))
        if case["error_measure"] == "mul" and not any(v is True for v in options.values()):
            short = measures.measure(trace, case["pattern"], convention="transformer_lens")
            np.testing.assert_array_equal(short, found)


def test_a_perfect_head_does_not_score_one_there() -> None:
    """BOS and twenty distinct tokens twice: 40 of 41 rows have a token before them, 20 a copy."""
    once = torch.randperm(31, generator=torch.Generator().manual_seed(0))[:20] + 1
    ids = torch.cat([torch.zeros(1, dtype=torch.long), once, once])[None]
    trace = capture(analytic_gpt2(), inputs={"input_ids": ids}, tokens=ids[0].tolist())
    for name, layer, head, score in (
        ("previous_token", 0, 0, 40 / 41),
        ("induction", 1, 0, 20 / 41),
        ("duplicate_token", 1, 1, 10 / 41),
    ):
        assert measures.detect_head(trace, name)[layer, head] == pytest.approx(score, abs=1e-4)
    without = measures.detect_head(trace, "induction", exclude_bos=True, exclude_current_token=True)
    assert without[1, 0] == pytest.approx(0.5762, abs=1e-4)
    assert measures.detect_head(trace, "previous_token", error_measure="abs")[0, 0] == 0.976


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: measures.detect_head(t, "inductoin"), "Did you mean 'induction'?"),
        (lambda t: measures.detect_head(t, "induction", error_measure="x"), "must be 'mul' or 'ab"),
        (lambda t: measures.measure(t, "induction", convention="tl"), "'rows' or 'transformer_len"),
        (
            lambda t: measures.detect_head(
                attnscope.from_attention(cross=np.full((1, 1, 2, 3), 1 / 3)), "induction"
            ),
            "head patterns need the same tokens on both sides; cross has not",
        ),
    ],
)
def test_what_does_not_fit_is_named(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call(attnscope.from_attention(np.full((1, 1, 3, 3), 1 / 3)))
    assert text in str(caught.value)
