"""Pages as a whole: several views, other people's styles, what every page holds, no network."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.looking import (
    fragments_page,
    hover,
    leave,
    line_ends,
    pressed_heads,
    settle,
    shifted,
    shown_tokens,
    token,
    tooltip_rows,
    trace_of,
    views,
)
from tests.browser.paging import fragment, saved, tiny


def test_views_on_one_page_are_independent(page, open_view):
    parts = [fragment(tiny()), fragment(tiny(), layer=2), fragment(tiny(), "model")]
    open_view(page, fragments_page(parts), height=2400)
    first, second, third = views(page, 3)
    first.locator("button[data-head='0']").click()
    first.locator("select[name=layer]").select_option("1")
    token(first, "query", 3).click()
    settle(first)
    assert pressed_heads(second) == [0, 1, 2, 3]
    expect(second.locator("select[name=layer]")).to_have_value("2")
    expect(second.locator("[aria-selected=true]")).to_have_count(0)
    assert line_ends(second, "query") == set(range(8))
    third.locator(".cell").nth(5).click()
    settle(third)
    hover(third, "key", 2)
    expect(first.get_by_role("tooltip")).to_have_count(0)
    expect(second.get_by_role("tooltip")).to_have_count(0)
    expect(token(first, "query", 3)).to_have_attribute("aria-selected", "true")


def test_the_same_fragment_twice_makes_two_views(page, open_view):
    part = fragment(tiny())
    open_view(page, fragments_page([part, part]), height=2000)
    first, second = views(page, 2)
    first.locator("select[name=layer]").select_option("2")
    settle(first)
    expect(second.locator("select[name=layer]")).to_have_value("0")
    second.locator("select[name=layer]").select_option("1")
    settle(second)
    expect(first.locator("select[name=layer]")).to_have_value("2")


def test_ids_are_unique_over_page_and_shadow_roots(page, open_view):
    parts = [fragment(tiny()), fragment(tiny()), fragment(tiny(), "model")]
    open_view(page, fragments_page(parts), height=2400)
    views(page, 3)
    ids = page.evaluate(
        """() => {
            const hosts = [...document.querySelectorAll('div[data-attnscope-id]')];
            const within = hosts.flatMap(host => [...host.shadowRoot.querySelectorAll('*')]);
            const ids = [...document.querySelectorAll('*'), ...within].map(el => el.id);
            return [...ids.filter(Boolean), ...hosts.map(host => host.dataset.attnscopeId)];
        }"""
    )
    assert len(ids) == len(set(ids))


def test_a_page_around_a_view_keeps_its_own_looks_and_names(page, open_view, tmp_path):
    style = "* {color: red !important; font-size: 40px} .token {display: none}"
    body = f"<style>{style}</style><body><p>hello</p>"
    before = "() => [Object.keys(window), getComputedStyle(document.querySelector('p')).fontSize]"
    page.goto(saved(tmp_path, fragments_page([], body)).as_uri())
    names, size = page.evaluate(before)
    view = open_view(page, fragments_page([fragment(tiny())], body))
    assert page.evaluate(before) == [names, size]
    text = token(view, "query", 0).locator(".text")
    assert text.evaluate("el => getComputedStyle(el).fontSize") == "14px"
    assert shown_tokens(view, "query")[0] == "zero"


def test_a_view_far_down_a_page_is_drawn_when_it_comes_near(page, open_view):
    far = "<div style='height:5000px'></div>"
    open_view(page, fragments_page([fragment(tiny()), far + fragment(tiny())]))
    second = page.locator("[data-attnscope-id]").nth(1)
    expect(second).to_have_attribute("data-attnscope-state", "loading")
    page.mouse.wheel(0, 9000)
    settle(second)


def test_without_scripts_the_page_says_so(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(saved(tmp_path, tiny().head_view().html()).as_uri())
    expect(page.locator("noscript")).to_be_visible()
    assert "JavaScript" in page.locator("noscript").evaluate("el => el.innerHTML")
    context.close()


@pytest.mark.console_ok("Content Security Policy")
@pytest.mark.parametrize("kind", ["head", "model"])
def test_a_page_needs_and_allows_no_network(page, open_view, kind):
    view = open_view(page, getattr(tiny(), f"{kind}_view")().html())
    assert page.url.startswith("file://")
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    blocked = page.evaluate(
        "fetch('http://127.0.0.1:1/').then(() => 'sent', error => error.message)"
    )
    assert "fetch" in blocked
    entries = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
    assert [entry for entry in entries if "127.0.0.1:1" not in entry] == []
    expect(view).to_have_attribute("data-attnscope-view", kind)


@pytest.mark.parametrize("kind", ["head", "model"])
def test_every_view_says_what_attention_does_not_tell_with_a_link(page, open_view, kind):
    view = open_view(page, getattr(tiny(), f"{kind}_view")().html())
    foot = view.locator(".foot")
    expect(foot).to_contain_text("not why")
    link = foot.get_by_role("link")
    assert link.get_attribute("href").startswith("https://arxiv.org/")
    assert link.get_attribute("target") == "_blank"
    assert "noopener" in link.get_attribute("rel")


@pytest.mark.parametrize(("tokens", "text"), [(8, "0.00001"), (300, "0.004")])
def test_every_view_says_how_exact_its_data_are(page, open_view, tokens, text):
    trace = trace_of(shifted(3, 4, tokens))
    view = open_view(page, trace.model_view().html())
    expect(view.locator(".foot")).to_contain_text(f"within {text}")


def test_the_states_of_opening_are_loading_then_drawn(page, tmp_path):
    page.add_init_script(
        """
        window.seen = [];
        const note = record => window.seen.push(record.target.dataset.attnscopeState);
        new MutationObserver(records => records.forEach(note))
            .observe(document, {subtree: true, attributeFilter: ['data-attnscope-state']})
        """
    )
    for kind in ("head", "model"):
        page.goto(saved(tmp_path, getattr(tiny(), f"{kind}_view")().html()).as_uri())
        settle(page.locator("[data-attnscope-id]"))
        assert page.evaluate("window.seen") == ["loading", "drawn"]


def test_the_page_has_a_title_and_a_language(page, open_view):
    open_view(page, tiny(model="a <b> model").head_view().html())
    assert page.title() == "a <b> model · head view"
    assert page.locator("html").get_attribute("lang") == "en"


def test_a_page_can_be_printed(page, open_view):
    """Printing must not leave the picture out; a canvas keeps its pixels in print."""
    view = open_view(page, tiny().model_view().html())
    page.emulate_media(media="print")
    settle(view)
    expect(view.locator(".gridrow canvas").first).to_be_visible()


def test_a_sharp_screen_gets_sharp_marks(browser, tmp_path):
    context = browser.new_context(device_scale_factor=2, viewport={"width": 800, "height": 600})
    page = context.new_page()
    for kind, canvas in (("head", "canvas.marks"), ("model", ".gridrow canvas")):
        page.goto(saved(tmp_path, getattr(tiny(), f"{kind}_view")().html()).as_uri())
        settle(page.locator("[data-attnscope-id]"))
        drawn, shown = page.locator(canvas).first.evaluate("c => [c.width, c.clientWidth]")
        assert drawn == pytest.approx(2 * shown, abs=1)
    context.close()


def test_touch_pins_a_token(browser, tmp_path):
    context = browser.new_context(has_touch=True, viewport={"width": 600, "height": 800})
    page = context.new_page()
    page.goto(saved(tmp_path, tiny().head_view().html()).as_uri())
    view = page.locator("[data-attnscope-id]")
    settle(view)
    token(view, "query", 2).tap()
    settle(view)
    expect(token(view, "query", 2)).to_have_attribute("aria-selected", "true")
    assert line_ends(view, "query") == {2}
    context.close()


def test_hovering_in_one_view_does_not_slow_or_change_another(page, open_view):
    open_view(page, fragments_page([fragment(tiny()), fragment(tiny())]), height=2000)
    first, second = views(page, 2)
    before = second.locator("canvas.marks").evaluate("c => c.toDataURL()")
    hover(first, "query", 3)
    assert tooltip_rows(first)
    assert second.locator("canvas.marks").evaluate("c => c.toDataURL()") == before
    leave(first)
