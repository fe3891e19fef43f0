"""Measures against models whose heads are known, SciPy, and published or golden values."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

import attnscope
from attnscope import measures
from attnscope.scores import WeightsLayer
from tests.models import analytic_gpt2

capture = importlib.import_module("attnscope.capture")
CAT = "The cat sat on the mat because it was tired ."
TREES = Path(__file__).resolve().parents[1] / "fixtures" / "trees.conllu"
FOX = (
    "The quick brown fox jumps over the lazy dog, and then it runs away from the angry farmer who "
    "owns the field."
)


@pytest.fixture(scope="module")
def analytic() -> attnscope.Trace:
    """BOS and twenty distinct tokens twice, through the GPT-2 made by hand."""
    once = torch.randperm(31, generator=torch.Generator().manual_seed(0))[:20] + 1
    ids = torch.cat([torch.zeros(1, dtype=torch.long), once, once])[None]
    return capture(analytic_gpt2(), inputs={"input_ids": ids}, tokens=ids[0].tolist())


@pytest.mark.parametrize(
    ("name", "layer", "head", "value"),
    [
        ("previous_token", 0, 0, 1.0),
        ("first_token", 0, 1, 1.0),
        ("induction", 1, 0, 1.0),
        ("duplicate_token", 1, 1, 0.5),
        ("distance", 0, 0, 40 / 41),
        ("distance", 0, 1, 20.0),
        ("confidence", 0, 0, 1.0),
        ("entropy", 0, 1, 0.0),
        ("self", 1, 1, None),
    ],
)
def test_heads_made_by_hand(
    analytic: attnscope.Trace, name: str, layer: int, head: int, value: float | None
) -> None:
    found = measures.measure(analytic, name)[layer, head]
    if value is None:
        assert found > 0.5
    else:
        assert found == pytest.approx(value, abs=1e-4)


def test_the_table_names_the_heads_made_by_hand(analytic: attnscope.Trace) -> None:
    table = analytic.heads()
    assert table["pattern"].tolist()[:3] == ["previous_token", "first_token", "induction"]
    assert table["score"][:3] == pytest.approx(1.0, abs=1e-4)


def test_keys_that_a_block_of_causal_rows_cannot_see_count_as_zeros(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every measure in blocks of three rows, of queries and keys and of their whole weights."""
    ids = torch.tensor([[0, 5, 6, 7, 5, 6, 9, 9, 5, 6, 7]])
    trace = capture(analytic_gpt2(), inputs={"input_ids": ids}, tokens=ids[0].tolist(), values=True)
    stream = trace.stream()
    whole = tuple(
        WeightsLayer(np.where(np.tri(11), layer.rows(), 0), layer.heads, layer.mixing)
        for layer in stream.layers
    )
    monkeypatch.setattr("attnscope.measures.rows.BLOCK", 3 * 2 * 11)
    table = trace.heads()
    expected = attnscope.Trace([replace(stream, layers=whole)]).heads()
    assert set(table.columns) == set(expected.columns) > set(measures.MEASURES)
    for name in measures.MEASURES:
        np.testing.assert_allclose(table[name], expected[name], atol=1e-6, err_msg=name)
    for name in ("previous_token", "duplicate_token", "induction"):
        for error in ("mul", "abs"):
            found, known = (
                measures.detect_head(one, name, error_measure=error)
                for one in (trace, attnscope.Trace([replace(stream, layers=whole)]))
            )
            np.testing.assert_allclose(found, known, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer", "head", "value"),
    [("previous_token", 0, 2, 1.00), ("next_token", 1, 8, 0.63), ("special", 4, 5, 0.84)],
)
def test_minilm_heads_as_measured_before(
    minilm: Any, name: str, layer: int, head: int, value: float
) -> None:
    trace = capture(*minilm, FOX)
    assert measures.measure(trace, name)[layer, head] == pytest.approx(value, abs=0.03)


def test_entropy_is_scipys(minilm: Any) -> None:
    trace = capture(*minilm, CAT)
    expected = [scipy.stats.entropy(trace.weights(n), axis=-1).mean(-1) for n in range(6)]
    np.testing.assert_allclose(measures.measure(trace, "entropy"), expected, atol=1e-5)
    per_layer = np.mean(expected, axis=1)
    golden = [1.9167, 1.1146, 1.1345, 1.4923, 1.2732, 1.8002]
    np.testing.assert_allclose(per_layer, golden, atol=2e-4)


def test_rollout_of_minilm_is_the_golden_row(minilm: Any) -> None:
    trace = capture(*minilm, CAT)
    golden = [
        ".6874",
        ".0251",
        ".0151",
        ".0159",
        ".0162",
        ".0205",
        ".0156",
        ".0183",
        ".0134",
        ".0151",
        ".0195",
        ".0395",
        ".0985",
    ]
    found = measures.rollout(trace)
    np.testing.assert_allclose(found[0], np.array(golden, float), atol=1e-4)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-9)


def test_it_attends_to_cat(minilm: Any) -> None:
    trace = capture(*minilm, "The cat sat on the mat because it was tired.")
    table = trace.top("it", 2, layer=5, head=11)
    assert table["token"][0] == "cat"
    assert table["weight"][0] == pytest.approx(0.71, abs=0.01)
    strongest = next(trace.pairs(1, layer=0, head=2).rows())
    assert strongest["query"] - strongest["key"] == 1


def test_minilm_has_heads_that_follow_syntax(minilm: Any) -> None:
    """On eight sentences: more than the best fixed distance for determiners and objects."""
    blocks = TREES.read_text().strip().split("\n\n")
    texts = [next(li[9:] for li in b.split("\n") if li.startswith("# text")) for b in blocks]
    table = measures.syntactic([capture(*minilm, text) for text in texts], blocks)
    for relation, least in (("det", 0.8), ("obj", 0.6), ("all", 0.4)):
        found = table.take(table["relation"] == relation)
        best = max(found["score"].max(), found["reverse"].max())
        assert best >= least, relation
