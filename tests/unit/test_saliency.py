"""Saliency: gradients held to autograd and to known parts, faithfulness to a slow loop."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers as hf

import attnscope
from attnscope import InputError, MissingDependencyError, Saliency
from attnscope.attributions import BY_ATTENTION, BY_GRADIENT, METHODS
from attnscope.capture.saliency import embedded
from attnscope.measures.together import together
from attnscope.wire.replies import answer, requests_of
from tests.models import SMALL, analytic_gpt2, build, make_peaked

CAUSAL = "w5 w9 w1 w2 w3 w4 w1 w2 w7"
MASKED = "w5 w9 [MASK] w2 w3 w4 w1"
MASK, PAD = 32, 0
NAMES = {"label2id": {"bad": 0, "good": 1}, "id2label": {0: "bad", 1: "good"}}


def peaked(kind: str, **options: Any) -> Any:
    torch.manual_seed(3)
    config = hf.BertConfig(**SMALL, intermediate_size=48, **options)
    model = getattr(hf, kind)(config).eval()
    make_peaked(model)
    return model


CASES = {
    "causal": (lambda: build("gpt2"), CAUSAL, 8),
    "masked": (lambda: peaked("BertForMaskedLM"), MASKED, 2),
    "class": (lambda: peaked("BertForSequenceClassification", **NAMES), CAUSAL, None),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tokenizer: Any) -> SimpleNamespace:
    """A model, its text, where it predicts, and its saliency with every method."""
    make, text, place = CASES[request.param]
    model = make()
    made = attnscope.saliency(model, tokenizer, text, random=3)
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    return SimpleNamespace(model=model, text=text, place=place, made=made, ids=ids)


def logits(case: SimpleNamespace, **inputs: Any) -> torch.Tensor:
    """The row of logits that the prediction is taken from."""
    row = case.model(**inputs).logits[0]
    return row if case.place is None else row[case.place]


def predicted(case: SimpleNamespace) -> int:
    with torch.no_grad():
        return int(logits(case, input_ids=case.ids).argmax())


def gradient_at(case: SimpleNamespace, embeddings: torch.Tensor) -> torch.Tensor:
    """The gradient of the logit by the embeddings, by hand."""
    given = embeddings.detach().clone().requires_grad_()
    logits(case, inputs_embeds=given)[predicted(case)].backward()
    assert given.grad is not None
    return given.grad


def embeddings_of(case: SimpleNamespace, ids: torch.Tensor) -> torch.Tensor:
    return case.model.get_input_embeddings()(ids).detach()


def test_every_method_is_there_with_one_number_a_token(case: SimpleNamespace) -> None:
    assert list(case.made.scores) == list(METHODS)
    assert {row.shape for row in case.made.scores.values()} == {(case.ids.shape[1],)}
    with torch.no_grad():
        row = logits(case, input_ids=case.ids)
    assert case.made.score == pytest.approx(float(row.max()), abs=1e-5)
    assert case.made.value == pytest.approx(float(row.softmax(-1).max()), abs=1e-5)
    assert list(case.made.table().columns) == ["position", "token", *METHODS]


def test_gradient_times_input_is_what_autograd_says(case: SimpleNamespace) -> None:
    embeddings = embeddings_of(case, case.ids)
    right = (embeddings * gradient_at(case, embeddings)).sum(-1)[0]
    np.testing.assert_allclose(case.made.scores["gradient_input"], right, atol=1e-5)


def test_integrated_gradients_are_an_integral_and_sum_to_the_change(case: SimpleNamespace) -> None:
    whole = embeddings_of(case, case.ids)
    special = case.made.tokens.special
    start = embeddings_of(case, torch.full_like(case.ids, MASK))
    start = torch.where(torch.tensor(special)[None, :, None], whole, start)
    nodes, shares = np.polynomial.legendre.leggauss(64)
    total = torch.zeros_like(whole)
    for node, share in zip(nodes, shares, strict=True):
        total += share / 2 * gradient_at(case, start + (node + 1) / 2 * (whole - start))
    right = ((whole - start) * total).sum(-1)[0]
    found = case.made.scores["integrated_gradients"]
    np.testing.assert_allclose(found, right, atol=1e-4)
    with torch.no_grad():
        ends = [logits(case, inputs_embeds=one)[predicted(case)] for one in (whole, start)]
    change = float(ends[0] - ends[1])
    assert found.sum() == pytest.approx(change, abs=0.02 * abs(change))
    assert case.made.missed == pytest.approx(abs(found.sum() - change) / abs(change), abs=1e-4)
    assert found[special].tolist() == [0] * int(special.sum())


def test_attention_is_read_at_the_position_that_predicts(
    case: SimpleNamespace, tokenizer: Any
) -> None:
    def objective(output: Any) -> torch.Tensor:
        row = output.logits[0]
        return (row if case.place is None else row[case.place]).max()

    trace = attnscope.capture(case.model, tokenizer, case.text, gradient=objective)
    place = case.place or 0
    for name in BY_ATTENTION:
        stream = attnscope.measures.quantity(trace, name)
        across = name in ("rollout", "alti", "relevancy")
        layers = stream.numbers[-1:] if across else stream.numbers
        right = together(stream, layers, "mean")[place]
        np.testing.assert_allclose(case.made.scores[name], np.nan_to_num(right), atol=1e-6)


class Adding(torch.nn.Module):
    """Logits that are a sum over tokens: each token's part is known exactly."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embed, self.out = torch.nn.Embedding(33, 8), torch.nn.Linear(8, 3)

    def get_input_embeddings(self) -> torch.nn.Module:
        return self.embed

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None) -> SimpleNamespace:
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return SimpleNamespace(logits=(self.out(self.embed(input_ids)) * mask[..., None]).sum(1))


