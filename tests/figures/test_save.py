"""A view saved as a figure shows the state on the screen; files are whole, safe and the same."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

import attnscope
from attnscope import AttnscopeWarning, InputError, SaveError
from attnscope.hosts import image
from attnscope.plot.colors import WEIGHT, head_color, layer_color, rgb
from attnscope.plot.curves import LEAST_ALPHA
from attnscope.plot.ink import THEMES
from attnscope.view import FIGURES, View
from tests.browser.looking import random_weights
from tests.browser.paging import HOSTILE
from tests.figures.conftest import TOKENS
from tests.figures.scenes import state

SVG = "{http://www.w3.org/2000/svg}"


def colors_of(ax) -> set[tuple[int, ...]]:
    """The colours of the curves of an Axes."""
    inks = np.concatenate([c.get_edgecolor()[:, :3] for c in ax.collections if len(c.get_paths())])
    return {tuple(row) for row in np.rint(inks * 255).astype(int).tolist()}


def texts_of(path: Path) -> list[str]:
    """Every text of an SVG."""
    root = ET.fromstring(path.read_bytes())
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def test_a_head_view_gives_its_layer_heads_tokens_colors_and_theme(trace):
    view = state(trace.head_view(theme="dark"), layer=2, heads=[3, 1], filter="A→B")
    [ax] = view.figure().axes
    assert ax.get_title() == "Layer 2"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1", "3"]
    assert colors_of(ax) == {head_color(1, "dark"), head_color(3, "dark")}
    shown = [text.get_text() for text in ax.texts]
    assert shown[:3] + shown[4:7] == TOKENS
    for head, curves in zip((1, 3), ax.collections, strict=True):
        kept = trace.weights(2, head)[:3, 3:]
        assert len(curves.get_paths()) == (kept >= LEAST_ALPHA).sum()
    assert ax.figure.get_facecolor()[:3] == pytest.approx(to_rgb(THEMES["dark"].bg))


@pytest.mark.parametrize("side", ["query", "key"])
def test_a_pinned_token_stands_alone(trace, side):
    view = state(trace.head_view(1, [0]), pinned={"side": side, "index": 4})
    [ax] = view.figure().axes
    row = ax.get_ylim()[0] / 6
    end = 0 if side == "query" else -1
    rows = {round(path.vertices[end, 1] / row - 0.5) for path in ax.collections[0].get_paths()}
    assert rows == {4}
    hidden_by_filter = state(view, filter="A→A")
    [ax] = hidden_by_filter.figure().axes
    kept = trace.weights(1, 0)[:3, :3]
    assert len(ax.collections[0].get_paths()) == (kept >= LEAST_ALPHA).sum()


def test_a_head_view_without_active_heads_shows_all_as_the_page_does(trace):
    [ax] = state(trace.head_view(), heads=[]).figure().axes
    assert len(ax.collections) == 4


def test_a_model_view_gives_its_grid(trace):
    [ax] = trace.model_view(layers=[2, 0], heads=[1, 3]).figure().axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2", "0"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3"]
    assert len(ax.collections) == 4
    heat = state(trace.model_view(), cells="heat").figure().axes[0]
    assert len(heat.images) == 12


def test_an_opened_cell_is_marked_and_drawn_beside_the_grid(trace):
    view = state(trace.model_view(), opened={"layer": 1, "head": 2}, filter="B→B")
    grid, detail = view.figure().axes
    assert [p.get_xy() for p in grid.patches if not p.get_fill()] == [pytest.approx((2.12, 1.06))]
    assert detail.get_title() == "Layer 1, head 2"
    assert colors_of(detail) == {layer_color(1, "light")}
    kept = trace.weights(1, 2)[3:, 3:]
    assert len(detail.collections[0].get_paths()) == (kept >= LEAST_ALPHA).sum()


def test_a_cell_that_the_stream_lacks_is_not_opened():
    trace = attnscope.from_attention(
        encoder=random_weights(2, 3, 4, 4), cross=random_weights(1, 2, 3, 4),
        tokens=list("abcd"), target_tokens=list("xyz"),
    )  # fmt: skip
    view = state(trace.model_view(), stream="cross", opened={"layer": 1, "head": 2})
    assert len(view.figure().axes) == 1


@pytest.fixture
def special() -> attnscope.Trace:
    return attnscope.from_attention(
        random_weights(2, 3, 6, 6), ["[CLS]", "a", "b", "c", "d", "[SEP]"], segments=[3]
    )


def test_the_options_of_a_view_are_kept(special):
    view = state(
        special.head_view(1, mean=True), hide_special=True, renormalise=True, threshold=0.3,
        filter="A→B", pinned={"side": "query", "index": 2},
    )  # fmt: skip
    [ax] = view.figure().axes
    kept = special.weights(1)[:, 1:5, 1:5]
    row = (kept / kept.sum(-1, keepdims=True)).mean(0)[1, 2:]
    drawn = np.sort(ax.collections[0].get_edgecolor()[:, 3])
    np.testing.assert_allclose(drawn, np.sort(row[row >= 0.3]), rtol=1e-5)
    assert ax.get_title() == "Layer 1, mean of heads"
    every = state(view, heads=None).figure().axes[0]
    names = [text.get_text() for text in every.get_legend().get_texts()]
    assert names == ["0", "1", "2", "mean of 3"]


def test_a_pinned_token_that_is_hidden_singles_nothing_out(special):
    view = state(special.head_view(1, [0]), pinned={"side": "key", "index": 0}, hide_special=True)
    [ax] = view.figure().axes
    kept = special.weights(1, 0)[1:5, 1:5]
    assert len(ax.collections[0].get_paths()) == (kept >= LEAST_ALPHA).sum()


def test_the_mean_can_be_opened_in_a_model_view(special):
    view = state(special.model_view(mean=True, heads=[2, 0]), opened={"layer": 1, "head": None})
    grid, detail = view.figure().axes
    assert detail.get_title() == "Layer 1, mean of heads"
    mean = special.weights(1)[[0, 2]].mean(0)
    drawn = np.sort(detail.collections[0].get_edgecolor()[:, 3])
    np.testing.assert_allclose(drawn, np.sort(mean[mean >= LEAST_ALPHA]), rtol=1e-5)
    assert [label.get_text() for label in grid.get_xticklabels()] == ["mean", "2", "0"]


def test_a_matrix_view_gives_its_head_window_and_colors(trace, causal):
    view = state(
        trace.matrix_view(2, 1, color="log"), cursor={"query": 2, "key": 4}, fit=True,
        window={"query": [0.6, 4.2], "key": [2, 6]},
    )  # fmt: skip
    ax = view.figure().axes[0]
    np.testing.assert_allclose(ax.images[0].get_array(), trace.weights(2, 1)[:5, 2:], rtol=1e-5)
    assert ax.get_title() == "Layer 2, head 1"
    [frame] = [patch for patch in ax.patches if not patch.get_fill()]
    assert frame.get_xy() == (2, 2)
    assert type(ax.images[0].norm).__name__ == "LogNorm"
    assert ax.images[0].norm.vmax == pytest.approx(trace.weights(2, 1)[:5, 2:].max())
    whole = causal.matrix_view(1, "max", theme="dark").figure().axes[0]
    assert whole.images[0].norm.vmax == 1
    assert whole.get_title() == "Layer 1, max of heads"


def test_a_matrix_views_mean_is_over_the_heads_that_it_shows(trace):
    ax = trace.matrix_view(0, "mean", heads=[1, 3]).figure().axes[0]
    np.testing.assert_allclose(
        ax.images[0].get_array(), trace.weights(0)[[1, 3]].mean(0), rtol=1e-5
    )


def test_a_neuron_view_gives_its_lines_or_its_steps(causal):
    [lines] = causal.neuron_view(1, 1).figure().axes
    assert colors_of(lines) == {rgb(WEIGHT["light"])}
    [steps] = causal.neuron_view(1, 1, 3).figure().axes
    assert steps.get_title() == "“d” (query 3) · layer 1, head 1"


def test_a_neuron_view_that_shows_no_query_says_how_to_choose_one(causal):
    with pytest.raises(
        InputError, match=r"^the neuron view shows no query's steps yet: pin a query"
    ):
        state(causal.neuron_view(1, 1), expanded=True).figure()


def test_a_view_without_a_figure_says_what_to_do_instead(trace):
    odd = View(trace, {**trace.head_view().spec, "view": "odd"})
    with pytest.raises(InputError, match=r"^the odd view cannot be drawn as a figure yet: save it"):
        odd.figure()


def test_the_widget_gives_the_state_that_the_reader_has_brought_it_to(trace, tmp_path):
    widget = trace.head_view().widget()
    widget.layer, widget.heads, widget.filter = 1, [2], "B→A"
    widget.pinned = {"side": "query", "index": 4}
    [ax] = widget.figure().axes
    assert ax.get_title() == "Layer 1, head 2"
    assert colors_of(ax) == {head_color(2, "light")}
    assert isinstance(widget.figure(width=5), Figure)
    page = widget.save(tmp_path / "now.html").read_text(encoding="utf-8")
    assert '"layer":1' in page
    assert '"pinned":{"side":"query","index":4}' in page
    assert widget.save(tmp_path / "now.svg").stat().st_size > 1000
    assert widget.view().spec["view"] == "head"


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".PNG", b"\x89PNG")],
)
def test_the_suffix_says_which_kind(trace, tmp_path, suffix, start):
    path = trace.head_view().save(tmp_path / f"figure{suffix}")
    assert path.read_bytes().startswith(start)
    assert path == tmp_path / f"figure{suffix}"


def pixels_wide(path: Path) -> int:
    with Image.open(path) as image:
        return image.width


def test_width_and_dpi_decide_the_size(trace, tmp_path):
    view = trace.head_view(1, [1])
    assert pixels_wide(view.save(tmp_path / "small.png", width=3, dpi=100)) == 300
    assert pixels_wide(view.save(tmp_path / "large.png", width=3, dpi=300)) == 900
    root = ET.fromstring(view.save(tmp_path / "w.svg", width=3).read_bytes())
    assert root.get("width") == "216pt"
    assert pixels_wide(view.save(tmp_path / "usual.png")) == round(3.4 * 200)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dpi": 0}, "dpi must be a number from 10 to 2400, got 0."),
        ({"dpi": "high"}, "dpi must be a number from 10 to 2400, got 'high'."),
        ({"width": 0.2}, "width must be a number from 1 to 60, got 0.2."),
        ({"width": True}, "width must be a number from 1 to 60, got True."),
        ({"width": float("nan")}, "width must be a number from 1 to 60, got nan."),
    ],
)
def test_sizes_that_make_no_sense_are_errors(trace, tmp_path, options, text):
    with pytest.raises(InputError) as caught:
        trace.head_view().save(tmp_path / "x.png", **options)
    assert str(caught.value) == text
    assert not list(tmp_path.iterdir())


def test_other_suffixes_are_errors_and_pages_take_no_dpi(trace, tmp_path):
    with pytest.raises(InputError) as caught:
        trace.head_view().save(tmp_path / "x.gif")
    assert str(caught.value) == (
        "cannot save a view as 'x.gif': the suffix must be .html, .png, .svg or .pdf, got '.gif'."
    )
    with pytest.raises(
        InputError, match=r"^dpi= and width= are for figures; 'x.html' is a page\.$"
    ):
        trace.head_view().save(tmp_path / "x.html", dpi=100)


def test_a_file_that_cannot_be_written_is_left_as_it_was(trace, tmp_path):
    with pytest.raises(SaveError, match="cannot write"):
        trace.head_view().save(tmp_path / "missing" / "x.png")
    there = tmp_path / "x.png"
    there.write_bytes(b"before")
    view = state(trace.head_view(), expanded=True)
    with pytest.raises(InputError):
        View(trace, {**view.spec, "view": "odd"}).save(there)
    assert there.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


def test_a_failed_drawing_leaves_no_temporary_file(trace, tmp_path, monkeypatch):
    def failing(*_: object, **__: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(Figure, "savefig", failing)
    with pytest.raises(ZeroDivisionError):
        trace.head_view().save(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


CODE = """
import sys, numpy as np, attnscope
weights = np.random.default_rng(0).dirichlet(np.ones(6), (2, 3, 6)).astype("float32")
trace = attnscope.from_attention(weights, [*"abcde", "$"])
for view in (trace.head_view(1), trace.model_view()):
    for kind in ("png", "svg", "pdf"):
        view.save(f"{sys.argv[1]}/{view.spec['view']}.{kind}")
