"""Direct logit attribution: what each head writes into a logit, with the final norm in the account.

In a pre-norm decoder the last state is a sum: the embedding, what every head and every MLP has
added, and their biases. The final norm divides the sum by one number; with that number fixed, norm
and unembedding are linear, so that the logit is the sum of what each part is worth (Elhage et al.
2021). Only the direct path counts: what a head did to other heads is in their parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from attnscope._numbers import index_of
from attnscope._precision import widen
from attnscope.capture.forward import capture
from attnscope.capture.gradients import token_of
from attnscope.capture.inputs.checks import check_model
from attnscope.capture.mixing.asking import asked_norm
from attnscope.capture.running import bare
from attnscope.errors import CaptureError, InputError
from attnscope.measures.table import Table
from attnscope.mixing import Mixing, Norm
from attnscope.scores import Layer
from attnscope.trace import Trace

Vector = Float[np.ndarray, "model"]

EXACT = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""How far the parts' sum may be from the logit, relative to the sum of their sizes."""


class Part(NamedTuple):
    """Something that was added to the state; -1 where it has no layer or head."""

    name: str
    layer: int
    head: int
    vector: Vector


def logit_attribution(
    model: Any,
    tokenizer: Any = None,
    text: Any = None,
    target: Any = None,
    against: Any = None,
    *,
    position: Any = -1,
    inputs: Any = None,
) -> Table:
    """What the parts of a decoder add to a logit.

    Args:
        model: a decoder with its head (`AutoModelForCausalLM`), normalised before each block.
        tokenizer: its tokenizer.
        text: the text.
        target: the token whose logit is taken apart: its text (with a leading space where the
            tokenizer has one) or number; None for the model's own prediction.
        against: a second token, whose logit is subtracted.
        position: of the token that predicts; -1 is the last one.
        inputs: prepared inputs of one text instead of `text`.

    Returns:
        One row a part, in the order of the model: `part` (`embedding`, `head`, `attention bias`,
        `mlp`, `norm bias`, `output bias`; `embedding and MLPs` in one where attention and MLP run
        side by side), `layer` and `head` (-1 where there is none), `logit`. The column sums to the
        logit as the unembedding gives it (before a softcap, where the model has one).

    Raises:
        InputError: when what was given does not fit together or does not fit the model.
        CaptureError: for models whose last state is no such sum (normalised after each block), and
            where the parts do not sum to the logit.
    """
    check_model(model)
    model = bare(model)
    with _watching(model) as ends:
        trace = capture(model, tokenizer, text, inputs=inputs, values=True, progress=False)
    if len(trace.streams) > 1:
        raise InputError(
            f"{type(model).__name__} is no decoder of one stream: it has "
            f"{', '.join(trace.streams)}."
        )
    place = _position(position, ends, trace)
    numbers = [_token(target, tokenizer, ends, place)]
    numbers += [] if against is None else [_token(against, tokenizer, ends, place)]
    norm, final = ends.final(place)
    parts = _parts(trace, place, final)
    toward, constant, logit = ends.direction(place, numbers)
    worth = [float(norm.linear(part.vector[None].astype(np.float64))[0] @ toward) for part in parts]
    rows = [
        (part.name, part.layer, part.head, value) for part, value in zip(parts, worth, strict=True)
    ]
    rows += [("norm bias", -1, -1, float(norm.bias @ toward)), ("output bias", -1, -1, constant)]
    _check_sum([row[3] for row in rows], logit, ends.dtype)
    return Table(dict(zip(COLUMNS, zip(*rows, strict=True), strict=True)))


COLUMNS = ("part", "layer", "head", "logit")


@dataclass(eq=False)
class _Ends:
    """What went into the unembedding and came out, and the last normalisation before it."""

    head: Any
    given: Any = None
    logits: Any = None
    norms: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = field(default_factory=list)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.given.dtype
        return dtype

    def final(self, place: int) -> tuple[Norm, Vector]:
        """The final norm at a position, and the state that it was given."""
        for module, source, result in self.norms:
            if result.shape == self.given.shape and torch.equal(result, self.given):
                norm = asked_norm(module, source[0], result[0])
                if norm is not None:
                    here = np.arange(source.shape[1]) == place
                    return norm.trim(here), np.array(source[0, place].float().cpu().numpy())
        raise CaptureError(
            "what stands between the last block and the unembedding is no normalisation that is "
            "known: the logit cannot be taken apart."
        )

    def direction(self, place: int, numbers: list[int]) -> tuple[Vector, float, float]:
        """What the state is multiplied with, what is added, and the logit (difference) it gave."""
        signs = [1.0, -1.0]
        weight, bias = self.head.weight.detach(), getattr(self.head, "bias", None)
        toward = np.zeros(weight.shape[1])
        constant = logit = 0.0
        for sign, number in zip(signs, numbers, strict=False):
            toward += sign * weight[number].double().cpu().numpy()
            constant += sign * (0.0 if bias is None else float(bias.detach()[number]))
            logit += sign * float(self.logits[0, place, number])
        return toward, constant, logit


