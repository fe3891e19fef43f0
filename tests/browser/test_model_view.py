"""The model view as a user meets it, by mouse."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import attnscope
from attnscope import AttnscopeWarning
from attnscope.trace import Trace
from tests.browser.looking import (
    FRAMES,
    cell,
    cell_pixels,
    contrast_with_ground,
    names,
    random_weights,
    settle,
    shifted,
    shown_tokens,
    trace_of,
)
from tests.browser.showing import opens

show = opens("model")


def numbers_of(view: Locator) -> list[tuple[int, int]]:
    """(layer, head) of every cell, row by row."""
    read = "all => all.map(c => [Number(c.dataset.layer), Number(c.dataset.head)])"
    return [tuple(pair) for pair in view.locator(".cell").evaluate_all(read)]


def heat_shift(view: Locator, layer: int, head: int, tokens: int) -> int:
    """How far right of the diagonal the marks of a heat map lie, in tokens (cyclic)."""
    strength = contrast_with_ground(cell_pixels(view, layer, head))
    height, width = strength.shape
    rows, columns = np.nonzero(strength > 0.7 * strength.max())
    shifts = (columns * tokens // width - rows * tokens // height) % tokens
    return int(np.bincount(shifts).argmax())


def test_there_is_a_cell_for_every_head_of_every_layer(show):
    view = show(trace_of(shifted(4, 3, 6), model="tiny"))
    assert numbers_of(view) == [(layer, head) for layer in range(4) for head in range(3)]
    expect(view.locator("h2")).to_have_text("tiny")
    assert view.locator(".rownumber").all_inner_texts() == ["0", "1", "2", "3"]
    assert view.locator(".colnumber").all_inner_texts() == ["0", "1", "2"]
    expect(view.locator("section.panel")).to_have_count(0)


def test_chosen_layers_and_heads_keep_order_numbers_and_colors(show):
    trace = trace_of(shifted(9, 6, 8))
    view = show(trace, layers=[7, 2], heads=[5, 0], cells="heat")
    assert numbers_of(view) == [(7, 5), (7, 0), (2, 5), (2, 0)]
    assert view.locator(".rownumber").all_inner_texts() == ["7", "2"]
    assert view.locator(".colnumber").all_inner_texts() == ["5", "0"]
    assert [heat_shift(view, *pair, 8) for pair in numbers_of(view)] == [4, 7, 7, 2]
    few = np.unique(cell_pixels(view, 2, 0).reshape(-1, 4), axis=0)
    whole = show(trace, cells="heat")
    assert np.array_equal(np.unique(cell_pixels(whole, 2, 0).reshape(-1, 4), axis=0), few)


def test_each_cell_is_a_picture_of_its_own_head(show):
    view = show(trace_of(shifted(3, 4, 8)), cells="heat")
    for layer, head in numbers_of(view):
        assert heat_shift(view, layer, head, 8) == (layer + head) % 8


def test_cells_as_lines_show_where_each_head_looks(show):
    weights = np.zeros((1, 2, 6, 6), np.float32)
    weights[0, 0] = np.eye(6)
    weights[0, 1, :, 0] = 1
    view = show(trace_of(weights), cells="lines")
    straight, funnel = (contrast_with_ground(cell_pixels(view, 0, head)) > 60 for head in (0, 1))
    right = slice(-12, -10)
    assert len(runs(straight[:, right].any(axis=1))) == 6
    assert len(runs(funnel[:, 12])) == 6
    assert len(runs(funnel[:, right].any(axis=1))) == 1


def runs(filled: np.ndarray) -> list[int]:
    """Where each run of True starts."""
    return list(np.flatnonzero(np.diff(np.concatenate([[False], filled]).astype(int)) == 1))


def test_hovering_a_cell_names_it(show):
    view = show(trace_of(shifted(2, 3, 6)))
    cell(view, 1, 2).hover()
    expect(view.get_by_role("tooltip")).to_have_text("Layer 1, head 2")
    assert cell(view, 1, 2).evaluate("cell => getComputedStyle(cell).cursor") == "pointer"
    view.page.mouse.move(1, 1)
    expect(view.get_by_role("tooltip")).to_have_count(0)


def is_heat(view: Locator) -> bool:
    """Whether cells are filled with a ramp, not lines on one ground: edges have many colours."""
    edge = cell_pixels(view, 0, 0)[:, 0]
    return len(np.unique(edge, axis=0)) > 1


@pytest.mark.parametrize(("tokens", "heat"), [(20, False), (64, False), (65, True), (100, True)])
def test_auto_draws_lines_for_short_and_heat_maps_for_long_inputs(show, tokens, heat):
    view = show(trace_of(random_weights(1, 2, tokens, tokens)))
    expect(view.locator("[role=radio][aria-checked=true]")).to_have_text("Auto")
    assert is_heat(view) == heat


def test_lines_and_heat_maps_can_be_chosen(show):
    view = show(trace_of(random_weights(2, 2, 20, 20)))
    for name, heat in [("Heat", True), ("Lines", False), ("Auto", False)]:
        view.get_by_role("radio", name=name).click()
        settle(view)
        expect(view.get_by_role("radio", name=name)).to_be_checked()
        assert is_heat(view) == heat


def test_cells_can_be_chosen_from_python(show):
    view = show(trace_of(random_weights(1, 2, 20, 20)), cells="heat")
    expect(view.get_by_role("radio", name="Heat")).to_be_checked()
    assert is_heat(view)


def test_auto_follows_the_filter(show):
    view = show(trace_of(random_weights(1, 2, 90, 90), segments=[30]))
    assert is_heat(view)
    view.locator("select[name=filter]").select_option(label="A → A")
    settle(view)
    assert not is_heat(view)


def test_missing_weights_are_hatched_in_heat_maps_and_absent_from_lines(show):
    weights = shifted(1, 2, 6)
    weights[0, 0, 2] = np.nan
    with pytest.warns(AttnscopeWarning, match="NaN"):
        view = show(trace_of(weights), cells="heat")
    image = contrast_with_ground(cell_pixels(view, 0, 0))
    size = len(image) // 6
    missing = image[2 * size + 2 : 3 * size - 2, size : 2 * size]
    assert 0.1 < (missing > 10).mean() < 0.9
    assert missing.max() < 0.5 * image.max()
    view.get_by_role("radio", name="Lines").click()
    settle(view)
    assert len(runs((contrast_with_ground(cell_pixels(view, 0, 0)) > 60)[:, 12])) == 5


def test_long_inputs_are_drawn_from_thumbnails_before_the_weights_are_there(page, tmp_path):
    tokens = 160
    trace = trace_of(shifted(2, 3, tokens))
    html = trace.model_view().html()
    head = html.partition('data-key="layer/')[0]
    assert 'data-key="thumbnails/self"' in head
    path = tmp_path / "cut.html"
    path.write_text(head.rpartition("<script")[0], encoding="utf-8")
    page.goto(path.as_uri())
    view = page.locator("[data-attnscope-state]")
    settle(view)
    assert [heat_shift(view, *pair, 64) for pair in numbers_of(view)] == pytest.approx(
        [(layer + head) * 64 / tokens for layer in range(2) for head in range(3)], abs=1
    )
    cell(view, 0, 1).click()
    alert = view.get_by_role("alert")
    expect(alert).to_contain_text(re.compile("no data for .*layer/self/0.*save the view again"))


def quarters(tokens: int) -> np.ndarray:
    """[layer, head, query, key]: each query attends evenly to the next quarter of the keys."""
    part = np.arange(tokens) * 4 // tokens
    weights = (part[None, :] == (part[:, None] + 1) % 4).astype(np.float32)
    return (weights / weights.sum(-1, keepdims=True))[None, None].repeat(2, axis=1)


def test_thumbnails_and_weights_give_the_same_picture(show):
    traces = [trace_of(quarters(tokens)) for tokens in (160, 120)]
    assert '"thumbnail":[64,64]' in traces[0].model_view().html()
    assert '"thumbnail":null' in traces[1].model_view().html()
    shown = [contrast_with_ground(cell_pixels(show(trace), 0, 1)) > 20 for trace in traces]
    assert shown[0].mean() == pytest.approx(0.25, abs=0.01)
    assert (shown[0] != shown[1]).mean() < 0.02


def test_a_head_without_weights_is_hatched_in_long_inputs_too(show):
    weights = quarters(160)
    weights[0, 1] = np.nan
    with pytest.warns(AttnscopeWarning, match="NaN"):
        view = show(trace_of(weights))
    assert len(np.unique(cell_pixels(view, 0, 1).reshape(-1, 4), axis=0)) == 2


def seq2seq() -> Trace:
    return attnscope.from_attention(
        encoder=shifted(2, 3, 6),
        decoder=shifted(4, 5, 4),
        cross=random_weights(4, 5, 4, 6),
        tokens=names(6),
        target_tokens=["le", "chat", "est", "noir"],
    )


def test_streams_with_different_counts_each_have_their_own_grid(show):
    view = show(seq2seq())
    select = view.locator("select[name=stream]")
    assert select.locator("option").all_inner_texts() == ["Encoder", "Decoder", "Cross-attention"]
    for name, layers, heads in [("encoder", 2, 3), ("decoder", 4, 5), ("cross", 4, 5)]:
        select.select_option(name)
        settle(view)
        assert numbers_of(view) == [(la, he) for la in range(layers) for he in range(heads)]


def test_a_stream_opens_its_own_tokens(show):
    view = show(seq2seq(), stream="cross")
    cell(view, 3, 4).click()
    settle(view)
    assert shown_tokens(view, "query") == ["le", "chat", "est", "noir"]
    assert shown_tokens(view, "key") == names(6)
    view.locator("select[name=stream]").select_option("encoder")
    settle(view)
    expect(view.locator("section.panel")).to_have_count(0)
    cell(view, 1, 1).click()
    settle(view)
    assert shown_tokens(view, "query") == names(6)


def test_cells_of_a_cross_stream_fill_their_square(show):
    weights = random_weights(1, 1, 4, 12)
    trace = attnscope.from_attention(
        cross=weights, tokens=names(12), target_tokens=["le", "chat", "est", "noir"]
    )
    view = show(trace, cells="heat")
    image = cell_pixels(view, 0, 0)
    height, width = image.shape[:2]
    assert height == width
    column = image[:, width // 2]
    assert len(runs(np.any(np.diff(column.astype(int), axis=0) != 0, axis=1))) == 3


@pytest.mark.parametrize("width", [360, 600, 1400, 2000])
def test_nothing_sticks_out_sideways(show, width):
    view = show(trace_of(shifted(3, 12, 8)), width=width)
    cell(view, 1, 11).click()
    settle(view)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    box = view.locator("section.panel").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width


def test_many_heads_scroll_inside_the_view(show):
    view = show(trace_of(random_weights(2, 32, 6, 6)), width=600)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600
    assert view.locator(".cell").first.bounding_box()["width"] >= 24
    cell(view, 1, 31).scroll_into_view_if_needed()
    cell(view, 1, 31).click()
    settle(view)
    expect(view.locator("section.panel h3")).to_have_text("Layer 1, head 31")
    box = view.locator("section.panel").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 600


def test_the_grid_follows_the_width_of_the_window(show):
    view = show(trace_of(shifted(2, 12, 6)), width=1400)
    wide = cell(view, 0, 0).bounding_box()["width"]
    view.page.set_viewport_size({"width": 600, "height": 800})
    settle(view)
    view.page.evaluate(FRAMES)
    narrow = cell(view, 0, 0).bounding_box()["width"]
    assert narrow < wide
    assert cell_pixels(view, 0, 0).shape[:2] == (round(narrow), round(narrow))
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 600


def test_the_number_of_tokens_does_not_change_the_size_of_the_grid(show):
    heights = [
        show(trace_of(shifted(2, 4, tokens))).locator(".grid").bounding_box()["height"]
        for tokens in (5, 200)
    ]
    assert heights[0] == heights[1]


def test_a_page_opens_from_a_file_in_any_folder(page, open_view, tmp_path: Path):
    folder = tmp_path / "übungen & more #1"
    folder.mkdir()
    saved = trace_of(shifted(2, 2, 6)).model_view().save(folder / "view 100%.html")
    view = open_view(page, saved)
    expect(view.locator(".cell")).to_have_count(4)
    assert page.url.startswith("file://")
