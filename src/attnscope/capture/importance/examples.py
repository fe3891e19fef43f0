"""Texts with what is right for each, as model inputs, and how well the model's output fits.

A *score* is one number a text, higher is better: minus the loss, a difference of logits, a share
of right answers, or what a callable makes of the output. What is wanted is said as (position, id):
the logits at that position should favour that id. One way for all tasks:

    next tokens of a text          every position, the token behind it      (causal models)
    a continuation                 the positions before its tokens, these   (causal models)
    a masked word                  the mask's position, the word's id       (masked LMs)
    a translation, a summary       every decoder position, its token        (encoder-decoders)
    a class                        no position: the logits are the item's   (classifiers)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from attnscope.capture.inputs.checks import forward_inputs, has_decoder
from attnscope.errors import InputError

METRICS = ("loss", "logit_difference", "accuracy")
Score = Callable[[Any, dict[str, torch.Tensor], Sequence["Example"]], Float[torch.Tensor, "item"]]


@dataclass(frozen=True)
class Example:
    """One text as the model reads it, and what is right.

    Attributes:
        text: for error texts.
        inputs: `input_ids`, `token_type_ids`, `decoder_input_ids`: one list of numbers each.
        special: for each input id, whether it stays in its place when the text is shuffled.
        wanted: (position in the logits, id that should be favoured); position -1 for classifiers.
        against: the ids that it is favoured over, one for each of `wanted`; () where none is named.
    """

    text: str
    inputs: dict[str, list[int]]
    special: tuple[bool, ...]
    wanted: tuple[tuple[int, int], ...] = ()
    against: tuple[int, ...] = ()

    def shuffled(self, generator: np.random.Generator) -> Example:
        """The same with the text's own tokens in a random order."""
        ids = np.array(self.inputs["input_ids"])
        own = np.flatnonzero(~np.array(self.special))
        ids[own] = ids[generator.permutation(own)]
        moved = replace(self, inputs=self.inputs | {"input_ids": ids.tolist()})
        if self.wanted and self.wanted == _next_tokens(self.inputs["input_ids"]):
            return replace(moved, wanted=_next_tokens(ids.tolist()))
        return moved


