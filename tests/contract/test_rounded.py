"""What a page makes of queries and keys in eight bits is what Python says that it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attnscope.hosts.dense import dense_text
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.wire.replies import Reply, answers
from attnscope.wire.rounded import restored, rounded_arrays
from attnscope.wire.spec import key_of
from tests.node import Run, runs
from tests.rules import RULES, exact, layer_of

SHARED = ("bias", "mask")

run = runs(Path(__file__).parent / "rounded.ts")


def packed(reply: Reply | None) -> dict[str, Any] | None:
    if reply is None:
        return None
    return {"meta": reply.meta, "text": dense_text(reply.data), "size": len(reply.data)}


@pytest.fixture(scope="module")
def read(run: Run) -> dict[str, tuple[Any, Any]]:
    """By rules: the layer, and what the page reads of each of its heads."""
    layers = [layer_of(seed, name, 23, 1.0) for seed, name in enumerate(RULES)]
    asked = []
    for layer in layers:
        side = Tokens.plain([f"t{place}" for place in range(23)])
        trace = Trace([Stream("self", (0,), (layer,), side, side)])
        spec = trace.matrix_view(precision="int8").spec
        replies = {key_of(request): reply for request, reply in answers(trace, spec)}
        rules = spec["streams"][0]["layers"][0]["rules"]
        named: dict[str, Any] = {kind: packed(replies.get(f"{kind}/self/0")) for kind in SHARED}
        named["rounded"] = {k: packed(replies[f"rounded/self/0/{k}"]) for k in rules["key_head"]}
        asked.append({"rules": rules, "heads": 4, **named})
    return dict(zip(RULES, zip(layers, run(asked), strict=True), strict=True))


@pytest.mark.parametrize("name", RULES)
def test_numbers_and_weights_are_those_of_python(read, name):
    layer, heads = read[name]
    named = rounded_arrays(layer, range(4), 0)
    queries, keys = (
        restored(named[side], named[f"{side}_steps"], named[f"{side}_means"])
        for side in ("queries", "keys")
    )
    weights, scores = exact(layer, queries, keys)
    for place, got in enumerate(heads):
        np.testing.assert_allclose(got["queries"], queries[place].ravel(), rtol=1e-6, atol=1e-6)
        kept = keys[layer.kv_head[place]]
        np.testing.assert_allclose(got["keys"], kept.ravel(), rtol=1e-6, atol=1e-6)
        shown = np.where(np.isneginf(scores[place]), np.nan, weights[place]).ravel()
        np.testing.assert_allclose(np.array(got["weights"], float), shown, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", RULES)
def test_the_true_weights_and_scores_lie_between_the_pages_bounds(read, name):
    layer, heads = read[name]
    weights, scores = exact(layer, layer.queries, layer.keys)
    for place, got in enumerate(heads):
        for said, true in ((got["bounds"], weights), (got["scores"], scores)):
            there = np.array([pair is not None for pair in said])
            assert (there == ~np.isneginf(scores[place]).ravel()).all()
            low, high = np.array([pair for pair in said if pair is not None]).T
            assert (low <= true[place].ravel()[there]).all()
            assert (high >= true[place].ravel()[there]).all()
