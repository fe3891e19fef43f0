"""Options of the head view and the model view: what reaches the page, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.views import display


@pytest.fixture
def trace() -> attnscope.Trace:
    weights = np.random.default_rng(0).dirichlet(np.ones(5), (2, 3, 5)).astype(np.float32)
    return attnscope.from_attention(weights, ["[CLS]", "a", "b", "c", "[SEP]"])


def test_options_reach_the_state(trace: attnscope.Trace) -> None:
    spec = trace.model_view(
        mean=np.True_,
        sort="entropy",
        hide_special=True,
        renormalise=True,
        threshold=np.float32(0.5),
    ).spec
    state = {name: spec["state"][name] for name in display.Display.__annotations__}
    assert state == {
        "mean": True,
        "sort": "entropy",
        "hide_special": True,
        "renormalise": True,
        "threshold": 0.5,
    }


def test_the_mean_is_shown_alone_unless_heads_are_named(trace: attnscope.Trace) -> None:
    assert trace.head_view().spec["state"]["heads"] is None
    assert trace.head_view(mean=True).spec["state"]["heads"] == []
    assert trace.head_view(heads=[2], mean=True).spec["state"]["heads"] == [2]


def test_every_measure_is_carried_for_the_heads_shown(trace: attnscope.Trace) -> None:
    shown = trace.model_view(layers=[1, 0], heads=[2, 0]).spec["streams"][0]
    table = trace.heads()
    by_name = {measure["name"]: measure["values"] for measure in shown["measures"]}
    assert {"entropy", "distance", "previous_token"} <= set(by_name)
    entropy = table["entropy"].reshape(2, 3)
    np.testing.assert_allclose(by_name["entropy"], entropy[[1, 0]][:, [2, 0]], rtol=1e-3)


def test_a_head_without_a_number_has_none(trace: attnscope.Trace) -> None:
    measures = trace.head_view().spec["streams"][0]["measures"]
    values = {measure["name"]: measure["values"] for measure in measures}
    assert values["duplicate_token"] == [[None] * 3] * 2


def test_long_inputs_carry_the_measure_asked_for_only(
    trace: attnscope.Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "MEASURED_UP_TO", 100)
    assert trace.head_view().spec["streams"][0]["measures"] == []
    (only,) = trace.head_view(sort="entropy").spec["streams"][0]["measures"]
    assert only["name"] == "entropy"


def test_other_streams_carry_the_measures_that_they_have() -> None:
    even = np.full((1, 2, 3, 3), 1 / 3, np.float32)
    trace = attnscope.from_attention(encoder=even, decoder=even, cross=even)
    spec = trace.head_view(stream="encoder", sort="previous_token").spec
    names = [[measure["name"] for measure in stream["measures"]] for stream in spec["streams"]]
    assert "previous_token" in names[0]
    assert "previous_token" not in names[2]
    assert "entropy" in names[2]


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"mean": 1}, "mean must be True or False, got 1"),
        ({"threshold": 1.5}, "threshold must be a number from 0 to 1, got 1.5"),
        ({"threshold": "much"}, "threshold must be a number from 0 to 1, got 'much'"),
        ({"threshold": True}, "threshold must be a number from 0 to 1, got True"),
        ({"threshold": float("nan")}, "threshold must be a number from 0 to 1, got nan"),
        ({"sort": 3}, "sort must be 'number' or the name of a measure, got 3"),
        ({"sort": "entopy"}, "no measure 'entopy'; there are entropy"),
        ({"sort": "entopy"}, "Did you mean 'entropy'?"),
        ({"renormalise": True}, "it needs hide_special=True"),
    ],
)
def test_options_that_do_not_fit(
    trace: attnscope.Trace, option: dict[str, object], text: str
) -> None:
    for view in (trace.head_view, trace.model_view):
        with pytest.raises(InputError) as caught:
            view(**option)
        assert text in str(caught.value)


def test_an_option_that_there_is_not(trace: attnscope.Trace) -> None:
    with pytest.raises(TypeError, match="no option 'treshold': its options are mean, sort"):
        trace.head_view(treshold=0.5)


def test_a_measure_without_meaning_for_the_stream_says_so() -> None:
    even = np.full((1, 2, 3, 3), 1 / 3, np.float32)
    trace = attnscope.from_attention(encoder=even, decoder=even, cross=even)
    with pytest.raises(InputError, match="'previous_token' has no meaning for the cross stream"):
        trace.model_view(stream="cross", sort="previous_token")


def test_the_widget_shares_the_options(trace: attnscope.Trace) -> None:
    widget = trace.head_view(threshold=0.1).widget()
    assert (widget.threshold, widget.sort, widget.mean) == (0.1, "number", False)
    widget.sort, widget.mean, widget.heads = "entropy", True, []
    widget.hide_special = widget.renormalise = True
    widget.opened = {"layer": 1, "head": None}
    assert widget.opened == {"layer": 1, "head": None}
    with pytest.raises(InputError, match="threshold must be a number from 0 to 1, got -1"):
        widget.threshold = -1
    with pytest.raises(InputError, match=r"sort must be one of \['number', 'entropy'"):
        widget.sort = "beauty"
    assert (widget.threshold, widget.sort) == (0.1, "entropy")
