"""The heads view's spec: the numbers of `trace.heads()`, where the page looks for them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.trace import Trace
from tests.browser.looking import random_weights, shifted
from tests.map_tiles import layer_of, trace_of


def arrays(weights: np.ndarray) -> Trace:
    return attnscope.from_attention(weights, [f"t{i}" for i in range(weights.shape[-1])])


def test_the_page_gets_the_numbers_of_the_table() -> None:
    trace = arrays(random_weights(3, 4, 7, 7))
    spec = trace.heads_view("distance").spec
    assert (spec["view"], spec["state"]["measure"]) == ("heads", "distance")
    assert json.loads(json.dumps(spec)) == spec
    table = trace.heads()
    [stream] = spec["streams"]
    for measure in stream["measures"]:
        shown = np.array(measure["values"], float).ravel()
        np.testing.assert_allclose(shown, table[measure["name"]], rtol=1e-3)
    assert [name for row in stream["patterns"] for name in row] == table["pattern"].tolist()


def test_entropy_comes_first_and_heads_can_be_chosen() -> None:
    trace = arrays(shifted(3, 4, 7))
    spec = trace.heads_view(layers=[2, 0], heads=[3, 1]).spec
    [stream] = spec["streams"]
    assert spec["state"]["measure"] == "entropy" == stream["measures"][0]["name"]
    by_name = {measure["name"]: measure["values"] for measure in stream["measures"]}
    table = trace.heads()
    rows = {(row["layer"], row["head"]): row for row in table.rows()}
    expected = [[rows[layer, head]["distance"] for head in (3, 1)] for layer in (2, 0)]
    np.testing.assert_allclose(by_name["distance"], expected, rtol=1e-3)


def test_a_number_that_a_head_does_not_have_is_none() -> None:
    [stream] = arrays(random_weights(1, 2, 1, 1)).heads_view().spec["streams"]
    previous = next(m for m in stream["measures"] if m["name"] == "previous_token")
    assert previous["values"] == [[None, None]]


def test_streams_with_two_kinds_of_tokens_have_their_own_measures() -> None:
    trace = attnscope.from_attention(
        cross=random_weights(2, 2, 3, 5), tokens=list("abcde"), target_tokens=list("xyz")
    )
    [stream] = trace.heads_view().spec["streams"]
    names = {measure["name"] for measure in stream["measures"]}
    assert {"entropy", "entropy_share", "confidence"} <= names
    assert not {"previous_token", "distance", "induction"} & names
    assert "patterns" not in stream


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"measure": "entopy"}, "no measure 'entopy'; there are entropy, .*Did you mean 'entropy'"),
        ({"measure": "layer"}, "no measure 'layer'"),
        ({"layers": [9]}, "layer 9 is not in the self stream"),
        ({"theme": "x"}, "theme must be one of"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        arrays(random_weights(1, 2, 4, 4)).heads_view(**options)


def test_the_widget_takes_a_measure_that_is_there() -> None:
    widget = trace_of(layer_of(9)).heads_view().widget()
    widget.measure = "distance"
    with pytest.raises(InputError, match=r"measure must be one of \['entropy'"):
        widget.measure = "weight"
