"""Heads, text, generation and image views as figures: the numbers, colours and words on screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

import attnscope
from attnscope.plot.colors import SHADE, head_color, patch_ramp
from attnscope.plot.ink import THEMES
from attnscope.plot.patches import FRAME
from attnscope.tokens import Tokens
from attnscope.view import View
from tests.browser.looking import random_weights
from tests.figures.scenes import state

PIECES = ["[CLS]", "un", "##like", "##ly", "story", "[SEP]"]


@pytest.fixture
def text() -> attnscope.Trace:
    return attnscope.from_attention(random_weights(3, 4, 6, 6), PIECES)


def boxes(figure: Figure) -> list[Any]:
    """The boxes of the tokens, in order."""
    named = {p.get_gid(): p for p in figure.axes[0].patches}
    return [named[f"token-{i}"] for i in range(sum("token-" in (name or "") for name in named))]


def shares(figure: Figure) -> np.ndarray:
    """How far each token's box is on the way from the ground to the full shade, 0..1."""
    ground, full = np.array([255, 255, 255]), np.array(SHADE["light"])
    colors = np.array([box.get_facecolor()[:3] for box in boxes(figure)]) * 255
    return ((ground - colors) / (ground - full).clip(1))[:, 2]


def roots(numbers: np.ndarray) -> np.ndarray:
    return np.sqrt(numbers / numbers.max())


def framed(figure: Figure) -> list[int]:
    return [at for at, box in enumerate(boxes(figure)) if box.get_linewidth() > 0]


def test_a_text_is_shaded_by_the_mean_row_or_column(text):
    every = np.stack([text.weights(n) for n in range(3)])
    figure = text.text_view().figure()
    np.testing.assert_allclose(shares(figure), roots(every.mean((0, 1, 2))), atol=0.01)
    title = "What each token gets in the mean · mean of layers, mean of heads · weight"
    assert figure.axes[0].get_title() == title
    figure = text.text_view("story", layer=1, head=2).figure()
    np.testing.assert_allclose(shares(figure), roots(every[1, 2, 4]), atol=0.01)
    assert framed(figure) == [4]
    assert figure.axes[0].get_title() == "What “story” attends to · layer 1, head 2 · weight"
    column = state(text.text_view(0, layer=1, head="max"), pinned={"side": "key", "index": 0})
    np.testing.assert_allclose(shares(column.figure()), roots(every[1].max(0)[:, 0]), atol=0.01)
    assert column.figure().axes[0].get_title().startswith("What attends to “[CLS]”")


def test_words_share_a_shade_and_hidden_tokens_are_gone(text):
    view = text.text_view("un", layer=2, head=0, words=True, hide_special=True, renormalise=True)
    figure = view.figure()
    kept = text.weights(2, 0)[1:5, 1:5]
    kept = kept / kept.sum(-1, keepdims=True)
    row = kept[:3].mean(0)
    word = np.array([row[:3].sum()] * 3 + [row[3]])
    np.testing.assert_allclose(shares(figure), roots(word), atol=0.01)
    assert [t.get_text() for t in figure.axes[0].texts] == ["un", "like", "ly", "story"]
    assert framed(figure) == [0, 1, 2]
    assert "“unlikely”" in figure.axes[0].get_title()


def test_a_token_that_is_hidden_is_not_what_it_is_about(text):
    figure = text.text_view(0, layer=2, head=0, hide_special=True).figure()
    assert figure.axes[0].get_title().startswith("What each token gets")
    assert not framed(figure)


def test_both_texts_are_shown_where_they_differ():
    trace = attnscope.from_attention(
        cross=random_weights(1, 2, 2, 3), tokens=["a", "b", "c"], target_tokens=["x", "y"]
    )
    figure = trace.text_view(1, layer=0, head=1).figure()
    assert [t.get_text() for t in figure.axes[0].texts] == [
        "query tokens", "x", "y", "key tokens", "a", "b", "c",
    ]  # fmt: skip
    assert framed(figure) == [1]
    assert [box.get_fill() for box in boxes(figure)] == [False, False, True, True, True]
    np.testing.assert_allclose(
        shares(figure)[2:], roots(trace.weights(0, 1, stream="cross")[1]), atol=0.01
    )


def test_paragraphs_begin_with_segments_and_line_breaks():
    tokens = Tokens.plain(["a", "b⏎", "c", "d"])
    trace = attnscope.from_attention(random_weights(1, 1, 4, 4), tokens, segments=[3])
    figure = trace.text_view(theme="dark").figure()
    assert [t.get_text() for t in figure.axes[0].texts] == ["A", "a", "b⏎", "c", "B", "d"]
    tops = [box.get_y() for box in boxes(figure)]
    assert tops[0] == tops[1] < tops[2] < tops[3]
    assert figure.get_facecolor()[:3] == pytest.approx((0x13 / 255, 0x15 / 255, 0x19 / 255))


def test_missing_numbers_are_hatched_and_not_the_top():
    weights = random_weights(1, 2, 3, 3)
    weights[0, :, :, 1] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning, match="shown as missing"):
        trace = attnscope.from_attention(weights, ["a", "b", "c"])
    drawn = boxes(trace.text_view().figure())
    assert [bool(box.get_hatch()) for box in drawn] == [False, True, False]


