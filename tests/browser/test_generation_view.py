"""The generation view in a real Chromium: stepping, shares, shading, numbers, by mouse and keys."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope.views import generation
from tests.browser.looking import pixels, settle
from tests.generating import build_writer, prompt, retold

pytestmark = pytest.mark.browser

N_NEW, FIRST = 6, 20
"""Tokens that the story's teller makes, and the place of the first of them."""


@pytest.fixture(scope="module")
def trace() -> attnscope.Trace:
    return retold(N_NEW)


@pytest.fixture(scope="module")
def mixed() -> attnscope.Trace:
    """Random heads: every key gets something."""
    return attnscope.generate(
        build_writer("llama"),
        None,
        prompt(),
        max_new_tokens=5,
        segments=[("question", 0, 3), ("context", 3, 7)],
    )


@pytest.fixture
def view(trace: attnscope.Trace, page: Page, open_view) -> Locator:
    return open_view(page, trace.generation_view(layer=1, head=0).html())


def token(view: Locator, index: int) -> Locator:
    return view.locator(".prose").first.locator(f"[data-index='{index}']")


def shaded(view: Locator, text: int = 0) -> dict[int, float]:
    """Tokens that are shaded, and their share of the strongest; shades are on a root scale."""
    found = (
        view.locator(".prose")
        .nth(text)
        .locator(".tok")
        .evaluate_all("spans => spans.map(span => Number(span.style.getPropertyValue('--v')))")
    )
    return {place: value**2 for place, value in enumerate(found) if value > 0}


def at(view: Locator) -> int:
    """The step shown, as the slider, the text and the words beside it agree."""
    slider = int(view.locator("input[name=step]").input_value())
    expect(view.locator(".player output")).to_have_text(re.compile(rf"^token {slider + 1} of "))
    return slider


def shares(view: Locator) -> dict[str, float]:
    """What stands below the bars, in percent."""
    parts = view.locator(".told .scale").all_inner_texts()
    found = (re.fullmatch(r"(.+?)\s*([\d.]+) %", part) for part in parts)
    return {one[1]: float(one[2]) for one in found if one}


def strongest(view: Locator) -> list[tuple[str, float]]:
    rows = view.locator(".facts table").last.locator("tr").all()
    return [
        (row.locator(".label").inner_text(), float(row.locator(".value").inner_text()))
        for row in rows
    ]


def test_each_token_was_made_by_looking_at_its_word_in_the_story(view):
    for step in range(N_NEW):
        assert at(view) == step
        assert shaded(view) == {7 + step: 1}
        word = ["small", "cat", "sat", "on", "my", "mat"][step]
        assert strongest(view) == [(f"{word} {7 + step}", 1)]
        expect(view.locator(".facts b").first).to_have_text(word)
        expect(token(view, FIRST + step)).to_have_class(re.compile("active"))
        if step < N_NEW - 1:
            view.get_by_label("Next token").click()
        settle(view)
    expect(view.get_by_label("Next token")).to_be_disabled()


def test_stepping_by_keys(view):
    slider = view.locator("input[name=step]")
    slider.focus()
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    settle(view)
    assert at(view) == 2
    slider.press("End")
    settle(view)
    assert at(view) == N_NEW - 1
    button = view.get_by_label("Previous token")
    button.focus()
    button.press("ArrowLeft")
    settle(view)
    assert at(view) == N_NEW - 2
    button.press("Enter")
    settle(view)
    assert at(view) == N_NEW - 3
    assert shaded(view) == {7 + N_NEW - 3: 1}


def test_stepping_by_clicks_on_tokens_and_bars(view):
    token(view, FIRST + 4).click()
    settle(view)
    assert at(view) == 4
    box = view.locator(".shares canvas").bounding_box()
    view.locator(".shares canvas").click(position={"x": box["width"] * 1.5 / N_NEW, "y": 20})
    settle(view)
    assert at(view) == 1
    page = view.page
    page.mouse.move(box["x"] + 3, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3.5 / N_NEW, box["y"] + 20)
    page.mouse.up()
    settle(view)
    assert at(view) == 3


