"""Shares of a row's weight per segment: sums of weights, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import attnscope
from attnscope.errors import InputError
from attnscope.measures import shares
from tests.generating import build_writer, prompt
from tests.models import analytic_gpt2

RUNS = [("a", 0, 2), ("b", 2, 5), ("a", 5, 6)]


def arrays(seed: int = 0, layers: int = 2, heads: int = 3, n: int = 6) -> list[np.ndarray]:
    raw = np.random.default_rng(seed).random((layers, heads, n, n)).astype(np.float32)
    lower = np.tril(raw)
    return list(lower / lower.sum(-1, keepdims=True))


def made(**options: Any) -> attnscope.Trace:
    names = ["<s>", *"bcdef"]
    return attnscope.from_attention(arrays(**options), names, segments=RUNS)


def test_shares_are_sums_of_weights() -> None:
    weights = np.stack(arrays())
    table = shares(made())
    assert list(table.columns) == ["query", "token", "a", "b", "a (2)"]
    mean = weights.mean((0, 1))
    np.testing.assert_allclose(table["b"], mean[:, 2:5].sum(-1), atol=1e-6)
    np.testing.assert_allclose(table["a"] + table["b"] + table["a (2)"], 1, atol=1e-6)
    one = shares(made(), layer=1, head=2)
    np.testing.assert_allclose(one["a"], weights[1, 2][:, :2].sum(-1), atol=1e-6)
    assert table["token"].tolist() == ["<s>", *"bcdef"]


def test_segments_of_one_name_together() -> None:
    apart, together = shares(made()), shares(made(), by="name")
    assert list(together.columns) == ["query", "token", "a", "b"]
    np.testing.assert_allclose(together["a"], apart["a"] + apart["a (2)"], atol=1e-6)


def test_runs_of_ones_own_may_leave_gaps() -> None:
    table = shares(made(), by=[("middle", 2, 4)], queries=[5, 3])
    mean = np.stack(arrays()).mean((0, 1))
    assert table["query"].tolist() == [5, 3]
    np.testing.assert_allclose(table["middle"], mean[[5, 3], 2:4].sum(-1), atol=1e-6)


@pytest.mark.parametrize("renormalise", [True, False])
def test_the_sink_can_be_left_out(renormalise: bool) -> None:
    mean = np.stack(arrays()).mean((0, 1))
    table = shares(made(), drop="first", renormalise=renormalise)
    left = 1 - mean[:, 0] if renormalise else np.ones(6)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(table["a"][1:], (mean[:, 1] / left)[1:], atol=1e-6)
        np.testing.assert_allclose(table["b"][1:], (mean[:, 2:5].sum(-1) / left)[1:], atol=1e-6)
    assert np.isnan(table["a"][0]) == renormalise
    special = shares(made(), drop="special", renormalise=renormalise)
    np.testing.assert_allclose(special["a"][1:], table["a"][1:])


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 9),
    cuts=st.sets(st.integers(1, 8), max_size=4),
    drop=st.sampled_from([None, "first"]),
)
def test_every_row_is_shared_out_whole(seed: int, n: int, cuts: set[int], drop: Any) -> None:
    starts = sorted(cut for cut in cuts if cut < n)
    trace = attnscope.from_attention(arrays(seed, n=n), list("abcdefghi"[:n]), segments=starts)
    table = shares(trace, drop=drop)
    total = sum(table[name] for name in list(table.columns)[2:])
    first = 1 if drop else 0
    np.testing.assert_allclose(total[first:], 1, atol=1e-5)
    assert all((table[name][first:] >= 0).all() for name in list(table.columns)[2:])


def test_the_rows_of_a_generation_are_those_that_made_its_tokens() -> None:
    """The analytic model's head 1.0 copies what followed the last time: all weight on it."""
    model = analytic_gpt2()
    model.generation_config.pad_token_id = 0
    ids = torch.tensor([[1, 3, 8, 5, 9, 3]])
    given_ = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    trace = attnscope.generate(
        model, None, given_, max_new_tokens=3, do_sample=False, segments=[("a", 0, 3), ("b", 3, 6)]
    )
    assert trace.generation is not None
    assert trace.generation.tokens.raw == ("8", "5", "9")
    table = trace.segments(layer=1, head=0)
    assert table["query"].tolist() == [5, 6, 7]
    assert table["token"].tolist() == ["8", "5", "9"]
    np.testing.assert_allclose(table["a"], [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(table["b"], [0, 1, 1], atol=1e-3)
    np.testing.assert_allclose(table["generated"], 0, atol=1e-3)
    everything = shares(trace, queries=slice(None), layer=1, head=0)
    assert everything["query"].tolist() == list(range(8))
    assert everything["token"].tolist() == ["3", "8", "5", "9", "3", "8", "5", "9"]


def test_streams_of_an_encoder_decoder() -> None:
    trace = attnscope.generate(build_writer("bart"), None, prompt(), max_new_tokens=4)
    cross = shares(trace, stream="cross", by=[("left", 0, 3), ("right", 3, 7)])
    expected = np.mean([trace.weights(n, stream="cross").mean(0) for n in range(3)], axis=0)
    np.testing.assert_allclose(cross["left"], expected[:, :3].sum(-1), atol=1e-6)
    assert len(cross) == 4
    assert len(shares(trace, stream="encoder")) == 7
    with pytest.raises(InputError, match=r"several streams: pass stream="):
        trace.segments()


def test_keys_are_dropped_by_position_too() -> None:
    weights = np.array([[[1, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]]], np.float32)
    trace = attnscope.from_attention([weights], ["a", "b", "c"])
    runs = [("front", 0, 2), ("end", 2, 3)]
    table = trace.segments(by=runs, drop=[0])
    np.testing.assert_allclose(table["front"][1:], [1, 0.375])
    np.testing.assert_allclose(table["end"][1:], [0, 0.625])
    for column in ("front", "end"):
        first = trace.segments(by=runs, drop="first")
        np.testing.assert_array_equal(table[column], first[column])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"drop": "last"}, r"drop must be 'special', 'first', positions of keys, or None, got 'last'"),
    ({"drop": [6]}, r"key 6 is not in the self stream, whose keys go from 0 to 5"),
    ({"by": "turn"}, r"by must be 'segment', 'name' or runs of keys such as .* got 'turn'"),
    ({"by": [("x", 3)]}, r"got \[\('x', 3\)\]"),
    ({"by": [("x", 3, 9)]}, r"'x' goes from 3 to 9, which is no run of the 6 keys"),
    ({"queries": [9]}, r"query 9 is not there: the self stream has queries 0 to 5"),
    ({"queries": slice(6, None)}, r"queries= names no row"),
    ({"layer": 9}, r"layer 9 is not in the self stream"),
    ({"head": 9}, r"head 9 is not in layer 0"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_what_is_not_there(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        shares(made(), **options)
