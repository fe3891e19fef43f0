"""Queries and keys over merged tokens, and comparisons of neurons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.measures.difference import spread_vectors
from attnscope.scores import vectors_of
from attnscope.wire.replies import answer, requests_of
from tests.generating import captured

FAMILIES = ("llama", "mistral", "gemma2", "gpt_oss", "bloom", "t5", "bart")


@pytest.fixture(scope="module")
def comparison() -> attnscope.Comparison:
    a, b = captured("llama", [5, 6, 7, 8, 9, 10]), captured("llama", [5, 11, 7, 12, 13, 8, 10])
    return attnscope.compare(a, b, names=("before", "after"))


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_of_merged_vectors_are_those_of_the_trace(name):
    """Windows, biases, softcaps, sinks, cross-attention: their meaning is kept at new places."""
    a = captured(name, [5, 6, 7, 8, 9, 10])
    b = captured(name, [5, 11, 7, 12, 13, 8, 10])
    comparison = attnscope.compare(a, b)
    for stream, sides in comparison.sides.items():
        for trace, which in ((a, "a"), (b, "b")):
            at_query, at_key = (getattr(side, which) for side in sides)
            for layer in trace.streams[stream].layers:
                own = vectors_of(layer)
                made = spread_vectors(own, at_query, at_key).rows()
                there = np.ix_(range(len(made)), at_query >= 0, at_key >= 0)
                np.testing.assert_allclose(made[there], own.rows(), atol=2e-6)
                assert not made[:, :, at_key < 0].any()


def test_the_same_tokens_need_no_other_vectors(comparison):
    layer = comparison.a.stream().layers[0]
    places = np.arange(6)
    assert spread_vectors(layer, places, places) is layer


def test_a_page_carries_the_vectors_of_both_over_the_same_places(comparison):
    view = comparison.neuron_view(1, 2, 3, show="difference")
    spec = view.spec
    whole, first, second = spec["streams"]
    assert whole["pair"] == [first["name"], second["name"]]
    assert all("rules" not in row for row in whole["layers"])
    asked = {(one["kind"], one["stream"]) for one in requests_of(spec)}
    assert asked >= {("vectors", "self:first"), ("vectors", "self:second")}
    assert not any(kind == "layer" for kind, _ in asked)
    for part in (first, second):
        request = {"kind": "vectors", "stream": part["name"], "layer": 1}
        shapes = {
            one["name"]: one["shape"] for one in answer(view.trace, spec, request).meta["arrays"]
        }
        n = len(spec["sides"][part["query"]]["text"])
        assert shapes["queries"][1] == shapes["keys"][1] == n
    state = spec["state"]
    assert (state["layer"], state["head"], state["expanded"]) == (1, 2, True)
    assert state["pinned"] == {"side": "query", "index": 3}
    changed = comparison.heads()
    first_shown = comparison.neuron_view().spec["state"]
    assert (first_shown["layer"], first_shown["head"]) == (changed["layer"][0], changed["head"][0])


def test_traces_without_queries_and_keys_are_named(comparison):
    a = comparison.a
    weights = attnscope.from_attention(
        np.stack([a.weights(n) for n in (0, 1)]), list(a.tokens.text)
    )
    with pytest.raises(
        InputError, match="layer 0 of the self stream has weights only in the second"
    ):
        attnscope.compare(a, weights).neuron_view()
    with pytest.raises(InputError, match="weights only in the first and the second"):
        attnscope.compare(weights, weights).neuron_view()


def test_heads_of_different_sizes_are_named(comparison):
    stream = comparison.a.stream()
    longer = [
        replace(one, queries=np.tile(one.queries, 2), keys=np.tile(one.keys, 2))
        for one in stream.layers
    ]
    other = attnscope.Trace([replace(stream, layers=tuple(longer))])
    dim = stream.layers[0].queries.shape[2]
    with pytest.raises(InputError, match=f"have {dim} neurons in the first trace and {2 * dim} in"):
        attnscope.compare(comparison.a, other).neuron_view()


@pytest.mark.parametrize("view", ["head_view", "model_view", "text_view"])
def test_views_that_explain_weights_carry_vectors_where_these_are_small(comparison, view):
    kinds = {(one["kind"], one["stream"]) for one in requests_of(getattr(comparison, view)().spec)}
    for part in ("self:first", "self:second"):
        assert {("layer", part), ("vectors", part)} <= kinds


def test_maps_make_weights_of_no_vectors(comparison):
    kinds = {one["kind"] for one in requests_of(comparison.matrix_view().spec)}
    assert kinds == {"layer"}
