"""Comparisons of what was generated: steps aligned by diff, and the texts they are in."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.views.compared_steps import compared_steps
from attnscope.wire.encode import GZIP
from attnscope.wire.replies import answer, requests_of
from tests.generating import build_writer, prompt


def written(words: list[str], seed: int = 0) -> attnscope.Trace:
    """A causal head over these words, random weights."""
    scores = np.exp(np.random.default_rng(seed).normal(size=(2, 2, len(words), len(words))))
    scores = np.tril(scores)
    return attnscope.from_attention(
        (scores / scores.sum(-1, keepdims=True)).astype(np.float32), words
    )


@pytest.fixture
def comparison() -> attnscope.Comparison:
    """Prompts of 2 and 3 words; of the answers the second one has `not` more."""
    a = written(["is", "it", "yes", "it", "is"])
    b = written(["is", "that", "it", "no", "it", "is", "not"], 1)
    return attnscope.compare(a, b, names=("yes", "no"))


def rows_of(view, request) -> np.ndarray:
    reply = answer(view.trace, view.spec, request)
    (one,) = reply.meta["arrays"]
    raw = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8).reshape(2, -1).T
    return np.ascontiguousarray(raw).view("<f2").reshape(one["shape"]).astype(np.float32)


def test_steps_are_aligned_with_steps_and_prompts_with_prompts(comparison):
    spec = comparison.generation_view(start=(2, 3)).spec
    whole, first, second = spec["streams"]
    assert whole["pair"] == [first["name"], second["name"]]
    assert spec["title"] == "yes → no"
    texts = {name: spec["sides"][whole[name]]["text"] for name in ("query", "key")}
    assert texts["query"] == ["yes→no", "it", "is", "+not"]
    assert texts["key"] == ["is", "+that", "it", "yes→no", "it", "is", "+not"]
    for one in (whole, first, second):
        assert one["steps"] == {"text": one["key"], "first": 3}
    own = [spec["sides"][one["query"]]["text"] for one in (first, second)]
    assert own == [["yes", "it", "is", ""], ["no", "it", "is", "not"]]


def test_a_prompt_is_never_aligned_with_an_answer():
    a, b = written(["a", "b", "c"]), written(["b", "c", "d"], 1)
    together = attnscope.compare(a, b).tokens()["token"].tolist()
    assert together == ["−a", "b", "c", "+d"]
    spec = attnscope.compare(a, b).generation_view(start=(2, 2)).spec
    assert spec["sides"][spec["streams"][0]["key"]]["text"] == ["−a", "b", "+c", "c→d"]


def test_the_page_gets_the_rows_of_both_over_the_merged_text(comparison):
    view = comparison.generation_view(start=(2, 3))
    asked = requests_of(view.spec)
    assert {one["stream"] for one in asked} == {"self:first", "self:second"}
    a, b = (
        rows_of(view, {"kind": "rows", "stream": f"self:{side}", "layer": 1})
        for side in ("first", "second")
    )
    assert a.shape == b.shape == (2, 4, 7)
    in_a, in_b = [0, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(a[:, :3][..., in_a], comparison.a.weights(1)[:, 1:4], atol=1e-3)
    np.testing.assert_allclose(b[..., in_b], comparison.b.weights(1)[:, 2:6], atol=1e-3)
    assert np.isnan(a[:, 3]).all()
    assert np.isnan(a[..., [1, 6]]).all()


@pytest.mark.parametrize("name", ["llama", "gpt_oss", "bloom", "marian"])
def test_generated_texts_are_there_to_their_last_token(name):
    model = build_writer(name)
    a, b = (attnscope.generate(model, None, prompt(), max_new_tokens=n) for n in (3, 5))
    view = attnscope.compare(a, b).generation_view()
    shown = next(one for one in view.spec["streams"] if one["name"] == view.spec["state"]["stream"])
    made = view.spec["sides"][shown["query"]]
    assert made["kinds"] == ["same"] * 3 + ["alone"] * 2
    own = {one["name"]: one for one in view.spec["streams"]}[a.generation.stream]
    assert view.spec["sides"][own["key"]]["text"][own["steps"]["first"] :] == made["text"]
    parts = list(own["pair"])
    assert (
        ""
        not in view.spec["sides"][
            next(one for one in view.spec["streams"] if one["name"] == parts[1])["key"]
        ]["text"]
    )
    for part, trace in zip(parts, (a, b), strict=True):
        rows = rows_of(view, {"kind": "rows", "stream": part, "layer": 0})
        n = len(trace.generation)
        start = trace.generation.start
        expected = trace.weights(0, stream=a.generation.stream)[:, start : start + n]
        kept = rows[:, :n, : expected.shape[2]]
        np.testing.assert_allclose(kept, expected, atol=1e-3)
        assert not np.nan_to_num(rows[:, :n, expected.shape[2] :]).any()


def test_what_has_no_steps_is_refused(comparison):
    with pytest.raises(InputError, match="nothing was generated in this trace"):
        comparison.generation_view()
    with pytest.raises(InputError, match=r"start=9 is no token that a row before it"):
        comparison.generation_view(start=(9, 3))
    with pytest.raises(InputError, match="step 4 is not there: 4 tokens were generated, 0 to 3"):
        comparison.generation_view(4, start=(2, 3))


def test_the_comparison_of_steps_keeps_what_counts_as_replaced():
    a, b = written(["x", "yes"]), written(["x", "no"], 1)
    apart = attnscope.compare(a, b, replaced=False)
    assert compared_steps(apart, 1).tokens()["token"].tolist() == ["−yes", "+no"]