def documents() -> attnscope.Documents:
    made = [
        attnscope.Document(["good", "film"], [0.9, 0.1], label="pos", prediction="pos", id="one"),
        attnscope.Document(
            ["bad", "play"], [0.2, 0.4], label="neg", prediction="pos",
            posterior={"pos": 0.7, "neg": 0.3},
        ),
    ]  # fmt: skip
    return attnscope.Documents(made)


def test_documents_come_with_what_is_known_of_them():
    figure = documents().text_view().figure()
    assert [t.get_text() for t in figure.axes[0].texts] == [
        "one · label: pos · prediction: pos · ✓ right", "good", "film",
        "1 · label: neg · prediction: pos · ✗ wrong · pos 0.700 · neg 0.300", "bad", "play",
    ]  # fmt: skip
    np.testing.assert_allclose(shares(figure), [1, 1 / 3, 0.5**0.5, 1], atol=0.01)
    assert not framed(figure)
    assert figure.axes[1].get_xlabel() == "share of the largest in its text"


def test_documents_that_do_not_match_are_left_out():
    found = documents().text_view(search="PLAY").figure()
    assert [t.get_text() for t in found.axes[0].texts][1:] == ["bad", "play"]
    right = state(documents().text_view(), outcome="right").figure()
    assert [t.get_text() for t in right.axes[0].texts][1:] == ["good", "film"]
    none = documents().text_view(search="nothing").figure()
    assert not boxes(none)


def test_many_documents_end_where_the_page_does():
    many = attnscope.Documents([attnscope.Document(["a"], [1.0]) for _ in range(60)])
    figure = many.text_view().figure()
    assert len(boxes(figure)) == 50
    assert figure.axes[0].get_title() == "Texts · the first 50 of 60 texts"


@pytest.fixture
def written() -> attnscope.Trace:
    """Six tokens read and written, causal, two layers of two heads."""
    weights = np.tril(random_weights(2, 2, 6, 6))
    return attnscope.from_attention(
        weights / weights.sum(-1, keepdims=True), ["<s>", "a", "b", "c", "d", "e"]
    )


def parts(figure: Figure, step: int) -> list[float]:
    """Heights of the parts of a bar, as shares."""
    named = {p.get_gid(): p for p in figure.axes[0].patches}
    found = [named[f"step-{step}-part-{i}"] for i in range(3)]
    return [part.get_height() / 66 for part in found]


def test_a_generation_shows_every_steps_shares_and_one_steps_row(written):
    view = written.generation_view(1, layer=1, head=0, start=3)
    figure = view.figure()
    rows = written.weights(1, 0)[2:5]
    for step in range(3):
        row = rows[step]
        assert parts(figure, step) == pytest.approx([row[0], row[1:3].sum(), row[3:].sum()])
    np.testing.assert_allclose(shares(figure), roots(rows[1]), atol=0.01)
    assert framed(figure) == [4]
    said = [t.get_text() for t in figure.axes[0].texts]
    assert figure.axes[0].get_title() == "Token 2 of 3, “d” · layer 1, head 0"
    assert f"prompt {100 * rows[1][1:3].sum():.1f} %" in said
    best = int(rows[1].argmax())
    told = next(one for one in said if one.startswith("Looked at most"))
    assert told.startswith(f"Looked at most: “{'<abcde'[best]}" if best else "Looked at most: “<s>")
    assert f"{rows[1][best]:.3f} (key {best})" in told


def test_a_generation_without_its_first_token(written):
    view = written.generation_view(0, hide_first=True, renormalise=True, start=3, theme="dark")
    row = np.stack([written.weights(n) for n in (0, 1)])[:, :, 2].mean((0, 1))
    row[0] = 0
    row /= row.sum()
    figure = view.figure()
    assert parts(figure, 0) == pytest.approx([0, row[1:3].sum(), row[3:].sum()])
    assert not any("first token" in t.get_text() for t in figure.axes[0].texts)
    assert figure.axes[0].get_title() == "Token 1 of 3, “c” · mean of layers, mean of heads"


def test_a_long_generation_has_a_strip_and_the_end_of_its_text():
    n = 1300
    weights = np.tril(random_weights(1, 1, n, n))
    weights /= weights.sum(-1, keepdims=True)
    trace = attnscope.from_attention(weights, [f"t{i}" for i in range(n)])
    figure = trace.generation_view(5, start=n - 20).figure()
    [strip] = figure.axes[0].images
    assert strip.get_array().max() == pytest.approx(weights[0, 0, n - 16].max())
    assert len(boxes(figure)) == 1200
    assert framed(figure) == [1200 - 15]
    said = " ".join(t.get_text().replace("\n", " ") for t in figure.axes[0].texts)
    assert "below are the last 1,200 of 1,300 tokens" in said


ROWS, COLUMNS = 3, 4
PICTURE = np.linspace(0, 1, 60 * 80 * 3).reshape(60, 80, 3)


