"""Parts of a context: the maps hold the table's numbers, in their places."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from attnscope import InputError, plot
from attnscope.measures import Table


def table(n_tokens: int, n_parts: int = 3) -> Table:
    """Numbers by formula; without `text` where there are no tokens."""
    parts = [f"chunk {part}" for part in range(n_parts)]
    count = n_parts * max(1, n_tokens)
    columns = {
        "part": np.repeat(parts, max(1, n_tokens)),
        "weight": np.linspace(0, 0.5, count),
        "norm": np.linspace(0.4, 0, count),
        "effect": np.linspace(-1, 3, count),
    }
    if n_tokens:
        columns["token"] = np.tile(np.arange(n_tokens), n_parts)
        columns["text"] = np.tile([f"t{at}" for at in range(n_tokens)], n_parts)
    return Table(columns)


@pytest.mark.parametrize("n_tokens", [0, 4, 30])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_maps_hold_the_numbers_and_lie_apart(n_tokens, theme):
    given = table(n_tokens)
    ax = plot.sources(given, ax=Figure(), theme=theme)
    ax.figure.canvas.draw()
    assert len(ax.images) == 3
    for image, name in zip(ax.images, ("weight", "norm", "effect"), strict=True):
        np.testing.assert_allclose(np.ravel(image.get_array()), given[name])
    boxes = [image.get_extent() for image in ax.images]
    side = 0 if n_tokens < 30 else 3
    starts = [box[side] for box in boxes]
    assert starts == sorted(set(starts))
    assert [text.get_text() for text in ax.texts][:1] == ["weight"]
    shares, _, effect = ax.images
    assert effect.norm.vmin == -effect.norm.vmax == -3
    assert (shares.norm.vmin, shares.norm.vmax) == (0, 0.5)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["chunk 0", "chunk 1", "chunk 2"] * (1 if n_tokens < 30 else 3)
    width, height = ax.figure.get_size_inches()
    assert width <= 6.9 + 1e-6
    assert height < 9.8


def test_numbers_stand_in_cells_that_have_room():
    few = plot.sources(table(0), ax=Figure(), bar=False)
    assert [text.get_text() for text in few.texts if text.get_text()[-1].isdigit()][:4] == [
        "0.00", "0.25", "0.50", "0.40",
    ]  # fmt: skip
    many = plot.sources(table(30), ax=Figure())
    assert [text.get_text() for text in many.texts] == ["weight", "norm", "effect"]
    assert len(many.figure.axes) == 3  # two bars


def test_a_norm_that_is_not_known_is_flat():
    unknown = table(4)
    unknown.columns["norm"][:] = np.nan
    ax = plot.sources(unknown, ax=Figure())
    assert ax.images[1].get_array().mask.all()
    assert len(ax.collections) == 1


def test_an_axes_of_ones_own_keeps_its_figure():
    figure = Figure(figsize=(6, 3))
    ax = figure.subplots(1, 2)[1]
    assert plot.sources(table(4), ax=ax, bar=False, title="") is ax
    assert tuple(figure.get_size_inches()) == (6, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, r"table of attnscope.sources \(part, weight, norm, effect\), got int"),
        (Table({"layer": [0]}), "got layer"),
    ],
)
def test_another_table_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        plot.sources(given, ax=Figure())
