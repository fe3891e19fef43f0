"""The neuron view as a user meets it: every interaction, and numbers that add up."""

from __future__ import annotations

import importlib
import re
from math import exp

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from attnscope.scores import QKLayer, ScoreSpec
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from tests.browser.looking import (
    FRAMES,
    fragments_page,
    is_right,
    names,
    numbers_beside,
    pixels,
    settle,
    shown_tokens,
    token,
    views,
)
from tests.browser.showing import opens
from tests.models import FAMILIES, build

DIM = 32
ONE_UNIT = 0.00101

show = opens("neuron")


def layer(tokens: int, seed: int, dim: int = DIM, heads: int = 3, **rules: object) -> QKLayer:
    numbers = np.random.default_rng(seed)
    shape = (heads, tokens, dim)
    return QKLayer(
        queries=numbers.normal(size=shape).astype(np.float32),
        keys=numbers.normal(size=shape).astype(np.float32),
        spec=ScoreSpec(**{"scaling": dim**-0.5, **rules}),
        heads=tuple(range(heads)),
        kv_head=np.arange(heads),
    )


def trace_of(tokens: int = 7, *, segments: tuple[int, ...] = (), **options: object) -> Trace:
    side = Tokens.plain(names(tokens), segments=segments)
    layers = tuple(layer(tokens, seed, **options) for seed in range(3))
    return Trace([Stream("self", (0, 1, 2), layers, side, side)])


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("<", "").replace("+", "") or "nan")


def sums(view: Locator, step: str) -> dict[str, str]:
    """The numbers printed in one column, by key."""
    cells = view.locator(f".sum span[data-step={step}]")
    read = "all => all.map(c => [c.parentElement.dataset.key, c.textContent])"
    return dict(cells.evaluate_all(read))


def columns(view: Locator) -> list[str]:
    titles: list[str] = view.locator(".titles [data-column]").evaluate_all(
        "all => all.map(t => t.dataset.column)"
    )
    return titles


def why(view: Locator, line: str) -> float:
    return number(view.locator(f".why [data-line={line}] [data-value]").inner_text())


def point(view: Locator, side: str, index: int) -> None:
    token(view, side, index).hover()
    view.page.evaluate(FRAMES)


def test_it_starts_as_lines_with_a_sign_on_every_query(show):
    view = show(trace_of())
    assert shown_tokens(view, "query") == shown_tokens(view, "key") == names(7)
    signs = view.locator(".token .sign")
    expect(signs).to_have_count(7)
    for sign in signs.all():
        expect(sign).to_have_attribute("data-sign", "expand")
        assert float(sign.evaluate("s => getComputedStyle(s).opacity")) > 0.5
    assert pixels(view.locator("canvas.marks"))[:, :, 3].any()


def test_hovering_either_side_shows_weights_as_in_the_head_view(show):
    trace = trace_of()
    view = show(trace, layer=1, head=2)
    weights = trace.weights(1, 2)
    point(view, "query", 3)
    assert all(is_right(text, weights[3, key]) for key, text in numbers_beside(view, "key").items())
    point(view, "key", 5)
    beside = numbers_beside(view, "query")
    assert beside
    assert all(is_right(text, weights[query, 5]) for query, text in beside.items())


def test_the_sign_shows_the_neurons_and_takes_them_away(show):
    view = show(trace_of())
    token(view, "query", 4).locator(".sign").click()
    settle(view)
    assert columns(view) == ["q", "k", "product", "dot", "scaled", "weight"]
    expect(token(view, "query", 4)).to_have_attribute("aria-selected", "true")
    expect(view.locator(".token .sign")).to_have_count(1)
    token(view, "query", 4).locator(".sign[data-sign=collapse]").click()
    settle(view)
    expect(view.locator(".neurons")).to_have_count(0)
    expect(view.locator(".token .sign")).to_have_count(7)


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"softcap": 2.0}, {"scaling": 1.0}])
def test_the_steps_shown_reproduce_the_weights_shown(show, options):
    trace = trace_of(**options)
    view = show(trace, layer=2, head=1, query=4)
    printed = sums(view, "weight")
    for key, weight in enumerate(trace.weights(2, 1)[4]):
        assert is_right(printed[str(key)], weight), (key, weight)
    last = [step for step in columns(view) if step not in ("mask", "weight")][-1]
    scores = [number(text) for text in sums(view, last).values()]
    shares = [0.0 if np.isnan(score) else exp(score) for score in scores]
    for text, share in zip(printed.values(), shares, strict=True):
        assert number(text) == pytest.approx(share / sum(shares), abs=ONE_UNIT)


def test_dot_products_scale_to_scores(show):
    view = show(trace_of(), query=2)
    dots, scores = sums(view, "dot"), sums(view, "scaled")
    for key, text in dots.items():
        assert number(scores[key]) == pytest.approx(number(text) / DIM**0.5, abs=ONE_UNIT)


