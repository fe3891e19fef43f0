"""The image view's spec: the picture it carries, the grid it finds, and what it refuses."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import attnscope
from attnscope import InputError
from attnscope.views.image import LONGEST, STRETCHED, pixels_of, png
from tests import models

RGB = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3


@pytest.fixture
def trace() -> attnscope.Trace:
    """One [CLS] and 2 x 3 patches."""
    return attnscope.from_attention(np.full((2, 2, 7, 7), 1 / 7, np.float32), list("cabdefg"))


def decoded(spec) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(spec["image"]["png"]))))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_png_is_read_back_by_pillow(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(pixels)))), pixels)


@pytest.mark.parametrize(
    "image",
    [
        RGB,
        RGB / 255,
        np.concatenate([RGB, RGB[..., :1]], -1),
        Image.fromarray(RGB),
        torch.tensor(RGB).permute(2, 0, 1),
        torch.tensor(RGB / 255)[None].permute(0, 3, 1, 2).requires_grad_(),
    ],
    ids=["bytes", "unit floats", "RGBA", "PIL", "tensor", "batch of one that needs gradients"],
)
def test_every_kind_of_picture_arrives_as_it_is(trace, image):
    spec = trace.image_view(image, grid=(2, 3)).spec
    assert np.array_equal(decoded(spec), RGB)
    assert STRETCHED not in spec["notes"]
    assert (spec["image"]["rows"], spec["image"]["columns"], spec["image"]["first"]) == (2, 3, 1)


def test_a_file_is_opened(trace, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "x.png")
    assert np.array_equal(decoded(trace.image_view(tmp_path / "x.png", grid=(2, 3)).spec), RGB)


def test_grey_becomes_three_channels():
    pixels, _ = pixels_of(np.array([[0, 128], [255, 7]], np.uint8))
    assert np.array_equal(pixels[..., 2], [[0, 128], [255, 7]])


def test_normalised_numbers_are_stretched_and_the_page_says_so(trace):
    spec = trace.image_view(np.array([[[-2.0, 0, 2]]]), grid=(2, 3)).spec
    assert decoded(spec).tolist() == [[[0, 128, 255]]]
    assert STRETCHED in spec["notes"]


def test_a_large_picture_is_shrunk_by_means():
    image = np.zeros((3, 2 * LONGEST, 3), np.uint8)
    image[:, ::2] = 200
    pixels, _ = pixels_of(image)
    assert pixels.shape == (2, LONGEST, 3)
    assert set(np.unique(pixels)) == {100}


def test_a_captured_vit_knows_its_grid():
    inputs = models.FAMILIES["vit"].inputs()
    trace = attnscope.capture(models.build("vit"), inputs=inputs, index=0)
    assert trace.tokens.grid == (3, 4)
    view = trace.image_view(inputs["pixel_values"][0], layer=1, query=5)
    assert view.spec["image"]["first"] == 1
    assert view.spec["state"]["pinned"] == {"side": "query", "index": 5}


def test_a_grid_does_not_survive_tokens_that_are_gone(trace):
    tokens = attnscope.Tokens.plain(list("abcd"))
    tokens = type(tokens)(**{**vars(tokens), "grid": (2, 2)})
    assert tokens.take(np.ones(4, bool)).grid == (2, 2)
    assert tokens.take(np.array([True, True, True, False])).grid is None


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, r"not known to be image patches. Name their rows and columns.*grid=\(14, 14\)"),
        ({"grid": (2, 4)}, "grid 2 × 4 has 8 patches, and the self stream has 7 tokens"),
        ({"grid": (0, 4)}, "grid 0 × 4 has 0 patches"),
        ({"grid": 6}, r"grid must be \(rows, columns\) of the patches, got 6"),
        ({"grid": (2, 3), "query": 7}, "query 7 is not in the self stream, which has query tokens"),
        ({"grid": (2, 3), "layer": 2}, "layer 2 is not in the self stream"),
        ({"grid": (2, 3), "heads": [2]}, "head 2 is not in layer 0"),
    ],
)
def test_what_does_not_fit_is_named(trace, options, text):
    with pytest.raises(InputError, match=text):
        trace.image_view(RGB, **options)


@pytest.mark.parametrize("image", [np.zeros((2, 2, 2)), np.zeros(4), 7, np.zeros((0, 4, 3))])
def test_what_is_no_picture_is_named(trace, image):
    with pytest.raises(InputError, match="image must be a PIL image, the name of a file"):
        trace.image_view(image, grid=(2, 3))


def test_a_file_that_is_no_picture_is_named(trace, tmp_path):
    (tmp_path / "x.png").write_text("no")
    with pytest.raises(InputError, match=r"cannot open .*x\.png as an image"):
        trace.image_view(tmp_path / "x.png", grid=(2, 3))


def test_cross_attention_has_no_picture():
    cross = attnscope.from_attention(
        cross=np.full((1, 1, 3, 6), 1 / 6), tokens=list("abcdef"), target_tokens=list("xyz")
    )
    with pytest.raises(InputError, match=r"patches on both sides.*3 queries and 6 keys"):
        cross.image_view(RGB, grid=(2, 3))
