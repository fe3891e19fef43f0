"""Where figures are drawn: the user's Axes, a Figure, or pyplot, with any backend."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import attnscope
from attnscope import InputError, plot
from attnscope.measures import Table
from attnscope.plot.canvas import shortened
from attnscope.plot.fonts import letters_for

SOURCES = Table(
    {
        "part": np.array(["chunk", "question"]),
        "weight": np.array([0.7, 0.2]),
        "norm": np.array([0.6, 0.3]),
        "effect": np.array([2.5, -0.1]),
    }
)

FIGURES = {
    "head": lambda trace, ax: plot.head(trace, 1, 0, ax=ax),
    "layer": lambda trace, ax: plot.layer(trace, 1, ax=ax),
    "measure": lambda trace, ax: plot.measure(trace, "entropy", ax=ax),
    "lines": lambda trace, ax: plot.lines(trace, 1, query=1, ax=ax),
    "model": lambda trace, ax: plot.model(trace, ax=ax),
    "neurons": lambda trace, ax: plot.neurons(trace, 1, 0, 3, ax=ax),
    "rollout": lambda trace, ax: plot.rollout(trace, ax=ax),
    "sources": lambda _, ax: plot.sources(SOURCES, ax=ax),
    "text": lambda trace, ax: plot.text(trace, 2, ax=ax),
}


def test_every_figure_is_listed():
    assert set(FIGURES) == set(plot.__all__)


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_without_an_axes_a_new_figure_of_pyplot_is_made(causal, draw):
    before = plt.figure()
    ax = draw(causal, None)
    assert isinstance(ax, Axes)
    assert plt.gcf() is ax.figure
    assert ax.figure is not before


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_with_an_axes_only_it_is_drawn_on(causal, draw):
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
    other = plt.figure()
    size = figure.get_size_inches().copy()
    assert draw(causal, left) is left
    assert plt.gcf() is other
    assert (figure.get_size_inches() == size).all()
    assert not right.images
    assert not right.collections
    assert not right.texts
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "eps"])
@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
@pytest.mark.filterwarnings("ignore:The PostScript backend does not support transparency")
def test_every_figure_can_be_written_in_every_format(causal, draw, kind):
    out = io.BytesIO()
    draw(causal, Figure()).figure.savefig(out, format=kind)
    assert out.getbuffer().nbytes > 2000


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_nothing_is_cut_off_at_the_edges(causal, draw):
    out = io.BytesIO()
    draw(causal, Figure()).figure.savefig(out, format="png")
    image = np.asarray(Image.open(out).convert("RGB"))
    edges = [image[0], image[-1], image[:, 0], image[:, -1]]
    assert all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("width", [2.5, 3.4, 6.9])
@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"neurons", "sources"}))
def test_a_new_figure_has_the_width_asked_for(causal, name, width):
    options = {
        "head": (1, 0), "layer": (1,), "measure": ("entropy",), "lines": (1,), "model": (),
        "rollout": (), "text": (2,),
    }[name]  # fmt: skip
    ax = getattr(plot, name)(causal, *options, ax=Figure(), width=width)
    assert ax.figure.get_size_inches()[0] <= width + 0.01
    if name not in ("layer", "model"):  # their cells have a largest size
        assert ax.figure.get_size_inches()[0] == pytest.approx(width)


def test_neurons_need_a_column(causal):
    ax = plot.neurons(causal, 1, 0, 3, ax=Figure(), width=3.4)
    assert ax.figure.get_size_inches()[0] == 3.4
    said = r"^the steps need \d\.\d inches across, and there are 1\.9\.$"
    with pytest.raises(InputError, match=said):
        plot.neurons(causal, 1, 0, 3, ax=Figure(), width=2)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr


START = """
import sys, numpy as np, attnscope
from matplotlib.figure import Figure
weights = np.full((1, 2, 3, 3), 1 / 3, np.float32)
trace = attnscope.from_attention(weights, list("abc"))
"""


def test_pyplot_is_not_even_imported_where_a_figure_is_given():
    code = START + (
        "from attnscope import plot\nplot.head(trace, 0, 0, ax=Figure())\n"
        "trace.head_view().figure()\nprint('matplotlib.pyplot' in sys.modules)"
    )
    assert run(code) == "False"


def test_the_package_is_an_attribute_that_is_imported_when_used():
    code = START.replace("from matplotlib.figure import Figure\n", "") + (
        "print('matplotlib' in sys.modules, attnscope.plot.head.__name__, "
        "'matplotlib' in sys.modules)"
    )
    assert run(code) == "False head True"


@pytest.mark.parametrize(
    "statement",
    ["attnscope.plot", "from attnscope import plot", "trace.head_view().save('x.png')",
     "trace.head_view().figure()"],
)  # fmt: skip
def test_without_matplotlib_an_error_says_what_to_install(statement):
    code = (
        "import sys, numpy as np, attnscope\nsys.modules['matplotlib'] = None\n"
        "trace = attnscope.from_attention(np.full((1, 1, 2, 2), 0.5), list('ab'))\n"
        f"try:\n    {statement}\n"
        "except attnscope.MissingDependencyError as error:\n    print(error)"
    )
    assert run(code) == (
        "figures need matplotlib: pip install 'attnscope[plot]'. Without it, "
        "view.save('view.html') writes the view as a page."
    )


def test_the_users_style_does_not_draw_over_a_map(trace):
    with plt.style.context("ggplot"):  # a grid, white on grey
        ax = plot.head(trace, 0, 0, ax=Figure())
        ax.figure.canvas.draw()
    assert not any(line.get_visible() for line in ax.get_xgridlines())


def test_figures_of_a_trace_of_one_token():
    trace = attnscope.from_attention(np.ones((1, 1, 1, 1), np.float32), ["only"])
    for draw in (
        lambda ax: plot.head(trace, 0, 0, ax=ax),
        lambda ax: plot.layer(trace, 0, ax=ax),
        lambda ax: plot.lines(trace, 0, query=0, ax=ax),
        lambda ax: plot.model(trace, ax=ax),
        lambda ax: plot.rollout(trace, ax=ax),
        lambda ax: plot.text(trace, 0, ax=ax),
    ):
        draw(Figure()).figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("text", ["a", "wide WIDE " * 9, "iiii" * 40, "漢字 and letters " * 5])
@pytest.mark.parametrize("room", [0.0, 3.0, 20.0, 95.0, 4000.0])
def test_a_name_is_shortened_to_the_most_letters_that_fit(text, room):
    letters = letters_for([text])
    expected = text
    while expected and letters.width(expected if expected == text else f"{expected}…", 8) > room:
        expected = expected[:-1]
    name = shortened(text, room, 8, letters)
    assert name == (text if expected == text else f"{expected}…")


def test_a_token_of_ten_thousand_letters_is_drawn(tmp_path):
    weights = np.full((1, 2, 3, 3), 1 / 3, dtype=np.float32)
    trace = attnscope.from_attention([weights], ["a" * 10_000, "b", "c"])
    for view in (trace.head_view(layer=0), trace.matrix_view(layer=0), trace.text_view(layer=0)):
        view.save(tmp_path / "long.png")
        with Image.open(tmp_path / "long.png") as picture:
            assert max(picture.size) < 4000
