"""More than weights in the text view: quantities, predictions, saliency, an answer's sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, expect

import attnscope
from attnscope import pretrained
from attnscope.predicted import Predicted
from attnscope.trace import Trace
from tests.browser.live import open_live
from tests.browser.looking import contrast, is_right, settle
from tests.browser.prose import (
    TOKENS,
    assert_shaded,
    facts,
    leave,
    mean,
    number_in,
    point,
    sentence,
    signed_shades,
    tokens,
)
from tests.models import analytic_gpt2, build
from tests.words import word_tokenizer

trace = pytest.fixture(sentence)


def test_a_quantity_is_shown_and_named(show, trace):
    view = show(trace.text_view(quantity="rollout", layer=2))
    rollout = attnscope.measures.rollout(trace)
    point(view, 5)
    assert_shaded(view, rollout[5])
    assert "Rollout: Share of an input token" in view.locator(".foot").inner_text()
    expect(view.locator("select[name=head]")).to_have_count(0)


@pytest.fixture(scope="module")
def recorded() -> Trace:
    """With gradients: numbers that have a sign."""
    inputs = {"input_ids": torch.arange(3, 11)[None]}
    return attnscope.capture(
        build("bert"), inputs=inputs, gradient=lambda output: output.last_hidden_state[0, 2, 5]
    )


def test_the_reader_switches_between_quantities(show, trace):
    view = show(trace.text_view("cat", quantity=["weight", "rollout"], layer=2, head=1))
    method = view.locator("select[name=quantity]")
    assert method.locator("option").all_inner_texts() == ["Weight", "Rollout"]
    assert_shaded(view, trace.weights(2, 1)[4])
    method.select_option("rollout")
    settle(view)
    rollout = attnscope.measures.rollout(trace)
    assert_shaded(view, rollout[4])
    assert is_right(facts(view)[0][1], rollout[4].max())
    assert "Rollout: Share of an input token" in view.locator(".foot").inner_text()
    expect(view.locator("select[name=head]")).to_have_count(0)
    expect(view.locator("[aria-selected=true]")).to_have_text("cat")
    view.locator("select[name=layer]").select_option("0")
    settle(view)
    assert_shaded(view, attnscope.measures.quantity(trace, "rollout").layer(0).rows()[0, 4])
    view.locator("select[name=layer]").select_option("all")
    settle(view)
    assert_shaded(view, rollout[4])
    method.focus()
    view.page.keyboard.press("ArrowUp")
    settle(view)
    assert_shaded(
        view, trace.weights(0, 1)[4] / 3 + sum(trace.weights(i, 1)[4] for i in (1, 2)) / 3
    )


def test_numbers_with_a_sign_have_two_colours(show, recorded):
    view = show(recorded.text_view(2, quantity=["gradient", "weight", "norm"], layer=1, head=2))
    rows = attnscope.measures.quantity(recorded, "gradient").layer(1).rows()[2, 2]
    assert rows.min() < 0 < rows.max()
    largest = np.abs(rows).max()
    right = np.sign(rows) * np.sqrt(np.abs(rows) / largest)
    np.testing.assert_allclose(signed_shades(view), right, atol=0.012)
    order = np.argsort(-np.abs(rows))
    for place, (_, text) in zip(order, facts(view), strict=True):
        assert number_in(text) == pytest.approx(rows[place], rel=1e-2, abs=4e-5 * float(largest))
    ground = "all => all.map(span => getComputedStyle(span).backgroundColor)"
    colors = np.array(tokens(view).evaluate_all(ground))
    assert colors[rows.argmax()] != colors[rows.argmin()]
    assert "−1" in view.locator(".scale").inner_text()
    view.locator("select[name=quantity]").select_option("norm")
    settle(view)
    assert_shaded(view, attnscope.measures.quantity(recorded, "norm").layer(1).rows()[2, 2])
    assert not (signed_shades(view) < 0).any()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("quantity", ["weight", "gradient"])
def test_text_on_the_strongest_shade_is_legible(show, recorded, scheme, quantity):
    view = show(recorded.text_view(quantity=quantity), color_scheme=scheme)
    strongest = "t => { t.style.setProperty('--v', 1); t.classList.remove('against'); }"
    tokens(view).nth(2).evaluate(strongest)
    read = """t => {
        const numbers = color => color.match(/[\\d.]+/g).slice(0, 3).map(Number);
        const style = getComputedStyle(t);
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = style.backgroundColor; canvas.fillRect(0, 0, 1, 1);
        return [numbers(style.color), [...canvas.getImageData(0, 0, 1, 1).data]];
    }"""
    ink, ground = tokens(view).nth(2).evaluate(read)
    assert ground[3] == 255
    assert contrast(ink, ground[:3]) >= 4.5


def test_python_and_a_widget_share_the_quantity(page, trace):
    view = open_live(page, trace.text_view(quantity=["weight", "rollout"]))
    view.locator("select[name=quantity]").select_option("rollout")
    settle(view)
    assert page.evaluate("model.state.quantity") == "rollout"
    assert_shaded(view, attnscope.measures.rollout(trace).mean(axis=0))
    page.evaluate("model.put('quantity', 'weight')")
    settle(view)
    assert_shaded(view, mean(trace).mean(axis=0))


def guesses(view: Locator) -> list[tuple[str, str]]:
    read = "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.textContent))"
    return [tuple(row) for row in view.locator(".guesses tr").evaluate_all(read)]


def test_a_token_tells_what_was_predicted_there(show, trace):
    """Also where tokens are hidden: [CLS] and [SEP]."""
    ids = np.arange(2 * len(TOKENS), dtype=np.int32).reshape(-1, 2)
    chances = np.linspace(0.0001, 0.9, 2 * len(TOKENS), dtype=np.float32).reshape(-1, 2)
    named = tuple(tuple(f"t{number}" for number in row) for row in ids)
    kept = replace(trace.stream(), predicted=Predicted(True, named, ids, chances))
    view = show(Trace([kept]).text_view(hide_special=True))
    expect(view.locator(".guesses")).to_have_count(0)
    for shown, place in ((0, 1), (3, 4)):
        point(view, shown)
        text = f"predicted after {trace.tokens.text[place]}"
        expect(view.locator(".guesses b")).to_have_text(text)
        assert guesses(view) == [
            (name, f"{value:.3f}") for name, value in zip(named[place], chances[place], strict=True)
        ]
    leave(view)
    view.locator("select[name=special]").select_option("")
    settle(view)
    tokens(view).nth(0).focus()
    view.page.keyboard.press("Enter")
    settle(view)
    assert guesses(view)[0] == ("t0", "<0.001")
    point(view, 4)
    assert guesses(view)[0][0] == "t8"


@pytest.fixture(scope="module")
def salient() -> attnscope.Saliency:
    return attnscope.saliency(
        analytic_gpt2(), word_tokenizer(), "<|end|> w1 w2 w3 w4 w1 w2", steps=8, random=2
    )


def test_a_saliency_shows_one_method_at_a_time_and_the_table(show, salient):
    view = show(salient.text_view())
    method = view.locator("select[name=quantity]")
    labels = ["Integrated gradients", "Gradient × input", "Weight", "Rollout", "ALTI"]
    assert method.locator("option").all_inner_texts()[:5] == labels
    assert "'w3' at position 6: 1.000" in view.locator("h2").inner_text()
    for name, row in salient.scores.items():
        method.select_option(name)
        settle(view)
        right = np.sign(row) * np.sqrt(np.abs(row) / np.abs(row).max())
        np.testing.assert_allclose(signed_shades(view), right, atol=0.012)
    method.select_option("gradient_input")
    settle(view)
    table = view.get_by_role("region", name="How faithful each method is")
    cells = table.locator("tbody tr").all_inner_texts()
    right = salient.faithfulness
    assert [float(row.split("\t")[1]) for row in cells] == right["comprehensiveness"].round(
        3
    ).tolist()
    assert [float(row.split("\t")[2]) for row in cells] == right["sufficiency"].round(3).tolist()
    expect(table.locator("[aria-current=true] th")).to_have_text("Gradient × input")
    point(view, 2)
    label, number = facts(view)[0]
    assert label == "w2"
    assert number_in(number) == pytest.approx(salient.scores["gradient_input"][2], rel=1e-3)
    method.focus()
    view.page.keyboard.press("ArrowUp")
    settle(view)
    expect(table.locator("[aria-current=true] th")).to_have_text("Integrated gradients")


@pytest.mark.parametrize("width", [400, 600, 1400])
def test_a_saliency_fits_the_page(show, salient, width):
    view = show(salient.text_view(), width=width)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture(scope="module")
def answered(root: Path) -> attnscope.Answer:
    model, tokenizer = pretrained.load(str(root / "tests/fixtures/answers"), head=True)
    context = "anna has red ball . ben has blue hat . dora has green lamp ."
    return attnscope.find_answer(model, tokenizer, "what has ben ?", context)


def test_an_answer_is_marked_and_its_sources_stand_below(show, answered):
    view = show(answered.text_view())
    assert " ".join(view.locator(".tok.marked").all_inner_texts()) == answered.text
    table = view.get_by_role("region", name="Where the answer comes from")
    rows = table.locator("tbody tr").all_inner_texts()
    for text, row in zip(rows, answered.sources.rows(), strict=True):
        numbers = [f"{row[name]:.3f}" for name in ("weight", "norm", "effect")]
        assert text.split("\t") == [row["part"], *numbers, row["without"]]
    blocks = view.locator(".block > b").all_inner_texts()
    assert blocks == ["question", *answered.sources["part"]]
    assert_shaded(view, answered.shares["weight"])
    view.locator("select[name=quantity]").select_option("norm")
    settle(view)
    assert_shaded(view, answered.shares["norm"])
    view.locator("select[name=special]").select_option("hide")
    settle(view)
    assert " ".join(view.locator(".tok.marked").all_inner_texts()) == answered.text


@pytest.mark.parametrize("width", [400, 600, 1400])
def test_an_answer_fits_the_page(show, answered, width):
    view = show(answered.text_view(), width=width)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
