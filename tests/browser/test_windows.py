"""Head and text view of long inputs: a part at a time, and what lies beyond it is told."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from attnscope import Stream, Tokens, Trace, from_attention
from attnscope.scores import QKLayer, ScoreSpec
from tests.browser.live import open_live
from tests.browser.looking import hover, numbers_beside, random_weights, settle, shown_tokens, token
from tests.browser.test_rounded_pages import is_within

N, HEADS, PART = 2200, 2, 128
"""Long enough for a worker: more than two million weights between 512 queries and all keys."""


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Two layers with sharp heads, causal; every tenth token is special."""
    rng = np.random.default_rng(1)
    text = tuple(f"t{place}" for place in range(N))
    side = Tokens(text, text, np.arange(N) % 10 == 0)
    layers = []
    for _ in range(2):
        queries, keys = (rng.normal(size=(HEADS, N, 8)).astype(np.float32) for _ in range(2))
        spec = ScoreSpec(2.0, causal=True)
        layers.append(QKLayer(queries, keys, spec, tuple(range(HEADS)), np.arange(HEADS)))
    return Trace([Stream("self", (0, 1), tuple(layers), side, side)])


def row_of(trace: Trace, layer: int, query: int) -> np.ndarray:
    """[head, key]"""
    return trace.streams["self"].layers[layer].rows(queries=slice(query, query + 1))[:, 0]


def part_of(view: Locator, side: str) -> str:
    """`0 – 127` of the bar above the picture."""
    group = view.get_by_role("group", name="Tokens shown")
    start = group.get_by_label(f"First of the {side} shown, as a number").input_value()
    stop = group.locator("output").nth(["queries", "keys"].index(side) if side != "tokens" else 0)
    return f"{start} {stop.inner_text()}"


def move(view: Locator, side: str, start: int) -> None:
    box = view.get_by_label(f"First of the {side} shown, as a number")
    box.fill(str(start))
    box.press("Enter")
    settle(view)


def far_keys(view: Locator) -> dict[int, str]:
    """The keys that are not shown, and their numbers."""
    buttons = view.get_by_role("group", name="Keys that are not shown").get_by_role("button")
    expect(buttons.first).to_be_visible(timeout=20_000)
    read = "all => all.map(el => ['.quiet', 'b'].map(name => el.querySelector(name).innerText))"
    return {int(key): number for key, number in buttons.evaluate_all(read)}


def told_outside(view: Locator) -> list[float]:
    """Percent before and after the keys shown."""
    text = view.get_by_role("group", name="Keys that are not shown").inner_text()
    return [float(share) for share in re.findall(r"([\d.]+) %", text)]


@pytest.fixture(params=["page", "eight bits", "python"])
def shown(request, page: Page, open_view, trace, monkeypatch):
    """`shown(view, **options)` by whatever can make the parts."""

    def opened(name: str, width: int = 1000, height: int = 800, **options) -> Locator:
        if request.param == "eight bits":
            monkeypatch.setattr("attnscope.views.matrix.EXACT_BYTES", 1000)
        view = getattr(trace, f"{name}_view")(**options)
        if request.param == "python":
            return open_live(page, view, width, height)
        assert ("precision" in view.spec) == (request.param == "eight bits")
        return open_view(page, view.html(), width=width, height=height)

    return opened


def test_a_long_head_view_shows_a_part_and_tells_what_lies_beyond(shown, trace):
    view = shown("head")
    assert part_of(view, "queries") == part_of(view, "keys") == "0 – 127 of 2,200"
    assert shown_tokens(view, "query")[0] == "t0"
    move(view, "queries", 2000)
    assert part_of(view, "keys") == "2000 – 2,127 of 2,200"
    assert shown_tokens(view, "query")[:2] == ["t2000", "t2001"]
    token(view, "query", 6).click()
    settle(view)
    row = row_of(trace, 0, 2006).mean(0)
    best = np.argsort(-np.where((np.arange(N) >= 2000) & (np.arange(N) < 2128), 0, row))[:6]
    told = far_keys(view)
    assert sorted(told) == sorted(best.tolist())
    assert all(is_within(number, row[key]) for key, number in told.items())
    np.testing.assert_allclose(
        told_outside(view), [100 * row[:2000].sum(), 100 * row[2128:].sum()], atol=2.5
    )


