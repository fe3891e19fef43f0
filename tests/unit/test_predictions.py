"""Predictions at a position, and the command that shows them before and after an ablation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from click.testing import CliRunner

import attnscope
from attnscope import InputError, cli, pretrained
from tests.models import SMALL, analytic_gpt2, build, make_peaked
from tests.words import word_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return word_tokenizer()


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


def invoke(*args: Any) -> Any:
    return CliRunner().invoke(cli.main, [str(arg) for arg in args])


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