def test_what_the_mask_hides_has_no_numbers(show):
    view = show(trace_of(causal=True), query=2)
    assert list(sums(view, "mask").values()) == ["0", "0", "0", "−∞", "−∞", "−∞", "−∞"]
    assert list(sums(view, "scaled").values())[3:] == [""] * 4
    assert list(sums(view, "weight").values())[3:] == ["0"] * 4
    expect(view.get_by_text("hidden by the mask")).to_have_count(1)


def test_without_a_query_it_says_what_to_do(show):
    view = show(trace_of())
    view.get_by_role("button", name="Neurons").click()
    settle(view)
    prompt = view.get_by_text("Hover a token to see how its weights come about.")
    expect(prompt).to_be_visible()
    point(view, "query", 1)
    expect(prompt).to_have_count(0)
    assert len(sums(view, "weight")) == 7
    view.page.mouse.move(500, 790)
    expect(prompt).to_be_visible()


def test_the_query_pointed_at_stays_while_its_neurons_are_looked_at(show):
    view = show(trace_of(), query=4)
    pinned = sums(view, "weight")
    point(view, "query", 1)
    hovered = sums(view, "weight")
    assert hovered != pinned
    point(view, "key", 6)
    assert sums(view, "weight") == hovered
    view.page.mouse.move(500, 790)
    expect(view.locator(".sum[data-key='0'] [data-step=weight]")).to_have_text(pinned["0"])


def test_the_expanded_state_survives_layer_head_and_filter(show):
    trace = trace_of(segments=(3,))
    view = show(trace, query=4)
    view.locator("select[name=layer]").select_option("2")
    view.get_by_role("button", name="Next head").click()
    settle(view)
    assert is_right(sums(view, "weight")["3"], trace.weights(2, 1)[4, 3])
    view.locator("select[name=filter]").select_option("B→A")
    settle(view)
    assert shown_tokens(view, "query") == names(7)[3:]
    assert shown_tokens(view, "key") == names(7)[:3]
    shown = sums(view, "weight")
    assert list(shown) == ["0", "1", "2"]
    assert is_right(shown["2"], trace.weights(2, 1)[4, 2])


