"""Predictions at a position, and the command that shows them before and after an ablation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

import attnscope
from attnscope import InputError, LoadError, pretrained
from attnscope.capture import guesses
from attnscope.stream import Stream
from attnscope.trace import Trace
from tests.commands import invoke
from tests.models import FAMILIES, SMALL, analytic_gpt2, build, make_peaked


@pytest.fixture(scope="module")
def folder(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The analytic GPT-2, saved."""
    path = tmp_path_factory.mktemp("models") / "analytic"
    analytic_gpt2().save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


TEXT = "<|end|> w1 w2 w3 w4 w1 w2"


def test_a_causal_model_says_what_comes_next(tokenizer: Any) -> None:
    table = attnscope.predictions(analytic_gpt2(), tokenizer, TEXT, k=3)
    assert list(table.columns) == ["position", "at", "rank", "token", "id", "probability"]
    assert len(table) == 3
    first = next(table.rows())
    assert (first["position"], first["at"], first["rank"], first["token"]) == (6, "w2", 1, "w3")
    assert first["probability"] == pytest.approx(1, abs=1e-6)


def test_at_positions_and_words(tokenizer: Any) -> None:
    model = analytic_gpt2()
    with torch.no_grad():
        logits = model(**tokenizer(TEXT, return_tensors="pt")).logits[0].softmax(-1)
    table = attnscope.predictions(model, tokenizer, TEXT, ["w4", 2, -1], k=2)
    assert table["position"].tolist() == [2, 2, 4, 4, 6, 6]
    for row in table.rows():
        assert row["probability"] == pytest.approx(float(logits[row["position"], row["id"]]))
    with pytest.raises(InputError, match="position: 'w1' is there 2 times, at 1, 5"):
        attnscope.predictions(model, tokenizer, TEXT, "w1")
    with pytest.raises(InputError, match="position 9 is not there; tokens go from 0 to 6"):
        attnscope.predictions(model, tokenizer, TEXT, 9)
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        attnscope.predictions(model, tokenizer, TEXT, k=0)
    with pytest.raises(InputError, match="the model gives no logits"):
        attnscope.predictions(build("bert"), tokenizer, "w1 w2")


def test_a_masked_model_says_what_stands_at_each_mask(tokenizer: Any) -> None:
    model = hf.BertForMaskedLM(hf.BertConfig(**SMALL, intermediate_size=48)).eval()
    make_peaked(model)
    text = "w1 [MASK] w3 [MASK]"
    table = attnscope.predictions(model, tokenizer, text, k=1)
    assert table["position"].tolist() == [1, 3]
    assert set(table["at"]) == {"[MASK]"}
    with torch.no_grad():
        best = model(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1).max(-1)
    assert table["id"].tolist() == best.indices[[1, 3]].tolist()
    assert table["probability"].tolist() == pytest.approx(best.values[[1, 3]].tolist())


def test_classes_and_encoder_decoders(tokenizer: Any, root: Path) -> None:
    names = {"label2id": {"bad": 0, "good": 1}, "id2label": {0: "bad", 1: "good"}}
    config = hf.BertConfig(**SMALL, intermediate_size=48, **names)
    table = attnscope.predictions(hf.BertForSequenceClassification(config).eval(), tokenizer, "w1")
    assert set(table["token"]) == {"bad", "good"}
    assert table["probability"].sum() == pytest.approx(1)
    model, letters = pretrained.load(str(root / "tests/fixtures/reversal"))
    options = {"target": "noitnetta", "k": 1}
    table = attnscope.predictions(model, letters, "attention", [1, 2, 3], **options)
    assert table["token"].tolist() == ["o", "i", "t"]