def test_play_goes_to_the_end_and_stops(view):
    view.get_by_label("Play").click()
    expect(view.get_by_label("Pause")).to_be_visible()
    expect(view.locator("input[name=step]")).to_have_value(str(N_NEW - 1), timeout=10_000)
    expect(view.get_by_label("Play")).to_be_visible()
    view.get_by_label("Play").click()
    expect(view.locator("input[name=step]")).to_have_value("0")
    view.get_by_label("Pause").click()
    expect(view.get_by_label("Play")).to_be_visible()


@pytest.mark.parametrize(
    ("choice", "options"),
    [
        ("", {}),
        ("hide", {"drop": "first", "renormalise": False}),
        ("sum", {"drop": "first"}),
    ],
)
def test_shares_are_those_of_the_table(mixed, page, open_view, choice, options):
    view = open_view(page, mixed.generation_view(2).html())
    view.locator("select[name=first]").select_option(choice)
    settle(view)
    table = mixed.segments(**options)
    shown = shares(view)
    for name in ("question", "context", "generated"):
        expected = 100 * table[name][2]
        if name == "question" and not choice:  # the bars show its first token by itself
            first = np.mean([mixed.weights(n)[:, 8, 0].mean() for n in (0, 1)])
            assert shown["first token (60)"] == pytest.approx(100 * first, abs=0.51)
            expected -= 100 * first
        assert shown[name] == pytest.approx(expected, abs=0.51)
    assert ("first token (60)" in shown) == (choice == "")
    assert (sum(shown.values()) == pytest.approx(100, abs=1.5)) == (choice != "hide")


def test_bars_are_as_high_as_the_shares(mixed, page, open_view):
    view = open_view(page, mixed.generation_view(0, hide_first=True).html())
    table = mixed.segments(drop="first", renormalise=False)
    seen = pixels(view.locator(".shares canvas"))[..., :3].astype(int)
    wide = seen.shape[1] / 5
    ground = seen[2, int(1.5 * wide)]
    for step in range(1, 5):
        column = seen[:, int((step + 0.5) * wide)]
        high = (np.abs(column - ground).sum(-1) > 30).mean()
        total = sum(table[name][step] for name in ("question", "context", "generated"))
        assert high == pytest.approx(total, abs=0.03)


def test_layers_and_heads(mixed, page, open_view):
    view = open_view(page, mixed.generation_view(3).html())
    expect(view.locator("select[name=head]")).to_have_count(0)
    view.locator("select[name=layer]").select_option("1")
    settle(view)
    row = mixed.weights(1)[:, 9].mean(0)
    assert strongest(view)[0][1] == pytest.approx(row.max(), abs=2e-3)
    view.locator("select[name=head]").select_option("2")
    settle(view)
    row = mixed.weights(1, 2)[9]
    best = int(row.argmax())
    label, number = strongest(view)[0]
    assert label == f"{mixed.tokens.text[best]} {best}"
    assert number == pytest.approx(row[best], abs=2e-3)
    ratios = shaded(view)
    assert ratios[best] == 1
    for key, ratio in ratios.items():
        assert ratio == pytest.approx(row[key] / row[best], abs=3e-3)
    expect(view.locator(".facts")).to_contain_text("layer 1, head 2")
    view.get_by_label("Next head").click()
    settle(view)
    expect(view.locator(".facts")).to_contain_text("layer 1, head 3")


def test_pointing_at_a_token_says_its_weight_and_a_click_keeps_it(mixed, page, open_view):
    view = open_view(page, mixed.generation_view(1, layer=0, head=1).html())
    pair = view.locator(".facts .pair .value")
    token(view, 4).hover()
    assert float(pair.inner_text()) == pytest.approx(mixed.weights(0, 1)[7, 4], rel=0.01, abs=1e-4)
    token(view, 4).click()
    page.mouse.move(1, 1)
    view.locator("input[name=step]").press("ArrowRight")
    settle(view)
    assert float(pair.inner_text()) == pytest.approx(mixed.weights(0, 1)[8, 4], rel=0.01, abs=1e-4)
    expect(token(view, 4)).to_have_class(re.compile("pinned"))
    token(view, 4).click()
    page.mouse.move(1, 1)
    expect(pair).to_have_count(0)


def test_a_row_of_the_strongest_selects_its_token(mixed, page, open_view):
    view = open_view(page, mixed.generation_view(1).html())
    row = view.locator(".facts tr[data-key]").nth(1)
    key = int(row.get_attribute("data-key"))
    row.click()
    expect(token(view, key)).to_have_class(re.compile("pinned"))


