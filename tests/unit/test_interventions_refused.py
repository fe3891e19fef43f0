"""Interventions that do not fit a model, a text or each other: what is said of them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
import transformers as hf

import attnscope
from attnscope import CaptureError, InputError
from tests.intervening import ids_of, nothing_left_behind, run
from tests.models import FAMILIES, build

capture = importlib.import_module("attnscope.capture")

nothing_is_left_behind = pytest.fixture(autouse=True)(nothing_left_behind)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, r"nothing to ablate: give heads=\[\(layer, head\), ...\], layers= or keys="),
        ({"heads": [3]}, r"heads must be \(layer, head\) pairs such as \[\(2, 3\)\], got \[3\]"),
        ({"heads": (2, 3)}, r"heads must be \(layer, head\) pairs"),
        ({"heads": []}, "heads is empty: name at least one head"),
        ({"layers": []}, "layers is empty: name at least one layer"),
        ({"heads": [(0, -1)]}, "head -1 is not there: heads are counted from 0"),
        ({"heads": [(0, 1.5)]}, r"head must be a whole number, got 1.5 \(float\)"),
        ({"heads": [(0, 1)], "layers": [0]}, "give heads= or layers=, not both"),
        ({"heads": [(0, 1)], "mode": "none"}, "mode must be one of 'zero', 'mean', 'uniform', 're"),
        ({"heads": [(0, 1)], "mode": "zero", "scale": 2}, "one of mode=, scale= and keys=, not mo"),
        ({"heads": [(0, 1)], "scale": "half"}, "scale must be a finite number, got 'half'"),
        ({"heads": [(0, 1)], "scale": float("nan")}, "scale must be a finite number, got nan"),
        (
            {"heads": [(0, 1)], "mode": "resample", "seed": "a"},
            "seed must be a whole number, got",
        ),
        ({"heads": [(0, 1)], "reference": {}}, "reference= goes with mode='mean' or 'resample', n"),
        ({"keys": 1, "tokens": "text"}, "tokens must be a Trace or Tokens of the text, got str"),
    ],
    ids=str,
)
def test_what_does_not_fit_together(bert: Any, options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        attnscope.ablate(bert, **options)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (
            "bert",
            {"heads": [(7, 0)]},
            "layer 7 is not in the self stream of BertModel, which has l",
        ),
        ("bert", {"heads": [(1, 4)]}, "head 4 is not in encoder.layer.1.attention.self, which has"),
        ("bert", {"keys": 9}, "key 9 is not there: encoder.layer.0.attention.self attends to keys"),
        (
            "bert",
            {"layers": [0], "stream": "cross"},
            "no stream 'cross' in BertModel; it has 'self'",
        ),
        ("bert", {"layers": [0], "stream": "encoder"}, "no stream 'encoder' in BertModel; it has "),
        (
            "gpt2",
            {"keys": 0, "queries": 0},
            "without these keys, query 0 has no key left to attend",
        ),
        ("bert", {"layers": [0], "mode": "mean", "reference": 3}, "reference must be model inputs"),
    ],
    ids=str,
)
def test_what_the_model_has_not_got(name: str, options: Any, said: str) -> None:
    model = build(name)
    with pytest.raises(InputError, match=said), attnscope.ablate(model, **options):
        run(model)


def test_streams_are_named_where_there_are_several() -> None:
    model = build("bart")
    inputs = FAMILIES["bart"].inputs()
    with (
        pytest.raises(
            InputError, match="has several streams: pass stream= one of 'encoder', 'deco"
        ),
        attnscope.ablate(model, [(0, 0)]),
    ):
        model(**inputs)
    keys = {"keys": range(11), "stream": "cross"}
    with (
        pytest.raises(InputError, match=r"query 0 has no key left to attend to in decoder\.layers"),
        attnscope.ablate(model, **keys),
    ):
        model(**inputs)


def test_models_without_attention_say_so() -> None:
    model = hf.RwkvModel(hf.RwkvConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2)).eval()
    with (
        pytest.raises(CaptureError, match="nothing in RwkvModel can be ablated or patched"),
        attnscope.ablate(model, [(0, 0)]),
    ):
        run(model)


def test_patches_that_do_not_fit(bert: Any) -> None:
    short = capture(bert, inputs={"input_ids": ids_of(5)})
    with (
        pytest.raises(
            InputError, match="weights of layer 1 are 5 queries × 5 keys, and the model n"
        ),
        attnscope.patch(bert, short, [(1, 0)]),
    ):
        run(bert)
    with pytest.raises(InputError, match="what='output' needs the values of the trace, and it has"):
        attnscope.patch(bert, short, [(1, 0)], "output")
    with pytest.raises(InputError, match="head 6 is not in layer 1 of the self stream, which has"):
        attnscope.patch(bert, short, [(1, 6)])
    with pytest.raises(InputError, match="patch takes the attention of a Trace, got int"):
        attnscope.patch(bert, 3, [(1, 0)])
    with pytest.raises(InputError, match="what must be 'pattern' or 'output', got 'values'"):
        attnscope.patch(bert, short, [(1, 0)], "values")
    with pytest.raises(InputError, match=r"nothing to patch: give heads="):
        attnscope.patch(bert, short)
    sinks = build("gpt_oss")
    trace = capture(sinks, inputs={"input_ids": ids_of()})
    with (
        pytest.raises(CaptureError, match="has a learned sink that takes part in its softmax"),
        attnscope.patch(sinks, trace, [(1, 0)]),
    ):
        run(sinks)


def test_an_error_of_ours_is_not_said_to_be_the_models(bert: Any) -> None:
    with (
        pytest.raises(InputError, match="layer 7 is not in") as caught,
        attnscope.ablate(bert, [(7, 0)]),
    ):
        capture(bert, inputs={"input_ids": ids_of()})
    assert not hasattr(caught.value, "__notes__")


def test_a_query_that_no_pass_reads_is_an_error_and_no_ablation_that_did_nothing(bert) -> None:
    ids = torch.tensor([[3, 4, 5, 6]])
    with pytest.raises(InputError) as caught, attnscope.ablate(bert, [(0, 1)], queries=[2, 9]):
        bert(ids)
    assert str(caught.value) == (
        "queries: token 9 was never read, so that nothing was done to it; the forward passes "
        "inside the block read tokens 0 to 3."
    )
    with attnscope.ablate(bert, [(0, 1)], queries=[9]):
        pass  # no pass, and nothing to say


def test_a_query_may_be_one_that_is_generated() -> None:
    model = build("gpt2")
    with attnscope.ablate(model, [(0, 1)], queries=[6]):
        model.generate(
            torch.tensor([[3, 4, 5]]), max_new_tokens=6, min_new_tokens=6, pad_token_id=0
        )
