"""Every number that a page shows is right to the precision shown."""

from __future__ import annotations

import re

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
    is_right,
    names,
    numbers_beside,
    random_weights,
    settle,
    token,
    tooltip_rows,
    trace_of,
)
from tests.browser.showing import opens

HEADS = 3
EXACT = pytest.param(24, id="linear16")
COARSE = pytest.param(520, id="sqrt8")

show = opens("head")


def test_the_judge_of_numbers_is_strict():
    assert is_right("0.1235", 0.12346)
    assert not is_right("0.1234", 0.12346)
    assert is_right("0.12–0.13", 0.126)
    assert not is_right("0.12–0.13", 0.136)
    assert is_right("<0.001", 0.0009)
    assert not is_right("<0.001", 0.001)
    assert not is_right("0.00", float("nan"))
    assert not is_right("missing", 0.0)


def trace_with(tokens: int) -> Trace:
    """A head that is sharp, one that is broad and one that is almost even, of many tokens."""
    parts = [random_weights(1, 1, tokens, tokens, sharp=s, seed=7) for s in (5.0, 2.0, 0.05)]
    weights = np.concatenate(parts, axis=1)
    weights[0, 0, 2] = np.eye(tokens)[5]  # exactly 0 and exactly 1
    return trace_of(weights)


@pytest.fixture(scope="module", params=[EXACT, COARSE])
def trace(request: pytest.FixtureRequest) -> Trace:
    """Traces on either side of the limit between the two encodings."""
    made = trace_with(request.param)
    assert made.head_view().spec["encoding"] == {24: "linear16", 520: "sqrt8"}[request.param]
    return made


def read(side: str, index: int, weights: np.ndarray) -> np.ndarray:
    """[head, partner]: the weights between a token and all tokens of the other side."""
    return weights[:, index, :] if side == "query" else weights[:, :, index]


def wrong_numbers(view: Locator, side: str, index: int, weights: np.ndarray) -> list[tuple]:
    """Numbers shown for a token that its true weights (mean over heads) do not bear out."""
    means = read(side, index, weights.astype(float)).mean(axis=0)
    other = "key" if side == "query" else "query"
    wrong = []
    for partner, text in numbers_beside(view, other).items():
        if not is_right(text, means[partner]):
            wrong.append((side, index, partner, text, means[partner]))
    place = {text: at for at, text in enumerate(names(len(means)))}
    for label, text in tooltip_rows(view):
        if not is_right(text, means[place[label]]):
            wrong.append(("tooltip", side, index, label, text, means[place[label]]))
    return wrong


@pytest.mark.parametrize("heads", [None, [0], [2], [0, 1]], ids=str)
def test_numbers_of_a_hovered_token_are_right(show, trace, heads):
    view = show(trace, heads=heads)
    weights = trace.weights(0)[heads or slice(None)]
    wrong, seen = [], 0
    for side in ("query", "key"):
        for index in (0, 1, 2, 3, 5, 8, 13, 19):
            hover(view, side, index)
            wrong += wrong_numbers(view, side, index, weights)
            seen += len(tooltip_rows(view))
    assert wrong == []
    if heads != [2]:  # even weights of 520 tokens are all too small to be listed
        assert seen >= 8


def test_numbers_of_each_head_and_their_mean_are_right(show, trace):
    view = show(trace)
    weights = trace.weights(0).astype(float)
    wrong = []
    for side, index in [("query", 2), ("query", 11), ("key", 5), ("key", 0)]:
        token(view, side, index).click()
        other = "key" if side == "query" else "query"
        for partner in (0, 1, 4, 5, 7, 12, 16, 20):
            hover(view, other, partner)
            truth = read(side, index, weights)[:, partner]
            rows = dict(tooltip_rows(view))
            told = [rows[f"head {head}"] for head in range(HEADS)] + [rows["mean"]]
            for text, value in zip(told, [*truth, truth.mean()], strict=True):
                if not is_right(text, value):
                    wrong.append((side, index, partner, text, value))
            beside = numbers_beside(view, other)[partner]
            if not is_right(beside, truth.mean()):
                wrong.append((side, index, partner, beside, truth.mean()))
        token(view, side, index).click()
    assert wrong == []


def test_the_numbers_beside_tokens_are_the_largest(show, trace):
    view = show(trace)
    means = trace.weights(0).astype(float).mean(axis=0)
    for index in (0, 4, 9):
        hover(view, "query", index)
        told = [label for label, _ in tooltip_rows(view)]
        truth = np.sort(means[index])[::-1][: len(told)]
        place = {text: at for at, text in enumerate(names(means.shape[1]))}
        assert means[index, [place[label] for label in told]] == pytest.approx(truth, abs=0.004)


