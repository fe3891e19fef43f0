"""The text view as a user meets it: shades, pointing, pins, words, documents; by mouse and keys."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope import AttnscopeWarning, Document, Documents, pretrained
from attnscope.predicted import Predicted
from attnscope.trace import Trace
from attnscope.view import View
from tests.browser.live import open_live
from tests.browser.looking import FRAMES, is_right, random_weights, settle, trace_of
from tests.models import analytic_gpt2, build
from tests.words import word_tokenizer

TOKENS = ["[CLS]", "the", "un", "##happy", "cat", "sat", "[SEP]"]
N = len(TOKENS)
SHADE = (
    "all => all.map(span => { const v = span.style.getPropertyValue('--v'); "
    "return v === 'none' ? null : Number(v); })"
)


@pytest.fixture
def trace() -> Trace:
    return trace_of(random_weights(3, 4, N, N), tokens=TOKENS)


@pytest.fixture
def show(page: Page, open_view):
    """Opens a view."""

    def showing(view: View, width: int = 1000, **options: object) -> Locator:
        return open_view(page, view.html(), width=width, height=800, **options)

    return showing


def tokens(view: Locator) -> Locator:
    return view.locator(".tok")


def shades(view: Locator) -> np.ndarray:
    view.page.evaluate(FRAMES)
    found = tokens(view).evaluate_all(SHADE)
    return np.array([np.nan if value is None else value for value in found], float)


def assert_shaded(view: Locator, values: np.ndarray) -> None:
    """Each shade is the root of the token's share of the largest number."""
    np.testing.assert_allclose(shades(view), np.sqrt(values / np.nanmax(values)), atol=0.012)


def facts(view: Locator) -> list[tuple[str, str]]:
    """(label, number) of what is told beside the text."""
    rows = view.locator("aside.facts tr")
    read = "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.textContent))"
    return [(label, value) for label, value in rows.evaluate_all(read)]


def point(view: Locator, index: int, shift: bool = False) -> None:
    tokens(view).nth(index).hover(modifiers=["Shift"] if shift else [])
    view.page.evaluate(FRAMES)


def leave(view: Locator) -> None:
    view.page.mouse.move(1, 1)
    view.page.evaluate(FRAMES)


def mean(trace: Trace) -> np.ndarray:
    return np.mean([trace.weights(layer) for layer in trace.stream().numbers], axis=(0, 1))


def test_a_text_is_shaded_by_what_its_tokens_receive(show, trace):
    view = show(trace.text_view())
    assert tokens(view).all_inner_texts() == ["[CLS]", "the", "un", "happy", "cat", "sat", "[SEP]"]
    assert view.locator(".prose").inner_text() == "[CLS] the unhappy cat sat [SEP]"
    received = mean(trace).mean(axis=0)
    assert_shaded(view, received)
    expect(view.locator(".facts")).to_contain_text(f"mean over {N} queries")
    rows = facts(view)
    order = np.argsort(-received, kind="stable")
    shown = tokens(view).all_inner_texts()
    assert [label for label, _ in rows] == [shown[place] for place in order]
    assert all(is_right(text, received[at]) for at, (_, text) in zip(order, rows, strict=True))


def test_pointing_at_a_token_shades_what_it_attends_to(show, trace):
    view = show(trace.text_view())
    for index in (0, 4, 6):
        point(view, index)
        assert_shaded(view, mean(trace)[index])
        expect(view.locator(".facts")).to_contain_text(f"query {index} attends to")
        best = int(mean(trace)[index].argmax())
        assert is_right(facts(view)[0][1], mean(trace)[index, best])
    leave(view)
    assert_shaded(view, mean(trace).mean(axis=0))


