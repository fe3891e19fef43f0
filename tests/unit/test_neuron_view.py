"""The neuron view's spec, the options it refuses, and the bytes it sends."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire.encode import GZIP, pack_arrays
from attnscope.wire.replies import Reply, answer, answers, requests_of, size_estimate

NUMBERS = np.random.default_rng(0)
TYPES = {"float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "uint8": "u1"}


def layer_of(
    heads: int = 4, groups: int = 2, query: int = 5, dim: int = 6, **rules: object
) -> QKLayer:
    return QKLayer(
        queries=NUMBERS.normal(size=(heads, query, dim)).astype(np.float32),
        keys=NUMBERS.normal(size=(groups, query, dim)).astype(np.float32),
        spec=ScoreSpec(**{"scaling": dim**-0.5, **rules}),
        heads=tuple(range(heads)),
        kv_head=np.arange(heads) * groups // heads,
    )


def trace_of(*layers: QKLayer) -> Trace:
    tokens = Tokens.plain("abcde", segments=[2])
    return Trace([Stream("self", tuple(range(len(layers))), layers, tokens, tokens)])


def unpacked(reply: Reply) -> dict[str, np.ndarray]:
    """The arrays of a reply, read the way the page does."""
    raw = np.frombuffer(zlib.decompress(reply.data, GZIP), np.uint8)
    found, at = {}, 0
    for spec in reply.meta["arrays"]:
        kind = np.dtype(TYPES[spec["dtype"]])
        count = int(np.prod(spec["shape"]))
        planes = raw[at : at + count * kind.itemsize].reshape(kind.itemsize, count)
        found[spec["name"]] = planes.T.copy().view(kind).reshape(spec["shape"])
        at += count * kind.itemsize
    assert at == len(raw)
    return found


def test_the_spec_says_what_is_shown_first() -> None:
    trace = trace_of(layer_of(), layer_of())
    spec = trace.neuron_view(layer=1, head=np.int64(2), theme="dark").spec
    state = spec["state"]
    assert (spec["view"], spec["theme"]) == ("neuron", "dark")
    assert (state["layer"], state["head"], state["expanded"], state["pinned"]) == (
        1,
        2,
        False,
        None,
    )
    assert json.loads(json.dumps(spec)) == spec


def test_a_query_given_starts_expanded_on_that_token() -> None:
    state = trace_of(layer_of()).neuron_view(query=3).spec["state"]
    assert state["expanded"] is True
    assert state["pinned"] == {"side": "query", "index": 3}


def test_rules_tell_the_formula_and_who_serves_whom() -> None:
    layer = replace(layer_of(causal=True, window=3, softcap=30.0), kv_numbers=(1, 3))
    row = trace_of(layer).neuron_view(heads=[1, 3]).spec["streams"][0]["layers"][0]
    rules = row["rules"]
    assert row["heads"] == [1, 3]
    assert (rules["key_place"], rules["key_head"]) == ([0, 1], [1, 3])
    assert (rules["causal"], rules["window"], rules["softcap"]) == (True, 3, 30.0)
    assert (rules["dim"], rules["bias"], rules["mask"], rules["sinks"]) == (6, None, None, False)


def test_vectors_come_as_they_are_stored_and_unrepeated() -> None:
    layer = layer_of(sinks=np.arange(4, dtype=np.float32), keys=np.arange(5) < 4)
    trace = trace_of(layer)
    spec = trace.neuron_view(heads=[2, 3]).spec
    found = unpacked(answer(trace, spec, {"kind": "vectors", "stream": "self", "layer": 0}))
    np.testing.assert_array_equal(found["queries"], layer.queries[2:])
    np.testing.assert_array_equal(found["keys"], layer.keys[1:])
    np.testing.assert_array_equal(found["sinks"], [2, 3])
    np.testing.assert_array_equal(found["seen"], [1, 1, 1, 1, 0])


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.uint16, np.uint8])
def test_arrays_travel_exact_to_the_bit(kind: type) -> None:
    array = NUMBERS.integers(0, 200, (3, 4)).astype(kind)
    specs, data = pack_arrays({"a": array, "b": array[:1]})
    found = unpacked(Reply({"codec": "gzip", "arrays": specs}, data))
    np.testing.assert_array_equal(found["a"], array)
    np.testing.assert_array_equal(found["b"], array[:1])


def test_equal_biases_and_masks_travel_once() -> None:
    bias = NUMBERS.normal(size=(4, 5, 5)).astype(np.float32)
    mask = NUMBERS.random((5, 5)) > 0.2
    layers = [layer_of(bias=b, visible=mask.copy()) for b in (bias, bias.copy(), bias + 1)]
    trace = trace_of(*layers)
    spec = trace.neuron_view().spec
    rules = [row["rules"] for row in spec["streams"][0]["layers"]]
    assert [rule["bias"] for rule in rules] == [0, 0, 2]
    assert [rule["mask"] for rule in rules] == [0, 0, 0]
    wanted = [(r["kind"], r["layer"]) for r in requests_of(spec)]
    assert wanted == [
        ("vectors", 0), ("bias", 0), ("mask", 0), ("vectors", 1), ("vectors", 2), ("bias", 2),
    ]  # fmt: skip
    replies = dict(zip(wanted, (reply for _, reply in answers(trace, spec)), strict=True))
    np.testing.assert_array_equal(unpacked(replies["bias", 2])["bias"], bias + 1)
    np.testing.assert_array_equal(unpacked(replies["mask", 0])["mask"], mask)


def test_gpt2_small_at_256_tokens_stays_small() -> None:
    shape = (12, 256, 64)
    layers = [
        QKLayer(
            NUMBERS.normal(size=shape).astype(np.float32),
            NUMBERS.normal(size=shape).astype(np.float32),
            ScoreSpec(0.125, causal=True),
            tuple(range(12)),
            np.arange(12),
        )
        for _ in range(12)
    ]
    tokens = Tokens.plain([f"t{i}" for i in range(256)])
    view = Trace([Stream("self", tuple(range(12)), tuple(layers), tokens, tokens)]).neuron_view()
    size = len(view.html())
    assert size < 30e6
    assert 0.7 * size < size_estimate(view.spec) * 4 / 3 < size


WEIGHTS_ONLY = attnscope.from_attention(np.full((2, 3, 5, 5), 0.2, np.float32), list("abcde"))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: t.neuron_view(layer=4), "layer 4 is not in the self stream, which has layers"),
        (lambda t: t.neuron_view(layer=1, layers=[0]), "layer 1 is not among layers="),
        (lambda t: t.neuron_view(head=4), "head 4 is not in layer 0 of the self stream"),
        (lambda t: t.neuron_view(head=3, heads=[0, 1]), "head 3 is not among heads=, which names"),
        (lambda t: t.neuron_view(head="x"), "head must be a whole number, got 'x' (str)"),
        (
            lambda t: t.neuron_view(query=5),
            "query 5 is not in the self stream, which has query tokens 0 to 4",
        ),
        (lambda t: t.neuron_view(query=-1), "query -1 is not in the self stream"),
        (lambda t: t.neuron_view(query=1.5), "query must be a whole number, got 1.5 (float)"),
        (lambda t: t.neuron_view(theme="blue"), "theme must be one of"),
        (lambda t: t.neuron_view(stream="cross"), "no stream 'cross' in this trace"),
        (
            lambda _: WEIGHTS_ONLY.neuron_view(),
            "the neuron view needs queries and keys, and layers 0 to 1 of the self stream hold "
            "weights only. Record the model's queries and keys: "
            "attnscope.capture(model, tokenizer, text).neuron_view()",
        ),
    ],
)
def test_options_that_do_not_fit(call: object, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call(trace_of(layer_of(), layer_of()))  # type: ignore[operator]
    assert text in str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "vectors", "stream": "self", "layer": 9},
        {"kind": "vectors", "stream": "self", "layer": "0"},
        {"kind": "vectors", "stream": "self"},
        {"kind": "bias", "stream": "self", "layer": 0},
        {"kind": "layer", "stream": "self", "layer": 0},
        {"kind": "thumbnails", "stream": "self"},
        {"kind": "vectors", "stream": "nope", "layer": 0},
    ],
)
def test_requests_that_do_not_fit_are_refused(request_: dict) -> None:
    trace = trace_of(layer_of())
    with pytest.raises(InputError, match="the page asked for"):
        answer(trace, trace.neuron_view().spec, request_)  # type: ignore[arg-type]


def test_the_widget_shares_head_and_expansion() -> None:
    widget = trace_of(layer_of(), layer_of()).neuron_view(head=1).widget()
    assert (widget.head, widget.expanded) == (1, False)
    widget.head, widget.expanded = np.int64(3), True
    assert widget.head == 3
    with pytest.raises(InputError, match="head 7 is not shown: this view has heads 0 to 3"):
        widget.head = 7
    widget.pinned = {"side": "query", "index": 4}


def test_the_query_may_be_named_by_its_text() -> None:
    trace = trace_of(layer_of())
    assert trace.neuron_view(query="c").spec == trace.neuron_view(query=2).spec
    with pytest.raises(InputError, match="query 'z' is not among"):
        trace.neuron_view(query="z")