@pytest.mark.parametrize("baseline", ["zero", "mask", "pad"])
def test_the_parts_of_a_sum_are_found_exactly(tokenizer: Any, baseline: str) -> None:
    model = Adding().eval()
    made = attnscope.saliency(
        model, tokenizer, CAUSAL, target=1, baseline=baseline, steps=4, remove="pad"
    )
    assert list(made.scores) == list(BY_GRADIENT)
    ids = torch.tensor(tokenizer(CAUSAL)["input_ids"])
    parts = model.embed(ids) @ model.out.weight[1]
    start = {"zero": 0, "mask": model.embed.weight[MASK], "pad": model.embed.weight[PAD]}[baseline]
    change = (model.embed(ids) - start) @ model.out.weight[1]
    np.testing.assert_allclose(made.scores["gradient_input"], parts.detach(), atol=1e-5)
    np.testing.assert_allclose(made.scores["integrated_gradients"], change.detach(), atol=1e-5)
    assert made.missed < 1e-4
    assert (made.target, made.removed) == ("class 1", "pad")


def slow_value(case: SimpleNamespace, gone: list[int], remove: str) -> float:
    """The probability of the prediction without these tokens, one forward pass each."""
    ids, mask = case.ids.clone(), torch.ones_like(case.ids)
    place = case.place
    if remove == "delete":
        keep = [at for at in range(ids.shape[1]) if at not in gone]
        ids, mask = ids[:, keep], mask[:, keep]
        place = None if place is None else keep.index(place)
    else:
        ids[0, gone] = MASK if remove == "mask" else PAD
        if remove == "pad":
            mask[0, gone] = 0
    with torch.no_grad():
        row = case.model(input_ids=ids, attention_mask=mask).logits[0]
    return float((row if place is None else row[place]).softmax(-1)[predicted(case)])


@pytest.mark.parametrize("remove", ["mask", "pad", "delete"])
def test_faithfulness_is_what_a_slow_loop_finds(
    case: SimpleNamespace, tokenizer: Any, remove: str
) -> None:
    fractions, methods = (0.2, 0.5), ["gradient_input", "weight"]
    options = {"methods": methods, "fractions": fractions, "remove": remove}
    made = attnscope.saliency(case.model, tokenizer, case.text, **options, random=2, seed=5)
    n = case.ids.shape[1]
    free = [at for at in range(n) if at != case.place and not made.tokens.special[at]]
    generator = np.random.default_rng(5)
    orders = [[sorted(free, key=lambda at: (-made.scores[name][at], at))] for name in methods]
    orders.append([generator.permutation(free).tolist() for _ in range(2)])
    base = slow_value(case, [], remove)
    for row, some in zip(made.faithfulness.rows(), orders, strict=True):
        sizes = [max(1, int(np.ceil(share * len(free)))) for share in fractions]
        without = [base - slow_value(case, one[:k], remove) for one in some for k in sizes]
        alone = [base - slow_value(case, one[k:], remove) for one in some for k in sizes]
        assert row["comprehensiveness"] == pytest.approx(np.mean(without), abs=1e-5)
        assert row["sufficiency"] == pytest.approx(np.mean(alone), abs=1e-5)
    assert made.faithfulness["method"].tolist() == [*methods, "random"]


def test_the_token_that_is_known_to_matter_comes_first(tokenizer: Any) -> None:
    text = "<|end|> w1 w2 w3 w4 w1 w2"
    made = attnscope.saliency(analytic_gpt2(), tokenizer, text)
    assert made.target == "'w3' at position 6"
    for name in ("integrated_gradients", "gradient_input", "gradient", "relevancy"):
        assert made.scores[name].argmax() == 3
    rows = {row["method"]: row for row in made.faithfulness.rows()}
    assert rows["gradient_input"]["comprehensiveness"] == pytest.approx(1, abs=1e-3)
    assert rows["random"]["comprehensiveness"] < 0.8
    assert made.faithfulness["method"].tolist() == [*METHODS, "random"]