def test_with_shift_or_the_switch_it_is_who_attends_to_the_token(show, trace):
    view = show(trace.text_view(layer=1, head=2))
    weights = trace.weights(1, 2)
    point(view, 3, shift=True)
    assert_shaded(view, weights[:, 3])
    expect(view.locator(".facts")).to_contain_text("key 3 is attended to by")
    leave(view)
    view.get_by_role("radio", name="who attends to it").click()
    point(view, 5)
    assert_shaded(view, weights[:, 5])
    leave(view)
    point(view, 5, shift=True)
    assert_shaded(view, weights[5])


def test_a_click_pins_and_pointing_elsewhere_tells_the_pair(show, trace):
    view = show(trace.text_view(layer=0, head=1))
    weights = trace.weights(0, 1)
    tokens(view).nth(4).click()
    settle(view)
    expect(view.locator("[aria-selected=true]")).to_have_text("cat")
    point(view, 1)
    assert_shaded(view, weights[4])
    label, number = facts(view)[0]
    assert label == "the"
    assert is_right(number, weights[4, 1])
    leave(view)
    assert_shaded(view, weights[4])
    tokens(view).nth(4).click()
    settle(view)
    leave(view)
    expect(view.locator("[aria-selected=true]")).to_have_count(0)
    assert_shaded(view, weights.mean(axis=0))


def test_layers_and_heads_are_put_together_as_chosen(show, trace):
    view = show(trace.text_view(2))
    assert_shaded(view, mean(trace)[2])
    view.locator("select[name=layer]").select_option("1")
    settle(view)
    assert_shaded(view, trace.weights(1).mean(axis=0)[2])
    view.locator("select[name=head]").select_option("max")
    settle(view)
    assert_shaded(view, trace.weights(1).max(axis=0)[2])
    view.get_by_label("Next head").click()
    settle(view)
    assert_shaded(view, trace.weights(1, 0)[2])
    view.locator("select[name=layer]").select_option("all")
    settle(view)
    every = np.mean([trace.weights(layer, 0) for layer in range(3)], axis=0)
    assert_shaded(view, every[2])
    for index in (0, 5):
        point(view, index)
        assert is_right(facts(view)[0][1], every[2, index])


def test_words_sum_their_keys_and_average_their_queries(show, trace):
    view = show(trace.text_view(layer=0, head=0))
    view.get_by_label("Words").check()
    settle(view)
    weights = trace.weights(0, 0).astype(float)
    point(view, 3)
    row = weights[2:4].mean(axis=0)
    row[2:4] = row[2:4].sum()
    assert_shaded(view, row)
    expect(view.locator(".facts b")).to_have_text("unhappy")
    assert tokens(view).evaluate_all("all => all.map(t => t.classList.contains('active'))") == [
        False, False, True, True, False, False, False,
    ]  # fmt: skip
    number = dict(facts(view))["unhappy"]
    assert is_right(number, row[2])


def test_special_tokens_vanish(show, trace):
    view = show(trace.text_view(layer=0, head=0))
    view.locator("select[name=special]").select_option("sum")
    settle(view)
    assert view.locator(".prose").inner_text() == "the unhappy cat sat"
    assert "rows renormalised without them" in view.locator(".foot").inner_text()
    kept = trace.weights(0, 0)[1:6, 1:6].astype(float)
    kept /= kept.sum(axis=1, keepdims=True)
    point(view, 3)
    assert_shaded(view, kept[3])
    expect(view.locator(".facts")).to_contain_text("query 4 attends to")
    assert is_right(facts(view)[0][1], kept[3].max())


def test_a_query_from_python_is_pinned(show, trace):
    view = show(trace.text_view("cat", layer=2, head=3))
    expect(view.locator("[aria-selected=true]")).to_have_text("cat")
    assert_shaded(view, trace.weights(2, 3)[4])


