"""The generation view's spec, the steps as a trace, and the bytes that the page gets."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest

import attnscope
from attnscope.errors import InputError
from attnscope.views import generation
from attnscope.wire.encode import GZIP
from attnscope.wire.replies import answer, answers, size_estimate
from tests.generating import CHATML, build_writer, byte_tokenizer, byte_writer, prompt


@pytest.fixture(scope="module")
def trace() -> attnscope.Trace:
    return attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=5)


@pytest.fixture(scope="module")
def pair() -> attnscope.Trace:
    return attnscope.generate(build_writer("marian"), None, prompt(), max_new_tokens=5)


def unpacked(reply: Any) -> np.ndarray:
    (one,) = reply.meta["arrays"]
    assert one["dtype"] == "float16"
    raw = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8).reshape(2, -1).T
    return np.ascontiguousarray(raw).view("<f2").reshape(one["shape"])


def test_steps_are_the_rows_that_made_the_tokens(trace: attnscope.Trace) -> None:
    steps = trace.steps()
    assert trace.generation is not None
    assert steps.stream().query is trace.generation.tokens
    assert steps.stream().key.text == trace.tokens.text
    for number in trace.stream().numbers:
        np.testing.assert_allclose(steps.weights(number), trace.weights(number)[:, 6:], atol=1e-6)
    assert steps.check().error < 1e-5
    assert steps.head_view().spec["sides"][0]["text"] == list(trace.generation.tokens.text)


@pytest.mark.parametrize("name", ["mistral", "gpt_oss", "t5"])
def test_steps_of_windows_sinks_and_biases(name: str) -> None:
    whole = attnscope.generate(build_writer(name), None, prompt(), max_new_tokens=6)
    steps = whole.steps()
    assert whole.generation is not None
    for stream in steps.streams.values():
        for number in stream.numbers:
            expected = whole.weights(number, stream=stream.name)[:, whole.generation.start :]
            np.testing.assert_allclose(
                steps.weights(number, stream=stream.name), expected, atol=1e-6
            )


def test_an_answer_that_was_written_elsewhere(trace: attnscope.Trace) -> None:
    whole = attnscope.Trace(list(trace.streams.values()))
    steps = whole.steps(start=7)
    assert steps.stream().query.text == trace.tokens.text[7:]
    np.testing.assert_allclose(steps.weights(0), trace.weights(0)[:, 6:10], atol=1e-6)
    arrays = attnscope.from_attention(
        [np.tril(np.ones((2, 4, 4))) / np.arange(1, 5)[:, None]], list("abcd")
    )
    steps = arrays.steps(start=2)
    assert [(s.name, s.start, s.stop) for s in steps.stream().key.segments] == [
        ("prompt", 0, 2),
        ("generated", 2, 4),
    ]
    assert steps.weights(0).shape == (2, 2, 4)
    spec = arrays.generation_view(start=2).spec
    shown = spec["streams"][0]["steps"]
    assert spec["sides"][shown["text"]]["text"] == list("abcd")  # the last one was read, too
    assert shown["first"] == 2
    with pytest.raises(InputError, match=r"nothing was generated in this trace. Record it with"):
        arrays.steps()
    for start in (0, 4):
        with pytest.raises(InputError, match=f"start={start} is no token .*: give 1 to 3"):
            arrays.steps(start=start)


def test_the_spec(trace: attnscope.Trace) -> None:
    spec = trace.generation_view(2, hide_first=True, renormalise=True).spec
    assert trace.generation is not None
    (stream,) = spec["streams"]
    assert stream["steps"] == {"text": 2, "first": 7}
    query, key, text = spec["sides"]
    assert query["text"] == list(trace.generation.tokens.text)
    assert key["text"] == list(trace.tokens.text)
    assert text["text"] == [*key["text"], query["text"][-1]]
    assert text["segments"] == [
        {"name": "prompt", "start": 0, "stop": 7},
        {"name": "generated", "start": 7, "stop": 12},
    ]
    state = spec["state"]
    assert (state["step"], state["all_layers"], state["over"]) == (2, True, "mean")
    assert state["hide_first"]
    assert state["renormalise"]
    one = trace.generation_view(layer=1, head=3).spec["state"]
    assert (one["layer"], one["head"], one["over"], one["all_layers"]) == (1, 3, "head", False)


def test_one_token_has_no_segment_among_those_read() -> None:
    trace = attnscope.generate(build_writer("llama"), None, prompt(), max_new_tokens=1)
    spec = trace.generation_view().spec
    assert [s["name"] for s in spec["sides"][1]["segments"]] == ["prompt"]
    assert spec["sides"][2]["segments"][-1] == {"name": "generated", "start": 7, "stop": 8}


def test_an_encoder_decoder_shows_the_source_first(pair: attnscope.Trace) -> None:
    spec = pair.generation_view().spec
    assert spec["state"]["stream"] == "cross"
    steps = {stream["name"]: stream["steps"] for stream in spec["streams"]}
    places = {stream["name"]: stream["key"] for stream in spec["streams"]}
    assert set(steps) == {"decoder", "cross"}
    assert steps["cross"] == {"text": places["cross"], "first": None}
    assert steps["decoder"]["first"] == 1
    own = spec["sides"][steps["decoder"]["text"]]
    assert [segment["name"] for segment in own["segments"]] == ["start", "generated"]


def test_the_rows_that_travel(trace: attnscope.Trace) -> None:
    view = trace.generation_view()
    replies = {str(request): reply for request, reply in answers(view.trace, view.spec)}
    assert len(replies) == 1 + 2
    means = unpacked(answer(view.trace, view.spec, {"kind": "rows", "stream": "self"}))
    expected = np.stack([trace.weights(n)[:, 6:].mean(0) for n in (0, 1)])
    np.testing.assert_allclose(means, expected, rtol=6e-4, atol=1e-7)
    heads = unpacked(answer(view.trace, view.spec, {"kind": "rows", "stream": "self", "layer": 1}))
    np.testing.assert_allclose(heads, trace.weights(1)[:, 6:], rtol=6e-4, atol=1e-7)
    some = trace.generation_view(layers=[1], heads=[2, 0])
    means = unpacked(answer(some.trace, some.spec, {"kind": "rows", "stream": "self"}))
    np.testing.assert_allclose(means[0], trace.weights(1)[[0, 2], 6:].mean(0), rtol=6e-4)
    assert 0 < size_estimate(view.spec) < 10_000


def test_a_long_generation_carries_means_only(
    trace: attnscope.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "CARRIED_UP_TO", 100)
    view = trace.generation_view()
    assert view.spec["carries"] == "means"
    assert view.spec["notes"][-1] == generation.MEANS_ONLY
    assert [request["kind"] for request, _ in answers(view.trace, view.spec)] == ["rows"]
    live = answer(view.trace, view.spec, {"kind": "rows", "stream": "self", "layer": 1})
    assert unpacked(live).shape == (4, 5, 11)


def test_what_a_page_may_not_ask_for(trace: attnscope.Trace) -> None:
    view = trace.generation_view(layers=[1])
    for request in (
        {"kind": "rows", "stream": "self", "layer": 0},
        {"kind": "rows", "stream": "self", "layer": "1"},
        {"kind": "rows", "stream": "other"},
        {"kind": "layer", "stream": "self", "layer": 1},
    ):
        with pytest.raises(InputError, match="the page asked for"):
            answer(view.trace, view.spec, request)  # type: ignore[arg-type]
    plain = trace.head_view()
    with pytest.raises(InputError, match="the page asked for rows"):
        answer(plain.trace, plain.spec, {"kind": "rows", "stream": "self"})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"step": 5}, r"step 5 is not there: 5 tokens were generated, 0 to 4"),
    ({"step": "a"}, r"step must be a whole number"),
    ({"layer": 9}, r"layer 9 is not in the self stream"),
    ({"layer": "every"}, r"layer must be a number, or 'all' .* got 'every'"),
    ({"head": "max"}, r"head must be a number, or 'mean' .* got 'max'"),
    ({"head": 2}, r"head 2 of which layer\? Give layer= as well"),
    ({"layer": 1, "head": 7}, r"head 7 is not in layer 1"),
    ({"renormalise": True}, r"renormalise=True .* needs hide_first=True"),
    ({"hide_first": 1}, r"hide_first must be True or False, got 1"),
    ({"stream": "cross"}, r"no stream 'cross' in this trace"),
    ({"theme": "pink"}, r"theme must be one of"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_options_that_do_not_fit(
    trace: attnscope.Trace, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        trace.generation_view(**options)


def test_the_widget_steps(trace: attnscope.Trace) -> None:
    widget = trace.generation_view().widget()
    widget.step = 3
    widget.hide_first = True
    with pytest.raises(InputError, match="step 5 is not shown: this view has steps 0 to 4"):
        widget.step = 5
    assert widget.step == 3


def test_the_page_of_a_chat_is_whole() -> None:
    messages = [{"role": "user", "content": "</script><b>Hi!</b>"}]
    trace = attnscope.generate(
        byte_writer(), byte_tokenizer(CHATML), messages, max_new_tokens=3, do_sample=False
    )
    html = trace.generation_view().html()
    assert html.count('data-key="rows/self') == 3
    assert "<b>Hi!" not in html
