"""What is shown of the heads: order, mean, special tokens, threshold; by mouse and by keyboard."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attnscope.trace import Trace
from tests.browser.looking import (
    hover,
    is_right,
    line_ends,
    numbers_beside,
    pixels,
    pressed_heads,
    random_weights,
    settle,
    shifted,
    shown_tokens,
    token,
    tooltip_rows,
    trace_of,
)

TOKENS = ["[CLS]", "one", "two", "[SEP]", "three", "four", "five", "[SEP]"]
KEPT = [1, 2, 4, 5, 6]
HEADS = 5


@pytest.fixture
def trace() -> Trace:
    return trace_of(random_weights(3, HEADS, 8, 8), tokens=TOKENS, segments=[4])


def options(view: Locator) -> None:
    view.get_by_role("button", name="Options").click()


def choose(view: Locator, name: str, value: str) -> None:
    view.locator(f"select[name={name}]").select_option(value)
    settle(view)


def set_threshold(view: Locator, steps: int) -> None:
    view.locator("input[name=threshold]").focus()
    for _ in range(steps):
        view.page.keyboard.press("ArrowRight")
    settle(view)


def legend(view: Locator) -> str:
    return view.locator(".foot").inner_text()


def chips(view: Locator) -> list[str]:
    return view.locator("button.chip").all_inner_texts()


def told(view: Locator, query: int, key: int) -> dict[str, str]:
    """The tooltip of a pair, by place among the tokens shown: label → number."""
    token(view, "query", query).click()
    hover(view, "key", key)
    rows = dict(tooltip_rows(view))
    token(view, "query", query).click()
    return rows


def by_measure(trace: Trace, layer: int, name: str) -> list[int]:
    """Heads of a layer, the largest number first."""
    table = trace.heads([name])
    values = table[name][table["layer"] == layer]
    return np.argsort(-values, kind="stable").tolist()


def test_options_are_out_of_the_way_until_they_are_wanted(show, trace):
    view = show(trace.head_view())
    expect(view.locator("select[name=sort]")).to_have_count(0)
    options(view)
    expect(view.locator("select[name=sort]")).to_be_visible()
    options(view)
    expect(view.locator("select[name=sort]")).to_have_count(0)


def test_heads_are_sorted_by_a_measure(show, trace):
    view = show(trace.head_view(layer=1))
    options(view)
    choose(view, "sort", "entropy")
    assert chips(view) == ["mean", *map(str, by_measure(trace, 1, "entropy"))]
    view.get_by_label("Next layer").click()
    settle(view)
    assert chips(view) == ["mean", *map(str, by_measure(trace, 2, "entropy"))]
    assert "entropy" in view.locator("button.chip").nth(1).get_attribute("title")
    choose(view, "sort", "number")
    assert chips(view) == ["mean", "0", "1", "2", "3", "4"]


def test_sorting_by_a_measure_can_be_asked_for_in_python(show, trace):
    view = show(trace.head_view(sort="distance"))
    expect(view.locator("select[name=sort]")).to_have_value("distance")
    assert chips(view)[1:] == list(map(str, by_measure(trace, 0, "distance")))


def test_special_tokens_vanish_and_all_numbers_stay(show, trace):
    view = show(trace.head_view(heads=[2]))
    assert shown_tokens(view, "key") == TOKENS
    options(view)
    choose(view, "special", "hide")
    kept = [TOKENS[place] for place in KEPT]
    assert shown_tokens(view, "query") == shown_tokens(view, "key") == kept
    assert "special tokens hidden: rows sum to less than 1" in legend(view)
    weights = trace.weights(0, 2)[np.ix_(KEPT, KEPT)]
    for query in range(5):
        hover(view, "query", query)
        assert "head 2)" in view.get_by_role("tooltip").inner_text()
        numbers = numbers_beside(view, "key")
        assert numbers
        assert all(is_right(text, weights[query, key]) for key, text in numbers.items())
    assert f"query {KEPT[4]}" in view.get_by_role("tooltip").inner_text()
    assert token(view, "key", 2).get_attribute("aria-label") == "three, key 4"


@pytest.mark.parametrize("tokens", [8, 520])
def test_renormalised_numbers_are_right_and_called_so(show, tokens):
    names = (TOKENS * 65)[:tokens]
    trace = trace_of(random_weights(3, 1, tokens, tokens, sharp=4)[:, :1], tokens=names)
    view = show(trace.head_view(layer=1, hide_special=True, renormalise=True))
    expect(view.locator("select[name=special]")).to_have_value("sum")
    assert "rows renormalised without them" in legend(view)
    kept = [place for place, name in enumerate(names) if not name.startswith("[")]
    weights = trace.weights(1, 0)[np.ix_(kept, kept)].astype(float)
    weights /= weights.sum(-1, keepdims=True)
    for query in (0, 3, 4):
        hover(view, "query", query)
        assert "head 0, renormalised" in view.get_by_role("tooltip").inner_text()
        seen = numbers_beside(view, "key")
        assert seen or tokens > 8  # the keys of a long text may be out of the window
        assert all(is_right(text, weights[query, key]) for key, text in seen.items())
        assert tooltip_rows(view)
        assert all(is_right(*pair) for pair in top_rows(view, weights[query], names, kept))


def top_rows(
    view: Locator, row: np.ndarray, names: list[str], kept: list[int]
) -> list[tuple[str, float]]:
    """(number as printed, true weight) of the tooltip's rows, largest first."""
    best = np.argsort(-row, kind="stable")
    rows = tooltip_rows(view)
    assert [label for label, _ in rows] == [names[kept[at]] for at in best[: len(rows)]]
    return [(text, float(row[at])) for at, (_, text) in zip(best, rows, strict=False)]


