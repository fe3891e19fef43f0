"""The head view as a user meets it, by mouse."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope import AttnscopeWarning
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from tests.browser.looking import (
    hover,
    leave,
    line_ends,
    names,
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
    under,
)

PAIR = ["[CLS]", "cat", "sat", "[SEP]", "it", "was", "tired"]


@pytest.fixture
def show(page: Page, open_view):
    """Opens a trace's head view."""

    def showing(trace: Trace, width: int = 1000, height: int = 800, **options: object) -> Locator:
        return open_view(page, trace.head_view(**options).html(), width=width, height=height)

    return showing


def segment_colors(view: Locator, index: int, heads: int, side: str = "key") -> list[int]:
    """Opacity (0..255) of each head's segment of the box behind a token."""
    box = under(view, token(view, side, index))
    middle = box.shape[1] / heads * (np.arange(heads) + 0.5)
    return [int(box[4, int(at), 3]) for at in middle]


def test_it_opens_with_the_first_layer_all_heads_and_nothing_pinned(show):
    view = show(trace_of(shifted(3, 4, 6), model="tiny"))
    expect(view.locator("h2")).to_have_text("tiny")
    expect(view.locator("select[name=layer]")).to_have_value("0")
    assert pressed_heads(view) == [0, 1, 2, 3]
    assert shown_tokens(view, "query") == shown_tokens(view, "key") == names(6)
    expect(view.locator("[aria-selected=true]")).to_have_count(0)
    expect(view.locator("select[name=filter], select[name=stream]")).to_have_count(0)
    assert line_ends(view, "query") == set(range(6))


def test_lines_run_from_each_query_to_the_key_it_attends_to(show):
    weights = np.zeros((1, 1, 6, 6), np.float32)
    weights[0, 0, :, 0] = 1
    weights[0, 0, 3] = np.eye(6)[4]
    view = show(trace_of(weights))
    assert line_ends(view, "query") == set(range(6))
    assert line_ends(view, "key") == {0, 4}


def test_a_lighter_weight_is_a_fainter_line(show):
    weights = np.zeros((1, 1, 4, 4), np.float32)
    weights[0, 0, np.arange(4), np.arange(4)] = [1, 0.6, 0.3, 0.1]
    with pytest.warns(AttnscopeWarning, match="sum"):
        view = show(trace_of(weights))
    ink = pixels(view.locator("canvas.marks"))[:, :, 3].max(axis=1)
    strength = [int(ink[24 * row + 4 : 24 * row + 20].max()) for row in range(4)]
    assert strength == sorted(strength, reverse=True)
    assert strength[0] > 200
    assert strength[1] == pytest.approx(0.6 * 255, abs=12)
    assert strength[2] == pytest.approx(0.3 * 255, abs=12)


def test_layers_have_the_models_own_numbers_and_arrows_step_through_them(show):
    view = show(trace_of(shifted(9, 1, 6)), layers=[7, 2, 5])
    select = view.locator("select[name=layer]")
    assert select.locator("option").all_inner_texts() == ["7", "2", "5"]
    back = view.get_by_role("button", name="Previous layer")
    on = view.get_by_role("button", name="Next layer")
    expect(back).to_be_disabled()
    on.click()
    expect(select).to_have_value("2")
    on.click()
    expect(select).to_have_value("5")
    expect(on).to_be_disabled()
    back.click()
    expect(select).to_have_value("2")
    settle(view)
    hover(view, "query", 0)
    assert line_ends(view, "key") == {2}


def test_choosing_a_layer_draws_that_layer(show):
    view = show(trace_of(shifted(4, 1, 6)))
    view.locator("select[name=layer]").select_option("3")
    settle(view)
    hover(view, "query", 1)
    assert line_ends(view, "key") == {4}
    assert tooltip_rows(view) == [("four", "1.0000")]


def test_layer_and_heads_can_be_chosen_beforehand(show):
    view = show(trace_of(shifted(4, 6, 8)), layer=2, heads=[5, 1])
    expect(view.locator("select[name=layer]")).to_have_value("2")
    assert pressed_heads(view) == [1, 5]
    hover(view, "query", 0)
    assert line_ends(view, "key") == {3, 7}