def test_numbers_read_to_a_screen_reader_are_right(show, trace):
    view = show(trace, heads=[1])
    weights = trace.weights(0, 1).astype(float)
    place = {text: at for at, text in enumerate(names(weights.shape[1]))}
    for index in (1, 6):
        token(view, "query", index).click()
        said = view.locator("[aria-live]")
        expect(said).to_contain_text(f"query '{names(weights.shape[0])[index]}'")
        pairs = re.findall(r"([\d.<–]+) to '(\w+)'", said.text_content() or "")
        assert len(pairs) == 3
        for text, label in pairs:
            assert is_right(text, weights[index, place[label]])


def test_numbers_in_the_model_views_panel_are_right(page, open_view, trace):
    view = open_view(page, trace.model_view().html(), width=1400)
    for head in range(HEADS):
        view.locator(f".cell[data-head='{head}']").click()
        settle(view)
        for side, index in [("query", 1), ("query", 6), ("key", 3)]:
            hover(view, side, index)
            assert wrong_numbers(view, side, index, trace.weights(0)[[head]]) == []


def test_exact_numbers_have_three_decimals_or_more(show):
    view = show(trace_with(24), heads=[1])
    token(view, "query", 4).click()
    for partner in range(12):
        hover(view, "key", partner)
        text = dict(tooltip_rows(view))["head 1"]
        assert re.fullmatch(r"0\.\d{3,4}|<0\.0001", text), text


def test_coarse_numbers_never_claim_more_than_the_page_holds(show):
    trace = trace_with(520)
    view = show(trace, heads=[0])
    said = view.locator(".foot")
    expect(said).to_contain_text("within 0.004")
    hover(view, "query", 3)
    for _, text in tooltip_rows(view):
        assert re.fullmatch(r"0\.\d\d(\d\d?)?|[\d.]+–[\d.]+|<0\.\d+|1(\.0+)?", text), text


def test_drifting_rows_whose_codes_were_moved_are_still_told_right(show):
    """Even rows make the encoder move codes by a step: `spread` is 1, and numbers get wider."""
    weights = np.full((1, 3, 520, 520), 1 / 520, np.float32)
    weights[0, :, :, :4] = [0.2, 0.1, 0.05, 0.02]
    weights /= weights.sum(-1, keepdims=True)
    trace = trace_of(weights)
    assert "&quot;spread&quot;: 1.0" in trace.head_view().html()
    view = show(trace)
    for side, index in [("query", 0), ("query", 9), ("key", 1), ("key", 3), ("key", 9)]:
        token(view, side, index).click()
        other = "key" if side == "query" else "query"
        for partner in (0, 1, 2, 3, 12):
            hover(view, other, partner)
            truth = float(read(side, index, weights[0])[0, partner])
            for _, text in tooltip_rows(view):
                assert is_right(text, truth), (side, index, partner, text, truth)
        token(view, side, index).click()


@pytest.mark.parametrize("tokens", [6, 520])
def test_the_share_of_a_sink_is_told_right(show, tokens):
    rng = np.random.default_rng(3)
    queries, keys = rng.normal(size=(2, 3, tokens, 4)).astype(np.float32)
    spec = ScoreSpec(scaling=0.5, sinks=np.array([2, -1, 7], np.float32))
    layer = QKLayer(queries, keys, spec, (0, 1, 2), np.arange(3))
    side = Tokens.plain(names(tokens))
    trace = Trace([Stream("self", (0,), (layer,), side, side)])
    for heads in ([0], [2], [0, 1, 2]):
        view = show(trace, heads=heads)
        shares = 1 - trace.weights(0)[heads].astype(float).sum(-1).mean(0)
        for index in (0, 3, 5):
            hover(view, "query", index)
            told = dict(tooltip_rows(view))["to sink"]
            assert is_right(told, shares[index]), (heads, index, told, shares[index])


def test_missing_is_told_as_missing_and_left_out_of_means(show):
    weights = random_weights(1, 3, 8, 8)
    weights[0, 1, 2] = np.nan
    with pytest.warns(AttnscopeWarning, match="NaN"):
        trace = trace_of(weights)
    view = show(trace)
    token(view, "query", 2).click()
    for partner in range(8):
        hover(view, "key", partner)
        truth = trace.weights(0)[:, 2, partner].astype(float)
        told = [text for _, text in tooltip_rows(view)]
        for text, value in zip(told, [*truth, np.nanmean(truth)], strict=True):
            assert is_right(text, value)


def test_weights_outside_0_to_1_are_not_told_as_if_they_were_inside(show):
    weights = np.full((1, 1, 3, 3), 1 / 3, np.float32)
    weights[0, 0, 1] = [1.7, -0.5, -0.2]
    with pytest.warns(AttnscopeWarning, match="expected 0 to 1"):
        trace = trace_of(weights)
    view = show(trace)
    token(view, "query", 1).click()
    for partner in range(3):
        hover(view, "key", partner)
        [(_, told)] = tooltip_rows(view)
        assert told == "missing"