def test_the_text_is_walked_and_pinned_by_keys(show, trace):
    view = show(trace.text_view(layer=0, head=0))
    keyboard = view.page.keyboard
    tokens(view).first.focus()
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    assert_shaded(view, trace.weights(0, 0)[2])
    keyboard.press("Enter")
    settle(view)
    pinned = view.locator("[aria-selected=true]")
    expect(pinned).to_have_attribute("aria-label", "un, token 2")
    keyboard.press("End")
    expect(view.locator(":focus")).to_have_text("[SEP]")
    assert facts(view)[0][0] == "[SEP]"
    keyboard.press("Escape")
    expect(pinned).to_have_count(0)
    keyboard.press("Home")
    expect(view.locator(":focus")).to_have_text("[CLS]")


def test_up_and_down_go_to_the_nearest_token_of_the_next_line(show):
    view = show(trace_of(random_weights(1, 1, 90, 90)).text_view(), width=500)
    boxes = tokens(view).evaluate_all("all => all.map(t => [t.offsetTop, t.offsetLeft])")
    tops = sorted({top for top, _ in boxes})
    tokens(view).nth(3).focus()
    view.page.keyboard.press("ArrowDown")
    here = view.locator(":focus").evaluate("t => [t.offsetTop, t.offsetLeft]")
    assert here[0] == tops[1]
    assert abs(here[1] - boxes[3][1]) < 40
    view.page.keyboard.press("ArrowUp")
    assert view.locator(":focus").evaluate("t => t.offsetTop") == tops[0]
    view.page.keyboard.press("ArrowUp")
    assert view.locator(":focus").evaluate("t => t.offsetTop") == tops[0]


def test_a_quantity_is_shown_and_named(show, trace):
    view = show(trace.text_view(quantity="rollout", layer=2))
    rollout = attnscope.measures.rollout(trace)
    point(view, 5)
    assert_shaded(view, rollout[5])
    assert "Rollout: Share of an input token" in view.locator(".foot").inner_text()
    expect(view.locator("select[name=head]")).to_have_count(0)


def signed_shades(view: Locator) -> np.ndarray:
    """Shades, below 0 where the colour is that of numbers below 0."""
    against = "all => all.map(span => span.classList.contains('against') ? -1 : 1)"
    return shades(view) * tokens(view).evaluate_all(against)


def number_in(text: str) -> float:
    return float(text.replace("−", "-"))


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


def test_python_and_a_widget_share_the_quantity(page, trace):
    view = open_live(page, trace.text_view(quantity=["weight", "rollout"]))
    view.locator("select[name=quantity]").select_option("rollout")
    settle(view)
    assert page.evaluate("model.state.quantity") == "rollout"
    assert_shaded(view, attnscope.measures.rollout(trace).mean(axis=0))
    page.evaluate("model.put('quantity', 'weight')")
    settle(view)
    assert_shaded(view, mean(trace).mean(axis=0))


def test_missing_numbers_are_hatched_and_called_missing(show):
    weights = random_weights(1, 1, 4, 4)
    weights[0, 0, 1, 2] = np.nan
    with pytest.warns(AttnscopeWarning):
        trace = trace_of(weights)
    view = show(trace.text_view())
    point(view, 1)
    assert np.isnan(shades(view)).tolist() == [False, False, True, False]
    assert dict(facts(view))["two"] == "missing"


def test_two_texts_where_queries_and_keys_differ(show):
    even = random_weights(1, 2, 3, 5)
    trace = attnscope.from_attention(
        cross=even, tokens=["a", "b", "c", "d", "e"], target_tokens=["x", "y", "z"]
    )
    view = show(trace.text_view(stream="cross"))
    query, key = view.locator(".prose").all()
    assert (query.inner_text(), key.inner_text()) == ("x y z", "a b c d e")
    query.locator(".tok").nth(1).hover()
    view.page.evaluate(FRAMES)
    weights = trace.weights(0, stream="cross").mean(axis=0)
    np.testing.assert_allclose(
        np.array(key.locator(".tok").evaluate_all(SHADE)),
        np.sqrt(weights[1] / weights[1].max()),
        atol=0.012,
    )
    assert set(query.locator(".tok").evaluate_all(SHADE)) == {0}
    key.locator(".tok").nth(4).hover()
    view.page.evaluate(FRAMES)
    np.testing.assert_allclose(
        np.array(query.locator(".tok").evaluate_all(SHADE)),
        np.sqrt(weights[:, 4] / weights[:, 4].max()),
        atol=0.012,
    )


