"""Comparisons over pictures: what the page is told, and which grids cannot be compared."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import attnscope
from attnscope import InputError
from attnscope.wire.replies import requests_of
from tests import models

RED = np.zeros((6, 8, 3), np.uint8) + np.array([200, 10, 10], np.uint8)
BLUE = RED[..., ::-1]


def of_patches(seed: int, rows: int = 2, columns: int = 3, extra: tuple[str, ...] = ("[CLS]",)):
    names = [*extra, *(f"r{row}c{column}" for row in range(rows) for column in range(columns))]
    scores = np.exp(np.random.default_rng(seed).normal(size=(2, 2, len(names), len(names))))
    weights = (scores / scores.sum(-1, keepdims=True)).astype(np.float32)
    return attnscope.from_attention(weights, names)


def decoded(png: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(png))))


def test_both_and_their_difference_lie_in_one_grid():
    comparison = attnscope.compare(of_patches(0), of_patches(1))
    spec = comparison.image_view(RED, grid=(2, 3)).spec
    whole, first, second = spec["streams"]
    assert whole["pair"] == [first["name"], second["name"]]
    assert (spec["image"]["rows"], spec["image"]["columns"], spec["image"]["first"]) == (2, 3, 1)
    assert "other" not in spec["image"]
    changed = comparison.heads()
    assert spec["state"]["layer"] == changed["layer"][0]
    assert spec["state"]["heads"] == [changed["head"][0]]
    asked = {(one["kind"], one["stream"]) for one in requests_of(spec)}
    assert asked == {("layer", "self:first"), ("layer", "self:second")}


def test_the_second_trace_may_have_a_picture_of_its_own():
    comparison = attnscope.compare(of_patches(0), of_patches(1))
    spec = comparison.image_view(RED, other=BLUE, grid=(2, 3), show="difference").spec
    assert np.array_equal(decoded(spec["image"]["png"]), RED)
    assert np.array_equal(decoded(spec["image"]["other"]), BLUE)
    assert spec["state"]["show"] == "difference"
    with pytest.raises(
        InputError, match=r"different sizes \(height × width\): 6 × 8 and 3 × 8 pixels"
    ):
        comparison.image_view(RED, other=BLUE[:3], grid=(2, 3))


def test_a_token_beside_the_patches_may_be_in_one_trace_only():
    other = of_patches(1, extra=("[CLS]", "[DIST]"))
    spec = attnscope.compare(of_patches(0), other).image_view(RED, grid=(2, 3)).spec
    assert spec["image"]["first"] == 2
    assert spec["sides"][0]["kinds"][:3] == ["same", "alone", "same"]


def test_grids_of_captured_models_are_found_and_must_be_alike():
    traces = [
        attnscope.capture(models.build("vit"), inputs=models.image(), index=item)
        for item in range(2)
    ]
    spec = attnscope.compare(*traces).image_view(RED).spec
    grid = traces[0].tokens.grid
    assert (spec["image"]["rows"], spec["image"]["columns"]) == grid


@pytest.mark.parametrize("own", [(2, 3), None])
def test_different_grids_are_named(own):
    def with_grid(trace, grid):
        stream = trace.stream()
        tokens = replace(stream.query, grid=grid)
        return attnscope.Trace([replace(stream, query=tokens, key=tokens)], trace.provenance)

    a, b = with_grid(of_patches(0), own), with_grid(of_patches(1, 3, 2), (3, 2))
    first = "2 × 3" if own else "none known"
    with pytest.raises(InputError, match=rf"rows × columns\): {first} and 3 × 2\. A patch can"):
        attnscope.compare(a, b).image_view(RED)
    with pytest.raises(InputError, match=r"last 6 query tokens .* are not the same in both traces"):
        attnscope.compare(a, b).image_view(RED, grid=(2, 3))


def test_tokens_that_are_no_patches_are_refused():
    comparison = attnscope.compare(of_patches(0), of_patches(1))
    with pytest.raises(InputError, match="not known to be image patches"):
        comparison.image_view(RED)
    with pytest.raises(InputError, match=r"grid must be \(rows, columns\) of the patches"):
        comparison.image_view(RED, grid="ab")
