"""Pages that were damaged say so and what to do; hostile texts do nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope.trace import Trace
from tests.browser.looking import fragments_page, hover, line_ends, settle
from tests.browser.paging import CONTRASTS, HOSTILE, fragment, saved, tiny


def hostile_trace() -> Trace:
    weights = np.full((1, 2, 8, 8), 1 / 8, np.float32)
    return attnscope.from_attention(
        weights,
        HOSTILE,
        segments=[("<i>a</i>", 0, 4), ("</script>", 4, 8)],
        model="</title><script>window.XSS=1</script>",
    )


@pytest.mark.parametrize("kind", ["head", "model"])
@pytest.mark.parametrize("host", ["page", "fragment"])
def test_hostile_tokens_are_shown_as_they_are_and_nothing_runs(page, open_view, kind, host):
    trace = hostile_trace()
    if host == "page":
        html = getattr(trace, f"{kind}_view")().html()
    else:
        html = fragments_page([fragment(trace, kind)])
    view = open_view(page, html)
    if kind == "model":
        view.locator(".cell").first.click()
        settle(view)
    texts = [el.text_content() for el in view.locator("[data-side=query] .text").all()]
    assert texts == HOSTILE
    expect(view.locator("h2")).to_have_text("</title><script>window.XSS=1</script>")
    for index in range(8):
        hover(view, "query", index)
        expect(view.get_by_role("tooltip")).to_contain_text(HOSTILE[index])
    assert page.evaluate("window.XSS") is None
    expect(view.locator("img")).to_have_count(0)
    assert page.locator("img").count() == 0


def alert_of(page: Page, path: Path) -> Locator:
    """The error box of a page."""
    page.goto(path.as_uri())
    view = page.locator("[data-attnscope-id]").first
    expect(view).to_have_attribute("data-attnscope-state", "error")
    alert = view.get_by_role("alert")
    expect(alert).to_be_visible()
    return alert


DATA = re.compile(r'(data-key="layer/self/0"[^>]*>)([^<]*)')


@pytest.mark.parametrize("kind", ["head", "model"])
@pytest.mark.parametrize(
    ("damage", "text"),
    [
        pytest.param(lambda html: DATA.sub(r"\1AAAA", html), "layer/self/0", id="other bytes"),
        pytest.param(lambda html: DATA.sub(r"\1%%%", html), "layer/self/0", id="not base64"),
        pytest.param(
            lambda html: DATA.sub(lambda m: m[1] + m[2][: len(m[2]) // 2], html),
            "layer/self/0",
            id="half",
        ),
        pytest.param(
            lambda html: html.replace('data-key="layer/self/0"', ""), "layer/self/0", id="missing"
        ),
        pytest.param(
            lambda html: html.replace("[4, 8, 8]", "[4, 8, 9]"),
            "layer/self/0|bytes",
            id="other shape",
        ),
        pytest.param(
            lambda html: html.replace('{"version":1', '{"version":99'),
            "version 99",
            id="other version",
        ),
        pytest.param(
            lambda html: html.replace('"view":"head"', '"view":"x"').replace(
                '"view":"model"', '"view":"x"'
            ),
            '"x"',
            id="other view",
        ),
        pytest.param(
            lambda html: html.replace("data-attnscope-spec", "data-nothing", 1),
            "no description",
            id="no spec",
        ),
        pytest.param(
            lambda html: html.replace('{"version":1', '{"version":1{'), "view", id="broken spec"
        ),
    ],
)
def test_damage_becomes_a_box_that_says_what_to_do(page, tmp_path, kind, damage, text):
    html = getattr(tiny(), f"{kind}_view")().html()
    damaged = damage(html)
    assert damaged != html
    alert = alert_of(page, saved(tmp_path, damaged))
    expect(alert).to_contain_text(re.compile(text))
    expect(alert).to_contain_text(re.compile("again|update|choose", re.IGNORECASE))


def test_a_page_cut_off_in_its_data_says_so(page, tmp_path):
    html = tiny().head_view().html()
    cut = html[: html.index('data-key="layer/self/0"') + 150]
    expect(alert_of(page, saved(tmp_path, cut))).to_contain_text(re.compile("again"))


def test_a_page_cut_off_later_shows_what_is_there(page, tmp_path):
    html = tiny().head_view().html()
    cut = html[: html.index('data-key="layer/self/2"') - 60]
    page.goto(saved(tmp_path, cut).as_uri())
    view = page.locator("[data-attnscope-id]")
    settle(view)
    view.locator("select[name=layer]").select_option("2")
    expect(view).to_have_attribute("data-attnscope-state", "error")
    expect(view.get_by_role("alert")).to_contain_text("layer/self/2")
    view.locator("select[name=layer]").select_option("1")
    settle(view)
    expect(view.get_by_role("alert")).to_have_count(0)
    hover(view, "query", 0)
    assert line_ends(view, "key") == {1, 2, 3, 4}


@pytest.mark.parametrize("at", ["in the script", "before the script"])
def test_a_page_cut_off_before_its_script_ends_is_not_blank(page, tmp_path, at):
    html = tiny().head_view().html()
    start = html.index('<script type="module"')
    cut = html[: start + 5000] if at == "in the script" else html[:start]
    page.goto(saved(tmp_path, cut).as_uri())
    expect(page.locator("body")).to_contain_text(re.compile("save", re.IGNORECASE))


def test_an_error_in_one_view_leaves_the_others_alone(page, open_view):
    broken = fragment(tiny()).replace('{"version":1', '{"version":7')
    open_view(page, fragments_page([fragment(tiny()), broken, fragment(tiny())]), height=2000)
    found = page.locator("[data-attnscope-id]")
    expect(found.nth(1)).to_have_attribute("data-attnscope-state", "error")
    settle(found.nth(0))
    settle(found.nth(2))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_error_box_can_be_read_in_both_themes(page, tmp_path, theme):
    page.emulate_media(color_scheme=theme)
    html = tiny().head_view().html().replace('{"version":1', '{"version":99')
    alert_of(page, saved(tmp_path, html))
    contrasts = page.locator("[data-attnscope-id]").evaluate(CONTRASTS)
    assert contrasts
    assert min(ratio for _, ratio in contrasts) >= 4.5