@pytest.mark.parametrize(
    ("words", "direction"),
    [
        (["مرحبا", "بالعالم", "[SEP]"], "rtl"),
        (["[CLS]", "שלום", "world"], "rtl"),
        (["[CLS]", "hello", "עולם"], "ltr"),
        (["123", "!", "今天"], "ltr"),
    ],
)
def test_a_text_runs_as_its_own_letters_do(show, words, direction):
    view = show(trace_of(random_weights(1, 1, 3, 3), tokens=words).text_view())
    prose = view.locator(".prose")
    expect(prose).to_have_attribute("dir", direction)
    places = tokens(view).evaluate_all("all => all.map(t => t.getBoundingClientRect().left)")
    assert (places[0] > places[2]) == (direction == "rtl")
    tokens(view).first.focus()
    view.page.keyboard.press("ArrowLeft" if direction == "rtl" else "ArrowRight")
    expect(view.locator(":focus")).to_have_attribute("data-index", "1")


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
    part = np.array([ink, ground[:3]]) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    dark, light = sorted(linear @ [0.2126, 0.7152, 0.0722])
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("width", [400, 600, 1400])
def test_nothing_sticks_out_sideways(show, width):
    words = ["x" * 90, "short", *["word"] * 60]
    view = show(trace_of(random_weights(2, 3, 62, 62), tokens=words).text_view(), width=width)
    point(view, 1)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_long_text_is_cut_into_blocks_that_are_skipped_out_of_sight(show):
    words = [word for i in range(4000) for word in (f"word{i}", ".")]
    view = show(Documents([Document(words, np.linspace(0, 1, 8000))]).text_view())
    expect(tokens(view)).to_have_count(8000)
    blocks = view.locator(".block")
    assert blocks.count() >= 20
    ends = blocks.evaluate_all("all => all.map(b => b.lastElementChild.textContent)")
    assert set(ends) == {"."}
    seen = "b => b.lastElementChild.checkVisibility({contentVisibilityAuto: true})"
    assert blocks.first.evaluate(seen)
    assert not blocks.last.evaluate(seen)
    assert shades(view)[7999] == 1
    tokens(view).nth(7999).scroll_into_view_if_needed()
    point(view, 7998)
    assert is_right(facts(view)[0][1], 7998 / 7999)


# Predictions.


def guesses(view: Locator) -> list[tuple[str, str]]:
    read = "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.textContent))"
    return [tuple(row) for row in view.locator(".guesses tr").evaluate_all(read)]


def test_a_token_tells_what_was_predicted_there(show, trace):
    """Also where tokens are hidden: [CLS] and [SEP]."""
    ids = np.arange(2 * N, dtype=np.int32).reshape(N, 2)
    chances = np.linspace(0.0001, 0.9, 2 * N, dtype=np.float32).reshape(N, 2)
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


# Saliency.


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


# Answers.


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


# Documents.

SAMPLES = [
    {"text": ["good", "film", "<b>yes</b>"], "attention": [0.7, 0.1, 0.2, 0, 0], "label": 1,
     "prediction": 1, "posterior": [0.1, 0.9], "id": "one"},
    {"text": ["<script>alert(1)</script>", "&amp;"], "attention": [0.5, 0.5], "label": 1,
     "prediction": 0, "posterior": [0.6, 0.4], "id": "<img src=x onerror=alert(2)>"},
    {"text": ["plain"], "attention": [1.0], "label": 0, "prediction": 0, "id": "three"},
]  # fmt: skip
LABELS = {"0": {"name": "bad<i>"}, "1": {"name": "good"}}


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    (tmp_path / "data.json").write_text(json.dumps(SAMPLES))
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    return attnscope.from_neat_vision(tmp_path / "data.json", tmp_path / "labels.json")