@contextmanager
def _watching(model: Any) -> Iterator[_Ends]:
    """Watch the unembedding and the normalisations while the block runs."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if head is None or getattr(getattr(head, "weight", None), "ndim", 0) != 2:
        raise InputError(
            f"{type(model).__name__} has no unembedding that gives logits: load it with "
            "AutoModelForCausalLM."
        )
    ends = _Ends(head)

    def unembedded(_: nn.Module, args: Any, output: torch.Tensor) -> None:
        ends.given, ends.logits = args[0].detach(), output.detach()

    def normed(module: nn.Module, args: Any, output: Any) -> None:
        if args and isinstance(output, torch.Tensor) and args[0].shape == output.shape:
            ends.norms[:] = [(module, args[0].detach(), output.detach())]

    handles = [head.register_forward_hook(unembedded)]
    norms = (m for m in model.modules() if "norm" in type(m).__name__.lower())
    handles += [module.register_forward_hook(normed) for module in norms]
    try:
        yield ends
    finally:
        for handle in handles:
            handle.remove()


def _position(position: Any, ends: _Ends, trace: Trace) -> int:
    n, place = ends.logits.shape[1], index_of("position", position)
    if len(trace.tokens) != n:
        raise InputError(
            f"the inputs have {n} tokens, {n - len(trace.tokens)} of them padding: give one text "
            "without."
        )
    if not -n <= place < n:
        raise InputError(f"position {place} is not there: tokens go from 0 to {n - 1}.")
    return int(place % n)


def _token(wanted: Any, tokenizer: Any, ends: _Ends, place: int) -> int:
    row = ends.logits[0, place]
    if wanted is None:
        return int(row.argmax())
    named = isinstance(wanted, str)
    number = token_of("target", wanted, tokenizer) if named else index_of("target", wanted)
    if not 0 <= number < len(row):
        raise InputError(f"target {number} is no logit: they go from 0 to {len(row) - 1}.")
    return number


def _parts(trace: Trace, place: int, final: Vector) -> list[Part]:
    """All that was added up to the final state at a position, in the order of the model."""
    stream = trace.stream()
    layers = list(zip(stream.numbers, stream.layers, strict=True))
    written = [_written(number, layer, place) for number, layer in layers]
    starts = [_mixing(layer).residual for _, layer in layers]
    if any(start is None for start in starts):
        heads = [part for parts in written for part in parts]
        rest = final - np.sum([part.vector for part in heads], axis=0)
        return [Part("embedding and MLPs", -1, -1, rest), *heads]
    states = [widen(start)[place] for start in starts if start is not None] + [final]
    parts = [Part("embedding", -1, -1, states[0])]
    for (number, _), added, before, after in zip(layers, written, states, states[1:], strict=False):
        attended = np.sum([part.vector for part in added], axis=0)
        parts += [*added, Part("mlp", number, -1, after - before - attended)]
    return parts


def _written(number: int, layer: Layer, place: int) -> list[Part]:
    """What a layer's attention adds at a position: one part a head, and the projection's bias."""
    mixing = _mixing(layer)
    if mixing.norm is not None:
        raise CaptureError(
            "this model normalises after each block, so that its last state is no sum of what "
            "heads have written: the logit cannot be taken apart."
        )
    if mixing.projection is None or mixing.bias is None:
        raise CaptureError(
            f"what the heads of layer {number} write is not known: {mixing.lacking}."
        )
    weights = layer.rows(queries=slice(place, place + 1))
    values = np.matmul(weights, widen(mixing.values)[mixing.kv_head])
    heads = np.matmul(values, widen(mixing.projection))[:, 0]
    bias = mixing.bias
    if mixing.branch is not None:
        norm = mixing.branch.trim(np.arange(len(mixing.branch.spread)) == place)
        heads = norm.linear(heads[:, None])[:, 0]
        bias = norm.linear(bias[None])[0] + norm.bias
    named = [
        Part("head", number, head, vector) for head, vector in zip(layer.heads, heads, strict=True)
    ]
    return [*named, Part("attention bias", number, -1, bias)]


def _mixing(layer: Any) -> Mixing:
    mixing: Mixing = layer.mixing
    return mixing


def _check_sum(values: list[float], logit: float, dtype: torch.dtype) -> None:
    size = max(1.0, float(np.abs(values).sum()))
    error = abs(sum(values) - logit)
    if not error <= EXACT.get(dtype, 1e-4) * size:
        raise CaptureError(
            f"the parts sum to {sum(values):.4f}, and the logit is {logit:.4f}: something between "
            "the last block and the unembedding is not known, and no parts are shown rather than "
            "wrong ones."
        )
