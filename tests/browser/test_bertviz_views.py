"""What BertViz's calls give, drawn; and BertViz's rendering bugs, which must not be here.

R3 to R13 are listed in docs/coming-from-bertviz.md. R1, R2 and R14 need no browser: they are in
tests/compat/test_results.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from attnscope.bertviz import head_view, model_view, neuron_view
from tests.browser.looking import (
    cell,
    fragments_page,
    hover,
    is_right,
    line_ends,
    names,
    numbers_beside,
    pressed_heads,
    random_weights,
    settle,
    shifted,
    shown_tokens,
    token,
    tooltip_rows,
    views,
)
from tests.models import build

BOTH = pytest.mark.parametrize("view", [head_view, model_view])
HOSTILE = ["</script><img src=q onerror=window.XSS=1>", "<!--<script>", "日本 😀", "é"]
Show = Callable[..., Locator]


def attention(layers: int = 3, heads: int = 4, tokens: int = 8) -> list[np.ndarray]:
    """[1, head, query, key] a layer: query q gives all its weight to key q + layer + head."""
    return list(shifted(layers, heads, tokens)[:, None])


def neurons(**options: Any) -> str:
    """The neuron view of a tiny BERT, as HTML."""
    import transformers as hf

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat"]
    tokenizer = hf.BertTokenizer({word: place for place, word in enumerate(vocabulary)})
    given = {"sentence_a": "the cat sat on the mat", "html_action": "return", **options}
    html: str = neuron_view.show(build("bert"), "bert", tokenizer, **given).data
    return html


@pytest.fixture
def show(page: Page, open_view: Any) -> Show:
    """Opens what `html_action='return'` gave, written to a file as it is."""
    return lambda html, **window: open_view(page, getattr(html, "data", html), **window)


@BOTH
def test_returned_html_written_to_a_file_is_a_page(show, view):
    shown = show(view(attention(), names(8), html_action="return"))
    if view is head_view:
        assert shown_tokens(shown, "query") == names(8)
        assert line_ends(shown, "key") == set(range(8))
    else:
        expect(shown.locator(".cell")).to_have_count(12)


def test_layer_and_heads_are_those_asked_for(show):
    view = show(head_view(attention(), names(8), layer=2, heads=[1, 3], html_action="return"))
    assert pressed_heads(view) == [1, 3]
    expect(view.locator("select[name=layer]")).to_have_value("2")


def test_a_sentence_pair_can_be_filtered(show):
    view = show(head_view(attention(), names(8), 5, html_action="return"))
    view.locator("select[name=filter]").select_option(label="A → B")
    settle(view)
    assert (shown_tokens(view, "query"), shown_tokens(view, "key")) == (names(8)[:5], names(8)[5:])


@BOTH
@pytest.mark.parametrize("prettify", [True, False])
def test_hostile_and_foreign_tokens_are_shown_and_never_run(page, show, view, prettify):
    given = attention(2, 2, 4)
    drawn = show(view(given, HOSTILE, prettify_tokens=prettify, html_action="return"))
    if view is model_view:
        cell(drawn, 0, 0).click()
        settle(drawn)
    expect(token(drawn, "query", 2)).to_contain_text("日本 😀")
    assert page.evaluate("window.XSS") is None


def test_all_three_on_one_page_are_independent(page, show):
    parts = [
        head_view(attention(), names(8), html_action="return").data,
        model_view(attention(), names(8), html_action="return").data,
        head_view(attention(2, 2, 6), names(6), layer=1, html_action="return").data,
        neurons(),
    ]
    show(fragments_page(parts), height=2000)
    first, grid, second, last = views(page, 4)
    assert (len(pressed_heads(first)), len(pressed_heads(second))) == (4, 2)
    expect(grid.locator(".cell")).to_have_count(12)
    assert shown_tokens(last, "query")[0] == "[CLS]"


@pytest.mark.parametrize("mode", ["dark", "light"])
@pytest.mark.parametrize("page_mode", ["dark", "light"])
def test_r11_display_mode_holds_in_any_page(show, mode, page_mode):
    """BertViz's labels were black on black, or black in a dark page."""
    html = model_view(attention(), names(8), display_mode=mode, html_action="return")
    view = show(html, color_scheme=page_mode)
    expect(view.locator(".root")).to_have_attribute("data-mode", mode)
    for label in (view.locator(".rownumber").first, view.locator(".colnumber").first):
        assert contrast(view, label) >= 4.5


def contrast(view: Locator, label: Locator) -> float:
    """The contrast ratio of WCAG between a text and the view's ground."""
    read = "(el, name) => getComputedStyle(el)[name].match(/[\\d.]+/g).slice(0, 3).map(Number)"
    ground = view.locator(".root").evaluate(read, "backgroundColor")
    ink = label.evaluate(read, "color")
    low, high = sorted(luminance(color) for color in (ink, ground))
    return (high + 0.05) / (low + 0.05)


