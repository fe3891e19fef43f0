"""What a model's output is asked for: one number of it, for as many inputs as a batch has.

A token at a position, a class, or what a callable makes of the output. As a *score* it is a logit,
which gradients follow best; as a *value* a probability, which people compare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from attnscope._numbers import index_of
from attnscope._places import places_of
from attnscope.capture.gradients import token_of
from attnscope.capture.importance.examples import logits_of
from attnscope.errors import InputError
from attnscope.tokens import Tokens

Places = Int[torch.Tensor, "item"]
Numbers = Float[torch.Tensor, "item"]


@dataclass(frozen=True, eq=False)
class Target:
    """One number of a model's output.

    Attributes:
        name: in words: `'mat' at position 5`, `class POSITIVE`, `the objective`.
        position: the token whose row is looked at: of a language model the one that predicts.
        number: id of the token, or number of the class; None for a callable.
        made: what the callable makes of the output of one input.
        classes: the logits are of the text as a whole.
    """

    name: str
    position: int
    number: int | None = None
    made: Callable[[Any], Any] | None = None
    classes: bool = False

    @property
    def predicts(self) -> bool:
        """Whether the prediction is that of a position, which has to stay."""
        return self.number is not None and not self.classes

    def scores(self, output: Any, places: Places) -> Numbers:
        """The logit, or the callable's number, of each item; `places` is where it is predicted."""
        if self.made is not None:
            return _scalar(self.made(output)).reshape(1)
        return self._rows(output, places)[:, self.number]

    def values(self, output: Any, places: Places) -> Numbers:
        """The probability, or the callable's number, of each item."""
        if self.made is not None:
            return self.scores(output, places)
        return self._rows(output, places).softmax(-1)[:, self.number]

    def _rows(self, output: Any, places: Places) -> Float[torch.Tensor, "item id"]:
        logits = logits_of(output).float()
        return logits if logits.ndim == 2 else logits[torch.arange(len(logits)), places]


def no_words(model: Any, tokenizer: Any) -> dict[str, int | None]:
    """Ids of the mask and the padding token, None where tokenizer or model have none."""
    most = _of_config(model, "vocab_size")
    found = {name: getattr(tokenizer, f"{name}_token_id", None) for name in ("mask", "pad")}
    return {
        name: None if number is None or (most is not None and number >= most) else number
        for name, number in found.items()
    }


def target_of(
    wanted: Any, position: Any, output: Any, model: Any, tokenizer: Any, tokens: Tokens
) -> Target:
    """What was asked for, in the model's terms.

    Args:
        wanted: None for the model's own prediction; a token or class by name or number; a callable.
        position: a token by position or text; None for the mask, the last token, or (of classes
            and callables) the first.
        output: what the model returned for the text.
        model: what made it.
        tokenizer: its tokenizer.
        tokens: the text's tokens.

    Raises:
        InputError: for what the model does not have, or what does not fit together.
    """
    if callable(wanted):
        return Target("the objective", _position(position, tokens, 0), made=wanted)
    logits = logits_of(output)[0].float()
    if logits.ndim == 1:
        number = _class(wanted, logits, model)
        names = _of_config(model, "id2label") or {}
        place = _position(position, tokens, 0)
        return Target(f"class {names.get(number, number)}", place, number, classes=True)
    place = _position(position, tokens, _predicting(tokens, tokenizer))
    number = _token(wanted, logits[place], tokenizer)
    return Target(f"{_shown(number, tokenizer)} at position {place}", place, number)


def _of_config(model: Any, name: str) -> Any:
    return getattr(getattr(model, "config", None), name, None)


def _predicting(tokens: Tokens, tokenizer: Any) -> int:
    """The mask's place, or the last."""
    mask, ids = getattr(tokenizer, "mask_token_id", None), tokens.ids
    masked = [] if ids is None or mask is None else np.flatnonzero(ids == mask).tolist()
    if len(masked) > 1:
        raise InputError(
            f"there are {len(masked)} masks, at {', '.join(map(str, masked))}: say which one is "
            f"meant, position={masked[0]}."
        )
    return masked[0] if masked else len(tokens) - 1


def _position(position: Any, tokens: Tokens, otherwise: int) -> int:
    if position is None:
        return otherwise
    below = isinstance(position, int) and -len(tokens) <= position < 0
    [place] = places_of("position", position + len(tokens) if below else position, tokens)
    return int(place)


def _token(wanted: Any, row: Float[torch.Tensor, "id"], tokenizer: Any) -> int:
    if wanted is None:
        return int(row.argmax())
    named = isinstance(wanted, str)
    number = token_of("target", wanted, tokenizer) if named else index_of("target", wanted)
    return _checked(number, row)


def _class(wanted: Any, row: Float[torch.Tensor, "id"], model: Any) -> int:
    names = _of_config(model, "label2id") or {}
    if wanted is None:
        return int(row.argmax())
    if isinstance(wanted, str) and wanted not in names:
        raise InputError(
            f"target {wanted!r} is no class of {type(model).__name__}; there are "
            f"{', '.join(map(repr, names))}."
        )
    number = names[wanted] if isinstance(wanted, str) else index_of("target", wanted)
    return _checked(number, row)


def _checked(number: int, row: Float[torch.Tensor, "id"]) -> int:
    if not 0 <= number < len(row):
        raise InputError(f"target {number} is no logit: they go from 0 to {len(row) - 1}.")
    return int(number)


def _shown(number: int, tokenizer: Any) -> str:
    return repr(tokenizer.decode([number])) if tokenizer is not None else f"token {number}"


def _scalar(value: Any) -> torch.Tensor:
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.reshape(()).float()
    what = f"a tensor of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
    raise InputError(f"target= must return one number (a tensor), it returned {what}.")
