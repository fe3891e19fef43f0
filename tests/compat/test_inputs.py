"""What head_view and model_view take: all that BertViz takes, and what it refuses or gets wrong."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqModelOutput

from attnscope import AttnscopeWarning, InputError
from attnscope.bertviz import head_view, model_view
from tests.compat.given import layers, rows_of, softmaxed, spec_of, texts

BOTH = pytest.mark.parametrize("view", [head_view, model_view])
ABCD = list("abcd")

FORMS = {
    "list of tensors": list,
    "tuple of tensors": tuple,
    "stacked tensor": torch.stack,
    "requires grad": lambda given: [layer.requires_grad_() * 1 for layer in given],
    "float64": lambda given: [layer.double() for layer in given],
    "NumPy": lambda given: [layer.numpy() for layer in given],
    "stacked NumPy": lambda given: np.stack([layer.numpy() for layer in given]),
    "no batch axis": lambda given: [layer[0] for layer in given],
    "stacked without batch axis": lambda given: torch.stack([layer[0] for layer in given]),
    "nested lists": lambda given: [layer.tolist() for layer in given],
    "model output": lambda given: BaseModelOutput(attentions=tuple(given)),
    "model output, stacked": lambda given: SimpleNamespace(attentions=torch.stack(given)),
    "mapping": lambda given: {"attentions": given},
    "object": lambda given: SimpleNamespace(attentions=given),
}


@BOTH
@pytest.mark.parametrize("form", FORMS)
def test_attention_in_every_form_gives_the_same_weights(view, form, shown):
    given = layers()
    assert view(FORMS[form](given), ABCD) is None
    for number, layer in enumerate(given):
        np.testing.assert_array_equal(shown[0].trace.weights(number), layer[0].detach())


@BOTH
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_taken(view, dtype, shown):
    view([torch.full((1, 2, 4, 4), 0.25, dtype=dtype)], ABCD)
    assert (shown[0].trace.weights(0) == 0.25).all()


@BOTH
def test_rows_are_queries_and_columns_keys(view, shown):
    cross = torch.from_numpy(softmaxed(1, 2, 3, 4))
    view(cross_attention=[cross], encoder_tokens=ABCD, decoder_tokens=list("xyz"))
    stream = shown[0].trace.stream("cross")
    assert (stream.query.text, stream.key.text) == (("x", "y", "z"), ("a", "b", "c", "d"))
    np.testing.assert_array_equal(shown[0].trace.weights(0), cross[0])


TOKENS = {
    "list": ABCD,
    "tuple": tuple(ABCD),
    "array": np.array(ABCD),
    "ids": [7, 8, 9, 10],
    "tensor of ids": torch.tensor([7, 8, 9, 10]),
    "bytes": [b"a", b"b", b"c", b"d"],
}


@BOTH
@pytest.mark.parametrize("form", TOKENS)
@pytest.mark.parametrize("prettify", [True, False])
def test_tokens_in_every_form(view, form, prettify):
    spec = spec_of(view(layers(), TOKENS[form], None, prettify, html_action="return"))
    assert texts(spec) == (["7", "8", "9", "10"] if "ids" in form else ABCD)


PIECES = ["Ġcat", "Ċ", "ðŁĺĢ", "âĢĻs"]


@BOTH
@pytest.mark.parametrize(
    ("pieces", "pretty"),
    [
        (PIECES, ["cat", "⏎", "😀", "’s"]),
        (["▁the", "▁cat", "s", "."], ["the", "cat", "s", "."]),
        (["the</w>", "ca", "t</w>", "."], ["the", "ca", "t", "."]),
        (["jump", "##s", "[SEP]", "</s>"], ["jump", "s", "[SEP]", "</s>"]),
    ],
)
def test_prettify_tokens_makes_text_and_false_shows_the_pieces(view, pieces, pretty):
    assert texts(spec_of(view(layers(), pieces, html_action="return"))) == pretty
    raw = spec_of(view(layers(), pieces, prettify_tokens=False, html_action="return"))
    assert texts(raw) == pieces


@BOTH
@pytest.mark.parametrize("start", [3, np.int64(3), torch.tensor(3), -1])
def test_sentence_b_start_makes_two_segments(view, start):
    spec = spec_of(view(layers(), ABCD, start, html_action="return"))
    runs = [(s["name"], s["start"], s["stop"]) for s in spec["sides"][0]["segments"]]
    assert runs == [("A", 0, 3), ("B", 3, 4)]


@BOTH
@pytest.mark.parametrize("start", [0, 4, 9, -4, -9])
def test_sentence_b_start_that_leaves_a_sentence_empty_is_an_error(view, start):
    with pytest.raises(ValueError, match="first token of sentence B is one of 1 to 3"):
        view(layers(), ABCD, start)


@BOTH
def test_sentence_b_start_is_ignored_for_an_encoder_and_says_so(view, shown):
    with pytest.warns(AttnscopeWarning, match="sentence_b_start is used with attention= only"):
        view(encoder_attention=layers(), encoder_tokens=ABCD, sentence_b_start=2)


INDICES = {
    "list": [2, 0],
    "tuple": (2, 0),
    "range": range(2, -1, -2),
    "array": np.array([2, 0]),
    "tensor": torch.tensor([2, 0]),
    "negative": [-1, 0],
    "numpy ints": [np.int64(2), np.int32(0)],
    "repeated": [2, 0, 2],
}


@BOTH
@pytest.mark.parametrize("form", INDICES)
def test_include_layers_in_every_form_keeps_order_and_numbers(view, form):
    html = view(layers(3), ABCD, include_layers=INDICES[form], html_action="return")
    assert list(rows_of(spec_of(html))) == [2, 0]


@pytest.mark.parametrize("form", INDICES)
def test_include_heads_in_every_form_keeps_order_and_numbers(form):
    html = model_view(layers(2), ABCD, include_heads=INDICES[form], html_action="return")
    assert rows_of(spec_of(html)) == {0: [2, 0], 1: [2, 0]}


@pytest.mark.parametrize("form", INDICES)
def test_heads_in_every_form_are_those_switched_on(form):
    html = head_view(layers(2), ABCD, heads=INDICES[form], html_action="return")
    assert spec_of(html)["state"]["heads"] == [2, 0]


def test_one_number_and_an_empty_list_are_taken_for_what_they_mean():
    def spec(view: Any, **options: Any) -> dict[str, Any]:
        return spec_of(view(layers(2), ABCD, html_action="return", **options))

    assert spec(head_view, heads=1)["state"]["heads"] == [1]
    assert spec(head_view, heads=[])["state"]["heads"] is None
    assert rows_of(spec(head_view, include_layers=1)) == {1: [0, 1, 2]}
    assert rows_of(spec(model_view, include_layers=[], include_heads=[])) == {
        0: [0, 1, 2],
        1: [0, 1, 2],
    }


@pytest.mark.parametrize("layer", [2, np.int64(2), torch.tensor(2)])
def test_layer_is_the_models_number(layer):
    html = head_view(layers(3), ABCD, layer=layer, include_layers=[1, 2], html_action="return")
    assert spec_of(html)["state"]["layer"] == 2


def test_the_first_layer_shown_is_the_first_included():
    html = head_view(layers(3), ABCD, include_layers=[2, 1], html_action="return")
    assert spec_of(html)["state"]["layer"] == 2


@BOTH
@pytest.mark.parametrize("number", [3, -4])
def test_layers_out_of_range_are_an_error_with_those_there_are(view, number):
    with pytest.raises(InputError, match="which has layers 0 to 2"):
        view(layers(3), ABCD, include_layers=[number])


def test_heads_out_of_range_are_an_error_with_those_there_are():
    with pytest.raises(InputError, match=r"head 99 is not in layer 0 .* which has heads 0 to 2"):
        head_view(layers(3), ABCD, heads=[99])
    with pytest.raises(InputError, match=r"head 99 is not in layer 0 .* which has heads 0 to 2"):
        model_view(layers(3), ABCD, include_heads=[99])


@BOTH
def test_a_batch_needs_index(view, shown):
    batch = layers(batch=4)  # as many items as heads or tokens would be: BertViz shows nonsense
    with pytest.raises(InputError, match="a batch of 4: pass index= 0 to 3"):
        view(batch, ABCD)
    view(batch, ABCD, index=np.int64(2))
    np.testing.assert_array_equal(shown[0].trace.weights(1), batch[1][2])


@BOTH
def test_layers_that_are_none_keep_the_numbers_of_the_others(view):
    first, second = layers()
    html = view([None, first, None, second], ABCD, html_action="return")
    assert list(rows_of(spec_of(html))) == [1, 3]


@BOTH
def test_layers_may_differ_in_heads(view):
    html = view([*layers(1, heads=2), *layers(1, heads=5)], ABCD, html_action="return")
    assert rows_of(spec_of(html)) == {0: [0, 1], 1: [0, 1, 2, 3, 4]}


def stacks(encoder: int, decoder: int, heads: tuple[int, int] = (2, 2)) -> dict[str, Any]:
    return {
        "encoder_attention": layers(encoder, heads[0]),
        "decoder_attention": layers(decoder, heads[1], 3, 3),
        "cross_attention": layers(decoder, heads[1], 3, 4),
        "encoder_tokens": ABCD,
        "decoder_tokens": list("xyz"),
    }


@BOTH
@pytest.mark.parametrize(
    ("encoder", "decoder", "heads"), [(2, 4, (4, 8)), (4, 2, (8, 4)), (3, 3, (2, 2))]
)
def test_stacks_may_differ_in_layers_and_heads(view, encoder, decoder, heads):
    spec = spec_of(view(**stacks(encoder, decoder, heads), html_action="return"))
    assert [s["label"] for s in spec["streams"]] == ["Encoder", "Decoder", "Cross-attention"]
    counts = [(len(rows_of(spec, i)), len(rows_of(spec, i)[0])) for i in range(3)]
    assert counts == [(encoder, heads[0]), (decoder, heads[1]), (decoder, heads[1])]


@BOTH
@pytest.mark.parametrize("name", ["encoder", "decoder", "cross"])
def test_any_subset_of_the_stacks(view, name):
    given = stacks(2, 3)
    given = {k: v for k, v in given.items() if "attention" not in k or k.startswith(name)}
    assert [s["name"] for s in spec_of(view(**given, html_action="return"))["streams"]] == [name]


def test_a_layer_that_only_the_decoder_has_opens_the_decoder():
    spec = spec_of(head_view(**stacks(2, 4), layer=3, html_action="return"))
    assert (spec["state"]["stream"], spec["state"]["layer"]) == ("decoder", 3)
    spec = spec_of(model_view(**stacks(2, 4), include_layers=[3], html_action="return"))
    assert [s["name"] for s in spec["streams"]] == ["decoder", "cross"]


@BOTH
def test_a_whole_output_of_an_encoder_decoder_is_read_by_name(view):
    given = stacks(2, 4)
    output = Seq2SeqModelOutput(
        encoder_attentions=tuple(given["encoder_attention"]),
        decoder_attentions=tuple(given["decoder_attention"]),
        cross_attentions=tuple(given["cross_attention"]),
    )
    sides = {name: given[name] for name in ("encoder_tokens", "decoder_tokens")}
    expected = [("encoder", 2), ("decoder", 4), ("cross", 4)]
    named = dict.fromkeys(("encoder_attention", "decoder_attention", "cross_attention"), output)
    for arguments in ({"attention": output}, named):
        spec = spec_of(view(**arguments, **sides, html_action="return"))
        assert [(s["name"], len(s["layers"])) for s in spec["streams"]] == expected


def test_dark_and_light_are_themes_of_the_model_view():
    def theme(**options: Any) -> str:
        return spec_of(model_view(layers(), ABCD, html_action="return", **options))["theme"]

    assert [theme(), theme(display_mode="light"), theme(display_mode="auto")] == [
        "dark",
        "light",
        "auto",
    ]
    assert spec_of(head_view(layers(), ABCD, html_action="return"))["theme"] == "auto"


def test_util_takes_and_gives_tensors_or_arrays():
    util = importlib.import_module("attnscope.bertviz.util")
    theirs = importlib.import_module("bertviz.util")
    given = layers(3)
    for options in ({}, {"layers": [2, 0]}, {"heads": [1]}, {"layers": [], "heads": []}):
        expected = theirs.format_attention(given, **options)
        assert torch.equal(util.format_attention(given, **options), expected)
        arrays = util.format_attention([layer.numpy() for layer in given], **options)
        np.testing.assert_array_equal(arrays, expected)
    assert util.num_layers(given) == theirs.num_layers(given) == 3
    assert util.num_heads(given) == theirs.num_heads(given) == 3
    pieces = ["Ġa", "▁b", "c</w>", "##d"]
    assert util.format_special_chars(pieces) == theirs.format_special_chars(pieces)
    with pytest.raises(ValueError, match="does not have the correct number of dimensions"):
        util.format_attention([layer[0] for layer in given])
