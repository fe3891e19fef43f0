"""Pages of small traces: saved, or as fragments; hostile texts; how well texts can be read."""

from __future__ import annotations

from pathlib import Path

from attnscope.hosts.html import fragment_text
from attnscope.trace import Trace
from tests.browser.looking import shifted, trace_of

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


def saved(tmp_path: Path, html: str) -> Path:
    path = tmp_path / "damaged.html"
    path.write_text(html, encoding="utf-8")
    return path
