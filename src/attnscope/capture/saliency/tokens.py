"""Saliency: what each token is worth for one prediction, by gradients and by attention.

Gradients are taken by the embeddings of the tokens (`embedded`), attention is read at the position
that predicts, and every method is put to the same test (`erasing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attnscope._numbers import index_of
from attnscope.attributions import BY_ATTENTION, BY_GRADIENT, METHODS, Saliency
from attnscope.capture.forward import capture
from attnscope.capture.inputs.checks import check_model, has_decoder
from attnscope.capture.inputs.limits import check_length
from attnscope.capture.inputs.prepare import prepare
from attnscope.capture.running import bare, explained
from attnscope.capture.saliency.embedded import (
    Embedded,
    captum,
    gradient_input,
    integrated_gradients,
    start_of,
)
from attnscope.capture.saliency.erasing import Erasing, faithfulness, how_removed
from attnscope.capture.saliency.targets import Target, target_of
from attnscope.errors import CaptureError, InputError
from attnscope.measures.known import known
from attnscope.measures.quantities import QUANTITIES, quantity
from attnscope.measures.together import together
from attnscope.provenance import Provenance
from attnscope.tokens import Tokens
from attnscope.trace import Trace

FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)
Scores = dict[str, Float[np.ndarray, "token"]]


@dataclass(frozen=True)
class _Text:
    """A text as the model reads it."""

    inputs: dict[str, Any]
    tokens: Tokens


def saliency(
    model: Any,
    tokenizer: Any,
    text: Any,
    text_pair: Any = None,
    *,
    target: Any = None,
    position: Any = None,
    methods: Any = None,
    steps: Any = 64,
    baseline: Any = None,
    remove: Any = None,
    fractions: Any = FRACTIONS,
    random: Any = 20,
    seed: int = 0,
) -> Saliency:
    """What each token is worth for one prediction, by several methods, each put to the test.

    Args:
        model: a classifier, a causal or masked language model, or an encoder (with a callable).
        tokenizer: its tokenizer.
        text: the text; of a masked language model with a mask in it.
        text_pair: a second text in the same input.
        target: what is explained: a token's text or number, a class's name or number, or a callable
            that makes one number of the model's output; None for the model's own prediction.
        position: the token at which a language model predicts, and at which attention is read, by
            position or text; None for the mask, for the last token of a causal model, and for the
            first token ([CLS]) of classifiers and encoders.
        methods: names of `attnscope.attributions.METHODS`; None for all that the model has.
        steps: points on the line of integrated gradients.
        baseline: where that line starts: the embedding of the `mask` or `pad` token for every word,
            or `zero`; None for the mask token, or zeros without one. Special tokens stay.
        remove: how tokens are taken from the text to test a method: `mask` (replaced), `pad`
            (replaced and hidden) or `delete`; None for `mask`, or `delete` without a mask token.
        fractions: shares of the tokens that are taken away, or kept; the table has the mean.
        random: random orders that are put to the same test; the table's last row is their mean.
        seed: of the random orders.

    Returns:
        A `Saliency`: scores by method, and the table of faithfulness. Special tokens and the token
        at the position predicted are never taken away.

    Raises:
        InputError: for what does not fit together or does not fit the model.
        MissingDependencyError: without Captum, unless only methods of attention are asked for.
    """
    check_model(model)
    model = bare(model)
    wanted, every = _methods(methods), methods is None
    removed, token = how_removed(remove, model, tokenizer)
    shares = _fractions(fractions)
    orders, points = _at_least("random", random, 0), _at_least("steps", steps, 1)
    read = _read(model, tokenizer, text, text_pair)
    with torch.no_grad(), explained(model, read.inputs):
        output = model(**read.inputs)
    aim = target_of(target, position, output, model, tokenizer, read.tokens)
    with torch.no_grad():
        place = torch.tensor([aim.position])
        score, value = (float(of(output, place)) for of in (aim.scores, aim.values))
    scores, missed = _by_gradient(read, model, aim, wanted, points, baseline, tokenizer)
    trace = _recorded(model, tokenizer, text, text_pair, aim, wanted, every)
    scores |= {} if trace is None else _by_attention(trace, aim, wanted, every)
    free = _free(read.tokens, aim, trace)
    erasing = Erasing(model, read.inputs, aim, free, removed, token)
    return Saliency(
        tokens=read.tokens,
        scores=scores,
        target=aim.name,
        position=aim.position,
        value=value,
        score=score,
        missed=missed,
        faithfulness=faithfulness(erasing, scores, shares, orders, seed),
        removed=removed,
        provenance=Provenance(type(model).__name__) if trace is None else trace.provenance,
    )


def _methods(methods: Any) -> list[str]:
    listed = list(METHODS) if methods is None else methods
    if isinstance(listed, str) or not hasattr(listed, "__iter__") or not len(listed):
        raise InputError(f"methods must be a list of names, got {methods!r}.")
    wanted = [known("method", name, METHODS) for name in dict.fromkeys(listed)]
    if set(wanted) & set(BY_GRADIENT):
        captum()
    return wanted


def _at_least(what: str, given: Any, least: int) -> int:
    number = index_of(what, given)
    if number < least:
        raise InputError(f"{what} must be at least {least}, got {number}.")
    return number


def _fractions(given: Any) -> list[float]:
    try:
        shares = [float(share) for share in given]
    except (TypeError, ValueError):
        shares = []
    if not shares or not all(0 < share < 1 for share in shares):
        raise InputError(f"fractions must be shares between 0 and 1, such as 0.2, got {given!r}.")
    return shares


def _read(model: Any, tokenizer: Any, text: Any, text_pair: Any) -> _Text:
    if not isinstance(text, str) or not text.strip() or tokenizer is None:
        raise InputError(
            f"saliency takes a tokenizer and one text with at least one word, got {text!r}."
        )
    if has_decoder(model):
        raise InputError(
            f"{type(model).__name__} reads one text and writes another, which saliency does not "
            "take apart: attnscope.sources tells where an answer comes from."
        )
    ready = prepare(model, tokenizer, text, text_pair, None, None, None, None, None)
    check_length(model, ready.inputs)
    n = ready.inputs["input_ids"].shape[1]
    return _Text(ready.inputs, ready.source.queries.fit(np.ones(n, bool)))


def _by_gradient(
    read: _Text, model: Any, aim: Target, wanted: Sequence[str], steps: int, baseline: Any,
    tokenizer: Any,
) -> tuple[Scores, float]:  # fmt: skip
    """Scores in the order asked for, and by how much integrated gradients miss their sum."""
    text = Embedded(model, read.inputs, aim)
    scores: Scores = {}
    missed = float("nan")
    for name in wanted:
        if name == "gradient_input":
            scores[name] = gradient_input(text)
        elif name == "integrated_gradients":
            start = start_of(text, baseline, tokenizer, read.tokens.special)
            scores[name], missed = integrated_gradients(text, start, steps)
    return scores, missed


def _at(aim: Target, n: int) -> np.ndarray:
    """True for the token at the position predicted, which has to stay."""
    places: np.ndarray = np.arange(n) == (aim.position if aim.predicts else -1)
    return places


def _recorded(
    model: Any, tokenizer: Any, text: Any, text_pair: Any, aim: Target, wanted: Sequence[str],
    every: bool,
) -> Trace | None:  # fmt: skip
    """The attention, with what the methods need; None where none is asked for, or there is none."""
    needs = {QUANTITIES[name].needs for name in wanted if name in BY_ATTENTION}
    if not needs:
        return None

    def objective(output: Any) -> torch.Tensor:
        return aim.scores(output, torch.tensor([aim.position]))

    options: dict[str, Any] = {"values": "values" in needs}
    options |= {"gradient": objective} if "gradient" in needs else {}
    try:
        return capture(model, tokenizer, text, text_pair, progress=False, **options)
    except CaptureError:
        if not every:
            raise
        return None


def _by_attention(trace: Trace, aim: Target, wanted: Sequence[str], every: bool) -> Scores:
    """The row of the position predicted: the mean over layers and heads, or all layers' product."""
    stream = trace.stream()
    scores: Scores = {}
    for name in wanted:
        if name not in BY_ATTENTION or (every and QUANTITIES[name].why_not(stream)):
            continue
        made = quantity(trace, name)
        layers = made.numbers[-1:] if QUANTITIES[name].across else made.numbers
        row = slice(aim.position, aim.position + 1)
        scores[name] = np.nan_to_num(together(made, layers, "mean", row)[0])
    return scores


def _free(tokens: Tokens, aim: Target, trace: Trace | None) -> list[int]:
    """Places of the tokens that may be taken away.

    Raises:
        InputError: where there is none.
    """
    n = len(tokens)
    causal = trace is not None and all(layer.causal for layer in trace.stream().layers)
    last = aim.position if causal and aim.predicts else n
    stays = tokens.special | _at(aim, n)
    free = [place for place in range(n) if not stays[place] and place <= last]
    if not free:
        raise InputError(
            "there is no token to take away: all are special, or the one that predicts."
        )
    return free