def test_a_far_key_is_shown_beside_the_query_that_attends_to_it(shown, trace):
    view = shown("head")
    move(view, "queries", 2000)
    token(view, "query", 6).click()
    key = next(iter(far_keys(view)))
    view.get_by_title(f"Show key {key}", exact=True).click()
    settle(view)
    assert part_of(view, "queries") == "2000 – 2,127 of 2,200"
    start = min(max(0, key - 6), N - PART)
    assert part_of(view, "keys") == f"{start} – {start + 127:,} of 2,200"
    expect(token(view, "key", key - start).locator(".text")).to_have_text(f"t{key}")
    expect(token(view, "query", 6)).to_have_class(re.compile("pinned"))
    number = token(view, "key", key - start).locator(".number")
    assert is_within(number.inner_text(), row_of(trace, 0, 2006).mean(0)[key])
    assert key not in far_keys(view)
    expect(view.get_by_label("Keys follow")).not_to_be_checked()


def test_numbers_and_special_tokens_of_a_part_are_those_of_the_whole(shown, trace):
    view = shown("head", hide_special=True, renormalise=True, heads=[1])
    move(view, "queries", 301)
    row = row_of(trace, 0, 311 + 1)[1]
    left = np.where(np.arange(N) % 10 == 0, 0, row)
    left /= left.sum()
    hover(view, "query", 10)
    assert shown_tokens(view, "query")[10] == "t312"
    for place, number in numbers_beside(view, "key").items():
        key = int(token(view, "key", place).locator(".text").inner_text()[1:])
        assert is_within(number, left[key]), (key, number, left[key])
    text = view.get_by_role("tooltip").inner_text()
    before = float(re.search(r"([\d.]+) % before", text)[1])
    np.testing.assert_allclose(before, 100 * left[:301].sum(), atol=2.5)


@pytest.mark.parametrize("live", [False, True])
def test_a_part_of_weights_alone_is_known_as_well_as_they_are(page: Page, open_view, live):
    weights = random_weights(1, 1, 2100, 2100, sharp=3)
    made = from_attention(weights, [f"t{place}" for place in range(2100)]).head_view()
    view = open_live(page, made) if live else open_view(page, made.html())
    move(view, "queries", 1900)
    token(view, "query", 6).click()
    told, row = far_keys(view), weights[0, 0, 1906]
    assert all(is_within(number, row[key]) for key, number in told.items())
    before = [100 * row[:1900].sum(), 100 * row[2028:].sum()]
    np.testing.assert_allclose(told_outside(view), before, atol=1 if live else 6)
    foot = "Weights are exact" if live else "Weights are carried within 0.004"
    expect(view.locator(".foot")).to_contain_text(foot)


def test_scrolling_past_an_end_goes_on(page: Page, open_view, trace):
    view = open_view(page, trace.head_view().html())
    box = view.locator(".scroll")
    box.hover()
    height = box.evaluate("el => el.scrollHeight")
    for _ in range(3):
        box.evaluate("el => el.scrollTop = el.scrollHeight")
        before = token(view, "query", 127).bounding_box()
        page.mouse.wheel(0, 100)
        settle(view)
        if part_of(view, "queries").startswith("64 "):
            break
    assert part_of(view, "queries") == part_of(view, "keys") == "64 – 191 of 2,200"
    expect(token(view, "query", 63).locator(".text")).to_have_text("t127")
    assert box.evaluate("el => el.scrollHeight") == height
    assert abs(token(view, "query", 63).bounding_box()["y"] - before["y"]) <= 110
    box.evaluate("el => el.scrollTop = 0")
    page.mouse.wheel(0, -100)
    settle(view)
    assert part_of(view, "queries") == "0 – 127 of 2,200"


def test_the_keyboard_walks_through_a_long_input(page: Page, open_view, trace):
    view = open_view(page, trace.head_view().html())
    token(view, "query", 0).focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowDown")
    settle(view)
    assert part_of(view, "queries") == "64 – 191 of 2,200"
    focused = view.evaluate("el => el.shadowRoot.activeElement.querySelector('.text').innerText")
    assert focused == "t128"
    page.keyboard.press(".")
    settle(view)
    assert part_of(view, "queries") == "192 – 319 of 2,200"
    page.keyboard.press(",")
    page.keyboard.press(",")
    settle(view)
    assert part_of(view, "queries") == "0 – 127 of 2,200"


def test_a_token_is_found_wherever_it_is(page: Page, open_view, trace):
    view = open_view(page, trace.head_view().html())
    search = view.get_by_role("searchbox")
    search.fill("t1500")
    search.press("Enter")
    settle(view)
    assert part_of(view, "queries") == part_of(view, "keys") == "1484 – 1,611 of 2,200"
    expect(token(view, "query", 16)).to_be_in_viewport()
    expect(token(view, "query", 16)).to_have_class(re.compile("pinned"))
    search.fill("no such")
    search.press("Enter")
    expect(view.get_by_role("group", name="Tokens shown")).to_contain_text("none")