def most(logits: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    best = logits.softmax(-1).topk(k, dim=-1)
    return best.indices, best.values


def assert_kept(stream: Stream, ids: torch.Tensor, probabilities: torch.Tensor) -> None:
    assert stream.predicted is not None
    assert stream.predicted.ids.tolist() == ids.tolist()
    np.testing.assert_allclose(stream.predicted.probabilities, probabilities, rtol=1e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_a_capture_keeps_predictions(tokenizer: Any, causal: bool, tmp_path: Path) -> None:
    model = build("gpt2")
    if not causal:
        model = hf.BertForMaskedLM(hf.BertConfig(**SMALL, intermediate_size=48)).eval()
    text = "w1 w9 w3 w12 w7"
    trace = attnscope.capture(model, tokenizer, text, predictions=3)
    with torch.no_grad():
        ids, probabilities = most(model(**tokenizer(text, return_tensors="pt")).logits[0], 3)
    (stream,) = trace.streams.values()
    assert_kept(stream, ids, probabilities)
    assert stream.predicted.following is causal
    assert [len(row) for row in stream.predicted.tokens] == [3] * 5
    assert stream.predicted.tokens[0][0] == tokenizer.decode([int(ids[0, 0])])
    again = attnscope.load(trace.save(tmp_path / "x.safetensors")).stream()
    assert_kept(again, ids, probabilities)
    assert again.predicted.tokens == stream.predicted.tokens
    assert again.predicted.following is causal
    assert attnscope.capture(model, tokenizer, text).stream().predicted is None


def test_predictions_of_a_batch_leave_padding_out() -> None:
    model, inputs = build("gpt2"), dict(FAMILIES["gpt2"].inputs())
    trace = attnscope.capture(model, inputs=inputs, index=1, predictions=2)
    with torch.no_grad():
        ids, probabilities = most(model(**inputs).logits[1], 2)
    kept = inputs["attention_mask"][1].bool()
    assert_kept(trace.stream(), ids[kept], probabilities[kept])
    assert trace.stream().predicted.tokens[0] == tuple(map(str, ids[kept][0].tolist()))


def test_predictions_of_some_queries_and_in_parts(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guesses, "ROWS", 2)
    model, text = build("gpt2"), "w1 w9 w3 w12 w7"
    trace = attnscope.capture(model, tokenizer, text, queries=[1, 4], predictions=99)
    with torch.no_grad():
        logits = model(**tokenizer(text, return_tensors="pt")).logits[0]
    ids, probabilities = most(logits, logits.shape[-1])
    assert_kept(trace.stream(), ids[[1, 4]], probabilities[[1, 4]])


def test_predictions_of_an_encoder_decoder_are_of_its_decoder(root: Path) -> None:
    model, letters = pretrained.load(str(root / "tests/fixtures/reversal"))
    trace = attnscope.capture(model, letters, "attention", target="noitnetta", predictions=1)
    assert trace.streams["encoder"].predicted is None
    for name in ("decoder", "cross"):
        predicted = trace.streams[name].predicted
        assert predicted.following
        assert [row[0] for row in predicted.tokens[:9]] == list("noitnetta")


def test_predictions_that_cannot_be_kept_are_refused(tokenizer: Any) -> None:
    with pytest.raises(InputError, match="predictions must be at least 1, or None, got 0"):
        attnscope.capture(build("gpt2"), tokenizer, "w1", predictions=0)
    with pytest.raises(InputError, match=r"predictions=2 needs logits .*the model gives none"):
        attnscope.capture(build("bert"), tokenizer, "w1", predictions=2)
    model = hf.BertForSequenceClassification(hf.BertConfig(**SMALL, intermediate_size=48)).eval()
    with pytest.raises(InputError, match="gives a row for the whole text: load it with"):
        attnscope.capture(model, tokenizer, "w1", predictions=2)


def test_damaged_predictions_are_an_error(tokenizer: Any, tmp_path: Path) -> None:
    trace = attnscope.capture(build("gpt2"), tokenizer, "w1 w2 w3", predictions=2)
    stream = trace.stream()
    for wrong in ({"ids": stream.predicted.ids[:2]}, {"tokens": stream.predicted.tokens[:2]}):
        broken = replace(stream, predicted=replace(stream.predicted, **wrong))
        path = Trace([broken]).save(tmp_path / "x.safetensors")
        with pytest.raises(LoadError, match="damaged"):
            attnscope.load(path)


def test_the_text_views_spec_has_them(tokenizer: Any) -> None:
    trace = attnscope.capture(build("gpt2"), tokenizer, "w1 w2 w3", predictions=2)
    for stream in trace.text_view(quantity=["weight", "rollout"]).spec["streams"]:
        assert stream["predicted"]["tokens"] == [list(r) for r in trace.stream().predicted.tokens]
        shown = np.array(stream["predicted"]["probabilities"])
        np.testing.assert_allclose(shown, trace.stream().predicted.probabilities, rtol=1e-3)


def test_the_command_shows_predictions_before_and_after(folder: Path) -> None:
    given = ("ablate", "--model", folder, TEXT, "-k", 1)
    done = invoke(*given, "--heads", "1.0", "--json", "--most", "0.5")
    assert done.exit_code == 1, done.output
    assert "the first row has changed by 0.969, more than 0.5." in done.stderr
    first = json.loads(done.stdout)[0]
    assert (first["token"], first["position"]) == ("w3", 6)
    assert first["before"] == pytest.approx(1, abs=1e-6)
    assert first["after"] == pytest.approx(1 / 32, abs=1e-3)
    harmless = invoke(*given, "--heads", "0.1,1.1", "--most", "0.5")
    assert harmless.exit_code == 0
    hidden = invoke(*given, "--keys", "w3", "--csv")
    assert hidden.stdout.splitlines()[0] == "position,token,before,after,change"
    assert [line.split(",")[1] for line in hidden.stdout.splitlines()[1:]] == ["w3", "w4"]


def test_the_command_compares_heads_where_there_are_no_logits(
    tmp_path: Path, tokenizer: Any
) -> None:
    build("bert").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    done = invoke("ablate", "--model", tmp_path, "w1 w2 w3 w4", "--heads", "0.1", "--json", "-k", 3)
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert len(rows) == 3
    assert {row["layer"] for row in rows} == {1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--heads", "1"], "'1' is no list of layer.head such as 2.3,5.0"),
        (["--heads", "7.0"], "error: layer 7 is not in the self stream of GPT2LMHeadModel"),
        (["--heads", "1.9"], "error: head 9 is not in"),
        (["--keys", "cat"], "error: keys: 'cat' is no segment, word or token"),
        ([], "error: nothing to ablate"),
        (["--keys", "w3", "--mode", "zero"], "error: give one of mode=, scale= and keys="),
    ],
)
def test_the_command_says_what_is_wrong(folder: Path, options: list[str], said: str) -> None:
    done = invoke("ablate", "--model", folder, TEXT, *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.output