def _next_tokens(ids: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(enumerate(ids[1:]))


@dataclass(frozen=True, eq=False)
class Encoder:
    """Makes examples for one model.

    Attributes:
        model, tokenizer: what reads the texts.
        classes: the model gives one row of logits an item.
    """

    model: Any
    tokenizer: Any
    classes: bool = field(default=False)

    def example(self, text: str, target: Any, metric: Any) -> Example:
        """An example of a text and its target.

        Raises:
            InputError: when target, metric and model do not go together.
        """
        encoding = self.tokenizer(text)
        known, others = forward_inputs(self.model)
        inputs = {
            name: list(encoding[name])
            for name in ("input_ids", "token_type_ids")
            if name in encoding and (name in known or others)
        }
        ids = inputs["input_ids"]
        special = tuple(bool(np.isin(i, self.tokenizer.all_special_ids)) for i in ids)
        example = Example(text, inputs, special)
        if callable(metric):
            return example
        right, wrong = target if isinstance(target, tuple | list) else (target, None)
        if metric == "logit_difference" and wrong is None:
            raise InputError(
                "metric='logit_difference' needs two targets a text, (right, wrong), got "
                f"{target!r} for {text!r}."
            )
        if self.classes:
            return self._classified(example, right, wrong)
        if has_decoder(self.model):
            return self._decoded(example, right, wrong)
        mask = self.tokenizer.mask_token_id
        if mask is not None and mask in ids:
            return self._masked(example, ids.index(mask), right, wrong)
        if "MaskedLM" in type(self.model).__name__:
            raise InputError(
                f"{text!r} has no {self.tokenizer.mask_token}: a masked language model is asked "
                "for the word at the mask."
            )
        return self._continued(example, right, wrong)

    def _classified(self, example: Example, right: Any, wrong: Any) -> Example:
        against = () if wrong is None else (self._class(wrong),)
        return replace(example, wanted=((-1, self._class(right)),), against=against)

    def _masked(self, example: Example, place: int, right: Any, wrong: Any) -> Example:
        against = () if wrong is None else (self._single(wrong),)
        return replace(example, wanted=((place, self._single(right)),), against=against)

    def _continued(self, example: Example, right: Any, wrong: Any) -> Example:
        ids = example.inputs["input_ids"]
        if right is None:
            if len(ids) < 2:
                raise InputError(f"{example.text!r} has one token: there is no next one to tell.")
            return replace(example, wanted=_next_tokens(ids))
        new = [right] if isinstance(right, int) else self._ids(right)
        if wrong is not None:
            other = [wrong] if isinstance(wrong, int) else self._ids(wrong)
            _check_differ(new[0], other[0], right, wrong)
            return replace(example, wanted=((len(ids) - 1, new[0]),), against=(other[0],))
        longer = example.inputs | {"input_ids": ids + new[:-1]}
        wanted = tuple((len(ids) - 1 + at, token) for at, token in enumerate(new))
        return replace(
            example,
            inputs=longer,
            wanted=wanted,
            special=example.special + (True,) * (len(new) - 1),
        )

    def _decoded(self, example: Example, right: Any, wrong: Any) -> Example:
        start = getattr(self.model.config, "decoder_start_token_id", None)
        if not isinstance(right, str) or start is None:
            raise InputError(
                f"{type(self.model).__name__} writes a text: give target= strings, one for each "
                f"text, got {right!r}."
            )
        new = list(self.tokenizer(text_target=right)["input_ids"])
        inputs = example.inputs | {"decoder_input_ids": [start, *new[:-1]]}
        against: tuple[int, ...] = ()
        if wrong is not None:
            other = list(self.tokenizer(text_target=wrong)["input_ids"])
            place = next((i for i, (a, b) in enumerate(zip(new, other)) if a != b), 0)  # noqa: B905
            _check_differ(new[place], other[place], right, wrong)
            return replace(
                example, inputs=inputs, wanted=((place, new[place]),), against=(other[place],)
            )
        return replace(example, inputs=inputs, wanted=tuple(enumerate(new)), against=against)

    def _ids(self, target: Any) -> list[int]:
        if not isinstance(target, str) or not target:
            raise InputError(f"a target must be a text that follows, got {target!r}.")
        return list(self.tokenizer(target, add_special_tokens=False)["input_ids"])

    def _single(self, target: Any) -> int:
        """The one token of a target."""
        if isinstance(target, int):
            return target
        if target is None:
            raise InputError("a masked language model needs target=, the word at each mask.")
        ids = self._ids(target)
        if len(ids) != 1:
            pieces = self.tokenizer.convert_ids_to_tokens(ids)
            raise InputError(f"target {target!r} is {len(ids)} tokens, {pieces}; a mask takes one.")
        return ids[0]

    def _class(self, target: Any) -> int:
        names = getattr(self.model.config, "label2id", None) or {}
        if isinstance(target, int | np.integer):
            return int(target)
        if target in names:
            return int(names[target])
        raise InputError(
            f"target {target!r} is no class of {type(self.model).__name__}; there are "
            f"{', '.join(map(repr, names))}."
        )


def _check_differ(right: int, wrong: int, given: Any, other: Any) -> None:
    if right == wrong:
        raise InputError(
            f"the targets {given!r} and {other!r} begin with the same token: there is no "
            "difference of logits."
        )


def padded(examples: Sequence[Example], pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Model inputs of several examples, padded on the right."""
    inputs: dict[str, torch.Tensor] = {}
    for name in examples[0].inputs:
        rows = [example.inputs[name] for example in examples]
        longest = max(map(len, rows))
        fill = pad if name.endswith("input_ids") else 0
        whole = [row + [fill] * (longest - len(row)) for row in rows]
        inputs[name] = torch.tensor(whole, device=device)
        if name.endswith("input_ids"):
            mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
            inputs[name.replace("input_ids", "attention_mask")] = torch.tensor(mask, device=device)
    return inputs


def score_of(metric: Any) -> Score:
    """The score that a metric names; of a callable, what it returns."""
    if callable(metric):
        return lambda output, inputs, examples: _of_callable(metric, output, inputs, len(examples))
    if not isinstance(metric, str) or metric not in METRICS:
        raise InputError(
            f"metric must be one of {', '.join(map(repr, METRICS))}, or a callable (output, "
            f"inputs) -> one number a text, higher is better; got {metric!r}."
        )
    return {"loss": _minus_loss, "logit_difference": _difference, "accuracy": _accuracy}[metric]


def _of_callable(metric: Any, output: Any, inputs: Any, n: int) -> torch.Tensor:
    values = metric(output, inputs)
    values = values if isinstance(values, torch.Tensor) else torch.as_tensor(values)
    if values.shape != (n,):
        raise InputError(
            f"the metric gave numbers of shape {tuple(values.shape)} for {n} texts: it must give "
            "one number a text."
        )
    return values


def _rows(output: Any, examples: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits at all wanted positions, [wanted, vocabulary], and the item of each.

    Logits without an axis of positions are those already: a classifier's, or narrowed ones.
    """
    logits, (items, places) = logits_of(output), wanted_rows(examples)
    rows = logits if logits.ndim == 2 else logits[items, places]
    return rows.float(), torch.tensor(items, device=logits.device)


def wanted_rows(examples: Sequence[Example]) -> tuple[list[int], list[int]]:
    """Item and position of every row of logits that is asked for."""
    rows = [(item, place) for item, e in enumerate(examples) for place, _ in e.wanted]
    return [item for item, _ in rows], [place for _, place in rows]


def unembedding_of(model: Any, examples: Sequence[Example]) -> nn.Module | None:
    """What makes logits of a language model's hidden states; None where that is not known."""
    if any(place < 0 for place in wanted_rows(examples)[1]):
        return None
    found = getattr(model, "get_output_embeddings", lambda: None)()
    return found if isinstance(found, nn.Module) else None


def _wanted(examples: Sequence[Example], rows: torch.Tensor) -> torch.Tensor:
    return torch.tensor([i for e in examples for _, i in e.wanted], device=rows.device)


def _mean(values: torch.Tensor, items: torch.Tensor, n: int) -> torch.Tensor:
    sums = torch.zeros(n, device=values.device).index_add(0, items, values)
    return sums / torch.bincount(items, minlength=n)


def _minus_loss(output: Any, _: Any, examples: Sequence[Example]) -> torch.Tensor:
    rows, items = _rows(output, examples)
    loss = nn.functional.cross_entropy(rows, _wanted(examples, rows), reduction="none")
    return -_mean(loss, items, len(examples))


def _accuracy(output: Any, _: Any, examples: Sequence[Example]) -> torch.Tensor:
    rows, items = _rows(output, examples)
    return _mean((rows.argmax(-1) == _wanted(examples, rows)).float(), items, len(examples))


def _difference(output: Any, _: Any, examples: Sequence[Example]) -> torch.Tensor:
    rows, items = _rows(output, examples)
    against = torch.tensor([i for e in examples for i in e.against], device=rows.device)
    at = torch.arange(len(rows), device=rows.device)
    return _mean(rows[at, _wanted(examples, rows)] - rows[at, against], items, len(examples))


def logits_of(output: Any) -> torch.Tensor:
    """The logits in a model's output.

    Raises:
        InputError: when there are none.
    """
    logits = getattr(output, "logits", None)
    if not isinstance(logits, torch.Tensor):
        raise InputError(
            f"the model gives no logits, only {', '.join(getattr(output, 'keys', list)())}: load "
            "it with its head (AutoModelForCausalLM, ...), or give metric= a callable."
        )
    return logits
