"""What a limited capture records is a part of what a whole one does, whatever is asked for."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import attnscope
from attnscope.errors import CaptureError, InputError
from attnscope.narrowing import narrowed
from attnscope.scores import QKLayer
from tests.models import FAMILIES, build, text, text_left

capture = importlib.import_module("attnscope.capture")

NAMES = ["bert", "llama", "mistral", "gemma2", "gpt_oss", "t5", "bloom", "gptj", "bart", "vit"]
"""Encoders, decoders (padded on either side, windows, sinks, softcap), biases, own softmax."""


@cache
def model_of(name: str) -> Any:
    return build(name)


@cache
def whole(name: str, index: int) -> Any:
    return capture(model_of(name), inputs=FAMILIES[name].inputs(), index=index)


slices = st.builds(slice, st.integers(-12, 12), st.none() | st.integers(-12, 12), st.integers(1, 3))
numbers = st.lists(st.integers(-5, 4), min_size=1, max_size=4)


@st.composite
def limits(draw: st.DrawFn) -> tuple[str, int, dict[str, Any]]:
    name, index = draw(st.sampled_from(NAMES)), draw(st.integers(0, 1))
    asked = {
        "layers": draw(st.sampled_from([None, 0, [1], [1, 0]])),
        "heads": draw(st.sampled_from([None, 1, [1, 0], [0]])),
        "queries": draw(st.none() | slices | numbers),
        "dtype": draw(st.sampled_from([None, "float16", torch.float16, np.float32])),
    }
    return name, index, asked


@example(("bart", 0, dict.fromkeys(("layers", "heads", "dtype")) | {"queries": slice(-1, 7, 1)}))
@settings(max_examples=40, phases=[p for p in Phase if p is not Phase.explain])
@given(limits())
def test_a_limited_capture_is_a_part_of_the_whole(case: tuple[str, int, dict[str, Any]]) -> None:
    name, index, asked = case
    every = whole(name, index)
    sizes = [len(stream.query) for stream in every.streams.values()]
    rows = asked["queries"]
    if isinstance(rows, slice) and not any(range(n)[rows] for n in sizes):
        with pytest.raises(InputError, match="names none of the"):
            capture(model_of(name), inputs=FAMILIES[name].inputs(), index=index, **asked)
        return
    some = capture(model_of(name), inputs=FAMILIES[name].inputs(), index=index, **asked)
    half = str(asked["dtype"]).endswith("16")
    for stream in some.streams.values():
        of = every.streams[stream.name]
        at = list(stream.query.numbered)
        assert at == expected_rows(rows, len(of.query))
        assert stream.query.text == tuple(of.query.text[n] for n in at)
        assert stream.key.text == of.key.text
        for number in stream.numbers:
            kept = stream.layer(number)
            assert kept.heads == expected_heads(asked["heads"], of.layer(number).heads)
            found = some.weights(number, stream=stream.name)
            full = every.weights(number, stream=stream.name)[list(kept.heads)][:, at]
            np.testing.assert_allclose(found, full, atol=0.01 if half else 1e-6)
            if half:
                near = narrowed(of.layer(number), "float16").rows()[list(kept.heads)][:, at]
                np.testing.assert_allclose(found, near, atol=1e-6)
                assert isinstance(kept, QKLayer)
                assert kept.queries.dtype == kept.keys.dtype == np.float16
    assert some.check().error < (1e-2 if half else 1e-4)


def expected_rows(asked: Any, n: int) -> list[int]:
    if asked is None:
        return list(range(n))
    if isinstance(asked, slice):
        return list(range(n))[asked]
    return sorted({number % n for number in asked if -n <= number < n})


def expected_heads(asked: Any, there: tuple[int, ...]) -> tuple[int, ...]:
    return there if asked is None else tuple(asked) if isinstance(asked, list) else (asked,)


def test_tokens_keep_their_numbers_everywhere(tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(int(text()["attention_mask"][1].sum()))]
    one = capture(build("llama"), inputs=text_left(), index=1, tokens=names, queries=[-1, 2, 3])
    last = len(names) - 1
    assert one.stream().query.numbers == (2, 3, last)
    assert one.stream().query.text == ("t2", "t3", f"t{last}")
    assert "Some queries only were recorded (queries=)." in one.provenance.notes
    loaded = attnscope.load(one.save(tmp_path / "some.safetensors"))
    assert loaded.stream().query.numbers == one.stream().query.numbers
    np.testing.assert_array_equal(loaded.weights(1), one.weights(1))
    assert loaded.check().error < 1e-4
    assert one.head_view().spec["sides"][0]["numbers"] == [2, 3, last]
    assert set(one.to_pandas()["query"]) == {2, 3, last}
    assert list(one.to_xarray()["query"]) == [2, 3, last]
    assert set(attnscope.measures.pairs(one, k=9)["query"]) <= {2, 3, last}
    shares = attnscope.measures.shares(one, by=[("all", 0, last + 1)], queries=[last])
    assert (list(shares["query"]), list(shares["token"])) == ([last], [f"t{last}"])
    with pytest.raises(InputError, match=r"query 4 was not kept: the capture kept tokens 2, 3, "):
        attnscope.measures.shares(one, by=[("all", 0, last + 1)], queries=4)
    assert one.neuron_view(query=3).spec["state"]["pinned"] == {"side": "query", "index": 1}


def test_measures_of_one_text_are_not_guessed_from_some_rows() -> None:
    trace = capture(build("gpt2"), inputs=text(), index=0, queries=slice(4, None))
    full = capture(build("gpt2"), inputs=text(), index=0)
    found = attnscope.measures.heads(trace, ["entropy_share"])["entropy_share"]
    rows = full.weights(0)[:, 4:]
    share = -(rows * np.log(rows + 1e-30)).sum(-1) / np.log(np.arange(5, 5 + rows.shape[1]))
    np.testing.assert_allclose(found[: len(rows)], share.mean(-1), atol=1e-5)
    with pytest.raises(InputError, match=r"of which the capture kept some queries only"):
        attnscope.measures.heads(trace, ["previous_token"])
    with pytest.raises(InputError, match=r"leave its queries= out"):
        trace.steps(5)


def test_all_queries_are_no_limit() -> None:
    trace = capture(build("gpt2"), inputs=text(), index=0, queries=slice(None))
    assert trace.stream().query is trace.stream().key
    assert trace.stream().layers[0].causal


def test_a_run_of_rows_stays_short() -> None:
    layer = capture(build("llama"), inputs=text_left(), index=0, queries=slice(3, 6)).stream()
    spec = layer.layers[0].spec
    assert (spec.causal, spec.offset, spec.visible) == (True, 3, None)


def test_less_is_kept_while_the_model_runs() -> None:
    full = capture(build("gpt2"), inputs=text(), index=0)
    half = capture(build("gpt2"), inputs=text(), index=0, dtype="float16")
    few = capture(build("gpt2"), inputs=text(), index=0, queries=-1)
    one, other, least = (t.stream().layers[0] for t in (full, half, few))
    assert other.nbytes * 2 == one.nbytes
    assert least.queries.nbytes * one.shape[1] == one.queries.nbytes
    assert "Recorded in float16 (dtype=); the model computes in float32." in half.provenance.notes


def test_a_stream_without_the_rows_is_left_out() -> None:
    inputs = {**text(), "decoder_input_ids": torch.tensor([[5, 6, 7], [8, 9, 4]])}
    trace = capture(build("bart"), inputs=inputs, index=0, queries=[4])
    assert list(trace.streams) == ["encoder"]
    assert trace.stream().query.numbers == (4,)


def test_a_decoder_without_ids_is_not_taken_for_the_padded_side() -> None:
    n = text()["input_ids"].shape[1]
    inputs = {**text(), "decoder_inputs_embeds": torch.zeros(2, n, 32)}
    trace = capture(build("bart"), inputs=inputs, index=1, queries=-1)
    last = {name: stream.query.numbers for name, stream in trace.streams.items()}
    assert last == {"encoder": (n - 4,), "decoder": (n - 1,), "cross": (n - 1,)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"queries": 90}, r"query 90 is not in the trace, which has queries 0 to \d+\."),
        ({"queries": [1, -91]}, r"query -91 is not in the trace"),
        ({"queries": slice(90, 95)}, r"queries=slice\(90, 95, None\) names none of the \d+ quer"),
        ({"queries": []}, r"queries= is empty: give at least one number, a slice such as"),
        ({"queries": "last"}, r"query must be a whole number, got 'last'"),
        ({"queries": 1, "values": True}, r"need all queries: leave queries= out\."),
        ({"dtype": "int8"}, r"dtype must be 'float16', 'float32' or None, got 'int8'\."),
        ({"dtype": torch.bfloat16}, r"dtype must be 'float16', .*, got torch\.bfloat16\."),
    ],
)
def test_complaints(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        capture(model_of("gpt2"), inputs=text(), index=0, **options)


def test_scores_too_large_for_float16() -> None:
    model = build("gpt2")
    for block in model.transformer.h:
        block.attn.c_attn.bias.data[32:64] = 300  # of all keys alike: scores are large, and rounded
    capture(model, inputs=text(), index=0)
    with pytest.raises(CaptureError, match=r"float16 is too coarse: leave dtype= out\."):
        capture(model, inputs=text(), index=0, dtype="float16")


def test_padding_that_the_model_attends_to() -> None:
    model, inputs = build("llama"), text_left()
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "attention_mask": None}), with_kwargs=True
    )
    with pytest.raises(InputError, match=r"in the self stream the model attends to padding"):
        capture(model, inputs=inputs, index=1, queries=[1])
    hook.remove()
