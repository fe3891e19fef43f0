"""The head view under the mouse: what pointing at a token and pinning one leave, tell and paint."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

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
    random_weights,
    settle,
    shifted,
    token,
    tooltip_rows,
    trace_of,
    under,
)
from tests.browser.showing import opens

show = opens("head")


def segment_colors(view: Locator, index: int, heads: int, side: str = "key") -> list[int]:
    """Opacity (0..255) of each head's segment of the box behind a token."""
    box = under(view, token(view, side, index))
    middle = box.shape[1] / heads * (np.arange(heads) + 0.5)
    return [int(box[4, int(at), 3]) for at in middle]


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


@pytest.mark.parametrize("width", [600, 800])
def test_where_there_is_no_room_beside_them_the_tooltip_covers_no_token(show, width):
    view = show(trace_of(random_weights(1, 2, 20, 20)), width=width)
    for side, index in [("query", 0), ("query", 9), ("query", 19), ("key", 4), ("key", 19)]:
        hover(view, side, index)
        tip = view.get_by_role("tooltip").bounding_box()
        for text in view.locator("[role=option] .text").all():
            own = text.bounding_box()
            across = tip["x"] < own["x"] + own["width"] and own["x"] < tip["x"] + tip["width"]
            down = tip["y"] < own["y"] + own["height"] and own["y"] < tip["y"] + tip["height"]
            assert not (across and down), (side, index, text.inner_text())