def test_a_pin_keeps_its_token_while_others_are_hidden(show, trace):
    view = show(trace.head_view())
    token(view, "query", 4).click()
    settle(view)
    options(view)
    choose(view, "special", "hide")
    pinned = view.locator("[aria-selected=true]")
    expect(pinned).to_have_attribute("aria-label", "three, query 4")
    token(view, "key", 0).click()
    settle(view)
    choose(view, "special", "")
    expect(pinned).to_have_attribute("aria-label", "one, key 1")
    token(view, "key", 0).click()
    settle(view)
    choose(view, "special", "hide")
    expect(pinned).to_have_count(0)


def test_segments_and_filters_are_cut_to_the_tokens_left(show, trace):
    view = show(trace.head_view(hide_special=True))
    choose(view, "filter", "A→B")
    assert shown_tokens(view, "query") == ["one", "two"]
    assert shown_tokens(view, "key") == ["three", "four", "five"]


def test_no_special_tokens_no_choice(show):
    view = show(trace_of(shifted(1, 2, 4)).head_view(sort="entropy"))
    expect(view.locator("select[name=sort]")).to_be_visible()
    expect(view.locator("select[name=special]")).to_have_count(0)


def test_weights_below_the_threshold_are_not_drawn(show):
    weights = np.zeros((1, 1, 4, 4), np.float32)
    weights[0, 0, :, 0] = 0.85
    weights[0, 0, np.arange(4), [1, 2, 3, 1]] = 0.15
    view = show(trace_of(weights).head_view())
    assert line_ends(view, "key", least=20) == {0, 1, 2, 3}
    options(view)
    set_threshold(view, 6)
    assert view.locator("output").inner_text() == "0.2"
    assert line_ends(view, "key", least=20) == {0}
    assert "weights below 0.2 are not drawn: 15 % of the weight" in legend(view)
    hover(view, "query", 1)
    assert numbers_beside(view, "key") == {0: "0.850"}
    set_threshold(view, 4)
    assert line_ends(view, "key", least=20) == set()
    assert "below 0.9 are not drawn: 100 % of the weight" in legend(view)


def test_a_threshold_from_python_may_be_any_number(show, trace):
    view = show(trace.head_view(threshold=0.07))
    assert view.locator("output").inner_text() == "0.07"
    weights = trace.weights(0)
    share = weights[weights < 0.07].sum() / weights.sum()
    assert f"below 0.07 are not drawn: {round(100 * share)} %" in legend(view)


def test_the_mean_over_heads_is_one_more_head(show, trace):
    view = show(trace.head_view(heads=[1, 3]))
    assert chips(view)[0] == "mean"
    view.locator("button.chip[data-head=mean]").click()
    settle(view)
    assert pressed_heads(view) == [1, 3]
    rows = told(view, 2, 5)
    weights = trace.weights(0)[:, 2, 5].astype(float)
    assert list(rows) == ["head 1", "head 3", f"mean of {HEADS} heads"]
    true = [weights[1], weights[3], weights.mean()]
    assert all(is_right(text, value) for text, value in zip(rows.values(), true, strict=True))
    hover(view, "query", 2)
    assert f"mean of {HEADS} heads" in view.get_by_role("tooltip").inner_text()
    means = trace.weights(0).astype(float).mean(axis=0)[2]
    seen = numbers_beside(view, "key")
    assert all(is_right(text, means[key]) for key, text in seen.items())


def test_the_mean_can_be_shown_alone_and_its_marks_are_neutral(show, trace):
    view = show(trace.head_view())
    chip = view.locator("button.chip[data-head=mean]")
    chip.focus()
    view.page.keyboard.press("Shift+Enter")
    settle(view)
    assert pressed_heads(view) == []
    colors = pixels(view.locator("canvas.marks"))
    strong = colors[colors[:, :, 3] > 60][:, :3].astype(int)
    assert (strong.max(axis=1) - strong.min(axis=1)).max() < 60
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    view.page.keyboard.press("Shift+Enter")
    settle(view)
    assert pressed_heads(view) == [0, 1, 2, 3, 4]
    expect(chip).to_have_attribute("aria-pressed", "false")


def test_the_mean_alone_can_be_asked_for_in_python(show, trace):
    view = show(trace.head_view(mean=True))
    assert pressed_heads(view) == []
    rows = told(view, 1, 6)
    assert list(rows) == [f"mean of {HEADS} heads"]
    assert is_right(*rows.values(), trace.weights(0)[:, 1, 6].astype(float).mean())