@pytest.fixture
def image() -> attnscope.Trace:
    names = [f"r{row}c{column}" for row in range(ROWS) for column in range(COLUMNS)]
    return attnscope.from_attention(random_weights(2, 3, 13, 13), ["[CLS]", *names])


def colors_over(weights: np.ndarray) -> np.ndarray:
    share = np.sqrt(weights / weights.max()).reshape(ROWS, COLUMNS)
    return patch_ramp()[np.rint(share * 64).astype(int)]


def test_an_image_is_covered_by_what_a_patch_looks_at(image):
    view = image.image_view(PICTURE, 1, [0, 2], query=7, grid=(ROWS, COLUMNS))
    figure = view.figure()
    large, plain, *heads = [ax for ax in figure.axes if ax.images]
    row = image.weights(1)[[0, 2], 7, 1:].mean(0)
    np.testing.assert_allclose(large.images[1].get_array(), colors_over(row))
    np.testing.assert_array_equal(plain.images[0].get_array(), np.rint(PICTURE * 255))
    assert [ax.get_title() for ax in heads] == ["head 0", "head 1", "head 2"]
    for ax, weights in zip(heads, image.weights(1), strict=True):
        np.testing.assert_allclose(ax.images[1].get_array(), colors_over(weights[7, 1:]))
    assert figure.get_suptitle() == "What “r1c2” looks at · layer 1, mean of 2 heads"
    assert large.get_title() == f"{100 * (1 - row.sum()):.0f} % goes to tokens beside the patches"
    frame = large.patches[-1]
    assert frame.get_xy() == (2 * 20, 20)
    assert frame.get_edgecolor()[:3] == pytest.approx(
        tuple(int(FRAME[i : i + 2], 16) / 255 for i in (1, 3, 5))
    )


def test_an_image_can_be_about_who_looks_at_a_token(image):
    view = image.image_view(PICTURE, 0, [1], grid=(ROWS, COLUMNS), theme="dark")
    looked = state(view, pinned={"side": "key", "index": 0}).figure()
    large = next(ax for ax in looked.axes if ax.images)
    np.testing.assert_allclose(large.images[1].get_array(), colors_over(image.weights(0, 1)[1:, 0]))
    assert looked.get_suptitle() == "What looks at “[CLS]” · layer 0, head 1"
    assert not large.patches
    assert large.get_title() == ""


def test_an_image_of_one_head_stands_alone():
    trace = attnscope.from_attention(random_weights(1, 1, 12, 12), [f"p{i}" for i in range(12)])
    figure = trace.image_view(PICTURE, grid=(ROWS, COLUMNS)).figure()
    assert len([ax for ax in figure.axes if ax.images]) == 1


def test_a_heads_view_gives_its_measure(trace):
    [ax, _] = trace.heads_view("entropy").figure().axes
    table = trace.heads(["entropy"])
    np.testing.assert_allclose(
        np.ma.getdata(ax.images[0].get_array()).ravel(), table["entropy"], rtol=1e-3
    )
    assert ax.get_title() == "Entropy"
    assert ax.images[0].norm.vmax == pytest.approx(table["entropy"].max(), rel=1e-3)
    [ax, _] = state(trace.heads_view(), measure="previous_token").figure().axes
    assert ax.images[0].norm.vmax == 1
    [ax, _] = trace.heads_view("entropy", layers=[2, 0], heads=[3, 1]).figure().axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2", "0"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3", "1"]
    values = table["entropy"].reshape(3, 4)[[2, 0]][:, [3, 1]]
    np.testing.assert_allclose(np.ma.getdata(ax.images[0].get_array()), values, rtol=1e-3)


def test_the_head_opened_in_a_heads_view_is_drawn_beside(trace):
    view = state(trace.heads_view(theme="dark"), opened={"layer": 1, "head": 2}, filter="A→B")
    measure, head, *_ = view.figure().axes
    [frame] = [patch for patch in measure.patches if not patch.get_fill()]
    assert frame.get_xy() == (2, 1)
    assert head.get_title() == "Layer 1, head 2"
    np.testing.assert_allclose(head.images[0].get_array(), trace.weights(1, 2)[:3, 3:], rtol=1e-5)
    assert view.figure().get_facecolor()[:3] == pytest.approx(
        tuple(int(THEMES["dark"].bg[i : i + 2], 16) / 255 for i in (1, 3, 5))
    )


def test_segments_have_the_colors_of_the_page(written):
    figure = written.generation_view(start=3).figure()
    named = {p.get_gid(): p for p in figure.axes[0].patches}
    for part in (1, 2):
        color = named[f"step-0-part-{part}"].get_facecolor()
        assert tuple(round(255 * c) for c in color[:3]) == head_color(part - 1, "light")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_every_view_is_saved(text, written, image, tmp_path, suffix):
    views: list[View] = [
        text.text_view(), documents().text_view(), written.generation_view(start=3),
        image.image_view(PICTURE, grid=(ROWS, COLUMNS)), text.heads_view(),
    ]  # fmt: skip
    for place, view in enumerate(views):
        assert view.save(tmp_path / f"{place}{suffix}").stat().st_size > 1000
