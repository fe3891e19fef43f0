"""The matrix view as a user meets it: numbers, zoom, keyboard, hidden cells; offline and live."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.view import View
from tests.browser.live import open_live
from tests.browser.looking import FRAMES, is_right, names, pixels, random_weights, settle, trace_of


def vectors_trace(
    tokens: int, *, segments: tuple[int, ...] = (), dim: int = 16, **rules: object
) -> Trace:
    """Two layers of three heads that keep queries and keys."""
    side = Tokens.plain(names(tokens), segments=segments)
    layers = []
    for seed in range(2):
        numbers = np.random.default_rng(seed)
        layers.append(
            QKLayer(
                queries=numbers.normal(size=(3, tokens, dim)).astype(np.float32),
                keys=numbers.normal(size=(3, tokens, dim)).astype(np.float32),
                spec=ScoreSpec(**{"scaling": 0.5, **rules}),
                heads=(0, 1, 2),
                kv_head=np.arange(3),
            )
        )
    return Trace([Stream("self", (0, 1), tuple(layers), side, side)])


@pytest.fixture(params=["offline", "live"])
def show(request: pytest.FixtureRequest, page: Page, open_view):
    """Opens a matrix view as a saved page, or connected to Python."""

    def showing(trace: Trace, width: int = 1000, height: int = 900, **options: object) -> Locator:
        view = trace.matrix_view(**options)
        if request.param == "live":
            return open_live(page, view, width, height)
        return open_view(page, view.html(), width=width, height=height)

    return showing


def plot(view: Locator) -> Locator:
    return view.locator(".plot")


def window(view: Locator) -> list[list[int]]:
    """[[first query, last], [first key, last]] of the part shown, rounded to tokens."""
    text = plot(view).get_attribute("data-window") or ""
    return [[int(end) for end in part.split("-")] for part in text.split("/")]


def place(view: Locator, query: float, key: float) -> tuple[float, float]:
    """Where on the screen a cell's middle lies."""
    box = plot(view).bounding_box()
    assert box is not None
    rows, columns = window(view)
    x = box["x"] + (key + 0.5 - columns[0]) / (columns[1] - columns[0]) * box["width"]
    y = box["y"] + (query + 0.5 - rows[0]) / (rows[1] - rows[0]) * box["height"]
    return x, y


def point(view: Locator, query: float, key: float) -> None:
    view.page.mouse.move(*place(view, query, key))
    view.page.evaluate(FRAMES)


