"""The steps that the neuron view shows give the weights of the model: the page's code, run in node.

Replies are made as for a page, read and computed by the front end's own modules, and compared with
the weights that Python computes (which test_families.py holds to Transformers' eager code).
"""

from __future__ import annotations

import base64
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attnscope.trace import Trace
from attnscope.wire.replies import answers
from attnscope.wire.spec import key_of
from tests.models import FAMILIES, build
from tests.node import Run, runs

capture = importlib.import_module("attnscope.capture")

EXACT = 1e-5

run = runs(Path(__file__).parent / "neuron_steps.ts")


def page_rows(trace: Trace, run: Run) -> dict[tuple[str, int], list[Any]]:
    """(stream, layer) → [head][query] rows, as the page computes them."""
    spec = trace.neuron_view().spec
    replies = {
        key_of(request): {"meta": r.meta, "base64": base64.b64encode(r.data).decode()}
        for request, r in answers(trace, spec)
    }
    layers, names = [], []
    for stream in spec["streams"]:
        name = stream["name"]
        for row in stream["layers"]:
            rules = row["rules"]
            arrays = {"vectors": replies[f"vectors/{name}/{row['layer']}"]}
            for kind in ("bias", "mask"):
                owner = rules[kind]
                arrays[kind] = None if owner is None else replies[f"{kind}/{name}/{owner}"]
            layers.append({"rules": rules, "heads": len(row["heads"]), **arrays})
            names.append((name, row["layer"]))
    return dict(zip(names, run(layers), strict=True))


def compare(trace: Trace, run: Run) -> None:
    for (stream, number), heads in page_rows(trace, run).items():
        expected = trace.weights(number, stream=stream)
        got = np.array([[row["weight"] for row in rows] for rows in heads])
        np.testing.assert_allclose(got, expected, atol=EXACT, rtol=0)
        for rows, weights in zip(heads, expected, strict=True):
            for row, weight in zip(rows, weights, strict=True):
                if row["sink"] is not None:
                    assert row["sink"] + weight.sum() == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize("name", FAMILIES)
def test_shown_steps_give_the_models_weights(name: str, run: Run) -> None:
    compare(capture(build(name), inputs=FAMILIES[name].inputs(), index=1), run)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_widened_exactly(dtype: torch.dtype, run: Run) -> None:
    compare(capture(build("llama").to(dtype), inputs=FAMILIES["llama"].inputs(), index=1), run)


def test_a_trained_model(minilm: tuple[Any, Any], run: Run) -> None:
    compare(capture(*minilm, "The cat sat on the mat because it was tired."), run)
