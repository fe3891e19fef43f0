"""Head importance: known heads get everything, gradients follow the formula, metrics count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf
from scipy import stats

import attnscope
from attnscope import AttnscopeWarning, InputError, pretrained
from attnscope.measures.sampling import bootstrap
from tests.models import SMALL, build, make_peaked
from tests.repeated import cut, of, repeated


@pytest.mark.parametrize("metric", ["loss", "accuracy", "logit_difference"])
def test_the_two_heads_that_do_it_get_everything(analytic, tokenizer, metric) -> None:
    texts, right = cut(repeated(5))
    targets: Any = right
    if metric == "logit_difference":
        targets = [(word, "w1" if word != "w1" else "w2") for word in right]
    found = of(attnscope.importance(analytic, tokenizer, texts, targets, metric=metric))
    assert found[0, 1] == found[1, 1] == 0
    least = {"loss": 3.4, "accuracy": 1.0, "logit_difference": 18.0}[metric]
    assert min(found[0, 0], found[1, 0]) >= least
    if metric == "accuracy":
        assert found[0, 0] == found[1, 0] == 1
    if metric == "loss":  # without it nothing is known: ln 32
        assert found[1, 0] == pytest.approx(np.log(32), abs=1e-3)


def test_on_shuffled_texts_they_are_of_no_use(analytic, tokenizer) -> None:
    texts, right = cut(repeated(5))
    table = attnscope.importance(analytic, tokenizer, texts, right)
    assert (table["null"] <= 0).all()
    assert (table["null_high"] <= 0).all()
    assert list(table.columns) == [
        "layer", "head", "importance", "low", "high", "texts",
        "null", "null_low", "null_high", "null_texts",
    ]  # fmt: skip
    plain = attnscope.importance(analytic, tokenizer, texts, right, null=False)
    assert list(plain.columns) == ["layer", "head", "importance", "low", "high", "texts"]


@pytest.mark.parametrize(
    ("null", "n_texts", "taken"), [(None, 36, 9), (None, 12, 8), (None, 3, 3), (3, 12, 3),
    (50, 4, 4), (True, 12, 12)],
)  # fmt: skip
def test_the_null_is_of_as_many_texts_as_it_says(analytic, tokenizer, null, n_texts, taken) -> None:
    texts, right = cut(repeated(n_texts, length=3))
    table = attnscope.importance(analytic, tokenizer, texts, right, null=null)
    assert set(table["texts"]) == {n_texts}
    assert set(table["null_texts"]) == {taken}
    again = attnscope.importance(analytic, tokenizer, texts, right, null=True)
    alike = np.array_equal(table["null"], again["null"])
    assert alike == (taken == n_texts)


def test_one_text_has_no_interval_and_a_warning_says_so(analytic, tokenizer) -> None:
    texts, right = cut(repeated(2))
    with pytest.warns(AttnscopeWarning, match="one text has no interval: low and high are NaN"):
        table = attnscope.importance(analytic, tokenizer, texts[:1], right[:1])
    assert np.isnan([*table["low"], *table["null_high"]]).all()
    with pytest.warns(AttnscopeWarning, match="a null of one text has no interval"):
        table = attnscope.importance(analytic, tokenizer, texts, right, null=1)
    assert np.isfinite(table["low"]).all()


def keeper(kept: list[torch.Tensor]) -> Any:
    return lambda _, args: kept.append(args[0])


def test_gradients_are_those_of_the_formula(tokenizer) -> None:
    """I_h = mean |Att_h(x) . dL/dAtt_h(x)| (Michel et al. 2019), by hooks on the projection."""
    model, texts = build("gpt2"), ["w1 w2 w3 w4 w9", "w7 w7 w8 w1", "w5 w3 w3"]
    expected = np.zeros((2, 4))
    for text in texts:
        ids, kept = tokenizer(text, return_tensors="pt").input_ids, []
        handles = [
            block.attn.c_proj.register_forward_pre_hook(keeper(kept))
            for block in model.transformer.h
        ]
        loss = model(input_ids=ids, labels=ids).loss
        gradients = torch.autograd.grad(loss, kept)
        for layer, (output, gradient) in enumerate(zip(kept, gradients, strict=True)):
            product = (output * gradient)[0].detach().reshape(len(ids[0]), 4, -1)
            expected[layer] += product.sum((0, 2)).abs().numpy() / len(texts)
        for handle in handles:
            handle.remove()
    table = attnscope.importance(model, tokenizer, texts, method="gradient", null=False)
    np.testing.assert_allclose(table["importance"].reshape(2, 4), expected, atol=1e-5, rtol=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_of_heads_that_do_nothing_are_exactly_0(analytic, tokenizer) -> None:
    texts, right = cut(repeated(3))
    targets = [(word, "w1" if word != "w1" else "w2") for word in right]
    options = {"metric": "logit_difference", "method": "gradient"}
    found = of(attnscope.importance(analytic, tokenizer, texts, targets, **options))
    assert found[0, 1] == found[1, 1] == 0
    # 20 for each 1 in the state, of which the last norm takes back a quarter: it has four of them
    assert found[1, 0] == pytest.approx(15, abs=1e-3)
    assert found[0, 0] > 5


def test_mean_ablation_and_a_metric_of_ones_own(tokenizer) -> None:
    model, texts = build("gpt2"), ["w1 w2 w3 w4", "w7 w7 w8 w1"]

    def confidence(output: Any, inputs: Any) -> Any:
        assert set(inputs) == {"input_ids", "attention_mask"}
        return output.logits[:, -1].softmax(-1).amax(-1)

    found = of(
        attnscope.importance(model, tokenizer, texts, metric=confidence, mode="mean", null=False)
    )
    ids = torch.tensor([tokenizer(text).input_ids for text in texts])
    with torch.no_grad():
        base = confidence(model(input_ids=ids), dict.fromkeys(["input_ids", "attention_mask"]))
        with attnscope.ablate(model, [(1, 2)], "mean"):
            without = model(input_ids=ids).logits[:, -1].softmax(-1).amax(-1)
    assert found[1, 2] == pytest.approx(float((base - without).mean()), abs=1e-6)


def test_masked_words_and_classes(tokenizer) -> None:
    options = {**SMALL, "intermediate_size": 48}
    masked = hf.BertForMaskedLM(hf.BertConfig(**options)).eval()
    make_peaked(masked)
    texts = ["w1 [MASK] w3 w4", "w7 w9 [MASK]"]
    found = of(attnscope.importance(masked, tokenizer, texts, ["w2", "w8"], null=False))
    losses = []
    for text, word, place in zip(texts, (2, 8), (1, 2), strict=True):
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.no_grad():
            before = masked(input_ids=ids).logits[0, place].log_softmax(-1)[word]
            with attnscope.ablate(masked, [(0, 1)]):
                after = masked(input_ids=ids).logits[0, place].log_softmax(-1)[word]
        losses.append(float(before - after))
    assert found[0, 1] == pytest.approx(np.mean(losses), abs=1e-5)
    names = {"label2id": {"bad": 0, "good": 1}, "id2label": {0: "bad", 1: "good"}}
    classifier = hf.BertForSequenceClassification(hf.BertConfig(**options, **names)).eval()
    make_peaked(classifier)
    by_name, by_number = (
        of(attnscope.importance(classifier, tokenizer, ["w1 w2", "w3 w4 w5"], t, null=False))
        for t in (["good", "bad"], [1, 0])
    )
    assert by_name == by_number
    assert any(by_name.values())
    pairs = [("good", "bad"), ("bad", "good")]
    options = {"metric": "logit_difference", "null": False}
    attnscope.importance(classifier, tokenizer, ["w1 w2", "w3 w4 w5"], pairs, **options)


def test_an_encoder_decoder_and_its_streams(root: Path) -> None:
    """The model spells backwards: without its cross-attention it cannot."""
    model, tokenizer = pretrained.load(str(root / "tests/fixtures/reversal"))
    words = ["attention", "head", "weight"]
    targets = [word[::-1] for word in words]
    tables = {
        stream: attnscope.importance(model, tokenizer, words, targets, stream=stream, null=False)
        for stream in ("encoder", "decoder", "cross")
    }
    assert tables["cross"]["importance"].max() > 1
    assert {len(table) for table in tables.values()} != {0}
    with pytest.raises(InputError, match="has several streams: pass stream= one of"):
        attnscope.importance(model, tokenizer, words, targets)


@pytest.mark.parametrize(
    ("texts", "options", "said"),
    [
        ("w1 w2", {}, "texts must be a list of strings, got str"),
        ([], {}, "texts must be strings with at least one word each, and at least one"),
        (["w1", ""], {}, "texts must be strings with at least one word each"),
        (
            ["w1 w2"],
            {"target": ["w3", "w4"]},
            "target must have one entry a text: got 2 targets",
        ),
        (
            ["w1 w2"],
            {"target": "w3"},
            "target must have one entry a text: got a string",
        ),
        (["w1"], {}, "'w1' has one token: there is no next one to tell"),
        (
            ["w1 w2"],
            {"metric": "f1"},
            "metric must be one of 'loss', 'logit_difference'",
        ),
        (
            ["w1 w2"],
            {"metric": "logit_difference"},
            "metric='logit_difference' needs two targets",
        ),
        (
            ["w1 w2"],
            {"metric": "logit_difference", "target": [("w3", "w3")]},
            "the targets 'w3' and 'w3' begin with the same token",
        ),
        (["w1 w2"], {"target": [3.5]}, "a target must be a text that follows, got 3.5"),
        (
            ["w1 w2"],
            {"method": "taylor"},
            "method must be one of 'ablation', 'gradient'",
        ),
        (["w1 w2"], {"mode": "uniform"}, "mode must be 'zero' or 'mean', got 'uniform'"),
        (["w1 w2"], {"method": "gradient", "metric": "accuracy"}, "accuracy has no gradient"),
        (["w1 w2"], {"stream": "cross"}, "no stream 'cross' in GPT2LMHeadModel; it has 'self'"),
    ],
    ids=str,
)
def test_what_does_not_fit(analytic, tokenizer, texts, options, said) -> None:
    with pytest.raises(InputError, match=said):
        attnscope.importance(analytic, tokenizer, texts, **options)


def test_metrics_that_are_no_numbers(analytic, tokenizer) -> None:
    texts = ["w1 w2 w3", "w4 w5 w6"]

    def nan_without_head(output: Any, inputs: Any) -> Any:
        values = output.logits[:, -1].amax(-1)
        return torch.where(values < 5, torch.nan, values)

    with pytest.raises(InputError, match="the metric is nan for 'w1 w2 w3' with the model as"):
        attnscope.importance(analytic, tokenizer, texts, metric=lambda o, i: np.full(2, np.nan))
    texts, _ = cut(repeated(2))
    with pytest.raises(InputError, match=r"the metric is nan for .* with head 0.0 ablated"):
        attnscope.importance(analytic, tokenizer, texts, metric=nan_without_head, null=False)
    with pytest.raises(InputError, match=r"shape \(2, 32\) for 2 texts: it must give one"):
        attnscope.importance(analytic, tokenizer, texts, metric=lambda o, i: o.logits[:, -1])
    with pytest.raises(InputError, match="method='gradient' needs a metric that can be differenti"):
        attnscope.importance(
            analytic, tokenizer, texts, metric=lambda o, i: [0.0, 1.0], method="gradient"
        )


def test_models_without_a_head_or_a_mask(tokenizer) -> None:
    with pytest.raises(InputError, match="the model gives no logits, only last_hidden_state"):
        attnscope.importance(build("bert"), tokenizer, ["w1 w2"])
    masked = hf.BertForMaskedLM(hf.BertConfig(**SMALL, intermediate_size=48)).eval()
    with pytest.raises(InputError, match=r"'w1 w2' has no \[MASK\]: a masked language model is as"):
        attnscope.importance(masked, tokenizer, ["w1 w2"], ["w3"])
    with pytest.raises(InputError, match="a masked language model needs target="):
        attnscope.importance(masked, tokenizer, ["w1 [MASK]"])
    with pytest.raises(InputError, match=r"target 'w1 w2' is 2 tokens, \['w1', 'w2'\]; a mask tak"):
        attnscope.importance(masked, tokenizer, ["w1 [MASK]"], ["w1 w2"])
    classifier = hf.BertForSequenceClassification(hf.BertConfig(**SMALL, intermediate_size=48))
    with pytest.raises(InputError, match="target 'good' is no class of BertForSequenceClassific"):
        attnscope.importance(classifier.eval(), tokenizer, ["w1"], ["good"])
    with pytest.warns(AttnscopeWarning, match="the model is in training mode"):
        attnscope.importance(classifier.train(), tokenizer, ["w1", "w2"], [1, 0], null=False)


def test_bootstrap_intervals_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).gamma(2, size=(40, 3))
    low, high = bootstrap(values, samples=20_000)
    for column in range(3):
        reference = stats.bootstrap(
            (values[:, column],), np.mean, method="percentile", n_resamples=20_000, rng=1
        ).confidence_interval
        assert low[column] == pytest.approx(reference.low, abs=0.02)
        assert high[column] == pytest.approx(reference.high, abs=0.02)
    assert np.isnan(bootstrap(values[:1])).all()
    np.testing.assert_array_equal(bootstrap(values), bootstrap(values))
