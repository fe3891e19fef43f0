"""Running text: which token has which shade, where lines break, which way they run."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import attnscope
from attnscope import InputError, plot
from attnscope.plot.colors import ink_on
from attnscope.plot.fonts import Letters
from attnscope.plot.wrapping import flowed, joined_in
from attnscope.tokens import Tokens
from tests.browser.looking import random_weights
from tests.figures.conftest import TOKENS

LETTERS = Letters(("DejaVu Sans",))


def shades(ax) -> list[tuple[int, ...]]:
    """Colour of each token's box, in order of tokens."""
    boxes = {p.get_gid(): p for p in ax.patches if (p.get_gid() or "").startswith("token-")}
    return [
        tuple(round(255 * v) for v in boxes[f"token-{i}"].get_facecolor()[:3])
        for i in range(len(boxes))
    ]


def expected(ax, numbers: np.ndarray) -> list[tuple[int, ...]]:
    """The colours of these numbers on the figure's own scale, which its bar shows."""
    mappable = ax.figure.axes[1]._colorbar.mappable
    return [tuple(int(v) for v in mappable.to_rgba(n, bytes=True)[:3]) for n in numbers]


def test_keys_are_shaded_by_what_a_query_gives_them(trace):
    ax = plot.text(trace, "cat", layer=1, head=2, ax=Figure())
    row = trace.weights(1, 2)[2]
    assert shades(ax) == expected(ax, row)
    assert ax.figure.axes[1]._colorbar.mappable.norm.vmax == pytest.approx(row.max())
    assert [text.get_text() for text in ax.texts] == TOKENS
    assert ax.get_title() == "What “cat” attends to · layer 1, head 2"


def test_queries_are_shaded_by_what_they_give_a_key(trace):
    ax = plot.text(trace, key=0, layer=0, ax=Figure())
    assert shades(ax) == expected(ax, trace.weights(0).mean(0)[:, 0])
    assert ax.get_title() == "What attends to “[CLS]” · layer 0, mean of heads"


def test_without_a_token_keys_are_shaded_by_what_they_get_in_the_mean(trace):
    ax = plot.text(trace, ax=Figure())
    mean = np.mean([trace.weights(layer) for layer in range(3)], axis=(0, 1, 2))
    assert shades(ax) == expected(ax, mean)


def test_the_token_in_question_has_a_frame(trace):
    ax = plot.text(trace, 3, ax=Figure())
    framed = [p.get_gid() for p in ax.patches if p.get_linewidth() > 0]
    assert framed == ["token-3"]


def test_text_is_black_or_white_whichever_reads_better(trace):
    for theme in ("light", "dark"):
        ax = plot.text(trace, 2, ax=Figure(), theme=theme)
        inks = [text.get_color() for text in ax.texts]
        assert inks == [ink_on(shade) for shade in shades(ax)]


def test_missing_numbers_are_hatched():
    weights = random_weights(1, 1, 6, 6)
    weights[0, 0, :, 4] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning, match="shown as missing"):
        trace = attnscope.from_attention(weights, TOKENS)
    ax = plot.text(trace, ax=Figure())
    assert [p.get_gid() for p in ax.patches if p.get_hatch()] == ["token-4"]


def test_a_text_fits_its_width_and_an_axes_that_is_given(trace):
    long = attnscope.from_attention(random_weights(1, 1, 120, 120), TOKENS * 20)
    ax = plot.text(long, ax=Figure(), width=3)
    assert ax.get_xlim()[1] < 72 * 3
    assert max(p.get_x() + p.get_width() for p in ax.patches) <= ax.get_xlim()[1] + 0.01
    figure = Figure(figsize=(4, 1.2))
    given = figure.add_axes((0, 0, 1, 1))
    plot.text(long, ax=given, bar=False)
    assert max(p.get_y() + p.get_height() for p in given.patches) <= given.get_ylim()[0]
    assert {text.get_fontsize() < 8 for text in given.texts} == {True}


def test_lines_break_between_words_and_not_within(figure):
    texts = ["aaa", "bb", "ccc", "dd", "ee"]
    joined = [False, True, False, True, True]
    width = LETTERS.width("aaabbcccdd", 10) + 20
    placed = flowed(texts, joined, width, 10, LETTERS)
    lines = {one.token: one.line for one in placed}
    assert lines == {0: 0, 1: 0, 2: 1, 3: 1, 4: 1}
    x = {one.token: (one.x, one.x + one.width) for one in placed}
    assert x[1][0] == pytest.approx(x[0][1])  # no space inside a word
    assert x[0][0] == x[2][0] == 0


def test_a_word_longer_than_a_line_is_broken_between_its_tokens():
    placed = flowed(
        ["aaaa"] * 6, [False, *[True] * 5], LETTERS.width("aaaa", 10) * 2.6, 10, LETTERS
    )
    assert [one.line for one in placed] == [0, 0, 1, 1, 2, 2]


def test_a_right_to_left_text_starts_at_the_right(figure):
    texts = ["הכלב", "ישב", "GPT", "two", "כי", "."]
    placed = {one.token: one for one in flowed(texts, [False] * 6, 1000, 10, LETTERS)}
    assert placed[0].x + placed[0].width == pytest.approx(1000)
    order = sorted(range(6), key=lambda token: placed[token].x)
    assert order == [5, 4, 2, 3, 1, 0]  # "GPT two" keeps its own direction


def test_a_right_to_left_run_in_another_text_is_turned():
    texts = ["see", "הכלב", "ישב", "there"]
    placed = {one.token: one for one in flowed(texts, [False] * 4, 1000, 10, LETTERS)}
    assert placed[0].x == 0
    assert sorted(range(4), key=lambda token: placed[token].x) == [0, 2, 1, 3]


def test_what_follows_without_a_space_is_known_from_spans_or_words():
    spans = np.array([[-1, -1], [0, 3], [3, 4], [5, 8]])
    special = np.array([True, False, False, False])
    tokens = Tokens(("[CLS]", "sat", ".", "the"), ("", "", "", ""), special, spans=spans)
    assert joined_in(tokens, range(4)) == [False, False, True, False]
    assert joined_in(Tokens.plain(["un", "##like", "ly"]), range(3)) == [False, True, False]
    assert joined_in(Tokens.plain(["a", "b"]), range(2)) == [False, False]


def test_one_side_is_asked_for(trace):
    with pytest.raises(
        InputError, match=r"^shade by a query or by a key, not both: give query= or"
    ):
        plot.text(trace, 1, 2)
    with pytest.raises(InputError, match=r"^key 'dog' is not among"):
        plot.text(trace, key="dog")