def test_an_encoder_is_asked_by_a_callable(tokenizer: Any) -> None:
    model = build("bert")

    def objective(output: Any) -> torch.Tensor:
        return output.last_hidden_state[0, 1, :4].sum()

    made = attnscope.saliency(
        model, tokenizer, "w1 w2 w3 w4", target=objective, position=1, random=2, steps=8
    )
    embeddings = model.get_input_embeddings()(torch.tensor([[1, 2, 3, 4]]))
    given = embeddings.detach().requires_grad_()
    objective(model(inputs_embeds=given)).backward()
    right = (given.grad * given).sum(-1)[0].detach()
    np.testing.assert_allclose(made.scores["gradient_input"], right, atol=1e-5)
    with torch.no_grad():
        value = float(objective(model(torch.tensor([[1, 2, 3, 4]]))))
    assert made.value == made.score == pytest.approx(value, abs=1e-5)
    assert (made.target, made.position) == ("the objective", 1)


def test_the_model_is_left_as_it_was(tokenizer: Any) -> None:
    model = build("gpt2")
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.no_grad():
        before = model(ids).logits
    with torch.inference_mode():
        attnscope.saliency(model, tokenizer, "w1 w2 w3 w4", random=1, steps=4)
    with pytest.raises(InputError):
        attnscope.saliency(model, tokenizer, "w1 w2", target=lambda output: output.logits)
    with torch.no_grad():
        assert torch.equal(before, model(ids).logits)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.get_input_embeddings()._forward_hooks


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"methods": ["rollut"]}, "Did you mean 'rollout'?"),
        ({"methods": "rollout"}, "methods must be a list of names, got 'rollout'"),
        ({"methods": []}, "methods must be a list of names"),
        ({"remove": "cut"}, "remove must be one of 'mask', 'pad', 'delete', got 'cut'"),
        ({"remove": "mask"}, "remove='mask' needs a mask token, and tokenizer and model have none"),
        ({"baseline": "mask"}, "baseline='mask' needs a mask token"),
        ({"baseline": "noise"}, "baseline must be one of 'mask', 'pad', 'zero', got 'noise'"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"random": -1}, "random must be at least 0, got -1"),
        ({"fractions": [0.5, 2]}, "fractions must be shares between 0 and 1"),
        ({"fractions": "many"}, "fractions must be shares between 0 and 1"),
        ({"target": "w1 w2"}, "target='w1 w2' is 2 tokens"),
        ({"target": 99}, "target 99 is no logit: they go from 0 to 31"),
        ({"position": 9}, "position 9 is not there"),
        ({"target": lambda output: 3}, "target= must return one number (a tensor), it returned 3"),
        ({"text": " "}, "one text with at least one word, got ' '"),
        ({"text": "w1"}, "there is no token to take away"),
        ({"tokenizer": None}, "saliency takes a tokenizer and one text"),
    ],
)
def test_what_does_not_fit_is_said(tokenizer: Any, options: dict[str, Any], said: str) -> None:
    given = {"tokenizer": tokenizer, "text": "w1 w2 w3", **options}
    with pytest.raises(InputError) as caught:
        attnscope.saliency(analytic_gpt2(), **given)
    assert said in str(caught.value)


def test_models_that_do_not_fit(tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"reads one text and writes another.*attnscope.sources"):
        attnscope.saliency(build("t5"), tokenizer, "w1 w2")
    with pytest.raises(InputError, match="there are 2 masks, at 0, 2: say which one is meant"):
        attnscope.saliency(peaked("BertForMaskedLM"), tokenizer, "[MASK] w1 [MASK]")
    model = peaked("BertForSequenceClassification", **NAMES)
    with pytest.raises(InputError, match=r"target 'ugly' is no class of .*'bad', 'good'"):
        attnscope.saliency(model, tokenizer, "w1", target="ugly")


def test_without_captum_attention_is_left(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match=r'pip install "attnscope\[saliency\]"'):
        attnscope.saliency(analytic_gpt2(), tokenizer, CAUSAL)
    made = attnscope.saliency(analytic_gpt2(), tokenizer, CAUSAL, methods=["rollout"])
    assert list(made.scores) == ["rollout"]
    assert np.isnan(made.missed)


def test_the_page_has_a_stream_a_method_and_the_table(case: SimpleNamespace) -> None:
    made: Saliency = case.made
    view = made.text_view("rollout")
    spec = view.spec
    assert [one["quantity"]["name"] for one in spec["streams"]] == list(METHODS)
    assert spec["state"]["quantity"] == "rollout"
    assert json.loads(json.dumps(spec)) == spec
    assert f"{made.target}: {made.value:.3f}" in spec["title"]
    (table,) = spec["tables"]
    assert [row[0] for row in table["rows"]][-1] == "Random order"
    first = next(made.faithfulness.rows())
    assert table["rows"][0][1:] == [
        f"{first['comprehensiveness']:.3f}",
        f"{first['sufficiency']:.3f}",
    ]
    assert all(answer(view.trace, spec, request).data for request in requests_of(spec))
    with pytest.raises(InputError, match="no method 'rolout'"):
        made.text_view("rolout")


def test_every_method_is_on_the_page_about_them(root: Path) -> None:
    page = (root / "docs/saliency.md").read_text()
    assert [name for name in METHODS if f"`{name}`" not in page] == []
