"""What a language model predicts at every token of a capture: the most probable ones are kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from attnscope._display import printable
from attnscope._numbers import index_of
from attnscope.capture.inputs.prepare import Prepared
from attnscope.errors import InputError
from attnscope.predicted import Predicted
from attnscope.trace import Trace

ROWS = 256
"""Positions whose probabilities are computed at a time: a vocabulary is large."""

Best = tuple[Int[np.ndarray, "query rank"], Float[np.ndarray, "query rank"]]


def count_of(predictions: Any) -> int:
    """How many tokens are kept at each position; 0 for None."""
    number = 0 if predictions is None else index_of("predictions", predictions)
    if number < (predictions is not None):
        raise InputError(f"predictions must be at least 1, or None, got {number}.")
    return number


def best_of(output: Any, prepared: Prepared, count: int) -> Best | None:
    """Ids and probabilities of the most probable tokens at each position that is not padding.

    Raises:
        InputError: for a model that predicts no tokens.
    """
    if not count:
        return None
    logits = getattr(output, "logits", None)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 3:
        what = "a row for the whole text" if isinstance(logits, torch.Tensor) else "none"
        raise InputError(
            f"predictions={count} needs logits of a vocabulary at every token, and the model gives "
            f"{what}: load it with AutoModelForCausalLM or AutoModelForMaskedLM."
        )
    item = logits[prepared.index if len(logits) > 1 else 0].detach()
    side = prepared.target if "decoder_input_ids" in prepared.inputs else prepared.source
    item = item[torch.as_tensor(side.queries.kept_of(len(item)), device=item.device)]
    found = [
        part.float().softmax(-1).topk(min(count, item.shape[-1]), dim=-1)
        for part in item.split(ROWS)
    ]
    ids = torch.cat([part.indices for part in found]).int().cpu().numpy()
    return ids, torch.cat([part.values for part in found]).cpu().numpy()


def with_predictions(trace: Trace, best: Best | None, tokenizer: Any) -> Trace:
    """The trace with predictions in the streams whose queries they are of."""
    if best is None:
        return trace
    ids, probabilities = best
    names = {number: _name(tokenizer, number) for number in np.unique(ids).tolist()}
    made = []
    for stream in trace.streams.values():
        numbers = list(stream.query.numbered)
        if stream.name == "encoder" or max(numbers) >= len(ids):
            made.append(stream)
            continue
        following = stream.name != "self" or all(layer.causal for layer in stream.layers)
        tokens = tuple(tuple(names[number] for number in row) for row in ids[numbers].tolist())
        kept = Predicted(following, tokens, ids[numbers], probabilities[numbers])
        made.append(replace(stream, predicted=kept))
    return Trace(made, trace.provenance, trace.generation)


def _name(tokenizer: Any, number: int) -> str:
    return printable(tokenizer.decode([number])) if tokenizer is not None else str(number)
