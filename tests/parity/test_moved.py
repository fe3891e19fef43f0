"""Norm-weighted attention, contributions and flow: golden rows, slow formulas, nx."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch

import attnscope
from attnscope import InputError, measures
from attnscope.measures.flow import flow_rows
from attnscope.scores import QKLayer
from tests.models import FAMILIES, analytic_gpt2, build

capture = importlib.import_module("attnscope.capture")
FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "golden_minilm.json"
GOLDEN = json.loads(FIXTURE.read_text())


@pytest.fixture(scope="module")
def cat(minilm: Any) -> attnscope.Trace:
    return capture(*minilm, GOLDEN["text"], values=True)


@pytest.mark.parametrize("name", ["rollout", "flow", "alti"])
def test_golden_rows_of_minilm(cat: attnscope.Trace, name: str) -> None:
    found = getattr(measures, name)(cat)
    np.testing.assert_allclose(found[0], GOLDEN[name], atol=1e-4)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_the_sink_of_minilm_moves_little(cat: attnscope.Trace) -> None:
    for number, (weight, norm) in enumerate(
        zip(GOLDEN["first_token_share_of_weight"], GOLDEN["first_token_share_of_norm"], strict=True)
    ):
        norms = measures.norm_weighted(cat, number)
        share = (norms / norms.sum(-1, keepdims=True))[:, :, 0].mean()
        assert cat.weights(number)[:, :, 0].mean() == pytest.approx(weight, abs=1e-3)
        assert share == pytest.approx(norm, abs=1e-3)


def test_the_table_has_the_sinks_share_of_weight_and_of_norm(cat: attnscope.Trace) -> None:
    table = cat.heads()
    for number in range(6):
        norms = measures.norm_weighted(cat, number)
        shares = norms / norms.sum(-1, keepdims=True)
        here = table["layer"] == number
        np.testing.assert_allclose(
            table["first_token_norm"][here], shares[:, 1:, 0].mean(-1), atol=1e-5
        )
        ends = shares[:, :, 0] + shares[:, :, -1]
        np.testing.assert_allclose(table["special_norm"][here], ends.mean(-1), atol=1e-5)
        weight = cat.weights(number)[:, 1:, 0].mean(-1)
        np.testing.assert_allclose(table["first_token"][here], weight, atol=1e-5)


def with_values(name: str, item: int = 0) -> attnscope.Trace:
    return capture(build(name), inputs=FAMILIES[name].inputs(), index=item, values=True)


def parts_of(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """T_i(x_j) [query, key, model] and y_i [query, model] as the papers write them, in float64."""
    mixing, weights = layer.mixing, layer.rows().astype(np.float64)
    moved = mixing.moved().astype(np.float64)
    parts = np.einsum("hqk,hkm->qkm", weights, moved)
    bias = mixing.bias.astype(np.float64)
    residual = mixing.residual.astype(np.float64)
    if mixing.branch is not None:
        scale = mixing.branch.weight / mixing.branch.spread[:, None]
        parts, bias = parts * scale[:, None], bias * scale + mixing.branch.bias
    parts[np.arange(len(parts)), np.arange(len(parts))] += residual
    whole = parts.sum(1) + bias
    if mixing.norm is None:
        return parts, whole
    centred = whole - whole.mean(-1, keepdims=True)
    spread = centred.std(-1)[:, None]
    parts = (parts - parts.mean(-1, keepdims=True)) * mixing.norm.weight / spread[:, None]
    return parts, centred / spread * mixing.norm.weight + mixing.norm.bias


@pytest.mark.parametrize("name", ["bert", "llama", "gemma2", "gpt_oss", "vit"])
def test_contributions_are_the_papers_formula(name: str) -> None:
    trace = with_values(name, 1)
    for number, layer in zip(trace.stream().numbers, trace.stream().layers, strict=True):
        parts, whole = parts_of(layer)
        near = np.abs(whole).sum(-1)[:, None] - np.abs(whole[:, None] - parts).sum(-1)
        shares = np.maximum(0, near)
        shares /= shares.sum(-1, keepdims=True)
        np.testing.assert_allclose(measures.contributions(trace, number), shares, atol=2e-5)


@pytest.mark.parametrize("name", ["bert", "llama", "t5"])
def test_norms_are_lengths_of_vectors(name: str) -> None:
    trace = with_values(name)
    for stream in trace.streams.values():
        layer = stream.layers[0]
        assert isinstance(layer, QKLayer)
        assert layer.mixing is not None
        vectors = layer.rows()[..., None] * layer.mixing.moved()[:, None]
        each = measures.norm_weighted(trace, 0, stream=stream.name)
        together = measures.norm_together(trace, 0, stream=stream.name)
        np.testing.assert_allclose(each, np.linalg.norm(vectors, axis=-1), atol=1e-5)
        np.testing.assert_allclose(together, np.linalg.norm(vectors.sum(0), axis=-1), atol=1e-5)
        assert (together <= each.sum(0) + 1e-5).all()


def test_the_hand_made_induction_head_moves_one_and_the_sink_nothing() -> None:
    ids = torch.tensor([[0, 3, 4, 5, 3, 4, 5]])
    trace = capture(analytic_gpt2(), inputs={"input_ids": ids}, tokens=range(7), values=True)
    induction = measures.norm_weighted(trace, 1, 0)
    np.testing.assert_allclose(induction[4:], trace.weights(1, 0)[4:], atol=1e-4)
    assert measures.norm_weighted(trace, 0, 1).max() == 0
    assert measures.norm_weighted(trace, 1, 1).max() == 0


@pytest.mark.parametrize("seed", range(4))
def test_flow_is_networkx_maximum_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = [rng.random((5, 5)) ** 4 for _ in range(3)]
    steps = [step / step.sum(-1, keepdims=True) for step in steps]
    graph = nx.DiGraph()
    for level, step in enumerate(steps):
        for (above, below), size in np.ndenumerate(step):
            graph.add_edge((level + 1, above), (level, below), capacity=size)
    expected = np.array(
        [[nx.maximum_flow_value(graph, (3, i), (0, j)) for j in range(5)] for i in range(5)]
    )
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(flow_rows(steps, range(5)), expected, atol=1e-7)


def test_flow_of_one_query_is_its_row(cat: attnscope.Trace) -> None:
    np.testing.assert_allclose(measures.flow(cat, 2), measures.flow(cat)[2])
    last = measures.quantity(cat, "flow").layers[-1]
    np.testing.assert_allclose(last.rows()[0], measures.flow(cat), atol=1e-7)


def test_quantities_are_the_functions(cat: attnscope.Trace) -> None:
    last = measures.quantity(cat, "alti").layers[-1].rows()[0]
    np.testing.assert_allclose(last, measures.alti(cat), atol=1e-6)
    one = measures.quantity(cat, "contribution").layer(2).rows()[0]
    np.testing.assert_allclose(one, measures.contributions(cat, 2), atol=1e-6)
    norm = measures.quantity(cat, "norm").layer(2).rows([1, 3], slice(2, 5))
    np.testing.assert_allclose(norm, measures.norm_weighted(cat, 2)[[1, 3], 2:5], atol=1e-6)
    both = measures.quantity(cat, "norm_together").layer(2).rows()[0]
    np.testing.assert_allclose(both, measures.norm_together(cat, 2), atol=1e-6)
    from_two = measures.alti(cat, start_layer=4)
    expected = measures.contributions(cat, 5) @ measures.contributions(cat, 4)
    np.testing.assert_allclose(from_two, expected, atol=1e-6)


def test_blocks_of_keys_change_nothing(
    cat: attnscope.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measures.contributions(cat, 1)
    module = importlib.import_module("attnscope.measures.moved")
    monkeypatch.setattr(module, "BLOCK", 13 * 384 * 3)
    np.testing.assert_allclose(measures.contributions(cat, 1), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: measures.norm_weighted(capture(build("bert"), inputs=TEXT, index=0), 0),
            "this needs values, which layer 0 of self lacks. Record them: attnscope.capture(model, "
            "tokenizer, text, values=True)",
        ),
        (
            lambda: measures.alti(with_values("gpt_neox")),
            "layer 0 of self cannot be measured so: what the output of layers.0.attention is added "
            "to was not found",
        ),
        (
            lambda: measures.contributions(with_values("t5"), 0, stream="cross"),
            "contributions of tokens need the same tokens on both sides",
        ),
        (
            lambda: measures.alti(
                capture(build("bert"), inputs=TEXT, index=0, layers=[1], values=True),
                start_layer=0,
            ),
            "layer 0 is not in the self stream",
        ),
        (
            lambda: measures.quantity(long_one(), "flow"),
            "70 tokens are more than 64: take one row, measures.flow(trace, query=...)",
        ),
        (lambda: measures.flow(long_one(), 70), "query 70 is not there: tokens go from 0 to 69"),
    ],
)
def test_what_cannot_be_measured_is_said(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert text in str(caught.value)


TEXT = FAMILIES["bert"].inputs()


def long_one() -> attnscope.Trace:
    return attnscope.from_attention(np.full((1, 1, 70, 70), 1 / 70, np.float32))


def test_flow_without_scipy_says_what_to_install(
    cat: attnscope.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("attnscope.measures.flow")
    monkeypatch.setattr(module, "has_scipy", lambda: False)
    with pytest.raises(attnscope.MissingDependencyError, match=r"attnscope\[flow\]"):
        measures.flow(cat)
