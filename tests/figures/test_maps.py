"""Heat maps: the numbers in them, their names, and what is masked, missing or zero."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import attnscope
from attnscope import InputError, plot
from attnscope.measures import measure, quantity, rollout
from attnscope.plot.colors import MAP_MISSING, hexed, map_ramp
from attnscope.plot.ink import THEMES
from tests.browser.looking import random_weights
from tests.figures.conftest import TOKENS


def numbers(ax, place: int = 0) -> np.ndarray:
    """What a map holds; NaN where it shows nothing."""
    return np.ma.filled(ax.images[place].get_array().astype(float), np.nan)


def texts(labels) -> list[str]:
    return [label.get_text() for label in labels]


def pixels(ax, dpi: float = 100) -> np.ndarray:
    """[row, column, rgb] of the Axes as drawn."""
    figure = ax.figure
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=dpi)
    box = ax.get_window_extent().transformed(figure.dpi_scale_trans.inverted()).extents * dpi
    image = np.asarray(Image.open(out).convert("RGB"))
    left, low, right, high = (round(v) for v in box)
    return image[image.shape[0] - high : image.shape[0] - low, left:right]


def cell(image: np.ndarray, row: int, column: int, count: int) -> np.ndarray:
    """The inner pixels of one of count × count cells."""
    sides = [size / count for size in image.shape[:2]]
    y, x = (int((place + 0.5) * side) for place, side in zip((row, column), sides, strict=True))
    return image[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)


def test_a_head_is_drawn_with_its_weights_tokens_and_axis_names(trace, figure):
    ax = plot.head(trace, 1, 2, ax=figure)
    np.testing.assert_allclose(numbers(ax), trace.weights(1, 2), rtol=1e-6)
    assert texts(ax.get_yticklabels()) == TOKENS
    assert texts(ax.get_xticklabels()) == TOKENS
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("query", "key")
    assert ax.get_title() == "Layer 1, head 2"
    assert ax.figure is figure
    assert ax.get_ylim() == (6, 0)  # the first query is at the top


def test_a_cells_color_is_the_ramps_at_its_number(trace):
    weights = trace.weights(2, 1)
    ax = plot.head(trace, 2, 1, ax=Figure(), vmax=1)
    image = pixels(ax)
    for row, column in [(0, 0), (2, 5), (5, 3)]:
        expected = map_ramp("light")[round(float(weights[row, column]) * 255)].astype(int)
        apart = np.abs(cell(image, row, column, 6).astype(int) - expected).max()
        assert apart <= 3


@pytest.mark.parametrize(
    ("color", "share"), [("linear", 0.25), ("root", 0.5), ("log", 1 + np.log10(0.25) / 3)]
)
def test_lightness_follows_the_number_its_root_or_its_logarithm(color, share):
    weights = np.array([[0.25, 0.75], [0.0, 1.0]], np.float32)
    ax = plot.head(
        attnscope.from_attention(weights[None, None], ["a", "b"]), 0, 0, color=color, ax=Figure()
    )
    norm = ax.images[0].norm
    assert float(norm(0.25)) == pytest.approx(share, abs=1e-6)
    ground = map_ramp("light")[0].astype(int)
    assert np.abs(cell(pixels(ax), 1, 0, 2).astype(int) - ground).max() <= 3  # zero is the ground


def test_masked_cells_are_hatched_and_a_zero_is_not(causal):
    ax = plot.head(causal, 0, 1, ax=Figure())
    shown = numbers(ax)
    assert np.isnan(shown[np.triu_indices(5, 1)]).all()
    np.testing.assert_allclose(np.tril(np.nan_to_num(shown)), causal.weights(0, 1), rtol=1e-5)
    [hatched] = ax.collections
    assert hatched.get_hatch()
    corners = {tuple(path.vertices.min(0)) for path in hatched.get_paths()}
    assert corners == {(row + 1.0, float(row)) for row in range(4)}
    image = pixels(ax)
    assert len({tuple(p) for p in cell(image, 0, 4, 5).tolist()}) > 2
    assert len({tuple(p) for p in cell(image, 4, 0, 5).tolist()}) == 1
    assert ax.figure.axes[1].get_ylabel() == "weight · hatched: masked"


def test_missing_cells_have_a_color_of_their_own():
    weights = random_weights(1, 1, 6, 6)
    weights[0, 0, 2] = np.nan
    with pytest.warns(attnscope.AttnscopeWarning, match="shown as missing"):
        trace = attnscope.from_attention(weights, TOKENS)
    ax = plot.head(trace, 0, 0, ax=Figure())
    assert {tuple(p) for p in cell(pixels(ax), 2, 1, 6).tolist()} == {MAP_MISSING["light"]}
    assert MAP_MISSING["light"] not in map(tuple, map_ramp("light").tolist())
    assert ax.figure.axes[1].get_ylabel() == "weight · flat: missing"


def test_the_maximum_over_heads(trace, figure):
    ax = plot.head(trace, 0, "max", ax=figure)
    np.testing.assert_allclose(numbers(ax), trace.weights(0).max(0), rtol=1e-6)
    assert ax.get_title() == "Layer 0, max of heads"


def test_the_mean_over_heads(trace, figure):
    ax = plot.head(trace, 0, ax=figure)
    np.testing.assert_allclose(numbers(ax), trace.weights(0).mean(0), rtol=1e-6)
    assert ax.get_title() == "Layer 0, mean of heads"


def test_scores_get_a_diverging_scale_with_zero_in_its_middle(causal, figure):
    ax = plot.head(causal, 1, 0, quantity="score", ax=figure)
    shown = numbers(ax)
    expected = quantity(causal, "score").layer(1).rows([0])[0]
    np.testing.assert_allclose(np.tril(np.nan_to_num(shown)), np.tril(np.nan_to_num(expected)))
    norm = ax.images[0].norm
    assert float(norm(0)) == 0.5
    assert norm.vmax == -norm.vmin == pytest.approx(np.nanmax(np.abs(shown)))


def test_differences_of_weights_get_a_diverging_scale_too(trace, figure):
    other = attnscope.from_attention(random_weights(3, 4, 6, 6, seed=5), TOKENS, segments=[3])
    both = attnscope.compare(trace, other).difference
    ax = plot.head(both, 1, 2, quantity="difference", ax=figure)
    np.testing.assert_allclose(numbers(ax), other.weights(1, 2) - trace.weights(1, 2), atol=1e-6)
    assert figure.axes[1].get_ylabel() == "difference"
    assert float(ax.images[0].norm(0)) == 0.5


def test_a_quantity_of_whole_layers_takes_no_head(trace, figure):
    ax = plot.head(trace, 2, quantity="rollout", ax=figure)
    np.testing.assert_allclose(numbers(ax), rollout(trace), atol=1e-6)
    assert ax.get_title() == "Layer 2, rollout"
    with pytest.raises(InputError, match=r"^rollout is one number a layer: leave head out\.$"):
        plot.head(trace, 2, 1, quantity="rollout")


def test_a_layers_heads_share_one_scale(trace, figure):
    ax = plot.layer(trace, 1, ax=figure, cols=3)
    assert len(ax.images) == 4
    for head in range(4):
        np.testing.assert_allclose(numbers(ax, head), trace.weights(1, head), rtol=1e-6)
    assert len({id(image.norm) for image in ax.images}) == 1
    corners = [image.get_extent()[::3] for image in ax.images]
    assert [x > 0 for x, _ in corners] == [False, True, True, False]  # three in a row
    assert [y > 0 for _, y in corners] == [False, False, False, True]
    assert [note.get_text() for note in ax.texts] == [f"head {head}" for head in range(4)]
    assert texts(ax.get_yticklabels()) == TOKENS * 2
    assert texts(ax.get_xticklabels()) == TOKENS * 3


def test_a_layers_heads_can_be_chosen_and_ordered(trace, figure):
    ax = plot.layer(trace, 2, [3, 0], ax=figure)
    np.testing.assert_allclose(numbers(ax, 0), trace.weights(2, 3), rtol=1e-6)
    np.testing.assert_allclose(numbers(ax, 1), trace.weights(2, 0), rtol=1e-6)


def test_a_measure_is_a_map_of_layers_and_heads(trace, figure):
    ax = plot.measure(trace, "entropy", ax=figure)
    np.testing.assert_allclose(numbers(ax), measure(trace, "entropy"), rtol=1e-6)
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("layer", "head")
    assert texts(ax.get_yticklabels()) == ["0", "1", "2"]
    assert figure.axes[1].get_ylabel() == "entropy (nats)"


def test_heads_that_a_layer_lacks_are_hatched_in_a_measures_map(figure):
    given = [random_weights(1, 3, 4, 4)[0], random_weights(1, 2, 4, 4)[0]]
    ax = plot.measure(attnscope.from_attention(given, list("abcd")), "confidence", ax=figure)
    assert np.isnan(numbers(ax)).tolist() == [[False] * 3, [False, False, True]]
    assert figure.axes[1].get_ylabel() == "confidence · hatched: no such head"


def test_numbers_can_be_written_into_a_measures_cells(trace, figure):
    ax = plot.measure(trace, "entropy", ax=figure, numbers=True, width=5)
    values = measure(trace, "entropy")
    assert [float(text.get_text()) for text in ax.texts] == pytest.approx(
        values.ravel().tolist(), abs=0.0051
    )


def test_rollout_is_drawn_with_its_options(trace, figure):
    ax = plot.rollout(trace, start_layer=1, discard_ratio=0.3, ax=figure)
    expected = rollout(trace, start_layer=1, discard_ratio=0.3)
    np.testing.assert_allclose(numbers(ax), expected)
    assert ax.get_title() == "Rollout"


@pytest.mark.parametrize(
    ("tokens", "query", "key"),
    [
        (slice(1, 4), slice(1, 4), slice(1, 4)),
        ((slice(0, 2), slice(3, None)), slice(0, 2), slice(3, 6)),
        ("A→B", slice(0, 3), slice(3, 6)),
        ("b -> a", slice(3, 6), slice(0, 3)),
        ("B", slice(3, 6), slice(3, 6)),
    ],
)
def test_a_part_of_the_tokens(trace, figure, tokens, query, key):
    ax = plot.head(trace, 0, 0, tokens=tokens, ax=figure)
    np.testing.assert_allclose(numbers(ax), trace.weights(0, 0)[query, key], rtol=1e-6)
    assert texts(ax.get_yticklabels()) == TOKENS[query]
    assert texts(ax.get_xticklabels()) == TOKENS[key]


@pytest.fixture
def pieces() -> attnscope.Trace:
    """Four tokens that are three words."""
    return attnscope.from_attention(random_weights(2, 2, 4, 4), ["[CLS]", "un", "##like", "cat"])


def test_words_sum_keys_and_average_queries(pieces, figure):
    ax = plot.head(pieces, 1, 0, words=True, ax=figure)
    np.testing.assert_allclose(numbers(ax), pieces.words().weights(1, 0), rtol=1e-5)
    assert texts(ax.get_yticklabels()) == ["[CLS]", "unlike", "cat"]
    assert ax.get_ylabel() == "query"
    rolled = plot.head(pieces, 1, quantity="rollout", words=True, ax=Figure())
    flow = rollout(pieces)
    assert numbers(rolled)[1, 1] == pytest.approx(flow[1:3, 1:3].sum(-1).mean(), abs=1e-6)
    lines = plot.lines(pieces, 0, [1], words=True, ax=Figure())
    assert [text.get_text() for text in lines.texts][:3] == ["[CLS]", "unlike", "cat"]


def test_what_cannot_be_summed_has_no_words(causal):
    with pytest.raises(InputError, match=r"^score cannot be summed over the pieces of a word: "):
        plot.head(causal, 0, 0, quantity="score", words=True)


def test_causal_words_are_masked_too(figure):
    weights = np.tril(random_weights(1, 1, 4, 4))
    weights /= weights.sum(-1, keepdims=True)
    trace = attnscope.from_attention(weights, ["a", "un", "##like", "cat"])
    shown = numbers(plot.head(trace, 0, 0, words=True, ax=figure))
    assert np.isnan(shown).tolist() == np.triu(np.ones((3, 3), bool), 1).tolist()


def test_many_tokens_are_named_as_far_as_there_is_room(figure):
    trace = attnscope.from_attention(random_weights(1, 1, 300, 300), [f"t{i}" for i in range(300)])
    ax = plot.head(trace, 0, 0, ax=figure)
    named = texts(ax.get_yticklabels())
    step = int(named[1][1:])
    assert step > 1
    assert named == [f"t{i}" for i in range(0, 300, step)]
    assert ax.get_ylabel() == f"query (every {step}th token named)"
    assert figure.get_size_inches()[0] <= 7.5
    sizes = {label.get_fontsize() for label in ax.get_yticklabels()}
    room = 72 * figure.get_size_inches()[1] / 300 * step
    assert min(sizes) >= 5
    assert max(sizes) <= room


def test_above_a_thousand_tokens_cells_show_the_largest_of_several(figure):
    weights = np.zeros((1, 1, 2100, 2100), np.float32)
    weights[0, 0, np.arange(2100), (np.arange(2100) * 7) % 2100] = 1
    ax = plot.head(
        attnscope.from_attention(weights, [str(i) for i in range(2100)]), 0, 0, ax=figure
    )
    shown = numbers(ax)
    blocks = weights[0, 0].reshape(700, 3, 700, 3).max((1, 3))
    np.testing.assert_array_equal(shown, blocks)
    assert ax.get_title() == "Layer 0, head 0 (largest of 3 × 3)"
    assert ax.images[0].get_extent() == [0, 2100, 2100, 0]


def test_cells_of_several_can_show_their_mean(figure):
    weights = random_weights(1, 1, 1500, 1500)
    trace = attnscope.from_attention(weights, [str(i) for i in range(1500)])
    ax = plot.head(trace, 0, 0, ax=figure, blocks="mean")
    blocks = weights[0, 0].reshape(750, 2, 750, 2).mean((1, 3))
    np.testing.assert_allclose(numbers(ax), blocks, rtol=1e-4)
    assert ax.get_title() == "Layer 0, head 0 (mean of 2 × 2)"


def test_masked_blocks_of_long_causal_inputs_stay_masked(figure):
    weights = np.tril(np.ones((1500, 1500), np.float32))
    weights /= weights.sum(-1, keepdims=True)
    trace = attnscope.from_attention(weights[None, None], [str(i) for i in range(1500)])
    shown = numbers(plot.head(trace, 0, 0, ax=figure))
    assert np.isnan(shown[np.triu_indices(750, 1)]).all()
    assert not np.isnan(shown[np.tril_indices(750)]).any()


def test_cross_attention_has_its_own_tokens_on_each_side(figure):
    weights = random_weights(1, 2, 3, 5)
    trace = attnscope.from_attention(cross=weights, tokens=list("vwxyz"), target_tokens=list("abc"))
    ax = plot.head(trace, 0, 1, ax=figure)
    assert (texts(ax.get_yticklabels()), texts(ax.get_xticklabels())) == (
        list("abc"),
        list("vwxyz"),
    )
    assert ax.get_title() == "Cross-attention, layer 0, head 1"


def test_colors_title_and_bar_can_be_chosen(trace, figure):
    ax = plot.head(trace, 0, 0, ax=figure, cmap="viridis", title="$w_{ij}$", bar=False)
    assert ax.images[0].cmap.name == "viridis"
    assert ax.get_title() == "$w_{ij}$"
    assert len(figure.axes) == 1
    assert plot.head(trace, 0, 0, ax=Figure(), title="").get_title() == ""


def test_dark_figures_are_dark(trace):
    ax = plot.head(trace, 0, 0, ax=Figure(), theme="dark")
    dark = THEMES["dark"]
    assert ax.figure.get_facecolor() == pytest.approx((0x13 / 255, 0x15 / 255, 0x19 / 255, 1))
    assert {label.get_color() for label in ax.get_xticklabels()} == {dark.ink, dark.quiet}
    assert hexed(tuple(map_ramp("dark")[-1])) == hexed(
        tuple(round(255 * v) for v in ax.images[0].cmap(1.0)[:3])
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"layer": 7}, "layer 7 is not in the self stream, which has layers 0 to 2."),
        ({"head": "most"}, "head must be one of 'mean', 'max', got 'most'."),
        ({"blocks": "min"}, "blocks must be one of 'max', 'mean', got 'min'."),
        ({"head": 9}, "head 9 is not in layer 0 of the self stream, which has heads 0 to 3."),
        ({"color": "cube"}, "color must be one of 'linear', 'root', 'log', got 'cube'."),
        ({"vmax": 0}, "vmax must be a number above 0, got 0."),
        ({"vmax": "big"}, "vmax must be a number above 0, got 'big'."),
        ({"cmap": "rainbov"}, "cmap must be a colour map of matplotlib or its name, got 'rainbov'"),
        ({"cmap": ["red"]}, "cmap must be a colour map of matplotlib or its name, got ['red']."),
        ({"width": "wide"}, "width must be a number from 1 to 60, got 'wide'."),
        ({"width": 0}, "width must be a number from 1 to 60, got 0."),
        ({"bar": np.array([True, False])}, "bar must be True or False, got array([ True, False])."),
        ({"words": np.ones(2)}, "words must be True or False, got array([1., 1.])."),
        ({"theme": "blue"}, "theme must be one of 'auto', 'light', 'dark', got 'blue'."),
        ({"ax": "here"}, "ax must be a matplotlib Axes, an empty Figure or None, got 'here'."),
        ({"tokens": "C"}, "no query segment 'C' in the self stream; it has 'A', 'B'."),
        ({"tokens": slice(4, 4)}, "tokens slice(4, 4, None) names no run of query tokens: the self "
                                  "stream has 6."),
        ({"tokens": 5}, "tokens must be a slice such as slice(0, 20), two of them for queries and "
                        "keys, or segments such as 'A→B', got 5."),
        ({"quantity": "wieght"}, "no quantity 'wieght'"),
        ({"quantity": "score"}, "scores are made of queries and keys, and the self stream holds "
                                "weights only."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_that_says_why(trace, options, text):
    with pytest.raises(InputError) as caught:
        plot.head(trace, **{"layer": 0, "head": 0, "ax": Figure(), **options})
    assert str(caught.value).startswith(text)


def test_a_grid_needs_a_column_and_known_heads(trace):
    with pytest.raises(InputError, match=r"^cols must be at least 1, got 0\.$"):
        plot.layer(trace, 0, cols=0)
    with pytest.raises(InputError, match=r"^head 8 is not in layer 0"):
        plot.layer(trace, 0, [1, 8])
    with pytest.raises(InputError, match=r"Did you mean 'entropy'"):
        plot.measure(trace, "entrpy")


def test_a_long_name_is_cut_on_an_axis(trace):
    long = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
    named = attnscope.from_attention(trace.weights(0)[None], [long, "b", "c", "d", "e", "f"])
    ax = plot.head(named, 0, 0, ax=Figure())
    for axis in (ax.xaxis, ax.yaxis):
        texts = [label.get_text() for label in axis.get_ticklabels()]
        assert texts[0].startswith("Donaudampf")
        assert texts[0].endswith("…")
        assert texts[1:] == list("bcdef")
    assert ax.figure.get_size_inches()[0] < 4