"""


def test_files_are_the_same_bytes_in_every_process(tmp_path):
    made = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        variables = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": "9" * int(seed)}
        subprocess.run([sys.executable, "-c", CODE, folder], check=True, env=variables)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(made[0]) == 6
    assert made[0] == made[1]


def test_text_in_an_svg_is_text_and_nothing_else(tmp_path):
    weights = np.full((1, 2, len(HOSTILE), len(HOSTILE)), 1 / len(HOSTILE), np.float32)
    trace = attnscope.from_attention(
        weights, HOSTILE, segments=[("<i>a</i>", 0, 4), ("&b;", 4, len(HOSTILE))],
        model="</title><script>window.XSS=1</script>",
    )  # fmt: skip
    for view in (trace.head_view(), trace.model_view()):
        path = view.save(tmp_path / "hostile.svg", width=12)
        root = ET.fromstring(path.read_bytes())
        names = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert not names & {"script", "foreignObject", "a"}
        assert not [n for e in root.iter() for n in e.attrib if n.lower().startswith("on")]
    assert "</title><script>window.XSS=1</script>" in texts_of(path)
    shown = texts_of(trace.head_view().save(tmp_path / "head.svg", width=12))
    assert set(HOSTILE) <= set(shown)


def test_an_svg_keeps_letters_that_this_machine_has_no_font_for(tmp_path):
    rare = "x\U00012000"
    trace = attnscope.from_attention(random_weights(1, 1, 2, 2), ["cat", rare])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rare in texts_of(trace.head_view().save(tmp_path / "rare.svg"))
    with pytest.warns(AttnscopeWarning, match="no installed font has"):
        trace.head_view().save(tmp_path / "rare.png")


def test_saving_leaves_matplotlibs_settings_and_pyplot_alone(trace, tmp_path):
    from matplotlib import pyplot as plt
    from matplotlib import rcParams

    before = dict(rcParams)
    for suffix in FIGURES:
        trace.head_view().save(tmp_path / f"x{suffix}")
    assert dict(rcParams) == before
    assert not plt.get_fignums()


def test_every_view_of_the_page_has_a_figure():
    from typing import get_args

    from attnscope.wire.spec import ViewName

    assert set(image.DRAWN) == set(get_args(ViewName))
