"""Sinks, variability and retrieval: the model made by hand, and slow formulas."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch

import attnscope
from attnscope import InputError, measures
from tests.models import analytic_gpt2

capture = importlib.import_module("attnscope.capture")


def repeated(seed: int = 0) -> attnscope.Trace:
    """BOS and twenty distinct tokens twice, through the GPT-2 made by hand."""
    once = torch.randperm(31, generator=torch.Generator().manual_seed(seed))[:20] + 1
    ids = torch.cat([torch.zeros(1, dtype=torch.long), once, once])[None]
    return capture(analytic_gpt2(), inputs={"input_ids": ids}, tokens=ids[0].tolist())


def random_trace(seed: int, n: int = 6, n_heads: int = 2) -> attnscope.Trace:
    weights = np.random.default_rng(seed).random((3, n_heads, n, n)).astype(np.float32)
    return attnscope.from_attention(weights / weights.sum(-1, keepdims=True))


def test_sinks_of_the_model_made_by_hand() -> None:
    trace = repeated()
    np.testing.assert_allclose(
        measures.sink(trace).ravel(), [0.0488, 1.0, 0.0889, 0.0244], atol=1e-4
    )
    assert measures.sink_rate(trace) == 0.25
    assert measures.sink_rate([trace, repeated(1)], threshold=0.05) == 0.5


def test_sinks_are_the_papers_formula() -> None:
    trace = random_trace(3)
    for place in (0, 2, 5):
        expected = [trace.weights(layer)[:, place:, place].mean(-1) for layer in range(3)]
        np.testing.assert_allclose(measures.sink(trace, place), expected, atol=1e-6)


def test_a_head_of_positions_does_not_vary_and_one_of_content_does() -> None:
    found = measures.variability([repeated(seed) for seed in range(5)], tokens=41)
    assert found[0, 0] == pytest.approx(0, abs=1e-3)
    assert found[0, 1] == pytest.approx(0, abs=1e-3)
    texts = []
    for seed in range(5):
        ids = torch.randint(1, 6, (1, 30), generator=torch.Generator().manual_seed(seed))
        texts.append(capture(analytic_gpt2(), inputs={"input_ids": ids}, tokens=range(30)))
    varied = measures.variability(texts, tokens=30)
    assert varied[0].max() < 1e-3
    assert varied[1].min() > 0.3


def test_variability_is_the_papers_formula() -> None:
    traces = [random_trace(seed, n) for seed, n in ((0, 6), (1, 5), (2, 7))]
    found = measures.variability(traces, tokens=4)
    for layer in range(3):
        for head in range(2):
            weights = np.array([t.weights(layer, head)[:4, :4] for t in traces])
            gaps = sum(abs(w - weights.mean(0)).sum() for w in weights)
            assert found[layer, head] == pytest.approx(gaps / (2 * weights.sum()), abs=1e-6)


def test_the_induction_head_copies_a_needle_and_no_other_head_does() -> None:
    order = (torch.randperm(31, generator=torch.Generator().manual_seed(4))[:28] + 1).tolist()
    prompt = torch.tensor([[0, *order, order[9]]])
    trace = attnscope.generate(analytic_gpt2(), None, prompt, max_new_tokens=8)
    assert [int(name) for name in trace.generation.tokens.raw] == order[10:18]
    found = measures.retrieval(trace, (11, 19))
    np.testing.assert_array_equal(found, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(measures.retrieval(trace, (15, 23)), [[0, 0], [0.5, 0]])
    np.testing.assert_array_equal(measures.retrieval(trace, (1, 9)), np.zeros((2, 2)))


def generated() -> attnscope.Trace:
    prompt = torch.tensor([[0, 3, 4, 5, 3]])
    return attnscope.generate(analytic_gpt2(), None, prompt, max_new_tokens=3)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: measures.sink(random_trace(0), 6), "position 6 is not there: tokens go from 0 to"),
        (
            lambda: measures.sink(
                attnscope.from_attention(cross=np.full((1, 1, 2, 3), 1 / 3)),
            ),
            "sinks need the same tokens on both sides; cross has not",
        ),
        (lambda: measures.sink_rate([]), "sink_rate needs at least 1 trace(s), got 0"),
        (lambda: measures.sink_rate(["x"]), "sink_rate takes traces, got str"),  # type: ignore[list-item]
        (lambda: measures.variability([random_trace(0)]), "needs at least 2 trace(s), got 1"),
        (
            lambda: measures.variability([random_trace(0), random_trace(1)]),
            "variability over 10 tokens needs texts of so many; the shortest has 6: pass tokens=",
        ),
        (
            lambda: measures.variability([random_trace(0), random_trace(1, n_heads=3)], 3),
            "variability needs traces with the same layers and heads",
        ),
        (lambda: measures.retrieval(random_trace(0), (0, 2)), "this trace has none: attnscope.gen"),
        (
            lambda: measures.retrieval(generated(), (3, 6)),
            "needle 3 to 6 is not in the prompt, who",
        ),
        (lambda: measures.retrieval(generated(), 3), "needle must be (first position, one past"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_named(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)
