"""Pages as a whole: several views, themes, contrast, hostile text, damage, no network."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

import attnscope
from attnscope.hosts.html import fragment_text
from attnscope.trace import Trace
from tests.browser.looking import (
    FRAMES,
    fragments_page,
    hover,
    leave,
    line_ends,
    pressed_heads,
    random_weights,
    settle,
    shifted,
    shown_tokens,
    token,
    tooltip_rows,
    trace_of,
    views,
)

HOSTILE = [
    "</script><img src=x onerror=window.XSS=1>",
    "<!--<script>",
    "<script>window.XSS=1</script>",
    '" onmouseover="window.XSS=1',
    "' autofocus onfocus='window.XSS=1",
    "&lt;b&gt;&amp;",
    "${window.XSS=1}",
    "javascript:window.XSS=1",
]


def tiny(**options: object) -> Trace:
    return trace_of(shifted(3, 4, 8), segments=[5], **options)


def fragment(trace: Trace, view: str = "head", **options: object) -> str:
    shown = getattr(trace, f"{view}_view")(**options)
    return fragment_text(trace, shown.spec)


def mode(view: Locator) -> str | None:
    """`light` or `dark`, as the view is drawn; its background agrees."""
    root = view.locator(".root")
    red = root.evaluate("el => Number(getComputedStyle(el).backgroundColor.match(/\\d+/)[0])")
    shown = root.get_attribute("data-mode")
    assert (red > 128) == (shown == "light")
    return shown


# Several views on one page


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


# Themes


def test_a_saved_page_follows_the_system_and_changes_with_it(page, open_view):
    view = open_view(page, tiny().head_view().html(), color_scheme="dark")
    assert mode(view) == "dark"
    page.emulate_media(color_scheme="light")
    settle(view)
    assert mode(view) == "light"
    page.emulate_media(color_scheme="dark")
    settle(view)
    assert mode(view) == "dark"
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == view.locator(".root").evaluate("el => getComputedStyle(el).backgroundColor")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_theme_can_be_forced(page, open_view, theme, system):
    html = tiny().model_view(theme=theme).html()
    assert mode(open_view(page, html, color_scheme=system)) == theme


def test_changing_the_theme_redraws_the_marks(page, open_view):
    view = open_view(page, tiny().head_view().html())
    read = "canvas => canvas.toDataURL()"
    light = view.locator("canvas.marks").evaluate(read)
    page.emulate_media(color_scheme="dark")
    settle(view)
    page.evaluate(FRAMES)
    assert view.locator("canvas.marks").evaluate(read) != light


@pytest.mark.parametrize(
    ("root", "light", "dark"),
    [
        pytest.param(
            "body",
            ("data-jp-theme-light", "true"),
            ("data-jp-theme-light", "false"),
            id="jupyterlab",
        ),
        pytest.param("body", ("class", "vscode-light"), ("class", "vscode-dark"), id="vscode"),
        pytest.param("html", ("data-theme", "light"), ("data-theme", "dark"), id="sphinx"),
        pytest.param("html", ("theme", "light"), ("theme", "dark"), id="colab"),
        pytest.param(
            "body", ("style", "background:#fff"), ("style", "background:#111"), id="background"
        ),
    ],
)
@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_notebooks_theme_wins_over_the_systems_and_is_followed(
    page, open_view, root, light, dark, system
):
    view = open_view(page, fragments_page([fragment(tiny())]), color_scheme=system)
    for (name, value), expected in [(dark, "dark"), (light, "light"), (dark, "dark")]:
        page.evaluate(
            "([root, name, value]) => document.querySelector(root).setAttribute(name, value)",
            [root, name, value],
        )
        expect(view.locator(".root")).to_have_attribute("data-mode", expected)
        settle(view)
        assert mode(view) == expected


@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_plain_white_page_gets_a_light_view(page, open_view, system):
    """A page that does not opt into dark stays white whatever the system says."""
    view = open_view(page, fragments_page([fragment(tiny())]), color_scheme=system)
    assert mode(view) == "light"


CONTRASTS = """host => {
    const parse = text => {
        const parts = (text.match(/[\\d.]+/g) ?? []).map(Number);
        return text.startsWith("color(") ? parts.map((v, i) => (i < 3 ? v * 255 : v)) : parts;
    };
    const over = (front, back) => {
        const a = front[3] ?? 1;
        return [0, 1, 2].map(i => front[i] * a + back[i] * (1 - a));
    };
    const light = rgb => {
        const linear = v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
        const [r, g, b] = rgb.map(v => linear(v / 255));
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const groundOf = el => {
        const chain = [];
        for (let at = el; at; at = at.parentElement ?? at.getRootNode().host) chain.push(at);
        const colors = chain.reverse().map(at => parse(getComputedStyle(at).backgroundColor));
        return colors.reduce((ground, color) => over(color, ground), [255, 255, 255]);
    };
    const opacityOf = el => {
        let opacity = 1;
        for (; el; el = el.parentElement) opacity *= Number(getComputedStyle(el).opacity);
        return opacity;
    };
    const found = [];
    const walker = document.createTreeWalker(host.shadowRoot, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const el = node.parentElement;
        const seen = el.checkVisibility() && !el.closest(".sr, :disabled, style");
        if (!node.data.trim() || !seen) continue;
        const ground = groundOf(el);
        const ink = over([...parse(getComputedStyle(el).color).slice(0, 3), opacityOf(el)], ground);
        const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
        found.push([node.data.trim(), (a + .05) / (b + .05)]);
    }
    return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["head", "model"])
def test_all_text_has_enough_contrast(page, open_view, theme, kind):
    tokens = ["[CLS]", "the", "cat", "[SEP]", "it", "was", "tired", "[SEP]"]
    trace = trace_of(random_weights(3, 14, 8, 8), tokens=tokens, segments=[4], model="tiny")
    html = getattr(trace, f"{kind}_view")(theme=theme).html()
    view = open_view(page, html, width=1400)
    if kind == "model":
        view.locator(".cell").nth(3).click()
        settle(view)
    else:
        view.locator("button[data-head='3']").click()
    hover(view, "query", 2)
    contrasts = view.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < 4.5] == []


# Hostile text


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


# Damage


def alert_of(page: Page, path: Path) -> Locator:
    """The error box of a page."""
    page.goto(path.as_uri())
    view = page.locator("[data-attnscope-id]").first
    expect(view).to_have_attribute("data-attnscope-state", "error")
    alert = view.get_by_role("alert")
    expect(alert).to_be_visible()
    return alert


def saved(tmp_path: Path, html: str) -> Path:
    path = tmp_path / "damaged.html"
    path.write_text(html, encoding="utf-8")
    return path


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


def test_without_scripts_the_page_says_so(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(saved(tmp_path, tiny().head_view().html()).as_uri())
    expect(page.locator("noscript")).to_be_visible()
    assert "JavaScript" in page.locator("noscript").evaluate("el => el.innerHTML")
    context.close()


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


# What every page holds


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