def test_a_head_beside_the_mean_can_be_switched_off(show, trace):
    view = show(trace.head_view(heads=[1], mean=True))
    view.locator("button.chip[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == []
    view.locator("button.chip[data-head='4']").dblclick()
    settle(view)
    assert pressed_heads(view) == [4]
    expect(view.locator("button.chip[data-head=mean]")).to_have_attribute("aria-pressed", "false")


def test_one_head_has_no_mean(show):
    view = show(trace_of(shifted(1, 1, 4)).head_view())
    assert chips(view) == ["0"]


def cell_heads(view: Locator, layer: int) -> list[str]:
    read = "all => all.map(cell => cell.dataset.head)"
    heads: list[str] = view.locator(f".cell[data-layer='{layer}']").evaluate_all(read)
    return heads


def test_the_model_view_sorts_within_its_rows(show, trace):
    view = show(trace.model_view())
    options(view)
    choose(view, "sort", "distance")
    for layer in range(3):
        expected = list(map(str, by_measure(trace, layer, "distance")))
        assert cell_heads(view, layer) == expected
        row = view.locator(f".gridrow[data-layer='{layer}'] .cellnumber")
        assert row.all_inner_texts() == expected
    assert "by distance" in view.locator(".axis.heads").inner_text()
    view.locator(".cell").first.hover()
    tip = view.get_by_role("tooltip").inner_text()
    assert re.fullmatch(r"Layer 0, head \d · distance \d+(\.\d+)?", tip)


def test_a_sorted_cell_opens_the_head_it_names(show, trace):
    view = show(trace.model_view(sort="entropy"), width=1400)
    first = by_measure(trace, 2, "entropy")[0]
    view.locator(".cell[data-layer='2']").first.click()
    settle(view)
    expect(view.locator("h3")).to_have_text(f"Layer 2, head {first}")
    rows = told(view, 3, 0)
    assert is_right(rows[f"head {first}"], trace.weights(2, first)[3, 0])
    view.locator(".cell[data-layer='2']").first.focus()
    view.page.keyboard.press("ArrowRight")
    view.page.keyboard.press("Enter")
    settle(view)
    second = by_measure(trace, 2, "entropy")[1]
    expect(view.locator("h3")).to_have_text(f"Layer 2, head {second}")


@pytest.mark.parametrize("tokens", [8, 150])
def test_the_model_view_has_a_column_for_the_mean(show, tokens):
    trace = trace_of(random_weights(3, HEADS, tokens, tokens))
    view = show(trace.model_view(), width=1400)
    options(view)
    view.get_by_label("Mean of heads").check()
    settle(view)
    assert cell_heads(view, 1) == ["mean", "0", "1", "2", "3", "4"]
    view.locator(".cell[data-layer='1'][data-head=mean]").click()
    settle(view)
    expect(view.locator("h3")).to_have_text(f"Layer 1, mean of {HEADS} heads")
    rows = told(view, 2, 5)
    true = trace.weights(1)[:, 2, 5].astype(float).mean()
    assert is_right(rows[f"mean of {HEADS} heads"], true)
    options(view)
    options(view)
    view.get_by_label("Mean of heads").uncheck()
    settle(view)
    expect(view.locator("h3")).to_have_count(0)
    assert cell_heads(view, 1) == ["0", "1", "2", "3", "4"]


def test_special_tokens_vanish_from_grid_and_panel(show, trace):
    view = show(trace.model_view(cells="heat"), width=1400)
    canvas = view.locator(".gridrow[data-layer='0'] canvas")
    before = pixels(canvas)
    options(view)
    choose(view, "special", "sum")
    assert not np.array_equal(pixels(canvas), before)
    view.locator(".cell").first.click()
    settle(view)
    assert shown_tokens(view, "query") == [TOKENS[place] for place in KEPT]
    weights = trace.weights(0, 0)[np.ix_(KEPT, KEPT)].astype(float)
    rows = told(view, 1, 3)
    assert is_right(rows["head 0"], weights[1, 3] / weights[1].sum())


@pytest.mark.parametrize("tokens", [8, 150])
def test_the_threshold_empties_cells_and_says_how_much(show, tokens):
    weights = random_weights(2, 3, tokens, tokens, sharp=3)
    view = show(trace_of(weights).model_view(threshold=0.3, cells="heat"))
    share = round(100 * float(weights[weights < 0.3].sum() / weights.sum()))
    text = "weights below 0.3 are not drawn"
    if tokens == 8:
        assert f"{text}: {share} % of the weight" in legend(view)
    else:  # thumbnails, which do not know
        assert text in legend(view)
        assert f"{text}:" not in legend(view)
    view.locator(".cell").first.click()
    settle(view)
    own = weights[0, 0]
    share = round(100 * float(own[own < 0.3].sum() / own.sum()))
    assert f"{text}: {share} % of the weight" in view.locator("[data-detail]").inner_text()