def luminance(rgb: list[float]) -> float:
    part = np.array(rgb) / 255
    linear = np.where(part <= 0.03928, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_r3_a_missing_weight_is_no_full_line(show):
    given = attention(1, 1)
    given[0][0, 0, 2] = np.nan
    with pytest.warns(UserWarning, match="NaN"):
        html = head_view(given, names(8), html_action="return")
    assert line_ends(show(html), "query") == set(range(8)) - {2}


def test_r4_a_token_pointed_at_in_the_detail_is_marked(show):
    view = show(model_view(attention(), names(8), html_action="return"))
    cell(view, 1, 2).click()
    settle(view)
    before = token(view, "key", 5).screenshot()
    hover(view, "query", 2)
    assert dict(tooltip_rows(view))
    assert token(view, "key", 5).screenshot() != before  # query 2 attends to key 2 + 1 + 2


def test_r5_the_first_click_after_a_change_of_filter_works(show):
    view = show(model_view(attention(), names(8), 5, html_action="return"))
    cell(view, 1, 1).click()
    view.locator("select[name=filter]").select_option(label="A → A")
    settle(view)
    opened = view.locator("section.panel").count()
    cell(view, 1, 1).click()
    settle(view)
    expect(view.locator("section.panel")).to_have_count(1 - opened)


def test_r6_r7_two_neuron_views_on_a_page_do_not_touch_each_other(page, show):
    show(fragments_page([neurons(), neurons(sentence_a="the mat")]), height=1600)
    first, second = views(page, 2)
    second.locator(".expander").click()
    settle(second)
    expect(second.locator(".expander")).to_have_attribute("aria-expanded", "true")
    expect(first.locator(".expander")).to_have_attribute("aria-expanded", "false")
    assert len(shown_tokens(first, "query")) == 8


@pytest.mark.parametrize("mode", ["dark", "light"])
def test_r8_every_text_of_the_neuron_view_can_be_read(show, mode):
    view = show(neurons(display_mode=mode))
    view.locator(".expander").click()
    settle(view)
    expect(view.locator(".root")).to_have_attribute("data-mode", mode)
    texts = view.locator(".root :not(:has(*)):visible").all()
    shown = [found for found in texts if found.evaluate("el => (el.textContent || '').trim()")]
    assert shown
    plain = [found for found in shown if found.evaluate(STANDS_ON_THE_GROUND)]
    assert min(contrast(view, found) for found in plain) >= 4.5


STANDS_ON_THE_GROUND = """el => {
    for (let at = el; at && !at.classList?.contains("root"); at = at.parentElement)
        if (getComputedStyle(at).backgroundColor !== "rgba(0, 0, 0, 0)") return false;
    return !el.closest("svg, button, select, option");
}"""


def test_r9_twelve_heads_have_twelve_colors(show):
    view = show(head_view(attention(1, 12), names(8), html_action="return"))
    colors = view.locator("button.chip:not([data-head=mean])").evaluate_all(
        "all => all.map(chip => getComputedStyle(chip).backgroundColor)"
    )
    assert len(set(colors)) == 12


def test_r10_long_and_blank_tokens_are_inside_the_picture_and_seen(show):
    tokens = ["supercalifragilisticexpialidocious" * 3, "", "\n", "Ċ"]
    view = show(head_view(attention(1, 1, 4), tokens, html_action="return"))
    for option in view.locator("[role=option]").all():
        box = option.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1000
    assert all(text.strip() for text in shown_tokens(view, "query")[2:])
    hover(view, "query", 0)
    assert tokens[0] in view.get_by_role("tooltip").inner_text().replace("\n", "")


@BOTH
def test_r12_a_long_input_has_a_height_that_can_be_looked_at(show, view):
    """BertViz: 11,000 to 43,000 pixels."""
    given = [random_weights(1, 2, 512, 512)] * 2
    drawn = show(view(given, names(512), html_action="return"))
    box = drawn.bounding_box()
    assert box is not None
    assert box["height"] < 2000


@BOTH
def test_r13_weights_are_no_elements(page, show, view):
    """BertViz: 589,824 lines for 12 layers of 12 heads and 64 tokens."""
    given = [random_weights(1, 12, 64, 64)] * 12
    show(view(given, names(64), html_action="return"))
    count = """() => {
        const all = root => [...root.querySelectorAll("*")]
            .reduce((sum, el) => sum + 1 + (el.shadowRoot ? all(el.shadowRoot) : 0), 0);
        return all(document);
    }"""
    assert page.evaluate(count) < 2500


def test_numbers_shown_are_those_given(show):
    given = [random_weights(1, 1, 6, 6, seed=3)]
    view = show(head_view(given, names(6), html_action="return"))
    hover(view, "query", 4)
    shown = numbers_beside(view, "key")
    assert shown
    assert all(is_right(text, given[0][0, 0, 4, key]) for key, text in shown.items())