def texts(view: Locator) -> list[str]:
    return view.locator(".doc .prose").all_inner_texts()


def test_documents_show_text_label_prediction_and_posterior(show, documents):
    view = show(documents.text_view())
    assert texts(view) == ["good film <b>yes</b>", "<script>alert(1)</script> &amp;", "plain"]
    first = view.locator(".doc").first
    shown = first.locator(".tok").evaluate_all(SHADE)
    np.testing.assert_allclose(shown, np.sqrt([1, 1 / 7, 2 / 7]), atol=0.001)
    about = re.sub(r"\s+", " ", first.locator(".about").inner_text())
    assert about == "one label good prediction good ✓ right good 0.900 bad<i> 0.100"
    second = view.locator(".about").nth(1).inner_text()
    assert "<img src=x onerror=alert(2)>" in second
    assert "✗ wrong" in second
    first.locator(".tok").nth(1).hover()
    assert facts(view)[0] == ("film", "0.1000")
    assert facts(view)[1] == ("good", "0.7000")


def test_documents_are_searched_by_text_label_and_id(show, documents):
    view = show(documents.text_view())
    box = view.get_by_label("Search")
    for wanted, found in [
        ("FILM", ["one"]),
        ("<script", ["<img src=x onerror=alert(2)>"]),
        ("good film", ["one"]),
        ("bad<i>", ["<img src=x onerror=alert(2)>", "three"]),
        ("three", ["three"]),
        ("zebra", []),
        ("", ["one", "<img src=x onerror=alert(2)>", "three"]),
    ]:
        box.fill(wanted)
        expect(view.locator(".about b")).to_have_text(found)
        settle(view)
        expect(view.locator(".bar .note")).to_have_text(f"{len(found)} of 3 texts")
    view.get_by_role("radio", name="wrong").click()
    expect(view.locator(".about b")).to_have_text(["<img src=x onerror=alert(2)>"])


def test_a_search_can_be_given_in_python(show, documents):
    view = show(documents.text_view(search="plain"))
    assert texts(view) == ["plain"]
    expect(view.get_by_label("Search")).to_have_value("plain")


def test_a_long_list_shows_a_page_at_a_time(show):
    made = [Document([f"word{place}", "x"], [0.4, 0.6]) for place in range(120)]
    view = show(Documents(made).text_view())
    expect(view.locator(".doc")).to_have_count(50)
    view.get_by_role("button", name="Show 50 more").click()
    expect(view.locator(".doc")).to_have_count(100)
    view.get_by_role("button", name="Show 20 more").click()
    expect(view.locator(".doc")).to_have_count(120)
    view.get_by_label("Search").fill("word11")
    expect(view.locator(".doc")).to_have_count(11)


def test_each_document_of_traces_is_pointed_at_by_itself(show, trace):
    other = trace_of(random_weights(3, 4, 5, 5, seed=9))
    view = show(Documents([Document(trace, id="a"), Document(other, id="b")]).text_view())
    first, second = view.locator(".doc").all()
    second.locator(".tok").nth(3).click()
    settle(view)
    leave(view)
    row = mean(other)[3]
    shown = np.array(second.locator(".tok").evaluate_all(SHADE))
    np.testing.assert_allclose(shown, np.sqrt(row / row.max()), atol=0.012)
    received = mean(trace).mean(axis=0)
    shown = np.array(first.locator(".tok").evaluate_all(SHADE))
    np.testing.assert_allclose(shown, np.sqrt(received / received.max()), atol=0.012)
    first.locator(".tok").nth(1).click()
    settle(view)
    expect(view.locator("[aria-selected=true]")).to_have_count(1)
    expect(first.locator("[aria-selected=true]")).to_have_text("the")