def test_cross_attention_shades_the_source_and_steps_in_the_answer(page, open_view):
    trace = attnscope.generate(build_writer("marian"), None, prompt(), max_new_tokens=5)
    view = open_view(page, trace.generation_view(2).html())
    source, made = view.locator(".prose").nth(0), view.locator(".prose").nth(1)
    expect(source.locator(".tok")).to_have_count(7)
    expect(made.locator(".tok")).to_have_count(5)
    row = np.mean([trace.weights(n, stream="cross")[:, 2].mean(0) for n in range(3)], axis=0)
    assert shaded(view) == pytest.approx(dict(enumerate(row / row.max())), abs=2e-3)
    made.locator(".tok").nth(4).click()
    settle(view)
    assert at(view) == 4
    view.locator("select[name=stream]").select_option("decoder")
    settle(view)
    expect(view.locator(".prose")).to_have_count(1)
    expect(view.locator(".prose .tok")).to_have_count(6)


def test_a_page_with_means_has_no_heads(mixed, page, open_view, monkeypatch):
    monkeypatch.setattr(generation, "CARRIED_UP_TO", 10)
    view = open_view(page, mixed.generation_view(layer=1, head=2).html())
    expect(view.locator("select[name=head]")).to_have_count(0)
    expect(view.locator(".facts")).to_contain_text("layer 1, mean over 4 heads")
    expect(view.locator(".foot")).to_contain_text("This page carries means over heads.")


@pytest.fixture(scope="module")
def long() -> attnscope.Trace:
    """2,000 tokens and 100 that were generated, whose rows look at token 1500 + step."""
    n, made = 2099, 100
    weights = np.zeros((1, 2, n, n), np.float16)
    weights[0, :, :, 0] = 1
    rows = np.arange(1999, n)
    weights[0, :, rows, 0] = 0.5
    weights[0, :, rows, rows - 499] = 0.5
    names = ["<s>", *(f"w{i}" for i in range(1, n))]
    trace = attnscope.from_attention(weights, names, segments=[("system", 0, 99), ("user", 99, n)])
    assert made == len(trace.steps(start=2000).tokens) + 1
    return trace


def test_a_long_text_scrolls_in_its_window(long, page, open_view):
    view = open_view(page, long.generation_view(start=2000, hide_first=True).html())
    box = view.locator(".textbox")
    assert box.bounding_box()["height"] <= 440
    assert box.evaluate("box => box.scrollTop") == 0
    view.locator(".facts tr[data-key]").first.click()
    settle(view)
    expect(token(view, 1500)).to_be_in_viewport()
    assert box.evaluate("box => box.scrollTop") > 1000
    strip = view.locator(".strip-map canvas")
    wide = strip.bounding_box()["width"]
    seen = pixels(strip)[3:15, :, :3].astype(int)
    column = np.abs(seen - seen[:, :1]).sum((0, 2))
    assert int(column.argmax()) / seen.shape[1] == pytest.approx(1500 / 2099, abs=0.005)
    strip.click(position={"x": wide * 0.02, "y": 8})
    assert box.evaluate("box => box.scrollTop") < 300


def test_data_of_another_size_are_a_problem_that_says_so(trace, page, open_view, tmp_path):
    html = trace.generation_view(layer=1, head=0).html()
    broken = html.replace('data-key="rows/self/1"', 'data-key="rows/self/0"', 1)
    path = tmp_path / "broken.html"
    path.write_text(broken, encoding="utf-8")
    page.goto(path.as_uri())
    view = page.locator("[data-attnscope-view]")
    expect(view).to_have_attribute("data-attnscope-state", "error")
    expect(view.get_by_role("alert")).to_contain_text('The page has no data for "rows/self/1"')


def test_text_of_models_is_never_markup(page, open_view):
    names = ["<b>x</b>", "</script><img src=x onerror=alert(1)>", "&amp;", "ok"]
    weights = np.tril(np.ones((1, 1, 4, 4), np.float32))
    weights /= weights.sum(-1, keepdims=True)
    trace = attnscope.from_attention(weights, names, segments=[("<i>s</i>", 0, 4)])
    view = open_view(page, trace.generation_view(start=2).html())
    expect(view.locator(".prose .tok").first).to_have_text("<b>x</b>")
    expect(view.locator(".told")).to_contain_text("<i>s</i>")
