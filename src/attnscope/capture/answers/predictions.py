"""What a language model predicts at a position: its most probable tokens."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float

from attnscope._numbers import index_of
from attnscope._places import places_of
from attnscope.capture.importance.examples import logits_of
from attnscope.capture.inputs.checks import check_model
from attnscope.capture.inputs.limits import check_length
from attnscope.capture.inputs.prepare import prepare
from attnscope.capture.running import bare, explained
from attnscope.errors import InputError
from attnscope.measures.table import Table
from attnscope.tokens import Tokens


def predictions(
    model: Any,
    tokenizer: Any,
    text: Any = None,
    position: Any = None,
    k: int = 5,
    *,
    target: Any = None,
    inputs: Any = None,
) -> Table:
    """The most probable tokens at a position.

    A masked language model says what stands there, a causal one what comes next.

    Args:
        model: a model with a language modelling head, or a classifier (whose classes are tabled).
        tokenizer: its tokenizer.
        text: the text.
        position: a token's position, text or word, or several; None for the masks in the text, or
            else for the last token.
        k: how many.
        target: what the decoder of an encoder-decoder is given.
        inputs: prepared inputs of one text instead of `text`.

    Returns:
        Columns `position`, `at` (the token there), `rank` (from 1), `token`, `id`, `probability`.

    Raises:
        InputError: for a model without logits, or what does not fit together.
    """
    check_model(model)
    model = bare(model)
    most = index_of("k", k)
    if most < 1:
        raise InputError(f"k must be at least 1, got {most}.")
    ready = prepare(model, tokenizer, text, None, target, inputs, None, None, None)
    check_length(model, ready.inputs)
    with torch.no_grad(), explained(model, ready.inputs):
        logits = logits_of(model(**ready.inputs))[0].float()
    if logits.ndim == 1:
        return _table([-1], ["the text"], logits[None], _classes(model, len(logits)), most)
    side = ready.target if "decoder_input_ids" in ready.inputs else ready.source
    tokens = side.queries.fit(side.queries.kept_of(len(logits)))
    if len(tokens) != len(logits):
        raise InputError("the inputs have padding: give one text without.")
    places = _positions(position, tokens, tokenizer)
    at = [tokens.text[place] for place in places]
    return _table(places, at, logits[list(places)], tokenizer, most)


def _positions(position: Any, tokens: Tokens, tokenizer: Any) -> tuple[int, ...]:
    n = len(tokens)
    if position is None:
        mask, ids = getattr(tokenizer, "mask_token_id", None), tokens.ids
        masked = [] if ids is None else [at for at in range(n) if int(ids[at]) == mask]
        return tuple(masked) or (n - 1,)
    listed = position if isinstance(position, list | tuple) else [position]
    plain = [one + n if isinstance(one, int) and -n <= one < 0 else one for one in listed]
    return places_of("position", plain, tokens)


def _table(
    places: Any, at: list[str], logits: Float[torch.Tensor, "place id"], names: Any, k: int
) -> Table:
    best = logits.softmax(-1).topk(min(k, logits.shape[-1]), dim=-1)
    rows = [
        (place, there, rank, _name(names, number), number, probability)
        for place, there, numbers, values in zip(
            places, at, best.indices.tolist(), best.values.tolist(), strict=True
        )
        for rank, (number, probability) in enumerate(zip(numbers, values, strict=True), 1)
    ]
    columns = ("position", "at", "rank", "token", "id", "probability")
    return Table(dict(zip(columns, zip(*rows, strict=True), strict=True)))


def _name(names: Any, number: int) -> str:
    """The token as it would be written, or the name of the class."""
    if isinstance(names, dict):
        return str(names[number])
    return str(names.decode([number])) if names is not None else str(number)


def _classes(model: Any, n: int) -> dict[int, str]:
    known = getattr(model.config, "id2label", None) or {}
    return {number: str(known.get(number, number)) for number in range(n)}