def drag(view: Locator, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """From one cell to another, by the window shown at the start."""
    (x0, y0), (x1, y1) = place(view, *start), place(view, *stop)
    view.page.mouse.move(x0, y0)
    view.page.mouse.down()
    view.page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    view.page.mouse.move(x1, y1)
    view.page.mouse.up()
    settle(view)


def changed(view: Locator, before: str) -> None:
    """Wait until another part is shown: Playwright does not wait for a wheel."""
    expect(plot(view)).not_to_have_attribute("data-window", before)
    settle(view)


def press(view: Locator, *keys: str) -> None:
    for key in keys:
        view.page.keyboard.press(key)
    settle(view)


RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")


def is_true(text: str, number: float) -> bool:
    """Whether a number as printed says the truth, to the last digit printed."""
    if "·10" not in text:
        return is_right(text, number)
    lead, power = text.split("·10")
    digits = len(lead.replace(".", "")) - 1
    return f"{number:.{digits}e}" == f"{float(lead):.{digits}e}".replace(
        "e+00", f"e-{-int(power.translate(RAISED)):02d}"
    )


def value(view: Locator) -> str:
    return view.locator("[role=tooltip] .value").first.inner_text()


def said(view: Locator) -> str:
    return view.locator("[aria-live]").first.inner_text()


def cursor(view: Locator) -> str | None:
    return view.locator(".cellbox.cursor").get_attribute("data-cell")


def color(view: Locator, query: int, key: int) -> tuple[int, int, int]:
    """The colour of a cell's middle, or a bit beside it where a number stands."""
    canvas = plot(view).locator("canvas")
    image = pixels(canvas)
    rows, columns = window(view)
    x = (key + 0.2 - columns[0]) / (columns[1] - columns[0]) * image.shape[1]
    y = (query + 0.2 - rows[0]) / (rows[1] - rows[0]) * image.shape[0]
    red, green, blue = (int(part) for part in image[int(y), int(x), :3])
    return red, green, blue


def lightness(rgb: tuple[int, int, int]) -> float:
    return float(np.dot(rgb, (0.2126, 0.7152, 0.0722)))


def shown_ticks(view: Locator, side: str) -> list[int]:
    found = view.locator(f".mapaxis.{side} .tick")
    return sorted(
        int(index) for index in found.evaluate_all("all => all.map(t => t.dataset.index)")
    )


@pytest.mark.parametrize("make", [vectors_trace, lambda n: trace_of(random_weights(2, 3, n, n))])
def test_every_number_pointed_at_is_right(show, make):
    trace = make(9)
    view = show(trace, layer=1, head=2)
    weights = trace.weights(1, 2)
    for query, key in [(0, 0), (8, 8), (3, 7), (7, 2)]:
        point(view, query, key)
        assert is_true(value(view), weights[query, key]), (query, key, value(view))
    tip = view.get_by_role("tooltip").inner_text()
    assert "seven" in tip
    assert "query 7" in tip
    assert "key 2" in tip


def test_darker_is_more_and_cells_lie_where_their_tokens_are(show):
    weights = np.full((1, 1, 6, 6), 1 / 6, np.float32)
    weights[0, 0, 1] = np.eye(6)[4]
    view = show(trace_of(weights))
    assert lightness(color(view, 1, 4)) < lightness(color(view, 4, 1)) - 60
    assert color(view, 4, 1) == color(view, 0, 0) == color(view, 5, 5) != color(view, 1, 0)
    assert shown_ticks(view, "query") == shown_ticks(view, "key") == list(range(6))
    texts = view.locator(".mapaxis.key .tick").all_inner_texts()
    assert sorted(texts) == sorted(names(6))


@pytest.mark.parametrize("over", ["mean", "max"])
def test_all_heads_of_a_layer_can_be_shown_as_one(show, over):
    trace = vectors_trace(8, causal=True)
    view = show(trace, head=over)
    together = getattr(trace.weights(0), over)(0)
    for query, key in [(5, 1), (7, 7)]:
        point(view, query, key)
        assert is_true(value(view), together[query, key])
    view.get_by_role("combobox", name="Head").select_option("1")
    settle(view)
    point(view, 5, 1)
    assert is_true(value(view), trace.weights(0, 1)[5, 1])


def test_what_the_mask_hides_is_no_zero(show):
    view = show(vectors_trace(9, causal=True))
    point(view, 2, 6)
    assert "hidden by the mask" in view.get_by_role("tooltip").inner_text()
    hatched = {color(view, query, key) for query, key in [(0, 8), (1, 5), (4, 7)]}
    assert color(view, 8, 0) not in hatched
    assert all(min(rgb) > 200 for rgb in hatched)


def test_missing_numbers_are_told_apart(show):
    weights = random_weights(1, 1, 6, 6)
    weights[0, 0, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", attnscope.AttnscopeWarning)
        trace = trace_of(weights)
    view = show(trace)
    point(view, 2, 3)
    assert value(view) == "missing"
    red, green, _ = color(view, 2, 3)
    assert red > green + 15


def test_a_rectangle_drawn_is_what_is_shown_then(show):
    trace = vectors_trace(40)
    view = show(trace, layer=1)
    drag(view, (10, 4), (19, 13))
    assert window(view) == [[10, 20], [4, 14]]
    point(view, 12, 9)
    assert is_true(value(view), trace.weights(1, 0)[12, 9])
    view.page.mouse.dblclick(*place(view, 15, 9))
    settle(view)
    assert window(view) == [[0, 40], [0, 40]]


def test_a_part_shown_is_moved_by_dragging_and_narrowed_with_shift(show):
    view = show(vectors_trace(40))
    drag(view, (10, 10), (19, 19))
    drag(view, (18, 18), (14, 13))
    assert window(view) == [[14, 24], [15, 25]]
    view.page.keyboard.down("Shift")
    drag(view, (16, 17), (19, 20))
    view.page.keyboard.up("Shift")
    assert window(view) == [[16, 20], [17, 21]]
    press(view, "Escape")
    assert window(view) == [[0, 40], [0, 40]]


def test_the_wheel_belongs_to_the_page_until_the_map_is_clicked(show):
    view = show(vectors_trace(40))
    point(view, 20, 20)
    view.page.mouse.wheel(0, -300)
    view.page.evaluate(FRAMES)
    assert window(view) == [[0, 40], [0, 40]]
    view.page.mouse.click(*place(view, 20, 20))
    view.page.mouse.move(*place(view, 20, 20))
    view.page.mouse.wheel(0, -400)
    changed(view, "0-40/0-40")
    (top, bottom), (left, right) = window(view)
    assert bottom - top < 25
    assert right - left == bottom - top
    assert top <= 20 <= bottom
    assert left <= 20 <= right
    for _ in range(4):
        view.page.mouse.wheel(0, 500)
    expect(plot(view)).to_have_attribute("data-window", "0-40/0-40")


def test_pinching_zooms_without_a_click(show):
    view = show(vectors_trace(40))
    point(view, 5, 30)
    view.page.keyboard.down("Control")
    view.page.mouse.wheel(0, -60)
    changed(view, "0-40/0-40")
    view.page.keyboard.up("Control")
    (top, bottom), (left, right) = window(view)
    assert bottom - top < 30
    assert right - left < 30
    assert top <= 5
    assert right >= 31


def test_the_keyboard_does_all_of_it(show):
    trace = vectors_trace(60)
    view = show(trace, layer=1, head=1)
    plot(view).focus()
    press(view, "ArrowDown")
    assert cursor(view) == "30/30"
    press(view, "ArrowDown", "ArrowLeft", "ArrowLeft")
    assert cursor(view) == "31/28"
    assert "query 'tok31', key 'tok28': weight " in said(view)
    assert is_true(said(view).split()[-1], trace.weights(1, 1)[31, 28])
    press(view, "+", "+", "+")
    (top, bottom), (left, right) = window(view)
    assert top < 31 < bottom
    assert left < 28 < right
    assert bottom - top < 22
    press(view, "End", "Shift+ArrowUp")
    assert cursor(view) == f"{31 - round((bottom - top) / 10)}/59"
    assert window(view)[1][1] == 60
    press(view, "-", "0")
    assert window(view) == [[0, 60], [0, 60]]
    press(view, "]")
    expect(view.get_by_role("combobox", name="Layer")).to_have_value("1")
    press(view, "[", ".")
    expect(view.get_by_role("combobox", name="Layer")).to_have_value("0")
    expect(view.get_by_role("combobox", name="Head")).to_have_value("2")
    assert is_true(said(view).split()[-1], trace.weights(0, 2)[31 - 2, 59])


def test_enter_or_a_click_tells_why_where_queries_and_keys_are(show):
    trace = vectors_trace(9, causal=True)
    view = show(trace, layer=1, head=2)
    view.page.mouse.click(*place(view, 6, 3))
    why = view.locator(".why")
    expect(why).to_have_attribute("data-why", "6/3")
    shown = why.locator("[data-line=weight] [data-value]").inner_text()
    assert is_true(shown, trace.weights(1, 2)[6, 3])
    press(view, "ArrowLeft")
    expect(why).to_have_attribute("data-why", "6/2")
    press(view, "Escape")
    expect(why).to_have_count(0)
    press(view, "ArrowDown", "Enter")
    expect(why).to_have_attribute("data-why", "7/2")


def test_weights_alone_have_no_why(show):
    view = show(trace_of(random_weights(1, 2, 6, 6)))
    view.page.mouse.click(*place(view, 2, 2))
    settle(view)
    assert cursor(view) == "2/2"
    expect(view.locator(".why")).to_have_count(0)


def test_sentence_pairs_are_filtered_and_marked(show):
    trace = vectors_trace(10, segments=(6,))
    view = show(trace)
    bars = view.locator(".mapsegment")
    expect(bars).to_have_count(4)
    view.get_by_role("combobox", name="Tokens").select_option("A→B")
    settle(view)
    assert window(view) == [[0, 6], [6, 10]]
    assert shown_ticks(view, "key") == [6, 7, 8, 9]
    point(view, 2, 8)
    assert is_true(value(view), trace.weights(0, 0)[2, 8])
    drag(view, (1, 6), (3, 8))
    view.get_by_role("combobox", name="Tokens").select_option("B→B")
    settle(view)
    assert window(view) == [[6, 10], [6, 10]]


def test_colours_can_be_linear_logarithmic_and_fitted(show):
    weights = np.full((1, 1, 10, 10), 0.1, np.float32)
    view = show(trace_of(weights))
    seen = [lightness(color(view, 3, 3))]
    for name in ("Linear", "Log"):
        view.get_by_role("radio", name=name).click()
        settle(view)
        seen.append(lightness(color(view, 3, 3)))
    root, linear, log = seen
    assert linear > root > log
    view.get_by_role("radio", name="Fit").click()
    settle(view)
    assert lightness(color(view, 3, 3)) < log
    assert "0.1" in view.locator(".colorbar").inner_text().split()


def test_long_inputs_are_shown_in_blocks_and_sharpen(show):
    trace = vectors_trace(900, causal=True)
    view = show(trace, layer=1)
    assert plot(view).get_attribute("data-step") == "2"
    weights = trace.weights(1, 0)
    point(view, 700.5, 30.5)
    rows, columns = (slice(700, 702), slice(30, 32))
    tip = view.get_by_role("tooltip").inner_text()
    assert "queries 700–701" in tip
    assert "keys 30–31" in tip
    texts = view.locator("[role=tooltip] .value").all_inner_texts()
    block = weights[rows, columns]
    assert is_true(texts[0], block.max())
    assert is_true(texts[1], block.mean())
    ticks = shown_ticks(view, "query")
    assert ticks[:2] == [0, 50]
    drag(view, (600, 100), (639, 139))
    assert plot(view).get_attribute("data-step") == "1"
    assert window(view) == [[600, 640], [100, 140]]
    point(view, 611, 120)
    assert is_true(value(view), weights[611, 120])
    assert view.locator(".mapaxis.query .tick").count() == 40


def test_narrow_and_dark_pages_hold_the_whole_map(page, open_view):
    trace = vectors_trace(12, segments=(5,))
    html = trace.matrix_view(theme="dark").html()
    view = open_view(page, html, width=600, height=900, color_scheme="dark")
    box, root = plot(view).bounding_box(), view.bounding_box()
    assert box is not None
    assert root is not None
    assert box["x"] + box["width"] <= root["x"] + root["width"] - 60
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
    assert lightness(color(view, 0, 0)) < 240


def live(page: Page, view: View, **options: object) -> tuple[Locator, list[dict]]:
    """A live view and the tiles it asked for."""
    asked: list[dict] = []
    found = open_live(page, view, before=asked.append, **options)
    return found, asked


def test_a_live_page_asks_for_what_it_shows_only(page):
    trace = vectors_trace(3000, causal=True)
    view, asked = live(page, trace.matrix_view())
    steps = [request["step"] for request in asked]
    assert steps[0] == 16
    assert set(steps) == {16, 8}
    assert all(request["kind"] == "tile" for request in asked)
    asked.clear()
    page.evaluate("model.put('window', {query: [2000, 2040], key: [1400, 1440]})")
    settle(view)
    assert window(view) == [[2000, 2040], [1400, 1440]]
    assert [request["step"] for request in asked] == [1]
    point(view, 2010, 1410)
    texts = view.get_by_role("tooltip").inner_text()
    assert "query 2010" in texts
    keys = [tuple(map(str, request.values())) for request in asked]
    assert len(keys) == len(set(keys))


def test_the_state_is_shared_when_the_hand_rests(page):
    trace = vectors_trace(40)
    view, _ = live(page, trace.matrix_view())
    drag(view, (10, 4), (19, 13))
    page.wait_for_function("model.state.window !== null")
    assert page.evaluate("model.state.window") == {"query": [10, 20], "key": [4, 14]}
    page.mouse.click(*place(view, 12, 6))
    settle(view)
    assert page.evaluate("model.state.cursor") == {"query": 12, "key": 6}
    page.evaluate("model.put('over', 'max')")
    settle(view)
    point(view, 12, 8)
    assert is_true(value(view), trace.weights(0).max(0)[12, 8])


def test_a_tile_that_fails_becomes_a_text(page):
    def fail(request: dict) -> None:
        if request["layer"] == 1:
            raise RuntimeError("the kernel has no memory left")

    view = open_live(page, vectors_trace(20).matrix_view(), before=fail)
    view.get_by_role("combobox", name="Layer").select_option("1")
    expect(view).to_have_attribute("data-attnscope-state", "error")
    expect(view.get_by_role("alert")).to_contain_text("the kernel has no memory left")
    view.get_by_role("combobox", name="Layer").select_option("0")
    settle(view)
    expect(view.get_by_role("alert")).to_have_count(0)


def test_scores_have_signs_and_their_own_colours(show):
    trace = vectors_trace(8)
    view = show(trace, quantity="score")
    scores = trace.streams["self"].layers[0].scores([0])[0]
    low, high = (np.unravel_index(at, scores.shape) for at in (scores.argmin(), scores.argmax()))
    for cell in (low, high):
        point(view, *map(float, cell))
        shown = value(view)
        assert shown.startswith("−") == (scores[cell] < 0)
        assert float(shown.replace("−", "-")) == pytest.approx(scores[cell], abs=6e-4)
    (red, _, blue), (red_high, _, blue_high) = (
        color(view, *map(int, low)),
        color(view, *map(int, high)),
    )
    assert red > blue
    assert blue_high > red_high
    view.get_by_role("combobox", name="What is shown").select_option("weight")
    settle(view)
    point(view, 2, 3)
    assert is_true(value(view), trace.weights(0, 0)[2, 3])


def test_a_quantity_of_the_layer_needs_no_head(show):
    trace = vectors_trace(8)
    view = show(trace, layer=1, quantity="rollout")
    expect(view.get_by_role("combobox", name="Head")).to_have_count(0)
    point(view, 5, 2)
    expected = attnscope.measures.rollout(trace)[5, 2]
    assert float(value(view)) == pytest.approx(expected, rel=0.01)
    assert "rollout" in view.get_by_role("tooltip").inner_text()


def test_a_saved_page_offers_what_it_carries_and_a_live_one_all(page, open_view):
    trace = vectors_trace(6)
    options = "select[name=quantity] option"
    read = "all => all.map(o => o.value)"
    saved = open_view(page, trace.matrix_view(quantity="rollout").html())
    assert saved.locator(options).evaluate_all(read) == ["weight", "score", "rollout"]
    live = open_live(page, trace.matrix_view())
    assert live.locator(options).evaluate_all(read) == attnscope.measures.quantities_of(trace)


def listed(view: Locator) -> list[tuple[str, str]]:
    """(query, key; number) of the list of strongest cells."""
    found = view.locator(".strongest li button")
    read = (
        "all => all.map(b => [b.querySelector('i')?.textContent, b.querySelector('b').textContent])"
    )
    return [(place, number) for place, number in found.evaluate_all(read)]


@pytest.mark.parametrize("tokens", [14, 700])
def test_the_strongest_cells_are_listed_and_gone_to(show, tokens):
    trace = vectors_trace(tokens, causal=True)
    view = show(trace, layer=1, head=1)
    view.get_by_role("button", name="Strongest").click()
    expect(view.locator(".strongest li button:disabled")).to_have_count(0)
    weights = trace.weights(1, 1)
    cells = [tuple(map(int, place.split(", "))) for place, _ in listed(view)]
    assert len(cells) == 12
    values = [weights[cell] for cell in cells]
    assert values == sorted(values, reverse=True)
    assert values[0] == weights.max()
    assert all(is_true(text, value) for (_, text), value in zip(listed(view), values, strict=True))
    keys = [key for _, key in cells]
    assert max(keys.count(key) for key in keys) <= 2
    view.locator(".strongest li button").nth(2).click()
    settle(view)
    assert cursor(view) == "{}/{}".format(*cells[2])
    assert listed(view)[0][0] == "{}, {}".format(*cells[0])
    plot(view).focus()
    press(view, "s")
    assert cursor(view) == "{}/{}".format(*cells[3])
    press(view, "Shift+S", "Shift+S")
    assert cursor(view) == "{}/{}".format(*cells[1])
    press(view, "Escape")
    expect(view.locator(".strongest")).to_have_count(0)


def test_a_token_is_searched_for_and_gone_to(show):
    view = show(vectors_trace(300))
    search = view.get_by_role("searchbox")
    search.fill("TOK29")
    assert view.locator(".finder output").inner_text() == "11"
    assert view.locator(".mapaxis.query .mark").count() > 1
    search.press("Enter")
    settle(view)
    assert cursor(view) == "29/29"
    (top, bottom), (left, right) = window(view)
    assert bottom - top == right - left == 40
    assert top <= 29 < bottom
    assert "tok29" in view.locator(".mapaxis.key .found").all_inner_texts()
    search.press("Enter")
    settle(view)
    assert cursor(view) == "290/290"
    search.press("Shift+Enter")
    search.press("Shift+Enter")
    settle(view)
    assert cursor(view) == "299/299"
    search.fill("nothing like it")
    assert view.locator(".finder output").inner_text() == "none"
    search.press("Escape")
    expect(search).to_have_value("")
    expect(view.locator(".mark")).to_have_count(0)


def test_buttons_zoom_like_the_keys(show):
    view = show(vectors_trace(40))
    view.get_by_role("button", name="Zoom in").click()
    settle(view)
    assert window(view) == [[10, 30], [10, 30]]
    view.get_by_role("button", name="Zoom out").click()
    settle(view)
    assert window(view) == [[0, 40], [0, 40]]
    view.get_by_role("button", name="Zoom in").click()
    view.get_by_role("button", name="Show all").click()
    settle(view)
    assert window(view) == [[0, 40], [0, 40]]


def test_words_and_tokens_are_one_click_apart(show):
    base = vectors_trace(9, causal=True)
    names_ = ["[CLS]", "in", "##cre", "##dible", "mi", "##ce", ".", "so", "[SEP]"]
    side = Tokens.plain(names_, segments=[7])
    trace = Trace([Stream("self", (0, 1), base.streams["self"].layers, side, side)])
    view = show(trace, layer=1, head=2)
    assert window(view) == [[0, 9], [0, 9]]
    view.get_by_role("radio", name="Words").click()
    settle(view)
    assert window(view) == [[0, 6], [0, 6]]
    assert "incredible" in view.locator(".mapaxis.key .tick").all_inner_texts()
    words = trace.words().weights(1, 2)
    for query, key in [(1, 1), (5, 2), (2, 0)]:
        point(view, query, key)
        assert is_true(value(view), words[query, key])
    point(view, 1, 4)
    assert "hidden" in view.get_by_role("tooltip").inner_text()
    view.get_by_role("combobox", name="Tokens shown").select_option("A→A")
    settle(view)
    assert window(view) == [[0, 4], [0, 4]]
    view.get_by_role("radio", name="Tokens").click()
    settle(view)
    assert window(view) == [[0, 7], [0, 7]]
    point(view, 6, 3)
    assert is_true(value(view), trace.weights(1, 2)[6, 3])


def test_a_long_input_is_there_at_once_roughly_then_exactly(page):
    trace = vectors_trace(9000, dim=100, causal=True)
    view, asked = live(page, trace.matrix_view(layer=1))
    first, second = ((request["step"], request.get("rough", False)) for request in asked[:2])
    assert first == (64, True)
    assert {(request["step"], request.get("rough", False)) for request in asked[1:]} >= {
        (64, False)
    }
    assert second != (64, True)
    page.evaluate("model.put('window', {query: [8000, 8020], key: [7990, 8010]})")
    settle(view)
    point(view, 8010, 8000)
    assert is_true(value(view), trace.weights(1, 0)[8010, 8000])
    asked.clear()
    page.mouse.click(*place(view, 8010, 8000))
    expect(view.locator(".why")).to_have_attribute("data-why", "8010/8000")
    [row] = [request for request in asked if request["kind"] == "vectors"]
    assert (row["head"], row["query"]) == (0, [8010, 8011])
    shown = view.locator(".why [data-line=weight] [data-value]").inner_text()
    assert is_true(shown, trace.weights(1, 0)[8010, 8000])