def test_a_neuron_under_the_pointer_is_told_and_marked_everywhere(show):
    trace = trace_of()
    view = show(trace, query=4)
    column = view.locator("[data-column=k]").bounding_box()
    row = token(view, "key", 2).bounding_box()
    canvas = view.locator("canvas.marks")
    before = pixels(canvas)
    view.page.mouse.move(column["x"] + column["width"] * 0.6, row["y"] + row["height"] / 2)
    tip = view.get_by_role("tooltip")
    expect(tip).to_be_visible()
    view.page.evaluate(FRAMES)
    neuron = int(tip.get_attribute("data-neuron"))
    kept = trace.streams["self"].layer(0)
    q, k = kept.queries[0, 4, neuron], kept.keys[0, 2, neuron]
    shown = re.search(r"q (\S+) × k (\S+) = (\S+)", tip.inner_text())
    assert [number(text) for text in shown.groups()] == [
        pytest.approx(value, abs=0.0006) for value in (q, k, q * k)
    ]
    changed = np.argwhere((pixels(canvas) != before).any(axis=2))
    rows = {int(y) // 28 for y, _ in changed}
    assert rows == set(range(7))


def test_why_adds_up_from_neurons_to_weight(show):
    numbers = np.random.default_rng(5).normal(size=(3, 7, 7)).astype(np.float32)
    trace = trace_of(softcap=3.0, bias=numbers, causal=True)
    view = show(trace, query=4, head=1)
    assert columns(view)[3:] == ["dot", "scaled", "capped", "bias", "score", "mask", "weight"]
    view.locator(".plane").click(position={"x": 700, "y": 28 * 2 + 14})
    expect(view.locator(".why")).to_have_attribute("data-why", "4/2")
    terms = view.locator(".why [data-line=term]")
    expect(terms).to_have_count(8)
    values = [number(text) for text in terms.locator("[data-value]").all_inner_texts()]
    sizes = [abs(value) for value in values]
    assert sizes == sorted(sizes, reverse=True)
    assert round(sum(values) + why(view, "rest"), 3) == why(view, "scaled")
    assert why(view, "sum") == why(view, "scaled")
    assert round(why(view, "capped") + why(view, "bias"), 3) == why(view, "score")
    assert why(view, "exp") / why(view, "total") == pytest.approx(why(view, "weight"), abs=ONE_UNIT)
    assert why(view, "weight") == pytest.approx(float(trace.weights(0, 1)[4, 2]), abs=0.0005)
    assert f"{why(view, 'score'):.3f}".replace("-", "−") == sums(view, "score")["2"]
    view.get_by_role("button", name="All 32 neurons").click()
    expect(terms).to_have_count(32)
    values = [number(text) for text in terms.locator("[data-value]").all_inner_texts()]
    assert round(sum(values), 3) == why(view, "scaled")


def test_why_follows_the_head_and_closes(show):
    trace = trace_of()
    view = show(trace, query=4)
    token(view, "key", 1).click()
    for head in (0, 1):
        assert why(view, "weight") == pytest.approx(trace.weights(0, head)[4, 1], abs=0.0005)
        view.get_by_role("button", name="Next head").click()
        settle(view)
    view.locator(".why").get_by_role("button", name="Close").click()
    expect(view.locator(".why")).to_have_count(0)


def test_why_opens_from_the_number_beside_a_line(show):
    view = show(trace_of())
    token(view, "query", 3).click()
    beside = numbers_beside(view, "key")
    key = next(iter(beside))
    token(view, "key", key).locator(".number").click()
    expect(view.locator(".why")).to_have_attribute("data-why", f"3/{key}")
    expect(view.locator(".neurons")).to_have_count(0)


def test_everything_goes_by_keyboard(show):
    view = show(trace_of())
    page = view.page
    token(view, "query", 0).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settle(view)
    expect(token(view, "query", 1)).to_have_attribute("aria-selected", "true")
    token(view, "query", 1).focus()
    first = sums(view, "weight")
    page.keyboard.press("ArrowDown")
    expect(token(view, "query", 2)).to_be_focused()
    assert sums(view, "weight") != first
    page.keyboard.press("ArrowRight")
    expect(view.locator("[role=option][data-side=key]:focus")).to_have_count(1)
    expect(view.locator("[aria-live]").first).to_contain_text("softmax makes the weight")
    page.keyboard.press("Enter")
    expect(view.locator(".why")).to_have_count(1)
    page.keyboard.press("]")
    page.keyboard.press(".")
    settle(view)
    expect(view.locator("select[name=layer]")).to_have_value("1")
    expect(view.locator("select[name=head]")).to_have_value("1")
    page.keyboard.press("Escape")
    expect(view.locator(".why")).to_have_count(0)
    page.keyboard.press("Escape")
    settle(view)
    expect(view.locator(".neurons")).to_have_count(0)


def test_two_on_one_page_keep_to_themselves(page, open_view):
    fragments = [trace_of().neuron_view()._repr_mimebundle_()["text/html"] for _ in range(2)]
    open_view(page, fragments_page(fragments))
    first, second = views(page, 2)
    token(second, "query", 3).locator(".sign").click()
    settle(second)
    expect(second.locator(".neurons")).to_have_count(1)
    expect(first.locator(".neurons")).to_have_count(0)
    expect(first.locator("[aria-selected=true]")).to_have_count(0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert", ["dot", "scaled", "weight"]),
        ("gpt2", ["dot", "scaled", "mask", "weight"]),
        ("t5", ["dot", "bias", "score", "weight"]),
        ("gemma2", ["dot", "scaled", "capped", "mask", "weight"]),
        ("gpt_oss", ["dot", "scaled", "mask", "weight"]),
        ("vit", ["dot", "scaled", "weight"]),
    ],
)
def test_each_model_has_the_columns_of_its_formula(show, name, expected):
    capture = importlib.import_module("attnscope.capture")
    trace = capture(build(name), inputs=FAMILIES[name].inputs(), index=1)
    view = show(trace, query=3, head=2)
    assert columns(view)[3:] == expected
    stream = next(iter(trace.streams))
    weights = trace.weights(0, 2, stream=stream)[3]
    printed = sums(view, "weight")
    assert all(is_right(printed[str(key)], weight) for key, weight in enumerate(weights))
    if name == "gpt_oss":
        assert number(printed["sink"]) == pytest.approx(1 - weights.sum(), abs=0.0006)


def test_the_key_head_that_serves_the_head_is_named(show):
    capture = importlib.import_module("attnscope.capture")
    trace = capture(build("llama"), inputs=FAMILIES["llama"].inputs(), index=1)
    view = show(trace, query=3, head=2)
    expect(view.locator("[data-key-head]")).to_have_text("key head 1, shared with head 3")
    expect(view.locator("[data-column=k]")).to_contain_text("key head 1")


@pytest.mark.parametrize("width", [600, 1000, 1400, 2000])
@pytest.mark.parametrize("dim", [32, 128, 256])
def test_it_keeps_within_the_page(show, width, dim):
    view = show(trace_of(9, dim=dim), query=4, width=width)
    assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    token(view, "key", 3).click()
    assert view.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (pixels(view.locator("canvas.marks"))[:, :, 3] > 0).mean() > 0.05


def test_a_query_given_is_in_the_window_and_stays_seen(show):
    view = show(trace_of(60), query=50)
    expect(token(view, "query", 50)).to_be_in_viewport()
    view.locator(".scroll").evaluate("el => { el.scrollTop = 0 }")
    expect(view.locator(".floating")).to_have_text("tok50")


@pytest.mark.console_ok("cannot be drawn", "has no data")
def test_a_page_without_its_vectors_says_so(page, tmp_path):
    text = trace_of().neuron_view().html()
    cut = re.sub(r"<script type=\"text/plain\".*?</script>", "", text, flags=re.DOTALL)
    (tmp_path / "cut.html").write_text(cut, encoding="utf-8")
    page.goto((tmp_path / "cut.html").as_uri())
    view = page.locator("[data-attnscope-state=error]")
    expect(view.get_by_role("alert")).to_contain_text('no data for "vectors/self/0"')