def test_clicking_a_head_switches_it_and_its_lines(show):
    view = show(trace_of(shifted(1, 3, 6)))
    view.locator("button[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == [0, 2]
    hover(view, "query", 0)
    assert line_ends(view, "key") == {0, 2}
    view.locator("button[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == [0, 1, 2]


def test_the_last_head_stays_on(show):
    view = show(trace_of(shifted(1, 2, 6)), heads=[1])
    view.locator("button[data-head='1']").click()
    settle(view)
    assert pressed_heads(view) == [1]


def test_double_click_leaves_a_head_alone_and_again_brings_all_back(show):
    view = show(trace_of(shifted(1, 4, 6)))
    view.locator("button[data-head='2']").dblclick()
    settle(view)
    assert pressed_heads(view) == [2]
    view.locator("button[data-head='2']").dblclick()
    settle(view)
    assert pressed_heads(view) == [0, 1, 2, 3]


def test_double_click_on_a_head_that_was_off_leaves_it_alone(show):
    view = show(trace_of(shifted(1, 4, 6)), heads=[0, 3])
    view.locator("button[data-head='1']").dblclick()
    settle(view)
    assert pressed_heads(view) == [1]


def test_a_button_switches_all_heads_on(show):
    view = show(trace_of(shifted(1, 4, 6)), heads=[3])
    view.get_by_role("button", name="All", exact=True).click()
    settle(view)
    assert pressed_heads(view) == [0, 1, 2, 3]
    expect(view.get_by_role("button", name="All", exact=True)).to_be_disabled()


def test_heads_and_pin_survive_a_change_of_layer_and_of_tokens_shown(show):
    view = show(trace_of(shifted(3, 4, 7), tokens=PAIR, segments=[4]))
    view.locator("button[data-head='1']").click()
    token(view, "query", 2).click()
    view.locator("select[name=layer]").select_option("2")
    view.locator("select[name=filter]").select_option(label="A → A")
    settle(view)
    assert pressed_heads(view) == [0, 2, 3]
    expect(view.locator("select[name=layer]")).to_have_value("2")
    expect(token(view, "query", 2)).to_have_attribute("aria-selected", "true")
    view.locator("select[name=layer]").select_option("0")
    settle(view)
    expect(view.locator("select[name=filter]")).to_have_value("A→A")


def test_hovering_a_query_leaves_only_its_lines(show):
    view = show(trace_of(shifted(1, 2, 8)))
    hover(view, "query", 3)
    assert line_ends(view, "query") == {3}
    assert line_ends(view, "key") == {3, 4}


def test_hovering_a_key_leaves_only_the_lines_into_it(show):
    view = show(trace_of(shifted(1, 2, 8)))
    hover(view, "key", 3)
    assert line_ends(view, "key") == {3}
    assert line_ends(view, "query") == {2, 3}


@pytest.mark.parametrize("side", ["query", "key"])
def test_boxes_on_the_other_side_have_a_segment_a_head(show, side):
    view = show(trace_of(shifted(1, 3, 8)))
    hover(view, side, 4)
    other, step = ("key", 1) if side == "query" else ("query", -1)
    for head in range(3):
        opacity = segment_colors(view, 4 + step * head, 3, other)
        assert [value > 200 for value in opacity] == [place == head for place in range(3)]
    assert segment_colors(view, 0, 3, other) == [0, 0, 0]


def test_boxes_have_the_color_of_their_heads_chip(show):
    view = show(trace_of(shifted(1, 3, 8)))
    hover(view, "query", 0)
    for head in range(3):
        box = under(view, token(view, "key", head))
        painted = box[4, int(box.shape[1] * (head + 0.5) / 3), :3]
        chip = view.locator(f"button[data-head='{head}']")
        wanted = chip.evaluate("chip => getComputedStyle(chip).backgroundColor")
        assert f"rgb({', '.join(map(str, painted))})" == wanted


def test_a_boxs_opacity_is_the_weight(show):
    weights = np.zeros((1, 1, 4, 4), np.float32)
    weights[0, 0] = [0.5, 0.3, 0.15, 0.05]
    view = show(trace_of(weights))
    hover(view, "query", 2)
    shown = [segment_colors(view, key, 1)[0] / 255 for key in range(4)]
    assert shown == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.01)


def test_leaving_restores_all_lines(show):
    view = show(trace_of(random_weights(1, 3, 8, 8)))
    before = pixels(view.locator("canvas.marks"))
    hover(view, "key", 5)
    assert not np.array_equal(pixels(view.locator("canvas.marks")), before)
    leave(view)
    assert np.array_equal(pixels(view.locator("canvas.marks")), before)
    assert numbers_beside(view, "query") == numbers_beside(view, "key") == {}


def test_a_click_pins_a_token_and_a_second_click_frees_it(show):
    view = show(trace_of(shifted(1, 2, 8)))
    token(view, "query", 2).click()
    settle(view)
    view.page.mouse.move(1, 1)
    settle(view)
    expect(token(view, "query", 2)).to_have_attribute("aria-selected", "true")
    assert line_ends(view, "query") == {2}
    token(view, "query", 2).click()
    leave(view)
    expect(view.locator("[aria-selected=true]")).to_have_count(0)
    assert line_ends(view, "query") == set(range(8))


def test_pinning_another_token_moves_the_pin(show):
    view = show(trace_of(shifted(1, 2, 8)))
    token(view, "query", 2).click()
    token(view, "key", 5).click()
    settle(view)
    pinned = view.locator("[aria-selected=true]")
    expect(pinned).to_have_count(1)
    expect(pinned).to_have_attribute("data-side", "key")
    view.page.mouse.move(1, 1)
    settle(view)
    assert line_ends(view, "key") == {5}


def test_escape_frees_the_pinned_token(show):
    view = show(trace_of(shifted(1, 2, 8)))
    token(view, "key", 6).click()
    view.page.keyboard.press("Escape")
    leave(view)
    expect(view.locator("[aria-selected=true]")).to_have_count(0)
    assert line_ends(view, "key") == set(range(8))


def test_hovering_the_other_side_of_a_pin_tells_the_weight_of_each_head(show):
    weights = random_weights(1, 3, 6, 6)
    view = show(trace_of(weights))
    token(view, "query", 1).click()
    hover(view, "key", 4)
    labels = [label for label, _ in tooltip_rows(view)]
    assert labels == ["head 0", "head 1", "head 2", "mean"]
    assert line_ends(view, "query", least=1) == {1}


def test_pointing_at_the_end_of_a_pinned_tokens_line_tells_its_weight(show):
    view = show(trace_of(shifted(1, 2, 8)), heads=[1])
    token(view, "query", 2).click()
    box = token(view, "key", 3).bounding_box()
    assert box is not None
    view.page.mouse.move(box["x"] - 15, box["y"] + box["height"] / 2)
    expect(view.get_by_role("tooltip")).to_contain_text("key 3")
    assert tooltip_rows(view) == [("head 1", "1.0000")]


def test_the_filter_offers_all_then_same_segment_then_across(show):
    view = show(trace_of(shifted(1, 1, 7), tokens=PAIR, segments=[4]))
    select = view.locator("select[name=filter]")
    options = select.locator("option").all_inner_texts()
    assert options == ["All", "A → A", "B → B", "A → B", "B → A"]
    for label, queries, keys in [
        ("A → A", PAIR[:4], PAIR[:4]),
        ("A → B", PAIR[:4], PAIR[4:]),
        ("B → A", PAIR[4:], PAIR[:4]),
        ("B → B", PAIR[4:], PAIR[4:]),
        ("All", PAIR, PAIR),
    ]:
        select.select_option(label=label)
        settle(view)
        assert shown_tokens(view, "query") == queries
        assert shown_tokens(view, "key") == keys


def test_a_filter_shows_the_lines_between_its_tokens_only(show):
    weights = np.zeros((1, 1, 7, 7), np.float32)
    weights[0, 0] = np.eye(7)
    weights[0, 0, 1] = np.eye(7)[5]
    view = show(trace_of(weights, tokens=PAIR, segments=[4]))
    view.locator("select[name=filter]").select_option(label="A → B")
    settle(view)
    assert line_ends(view, "query") == {1}
    assert line_ends(view, "key") == {5}


def test_a_smaller_filter_makes_the_picture_shorter(show):
    view = show(trace_of(shifted(1, 1, 30), segments=[20]))
    plane = view.locator(".plane")
    assert plane.bounding_box()["height"] == pytest.approx(30 * 24)
    view.locator("select[name=filter]").select_option(label="B → B")
    settle(view)
    assert plane.bounding_box()["height"] == pytest.approx(10 * 24)


def test_segments_are_named_beside_the_tokens(show):
    segments = [("question", 0, 4), ("context", 4, 7)]
    view = show(trace_of(shifted(1, 1, 7), tokens=PAIR, segments=segments))
    for side in ("query", "key"):
        names_ = view.locator(f".column.{side} .segment").all_inner_texts()
        assert names_ == ["question", "context"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_thirty_two_heads_have_colors_that_can_be_told_apart(show, theme):
    view = show(trace_of(shifted(1, 32, 4)), theme=theme)
    chips = view.locator("button.chip:not([data-head=mean])")
    expect(chips).to_have_count(32)
    colors = chips.evaluate_all(
        "all => all.map(c => getComputedStyle(c).backgroundColor.match(/\\d+/g).map(Number))"
    )
    lab = np.array([oklab(color) for color in colors])
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2) + np.eye(32)
    print(theme, distance.min(), np.argwhere(distance < 0.05), distance[:12, :12].min())
    assert distance.min() > 0.04  # twice the difference that can just be seen
    assert distance[:12, :12].min() > 0.08


def oklab(color: list[int]) -> np.ndarray:
    """sRGB 0..255 → OKLab (Ottosson 2020)."""
    share = np.array(color) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    mixed = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return mixed @ np.cbrt(lms @ linear)


def test_a_head_keeps_its_color_whatever_others_are_shown(show):
    trace = trace_of(shifted(2, 8, 6))
    read = "chip => getComputedStyle(chip).backgroundColor"
    color = show(trace, layer=0).locator("button[data-head='5']").evaluate(read)
    assert show(trace, layer=1, heads=[5]).locator("button[data-head='5']").evaluate(read) == color


def test_a_long_token_is_shortened_and_told_in_full_on_hover(show):
    long = "pneumonoultramicroscopicsilicovolcanoconiosis" * 2
    view = show(trace_of(shifted(1, 1, 3), tokens=["a", long, "b"]), width=600)
    text = token(view, "query", 1).locator(".text")
    style = "el => [getComputedStyle(el).textOverflow, el.scrollWidth > el.clientWidth]"
    assert text.evaluate(style) == ["ellipsis", True]
    assert token(view, "query", 1).bounding_box()["x"] >= 0
    hover(view, "query", 1)
    expect(view.get_by_role("tooltip").locator("b").first).to_have_text(long)
    assert token(view, "query", 1).get_attribute("aria-label").startswith(long)


def test_empty_and_blank_tokens_can_be_seen(show):
    view = show(trace_of(shifted(1, 1, 5), tokens=["", " ", "\n", "\t", "x"]))
    texts = shown_tokens(view, "key")
    assert len(set(texts)) == 5
    for text in texts:
        assert re.search(r"[^\s\u200b]", text), texts


@pytest.mark.parametrize("width", [360, 600, 2000])
def test_nothing_sticks_out_sideways(show, width):
    view = show(trace_of(shifted(3, 16, 8), segments=[5]), width=width)
    hover(view, "query", 7)
    page = view.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = view.locator(".root *").evaluate_all(
        "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    )
    assert right <= width
    assert 7 in line_ends(view, "query")


def test_the_tooltip_stays_inside_the_window(show):
    for width in (600, 1400):
        view = show(trace_of(random_weights(1, 12, 20, 20)), width=width, height=900)
        for side, index in [("query", 0), ("query", 19), ("key", 0), ("key", 19)]:
            hover(view, side, index)
            box = view.get_by_role("tooltip").bounding_box()
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= width


def test_the_tooltip_does_not_cover_the_token_it_is_about(show):
    for width in (600, 1400):
        view = show(trace_of(random_weights(1, 12, 20, 20)), width=width, height=900)
        for side, index in [("query", 0), ("query", 19), ("key", 0), ("key", 19), ("key", 10)]:
            hover(view, side, index)
            tip = view.get_by_role("tooltip").bounding_box()
            own = token(view, side, index).bounding_box()
            apart = (
                tip["x"] >= own["x"] + own["width"]
                or own["x"] >= tip["x"] + tip["width"]
                or tip["y"] >= own["y"] + own["height"] - 1
                or own["y"] >= tip["y"] + tip["height"] - 1
            )
            assert apart, (width, side, index)


def test_a_long_input_scrolls_inside_the_view(show):
    view = show(trace_of(shifted(1, 1, 500)))
    page = view.page
    assert page.evaluate("document.documentElement.scrollHeight") < 1000
    assert view.locator("[role=option]").count() < 2 * 120
    scroll = view.locator(".scroll")
    assert scroll.evaluate("el => el.scrollHeight") == 500 * 24
    scroll.evaluate("el => el.scrollTo(0, el.scrollHeight)")
    expect(token(view, "query", 499)).to_be_visible()
    hover(view, "query", 499)
    assert 499 in line_ends(view, "key")
    assert page.evaluate("document.documentElement.scrollHeight") < 1000


def test_scrolling_shows_the_lines_of_the_tokens_in_view(show):
    weights = np.zeros((1, 1, 200, 200), np.float32)
    weights[0, 0, np.arange(200), np.arange(200) // 2 * 2] = 1
    view = show(trace_of(weights))
    view.locator(".scroll").evaluate("el => el.scrollTo(0, 100 * 24)")
    expect(token(view, "key", 110)).to_be_visible()
    page = view.page
    page.evaluate("() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")
    inside = {index for index in line_ends(view, "key") if 102 <= index <= 120}
    assert inside == set(range(102, 121, 2))


def nan_trace() -> Trace:
    weights = shifted(1, 2, 6)
    weights[0, 0, 1] = np.nan
    weights[0, 1, 2, 2] = np.nan
    with pytest.warns(AttnscopeWarning, match="7 weights are NaN"):
        return trace_of(weights)


def test_missing_weights_draw_no_line(show):
    view = show(nan_trace(), heads=[0])
    assert line_ends(view, "query", least=1) == {0, 2, 3, 4, 5}


def test_missing_weights_are_hatched_and_called_missing(show):
    view = show(nan_trace(), heads=[0])
    token(view, "query", 1).click()
    hover(view, "key", 3)
    assert tooltip_rows(view) == [("head 0", "missing")]
    hatched = under(view, token(view, "key", 4))
    opaque = (hatched[:, :, 3] > 40).mean()
    assert 0.05 < opaque < 0.6


def test_a_token_whose_weights_are_all_missing_says_so(show):
    view = show(nan_trace())
    hover(view, "query", 1)
    expect(view.get_by_role("tooltip")).to_contain_text("missing in 1 of 2 heads")


def test_a_mean_leaves_missing_heads_out(show):
    view = show(nan_trace())
    token(view, "query", 2).click()
    hover(view, "key", 2)
    assert tooltip_rows(view) == [("head 0", "1.0000"), ("head 1", "missing"), ("mean", "1.0000")]


def sink_trace(sinks: list[float]) -> Trace:
    heads = len(sinks)
    rng = np.random.default_rng(3)
    queries, keys = rng.normal(size=(2, heads, 6, 4)).astype(np.float32)
    spec = ScoreSpec(scaling=0.5, sinks=np.array(sinks, np.float32))
    layer = QKLayer(queries, keys, spec, tuple(range(heads)), np.arange(heads))
    tokens = Tokens.plain(names(6))
    return Trace([Stream("self", (0,), (layer,), tokens, tokens)])


def test_the_share_that_a_sink_takes_is_shown_for_a_query(show):
    trace = sink_trace([2.0, -1.0])
    view = show(trace)
    hover(view, "query", 3)
    label, value = tooltip_rows(view)[-1]
    share = 1 - trace.weights(0)[:, 3].sum(-1).mean()
    assert label == "to sink"
    assert float(value) == pytest.approx(share, abs=0.006)
    hover(view, "key", 3)
    assert "to sink" not in dict(tooltip_rows(view))


def test_no_sink_is_mentioned_where_there_is_none(show):
    view = show(trace_of(shifted(1, 2, 6)))
    hover(view, "query", 3)
    assert "to sink" not in dict(tooltip_rows(view))


def test_a_causal_model_draws_no_line_to_later_tokens(show):
    weights = np.tril(random_weights(1, 1, 6, 6))
    weights /= weights.sum(-1, keepdims=True)
    view = show(trace_of(weights))
    hover(view, "key", 4)
    assert line_ends(view, "query", least=3) == {4, 5}
    assert set(numbers_beside(view, "query")) == {4, 5}


def test_streams_can_be_switched_and_have_their_own_tokens_and_layers(show):
    trace = attnscope.from_attention(
        encoder=shifted(2, 2, 5),
        decoder=shifted(3, 4, 3),
        cross=random_weights(3, 4, 3, 5),
        tokens=names(5),
        target_tokens=["le", "chat", "noir"],
    )
    view = show(trace)
    select = view.locator("select[name=stream]")
    options = select.locator("option").all_inner_texts()
    assert options == ["Encoder", "Decoder", "Cross-attention"]
    assert shown_tokens(view, "query") == names(5)
    select.select_option("cross")
    settle(view)
    assert shown_tokens(view, "query") == ["le", "chat", "noir"]
    assert shown_tokens(view, "key") == names(5)
    expect(view.locator("select[name=layer] option")).to_have_count(3)
    expect(view.locator("button.chip:not([data-head=mean])")).to_have_count(4)


def test_the_state_goes_through_drawing_to_drawn(show):
    view = show(trace_of(shifted(2, 2, 6)))
    view.evaluate(
        """host => {
            host.seen = [];
            new MutationObserver(() => host.seen.push(host.dataset.attnscopeState))
                .observe(host, {attributes: true, attributeFilter: ["data-attnscope-state"]});
        }"""
    )
    view.locator("select[name=layer]").select_option("1")
    settle(view)
    assert view.evaluate("host => host.seen") == ["drawing", "drawn"]


def test_one_token_one_head_is_a_picture_too(show):
    view = show(trace_of(np.ones((1, 1, 1, 1), np.float32)))
    hover(view, "query", 0)
    assert tooltip_rows(view) == [("zero", "1.0000")]