def test_keys_need_not_follow_the_queries(page: Page, open_view, trace):
    view = open_view(page, trace.head_view().html())
    view.get_by_label("Keys follow").uncheck()
    move(view, "queries", 700)
    assert part_of(view, "keys") == "0 – 127 of 2,200"
    view.get_by_label("Keys follow").check()
    settle(view)
    assert part_of(view, "keys") == "700 – 827 of 2,200"


def test_python_is_asked_for_parts_only_and_shares_the_window(page: Page, trace):
    asked = []
    view = open_live(page, trace.head_view(), before=asked.append)
    page.evaluate("() => model.put('window', {query: [1000, 1100], key: [10, 20]})")
    settle(view)
    assert shown_tokens(view, "key") == [f"t{key}" for key in range(10, 20)]
    assert [(one["kind"], one["query"], one["key"]) for one in asked] == [
        ("part", [0, 128], [0, 128]),
        ("part", [1000, 1100], [10, 20]),
    ]
    move(view, "keys", 500)
    state = page.evaluate("() => model.state.window")
    assert state == {"query": [1000, 1100], "key": [500, 510]}


def test_what_is_scrolled_past_is_not_asked_for(page: Page, trace):
    asked = []
    view = open_live(page, trace.head_view(), before=asked.append)
    slide = (
        "(el, all) => all.forEach(at => { el.value = at; el.dispatchEvent(new Event('input')); })"
    )
    view.get_by_role("slider", name="First of the queries").evaluate(slide, [100, 300, 500, 640])
    settle(view)
    assert part_of(view, "queries") == "640 – 767 of 2,200"
    assert [one["query"] for one in asked] == [[0, 128], [640, 768]]


def shades(view: Locator) -> np.ndarray:
    spans = view.locator(".tok")
    return np.array(
        spans.evaluate_all("all => all.map(el => Number(el.style.getPropertyValue('--v')))")
    )


def test_a_long_text_is_shaded_part_by_part(shown, trace):
    view = shown("text", layer=0)
    assert part_of(view, "tokens") == "0 – 511 of 2,200"
    move(view, "tokens", 1600)
    rows = trace.streams["self"].layers[0].rows(queries=slice(1600, 2112)).mean(0)
    wanted = rows[:, 1600:2112].mean(0)
    np.testing.assert_allclose(shades(view), np.sqrt(wanted / wanted.max()), atol=0.04)
    before = 100 * rows[:, :1600].sum(1).mean()
    text = view.locator(".facts").inner_text()
    assert abs(float(re.search(r"([\d.]+) % before", text)[1]) - before) < 1
    assert "mean over the 512 queries shown" in text


def test_a_pinned_token_of_a_long_text_shades_what_is_far_from_it(shown, trace):
    view = shown("text", layer=0, head=1)
    move(view, "tokens", 1600)
    view.locator(".tok").nth(300).click()
    settle(view)
    row = row_of(trace, 0, 1900)[1]
    told = far_keys(view)
    key = next(iter(told))
    assert key == np.argmax(np.where((np.arange(N) >= 1600) & (np.arange(N) < 2112), 0, row))
    assert is_within(told[key], row[key])
    view.get_by_title(f"Show key {key}", exact=True).click()
    settle(view)
    start = int(part_of(view, "tokens").split()[0])
    here = row[start : start + 512]
    np.testing.assert_allclose(shades(view), np.sqrt(here / here.max()), atol=0.04)
    expect(view.locator(".tok.pinned")).to_have_count(0)
    place = key - start
    view.locator(".tok").nth(place).hover()
    expect(view.locator(".facts .pair")).to_contain_text(f"t{key}")
    view.locator(".tok").nth(place).click()
    settle(view)
    expect(view.locator(".tok.pinned")).to_have_text(f"t{key}")


def test_the_keyboard_walks_through_a_long_text(page: Page, open_view, trace):
    view = open_view(page, trace.text_view(layer=0).html())
    view.locator(".tok").first.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    settle(view)
    assert part_of(view, "tokens") == "256 – 767 of 2,200"
    assert view.evaluate("el => el.shadowRoot.activeElement.innerText") == "t512"
    view.get_by_role("button", name="Later tokens ›").click()
    settle(view)
    assert part_of(view, "tokens") == "768 – 1,279 of 2,200"
