"""A model run on embeddings instead of token ids, and what gradients by them say (Captum).

The embeddings given stand in for what the model's own embedding returns, for one call; positions,
scaling and all else are the model's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from attnscope.capture.gradients import trackable
from attnscope.capture.running import uncompiled
from attnscope.capture.saliency.targets import Target, no_words
from attnscope.errors import CaptureError, InputError, MissingDependencyError

BASELINES = ("mask", "pad", "zero")
BATCH = 8
"""Points on the line of integrated gradients that run together."""

NO_CAPTUM = (
    'integrated gradients and gradient × input need Captum: pip install "attnscope[saliency]". '
    "Without it: methods=['rollout', 'alti', ...], those of attention."
)
Embeddings = Float[torch.Tensor, "item token dim"]
PerToken = Float[np.ndarray, "token"]


@dataclass(frozen=True, eq=False)
class Embedded:
    """One text of a model, as embeddings.

    Attributes:
        model: the model.
        inputs: its inputs, of one item.
        target: the number of its output that is derived.
    """

    model: nn.Module
    inputs: Mapping[str, Any]
    target: Target

    @property
    def layer(self) -> nn.Module:
        """The module that embeds token ids.

        Raises:
            InputError: where the model names none.
        """
        find = getattr(self.model, "get_input_embeddings", None)
        layer = find() if callable(find) else None
        if not isinstance(layer, nn.Module):
            raise InputError(
                f"{type(self.model).__name__} names no input embeddings (get_input_embeddings): "
                "gradients by them cannot be taken; choose methods= among those of attention."
            )
        return layer

    def embed(self, ids: torch.Tensor) -> Embeddings:
        """What the model makes of token ids."""
        made: Embeddings = self.layer(ids).detach()
        return made

    def scores(self, embeddings: Embeddings) -> Float[torch.Tensor, "item"]:
        """The target's score for embeddings of several texts of the same length."""
        n = len(embeddings)
        inputs = {
            name: value.expand(n, *value.shape[1:]) if isinstance(value, torch.Tensor) else value
            for name, value in self.inputs.items()
        }
        places = torch.full((n,), self.target.position, device=embeddings.device)
        with self._in_place(inputs["input_ids"], embeddings):
            return self.target.scores(self.model(**inputs), places)

    @contextmanager
    def _in_place(self, ids: torch.Tensor, embeddings: Embeddings) -> Iterator[None]:
        used = []

        def stand_in(_: nn.Module, args: Any, output: torch.Tensor) -> Any:
            if args and args[0].shape == ids.shape and torch.equal(args[0], ids):
                used.append(True)
                return embeddings.to(output.dtype)
            return None

        handle = self.layer.register_forward_hook(stand_in)
        try:
            yield
        finally:
            handle.remove()
        if not used:
            raise CaptureError(
                f"{type(self.model).__name__} did not embed its input_ids by its input embeddings: "
                "gradients by them cannot be taken; choose methods= among those of attention."
            )


def captum() -> Any:
    """Captum's attributions.

    Raises:
        MissingDependencyError: where it is not installed.
    """
    if find_spec("captum") is None:
        raise MissingDependencyError(NO_CAPTUM)
    from captum import attr

    return attr


@contextmanager
def followed(text: Embedded) -> Iterator[Embedded]:
    """The text, such that autograd can follow it, whatever the caller has switched off."""
    with torch.inference_mode(False), torch.enable_grad(), uncompiled(text.model):
        inputs = trackable(text.model, text.inputs)
        yield Embedded(text.model, inputs, text.target)


def gradient_input(text: Embedded) -> PerToken:
    """Σ over dimensions of embedding × gradient of the score by it, of each token."""
    attr = captum()
    with followed(text) as here:
        embeddings = here.embed(here.inputs["input_ids"]).requires_grad_()
        return _by_token(attr.InputXGradient(here.scores).attribute(embeddings))


def integrated_gradients(text: Embedded, start: Embeddings, steps: int) -> tuple[PerToken, float]:
    """Integrated gradients of each token from `start`, and the share of their sum that is missed.

    Their sum is score(text) - score(start), but for the error of the sum over `steps` points.
    """
    attr = captum()
    with followed(text) as here:
        embeddings = here.embed(here.inputs["input_ids"])
        many = 1 if here.target.made is not None else BATCH
        made = attr.IntegratedGradients(here.scores).attribute(
            embeddings, baselines=start.to(embeddings), n_steps=steps, internal_batch_size=many
        )
        with torch.no_grad():
            change = float((here.scores(embeddings) - here.scores(start.to(embeddings))).sum())
    scores = _by_token(made)
    return scores, abs(float(scores.sum()) - change) / max(abs(change), 1e-9)


def start_of(text: Embedded, baseline: Any, tokenizer: Any, kept: np.ndarray) -> Embeddings:
    """The text without words: special tokens (`kept`) stay, the others become the baseline.

    Raises:
        InputError: for an unknown baseline, or one whose token the tokenizer lacks.
    """
    known = no_words(text.model, tokenizer)
    if baseline is None:
        baseline = "mask" if known["mask"] is not None else "zero"
    if baseline not in BASELINES:
        names = ", ".join(map(repr, BASELINES))
        raise InputError(f"baseline must be one of {names}, got {baseline!r}.")
    ids = text.inputs["input_ids"]
    whole = text.embed(ids)
    if baseline == "zero":
        empty = torch.zeros_like(whole)
    elif known[baseline] is None:
        raise InputError(
            f"baseline={baseline!r} needs a {baseline} token, and tokenizer and model have none in "
            "common: baseline='zero' starts from zeros."
        )
    else:
        empty = text.embed(torch.full_like(ids, known[baseline]))
    stays = torch.as_tensor(kept, device=whole.device)[None, :, None]
    return torch.where(stays, whole, empty)


def _by_token(made: Embeddings) -> PerToken:
    summed: PerToken = made.detach().float().sum(-1)[0].cpu().numpy()
    return summed
