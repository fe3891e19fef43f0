"""Saved heat maps of long inputs: queries and keys in eight bits, tiles made in a worker."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from attnscope.trace import Trace
from tests.browser.looking import random_weights, settle, trace_of
from tests.browser.mapping import is_true, place, point, press, value, vectors_trace, window

LONG = 1500


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Long enough for a worker: more than two million weights a head."""
    return vectors_trace(LONG, causal=True)


def page_of(trace: Trace, window: dict[str, list[float]] | None = None) -> str:
    """A page that opens with a part of head 2 of layer 1."""
    view = trace.matrix_view(1, 2, precision="int8")
    view.spec["state"]["window"] = window
    return view.html()


@pytest.fixture(scope="module")
def html(trace: Trace) -> str:
    return page_of(trace)


def low_and_high(text: str) -> tuple[float, float]:
    """Between which numbers a text such as `0.31–0.33`, `<0.01` or `0.32` says a number lies."""
    if "–" in text:
        low, high = map(float, text.split("–"))
        return low - 0.005, high + 0.005
    if text.startswith("<"):
        return 0.0, float(text[1:])
    places = len(text.partition(".")[2])
    return float(text) - 0.51 * 10**-places, float(text) + 0.51 * 10**-places


def is_within(text: str, true: float) -> bool:
    """Whether a number as printed is right, or a range that holds it."""
    if "·" in text:
        return is_true(text, true)
    low, high = low_and_high(text)
    return low <= true <= high


def test_a_page_is_drawn_in_a_worker_and_every_number_is_within_what_it_says(
    page: Page, open_view, trace: Trace
) -> None:
    requests: list[str] = []
    page.on("request", lambda sent: requests.append(sent.url))
    part = {"query": [690.0, 712.0], "key": [680.0, 700.0]}
    view = open_view(page, page_of(trace, part), width=1000, height=1100)
    assert len(page.workers) == 1
    assert [url[:5] for url in requests] == ["file:", "blob:"]
    weights = trace.weights(1, 2)
    for query in range(692, 711, 5):
        for key in range(681, 692, 4):
            point(view, query, key)
            assert is_within(value(view), weights[query, key]), (query, key, value(view))


def test_a_block_says_what_is_known_of_its_largest_and_its_mean(
    page: Page, open_view, trace: Trace, html: str
) -> None:
    view = open_view(page, html, width=700, height=700)
    step = int(view.locator(".plot").get_attribute("data-step") or 0)
    assert step > 1
    weights = trace.weights(1, 2)
    for query, key in [(900, 40), (1001, 777), (30, 2)]:
        point(view, query, key)
        tip = view.get_by_role("tooltip").inner_text()
        here = [int(n) for n in re.findall(r"(?:queries|keys) (\d+)", tip)]
        block = weights[here[0] : here[0] + step, here[1] : here[1] + step]
        said = view.locator("[role=tooltip] .value").all_inner_texts()
        for text, true in zip(said, [block.max(), block.mean()], strict=True):
            assert is_within(text, float(true)), (text, true)


def test_the_page_says_how_far_off_its_weights_are(
    page: Page, open_view, trace: Trace, html: str
) -> None:
    view = open_view(page, html)
    foot = view.locator(".foot").inner_text()
    largest, typical = map(float, re.findall(r"none (?:is off )?by more than (0\.\d+)", foot))
    assert 0 < typical < largest < 0.2
    assert "8 bits" in foot


def test_why_a_number_is_what_it_is_needs_exact_vectors(
    page: Page, open_view, trace: Trace
) -> None:
    for precision, panels in (("int8", 0), ("exact", 1)):
        view = open_view(page, vectors_trace(9).matrix_view(precision=precision).html())
        view.page.mouse.click(*place(view, 5, 3))
        press(view, "Enter")
        expect(view.locator(".why")).to_have_count(panels)
        assert ("8 bits" in view.locator(".foot").inner_text()) == (precision == "int8")


def test_scores_and_heads_together_have_bounds_too(page: Page, open_view) -> None:
    trace = vectors_trace(9)
    scores = trace.streams["self"].layer(0).scores()
    view = open_view(page, trace.matrix_view(quantity="score", precision="int8").html())
    for query, key in [(0, 0), (8, 3), (4, 7)]:
        point(view, query, key)
        ends = re.findall(r"[−-]?\d+\.\d+", value(view).replace("–", " "))
        low, high = (float(ends[at].replace("−", "-")) for at in (0, -1))
        off = 0.51 * 10 ** -len(ends[0].partition(".")[2])
        assert low - off <= scores[0, query, key] <= high + off
        assert high - low < 0.2
    for over in ("mean", "max"):
        together = getattr(np, over)(trace.weights(0), axis=0)
        view = open_view(page, trace.matrix_view(0, over, precision="int8").html())
        for query, key in [(0, 0), (8, 3), (4, 7)]:
            point(view, query, key)
            assert is_within(value(view), together[query, key])


@pytest.mark.console_ok("Content Security Policy", "worker")
def test_where_workers_are_forbidden_the_page_makes_its_tiles_itself(
    page: Page, open_view, trace: Trace, html: str
) -> None:
    forbidding = html.replace("worker-src blob:", "worker-src 'none'")
    assert forbidding != html
    view = open_view(page, forbidding)
    assert page.workers == []
    point(view, 300, 100)
    assert view.locator("[role=tooltip] .value").count() == 2


def test_zooming_and_changing_the_head_while_a_worker_is_busy_ends_well(
    page: Page, open_view, trace: Trace, html: str
) -> None:
    view = open_view(page, html)
    view.locator(".plot").focus()
    for key in ("}", "+", "[", "+", "{", "-"):
        page.keyboard.press(key)
    settle(view)
    expect(view).to_have_attribute("data-attnscope-state", "drawn")
    assert len(page.workers) == 1
    rows, columns = window(view)
    point(view, (rows[0] + rows[1]) // 2, columns[0] + 3)
    assert "loading" not in view.get_by_role("tooltip").inner_text()


def test_the_heads_view_opens_such_maps(page: Page, open_view) -> None:
    view = open_view(page, vectors_trace(12).heads_view(precision="int8").html())
    assert "8 bits" in view.locator(".foot").inner_text()
    view.locator("[data-layer='1'][data-head='2']").first.click()
    settle(view)
    point(view, 5, 3)
    assert is_within(value(view), vectors_trace(12).weights(1, 2)[5, 3])


def test_weights_alone_are_no_vectors_to_round(page: Page, open_view) -> None:
    view = open_view(page, trace_of(random_weights(1, 1, 6, 6)).matrix_view().html())
    assert "8 bits" not in view.locator(".foot").inner_text()
