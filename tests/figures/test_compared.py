"""Figures of comparisons: what each says, and what none can show."""

from __future__ import annotations

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from tests.figures.scenes import causal_map, compared, compared_patches, patches, pinned, plain
from tests.traces import of_words

VIEWS = ("head_view", "model_view", "matrix_view", "text_view", "heads_view")


def texts(figure) -> list[str]:
    """Every text of a figure that is not empty."""
    import matplotlib.text

    found = figure.findobj(matplotlib.text.Text)
    return [one.get_text() for one in found if one.get_text().strip()]


@pytest.fixture(scope="module")
def comparison() -> attnscope.Comparison:
    a, b = of_words(["x", "y", "z"], 0, 2), of_words(["x", "n", "u", "z"], 1, 2)
    return attnscope.compare(a, b, names=("be$fore$", "after"))


@pytest.mark.parametrize("show", ["both", "difference"])
@pytest.mark.parametrize(
    ("view", "suffix"),
    [*((view, ".svg") for view in VIEWS), ("head_view", ".png"), ("head_view", ".pdf")],
)
def test_every_view_is_saved(comparison, view, show, suffix, tmp_path):
    path = getattr(comparison, view)(show=show).save(tmp_path / f"x{suffix}")
    assert path.stat().st_size > 1000


@pytest.mark.parametrize("view", ["head_view", "model_view", "matrix_view", "text_view"])
def test_names_say_what_is_shown(comparison, view):
    both = texts(getattr(comparison, view)(show="both").figure())
    for name in ("be$fore$", "after"):
        assert any(text.startswith(name) for text in both)
    changed = texts(getattr(comparison, view)(show="difference").figure())
    assert any(text.startswith("after minus be$fore$") for text in changed)
    assert "–" not in changed
    assert ("–" in both) is (view in ("head_view", "matrix_view", "text_view"))


def test_numbers_of_a_difference_have_signs():
    comparison = compared(plain())
    view = pinned(comparison.head_view(1, [2], show="difference"))
    change = comparison.difference.weights(1, 2)[4]
    largest = np.nanargmax(np.abs(change))
    assert f"{change[largest]:+.3f}".replace("-", "−") in texts(view.figure())
    assert "blue: more, orange: less" in " ".join(texts(view.figure()))


def test_lines_of_a_difference_have_two_colors():
    from matplotlib.collections import PathCollection

    from attnscope.plot.colors import signed_colors

    figure = compared(plain()).head_view(1, [2], show="difference").figure()
    drawn = {
        tuple(np.rint(color[:3] * 255).astype(int).tolist())
        for one in figure.findobj(PathCollection)
        for color in one.get_edgecolors()
    }
    assert drawn == set(signed_colors("light"))


def test_pictures_side_by_side_have_one_scale():
    comparison = compared_patches(patches())
    view = comparison.image_view(np.full((60, 80, 3), 0.5), layer=1, heads=[2], grid=(3, 4))
    figure = view.figure()
    assert len(figure.subfigs) == 2
    bars = [
        ax.get_xlim() for one in figure.subfigs for ax in one.axes if ax.get_xlabel() == "weight"
    ]
    assert len(bars) == 2
    assert bars[0] == bars[1]


def test_steps_stand_below_each_other_and_their_difference_is_refused():
    comparison = attnscope.compare(causal_map(), causal_map(1))
    named = texts(comparison.generation_view(1, start=6).figure())
    assert any(text.startswith("first · ") for text in named)
    assert any(text.startswith("second · ") for text in named)
    with pytest.raises(InputError, match="difference in the generation view cannot be drawn as a"):
        comparison.generation_view(start=6, show="difference").figure()
