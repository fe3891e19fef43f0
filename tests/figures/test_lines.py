"""Curves, small pictures and steps: the right ones, in the right place and colour."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import attnscope
from attnscope import InputError, plot
from attnscope.plot import curves
from attnscope.plot.colors import head_color, heat_ramp, layer_color
from attnscope.plot.curves import LEAST_ALPHA, lane_of, share_of
from attnscope.plot.neurons import scaling_text, steps_of
from attnscope.trace import Trace
from tests.browser.looking import random_weights, shifted
from tests.figures.conftest import TOKENS


def ends(collection, row: float) -> set[tuple[int, int]]:
    """(query row, key row) of each curve of one head, drawn alone."""
    found = set()
    for path in collection.get_paths():
        (_, y0), *_, (_, y1) = path.vertices
        found.add((round(y0 / row - 0.5), round(y1 / row - 0.5)))
    return found


def row_of(ax, rows: int) -> float:
    return ax.get_ylim()[0] / rows


def said(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_a_curve_joins_each_query_with_the_key_it_attends_to():
    trace = attnscope.from_attention(shifted(3, 4, 6), TOKENS)
    ax = plot.lines(trace, 1, [2], ax=Figure())
    [drawn] = ax.collections
    assert ends(drawn, row_of(ax, 6)) == {(query, (query + 3) % 6) for query in range(6)}
    assert said(ax)[:12] == TOKENS * 2
    assert ax.get_title() == "Layer 1, head 2"


def test_opacity_is_the_weight_and_the_color_is_the_heads():
    trace = attnscope.from_attention(random_weights(3, 4, 6, 6), TOKENS)
    ax = plot.lines(trace, 2, [3], ax=Figure())
    [drawn] = ax.collections
    inks = drawn.get_edgecolor()
    weights = np.sort(trace.weights(2, 3)[trace.weights(2, 3) >= LEAST_ALPHA])
    np.testing.assert_allclose(inks[:, 3], weights, rtol=1e-5)  # the faintest first
    np.testing.assert_allclose(inks[:, :3] * 255, [head_color(3, "light")] * len(inks), atol=0.5)


def test_every_head_has_its_lane_and_many_lines_are_thinned_out(trace):
    ax = plot.lines(trace, 0, ax=Figure())
    assert len(ax.collections) == 4
    row, share = row_of(ax, 6), share_of(4, 6)
    assert share == 1
    for head, drawn in enumerate(ax.collections):
        starts = {path.vertices[0, 1] % row for path in drawn.get_paths()}
        assert max(abs(y - row * (0.5 + lane_of(head, 4))) for y in starts) < 1e-9
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["0", "1", "2", "3"]
    assert ax.get_legend().get_title().get_text() == "head · opacity = weight"
    many = attnscope.from_attention(random_weights(1, 12, 30, 30), [str(i) for i in range(30)])
    legend = plot.lines(many, 0, ax=Figure()).get_legend()
    assert legend.get_title().get_text() == f"head · opacity = weight × {share_of(12, 30):.2f}"


@pytest.mark.parametrize("side", ["query", "key"])
def test_a_token_singled_out_has_its_curves_boxes_and_numbers(trace, side):
    ax = plot.lines(trace, 1, [0, 3], **{side: 2}, ax=Figure())
    row = row_of(ax, 6)
    place = 0 if side == "query" else 1
    both = np.stack([trace.weights(1, head) for head in (0, 3)])
    one = both[:, 2] if side == "query" else both[:, :, 2]
    for drawn, weights in zip(ax.collections, one, strict=True):
        lane = {round(pair[place]) for pair in ends(drawn, row)}
        assert lane == {2}
        assert len(drawn.get_paths()) == (weights >= LEAST_ALPHA).sum()
    means = one.mean(0)
    numbers = [float(text) for text in said(ax) if text[:2] == "0."]
    best = sorted((float(f"{mean:.3f}") for mean in means if mean >= 0.005), reverse=True)
    assert numbers == best
    boxes = [patch for patch in ax.patches if patch.get_alpha() is not None]
    alphas = sorted(patch.get_alpha() for patch in boxes)
    np.testing.assert_allclose(alphas, np.sort(one[one >= 1 / 510]), rtol=1e-6)
    assert {patch.get_facecolor()[:3] for patch in boxes} == {
        to_rgba(np.array(head_color(head, "light")) / 255)[:3] for head in (0, 3)
    }


def test_segments_are_named_and_a_filter_shows_only_its_tokens(trace):
    ax = plot.lines(trace, 0, [1], tokens="A→B", ax=Figure())
    assert said(ax)[:3] == TOKENS[:3]
    assert said(ax)[4:7] == TOKENS[3:]
    assert {"A", "B"} <= set(said(ax))
    weights = trace.weights(0, 1)[:3, 3:]
    assert len(ax.collections[0].get_paths()) == (weights >= LEAST_ALPHA).sum()


def test_masked_keys_get_neither_curve_nor_box(causal):
    ax = plot.lines(causal, 0, [0], query=1, ax=Figure())
    assert {key for _, key in ends(ax.collections[0], row_of(ax, 5))} <= {0, 1}
    assert not [patch for patch in ax.patches if patch.get_hatch()]


def test_missing_weights_of_a_token_singled_out_are_hatched():
    weights = random_weights(1, 1, 6, 6)
    weights[0, 0, 2] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning, match="shown as missing"):
        trace = attnscope.from_attention(weights, TOKENS)
    ax = plot.lines(trace, 0, query=2, ax=Figure())
    assert len([patch for patch in ax.patches if patch.get_hatch()]) == 6
    assert not ax.collections[0].get_paths()


def test_long_token_lists_are_thinned_and_long_texts_cut():
    names = ["a" * 200, *(f"t{i}" for i in range(1, 200))]
    trace = attnscope.from_attention(random_weights(1, 2, 200, 200), names)
    ax = plot.lines(trace, 0, ax=Figure())
    shown = said(ax)
    assert len(shown) < 300
    assert shown[0].endswith("…")
    assert len(shown[0]) < 60
    assert "token named" in ax.get_legend().get_title().get_text()


def test_very_many_curves_become_an_image_in_a_vector_file(trace, monkeypatch):
    assert not plot.lines(trace, 0, ax=Figure()).collections[0].get_rasterized()
    monkeypatch.setattr(curves, "VECTORS", 50)
    assert plot.lines(trace, 0, ax=Figure()).collections[0].get_rasterized()
    monkeypatch.setattr(curves, "MOST_CURVES", 30)
    drawn = plot.lines(trace, 0, ax=Figure()).collections
    assert sum(len(heads.get_paths()) for heads in drawn) == 30
    kept = np.concatenate([heads.get_edgecolor()[:, 3] for heads in drawn])
    largest = np.sort(trace.weights(0), axis=None)[-30:]
    np.testing.assert_allclose(np.sort(kept), largest, rtol=1e-5)


def test_one_token_is_singled_out_or_none(trace):
    with pytest.raises(InputError, match=r"^single out a query or a key, not both: give query= or"):
        plot.lines(trace, 0, query=1, key=2)
    with pytest.raises(InputError, match=r"^query 5 is not among the tokens shown\.$"):
        plot.lines(trace, 0, query=5, tokens="A")


# Model view


def test_a_models_cells_are_lines_for_few_tokens_and_heat_for_many(trace):
    few = plot.model(trace, ax=Figure())
    assert len(few.collections) == 12
    assert not few.images
    many = attnscope.from_attention(random_weights(2, 3, 70, 70), [str(i) for i in range(70)])
    ax = plot.model(many, ax=Figure())
    assert len(ax.images) == 6
    assert not ax.collections
    assert len(plot.model(many, cells="lines", ax=Figure()).collections) == 6
    assert len(plot.model(trace, cells="heat", ax=Figure()).images) == 12


def test_a_models_lines_have_the_layers_color_and_the_weights_opacity(trace):
    ax = plot.model(trace, ax=Figure())
    for place, lines in enumerate(ax.collections):
        layer, head = divmod(place, 4)
        inks = lines.get_edgecolor()
        kept = trace.weights(layer, head)
        np.testing.assert_allclose(inks[:, 3], kept[kept >= 3 / 255], rtol=1e-5)
        np.testing.assert_allclose(inks[0, :3] * 255, layer_color(layer, "light"), atol=0.5)


def test_a_models_heat_cells_are_the_ramp_at_the_weights_root(trace):
    ax = plot.model(trace, [2, 0], [1, 3], cells="heat", ax=Figure(), theme="dark")
    first = np.asarray(ax.images[1].get_array())
    codes = np.rint(np.sqrt(trace.weights(2, 3)) * 254).astype(int)
    np.testing.assert_array_equal(first, heat_ramp(2, "dark")[codes])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2", "0"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3"]


def test_a_marked_cell_has_a_frame(trace):
    ax = plot.model(trace, marked={"layer": 1, "head": 3}, ax=Figure())
    [frame] = [patch for patch in ax.patches if not patch.get_fill()]
    assert frame.get_xy() == pytest.approx((3 * 1.06, 1.06))


# Neuron view


def weights_only(trace: Trace) -> Trace:
    return attnscope.from_attention([trace.weights(0), trace.weights(1)], list("abcde"))


def test_the_steps_give_the_weights(causal):
    layer = causal.stream().layers[1]
    steps = steps_of(layer, 1, 3, range(5))
    titles = [title for title, _ in steps.columns]
    assert titles == ["q · k", "÷ √4"]
    scores = layer.scores([1], slice(3, 4))[0, 0]
    np.testing.assert_allclose(steps.columns[-1][1][:4], scores[:4], rtol=1e-5)
    assert steps.visible.tolist() == [True] * 4 + [False]
    exp = np.exp(steps.columns[-1][1]) * steps.visible
    np.testing.assert_allclose(exp / exp.sum(), steps.weights, rtol=1e-5)
    np.testing.assert_allclose((steps.keys * steps.query).sum(-1), steps.columns[0][1], rtol=1e-5)


def test_a_neuron_figure_shows_every_steps_numbers(causal):
    ax = plot.neurons(causal, 1, 0, "d", ax=Figure())
    steps = steps_of(causal.stream().layers[1], 0, 3, range(5))
    shown = said(ax)
    for _, numbers in steps.columns:
        for key in range(4):
            assert f"{numbers[key]:.3f}".replace("-", "−") in shown
    assert shown.count("masked") == 1
    assert [f"{weight:.3f}" for weight in steps.weights[:4]] == [
        text for text in shown if text[:2] in ("0.", "1.") and text in
        {f"{weight:.3f}" for weight in steps.weights[:4]}
    ]  # fmt: skip
    assert ax.get_title() == "“d” (query 3) · layer 1, head 0"
    assert len(ax.images) == 3
    products = np.asarray(ax.images[2].get_array(), float)
    np.testing.assert_allclose(
        products[:4], np.tanh((steps.keys * steps.query)[:4] / steps.scales[1]), rtol=1e-5
    )


def test_of_very_many_keys_those_with_the_largest_weights_are_shown():
    from attnscope.scores import QKLayer, ScoreSpec
    from attnscope.stream import Stream
    from attnscope.tokens import Tokens

    rng = np.random.default_rng(0)
    q, k = rng.normal(size=(2, 1, 90, 4)).astype(np.float32)
    tokens = Tokens.plain([f"t{i}" for i in range(90)])
    layer = QKLayer(q, k, ScoreSpec(1.0), (0,), np.array([0]))
    trace = Trace([Stream("self", (0,), (layer,), tokens, tokens)])
    ax = plot.neurons(trace, 0, 0, 7, ax=Figure())
    best = np.sort(np.argsort(-trace.weights(0, 0)[7], kind="stable")[:48])
    named = [text for text in said(ax) if text[0] == "t" and text[1:].isdigit()]
    assert named == ["t7", *(f"t{i}" for i in best)]
    assert ax.get_title().endswith("· the 48 largest of 90 keys")


def test_weights_alone_have_no_neurons(causal):
    with pytest.raises(InputError, match="needs queries and keys"):
        plot.neurons(weights_only(causal), 0, 0, 1)


@pytest.mark.parametrize(
    ("scaling", "dim", "text"),
    [(1 / 8, 64, "÷ √64"), (1 / 16, 64, "÷ 16"), (32**-0.5, 32, "÷ √32"), (0.3, 64, "× 0.3"),
     (96**-0.5, 128, "÷ √96"), (2.0, 64, "× 2")],
)  # fmt: skip
def test_scaling_is_written_in_its_simplest_form(scaling, dim, text):
    assert scaling_text(scaling, dim) == text


# Options of the head and model view


@pytest.fixture
def special() -> Trace:
    """Two layers of three heads; first and last token are special."""
    return attnscope.from_attention(
        random_weights(2, 3, 6, 6), ["[CLS]", "a", "b", "c", "d", "[SEP]"], segments=[3]
    )


def opacities(drawn) -> np.ndarray:
    return np.sort(drawn.get_edgecolor()[:, 3])


def test_the_mean_is_one_more_head_in_a_neutral_color(special):
    ax = plot.lines(special, 1, mean=True, ax=Figure())
    mean = special.weights(1).mean(0)
    np.testing.assert_allclose(opacities(ax.collections[0]), np.sort(mean[mean >= LEAST_ALPHA]))
    assert (ax.collections[0].get_edgecolor()[0, :3] * 255).round().tolist() == [60, 68, 82]
    assert ax.get_title() == "Layer 1, mean of heads"
    both = plot.lines(special, 1, [2], mean=True, ax=Figure())
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["2", "mean of 3"]


@pytest.mark.parametrize("renormalise", [False, True])
def test_special_tokens_can_be_hidden(special, renormalise):
    options = {"hide_special": True, "renormalise": renormalise}
    ax = plot.lines(special, 0, [1], query="b", ax=Figure(), **options)
    kept = special.weights(0, 1)[1:5, 1:5]
    kept = kept / kept.sum(-1, keepdims=True) if renormalise else kept
    row = kept[1]
    np.testing.assert_allclose(
        opacities(ax.collections[0]), np.sort(row[row >= LEAST_ALPHA]), rtol=1e-5
    )
    assert said(ax)[-11:][:2] != ["[CLS]", "a"]
    assert "[CLS]" not in said(ax)
    assert any("special tokens hidden" in text for text in said(ax))
    assert any("renormalised" in text for text in said(ax)) == renormalise
    assert {"A", "B"} <= set(said(ax))
    with pytest.raises(InputError, match=r"^query 0 is not among the tokens shown\.$"):
        plot.lines(special, 0, [1], query=0, **options)


def test_weights_below_a_threshold_are_not_drawn(special):
    ax = plot.lines(special, 0, [1], threshold=0.2, ax=Figure())
    weights = special.weights(0, 1)
    np.testing.assert_allclose(opacities(ax.collections[0]), np.sort(weights[weights >= 0.2]))
    assert any("weights below 0.2 are not drawn" in text for text in said(ax))
    grid = plot.model(special, threshold=0.2, cells="heat", ax=Figure())
    first = np.asarray(grid.images[1].get_array())
    faint = weights < 0.2
    assert (first[faint] == heat_ramp(0, "light")[0]).all()
    assert not (first[~faint] == heat_ramp(0, "light")[0]).all(-1).any()


def test_a_models_heads_are_sorted_and_their_mean_comes_first(special):
    from attnscope.measures import measure

    ax = plot.model(special, sort="entropy", mean=True, hide_special=True, ax=Figure())
    assert len(ax.collections) == 8
    order = np.argsort(-measure(special, "entropy")[0], kind="stable")
    for place, head in enumerate([None, *order]):
        whole = special.weights(0).mean(0) if head is None else special.weights(0, int(head))
        kept = whole[1:5, 1:5]
        np.testing.assert_allclose(
            opacities(ax.collections[place]), np.sort(kept[kept >= 3 / 255]), rtol=1e-5
        )
    assert (ax.collections[0].get_edgecolor()[0, :3] * 255).round().tolist() == [60, 68, 82]
    names = [label.get_text() for label in ax.get_xticklabels()]
    orders = [np.argsort(-row, kind="stable").tolist() for row in measure(special, "entropy")]
    assert (names == []) == (orders[0] != orders[1])  # columns may have no number of their own


def test_options_that_do_not_fit_are_errors(special):
    with pytest.raises(InputError, match=r"^renormalise=True makes rows without special tokens"):
        plot.lines(special, 0, renormalise=True)
    with pytest.raises(InputError, match=r"^threshold must be a number from 0 to 1, got 2\.$"):
        plot.model(special, threshold=2)
    with pytest.raises(TypeError, match="a view has no option 'hide'"):
        plot.model(special, hide=True)
