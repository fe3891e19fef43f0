"""Model inputs and Tokens, from texts (`texts`) or from inputs that the caller has prepared.

What the caller can get wrong is found here and in `checks`, before the model runs, and said in one
sentence with the next step. What can only be known afterwards (how many patches an image model
makes) is left to `Side.fit`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope._numbers import item_of
from attnscope._types import TokenMask
from attnscope.capture.inputs.checks import (
    MAIN_INPUTS,
    check_decoder,
    check_ids,
    check_mask,
    checked,
    has_decoder,
    past_length,
)
from attnscope.capture.inputs.texts import encoded, named_by
from attnscope.capture.running import device_of
from attnscope.errors import InputError
from attnscope.tokens import Tokens, tokens_from_tokenizer


@dataclass(frozen=True, eq=False)
class Side:
    """The tokens on one side of a model before it has run.

    Attributes:
        argument: what the caller names them by, `tokens` or `target_tokens`.
        tokens: named by the tokenizer or the caller, or None: positions.
        given: the tokens are the caller's, so that they have to fit.
        kept: False for padding, or None where nothing is known to be.
        past: tokens in front that a key/value cache holds: keys, and no queries any more.
    """

    argument: str
    tokens: Tokens | None = None
    given: bool = False
    kept: TokenMask | None = None
    past: int = 0

    @property
    def queries(self) -> Side:
        """The same without what a key/value cache holds."""
        if not self.past:
            return self
        kept, tokens, cut = self.kept, self.tokens, self.past
        if kept is not None and tokens is not None and len(tokens) < len(kept):
            cut = int(kept[: self.past].sum())
        return replace(
            self,
            tokens=tokens and tokens.take(np.arange(len(tokens)) >= cut),
            kept=None if kept is None else kept[self.past :],
            past=0,
        )

    def kept_of(self, n: int) -> TokenMask:
        """Which of n positions are not padding."""
        fits = self.kept is not None and len(self.kept) == n
        return self.kept if self.kept is not None and fits else np.ones(n, dtype=bool)

    def fit(self, kept: TokenMask, fallback: Tokens | None = None) -> Tokens:
        """Tokens for the positions kept.

        Raises:
            InputError: where the caller's tokens match neither all positions nor those kept.
        """
        n, n_kept = len(kept), int(kept.sum())
        if self.tokens is not None and len(self.tokens) == n:
            return self.tokens.take(kept)
        if self.given and self.tokens is not None and len(self.tokens) == n_kept:
            return self.tokens
        if self.given and self.tokens is not None:
            without = f" ({n_kept} without padding)" if n_kept < n else ""
            past = f" ({self.past} of them in past_key_values)" if self.past else ""
            raise InputError(
                f"{self.argument}= has {len(self.tokens)} names, the model works on {n} "
                f"tokens{past}{without}: give one name a token, special tokens included."
            )
        return (fallback or Tokens.plain(range(n))).take(kept)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the model is called with, and the tokens that go with it."""

    inputs: dict[str, Any]
    index: int
    batch: int
    source: Side
    target: Side


def prepare(
    model: nn.Module,
    tokenizer: Any,
    text: Any,
    text_pair: Any,
    target: Any,
    inputs: Any,
    tokens: Any,
    target_tokens: Any,
    index: Any,
) -> Prepared:
    """Model inputs on the model's device, the batch item, and both sides' tokens.

    Raises:
        InputError: when what the caller gave does not fit together or does not fit the model.
    """
    encoding = _encode(model, tokenizer, text, text_pair, target, inputs)
    check_ids(model, encoding)
    batch, item = _batch_and_item(encoding, index)
    _check_masks(encoding, batch)
    past = past_length(encoding)
    pasts = (0, past) if has_decoder(model) else (past, 0)
    source = side_of("tokens", "", encoding, item, tokenizer, tokens, pasts[0])
    aim = side_of("target_tokens", "decoder_", encoding, item, tokenizer, target_tokens, pasts[1])
    return Prepared(moved(model, encoding), item, batch, source, aim)


def moved(model: nn.Module, encoding: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs on the model's device."""
    device = device_of(model)
    return {
        name: value.to(device) if isinstance(value, torch.Tensor) else value
        for name, value in encoding.items()
    }


def _encode(
    model: nn.Module, tokenizer: Any, text: Any, text_pair: Any, target: Any, inputs: Any
) -> Any:
    if inputs is not None:
        if any(given is not None for given in (text, text_pair, target)):
            raise InputError("give either a text (with text_pair, target) or inputs=, not both.")
        inputs = checked(model, inputs)
        check_decoder(model, None, inputs)
        return inputs
    if text is None:
        if isinstance(tokenizer, str):
            return encoded(model, None, tokenizer, text_pair, target)  # says what is missing
        raise InputError(
            "nothing to run the model on: give a text, capture(model, tokenizer, text), or "
            "prepared inputs, capture(model, inputs=tokenizer(text, return_tensors='pt'))."
        )
    return encoded(model, tokenizer, text, text_pair, target)


def _batch_and_item(encoding: Mapping[str, Any], index: Any) -> tuple[int, int]:
    tensors = [encoding[name] for name in MAIN_INPUTS if hasattr(encoding.get(name), "shape")]
    tensors += [value for value in encoding.values() if isinstance(value, torch.Tensor)]
    batch = int(tensors[0].shape[0]) if tensors and tensors[0].ndim else 1
    return batch, item_of(index, batch, "the inputs are", "record")


def _check_masks(encoding: Mapping[str, Any], batch: int) -> None:
    """Masks of tokens; those of sounds and images have lengths of their own."""
    cached = encoding.get("past_key_values") is not None
    for part in ("", "decoder_"):
        ids, name = encoding.get(f"{part}input_ids"), f"{part}attention_mask"
        if ids is not None:
            check_mask(name, encoding.get(name), batch, None if cached else ids.shape[1])


def side_of(
    argument: str,
    part: str,
    encoding: Any,
    item: int,
    tokenizer: Any,
    given: Any,
    past: int,
) -> Side:
    """One side's tokens; `part` is what the names of its inputs start with."""
    ids, mask = encoding.get(f"{part}input_ids"), encoding.get(f"{part}attention_mask")
    kept = None
    if getattr(mask, "ndim", 0) == 2:
        kept = (mask[item] != 0).cpu().numpy()
        if not kept.any():
            raise InputError(
                f"{part}attention_mask hides every token of item {item}: nothing is left."
            )
    side = Side(argument, kept=kept, past=past)
    if given is not None:
        side = replace(side, tokens=_names(argument, given), given=True)
        if ids is not None:
            side.fit(side.kept_of(past + ids.shape[1]))
        return side
    if ids is None:
        return side
    tokens = Tokens.plain(ids[item].tolist())
    if tokenizer is not None:
        source = {"input_ids": ids} if part else encoding
        tokens = tokens_from_tokenizer(named_by(tokenizer), source, item)
    return replace(side, tokens=_behind(past, tokens) if past else tokens)


def _behind(n_past: int, tokens: Tokens) -> Tokens:
    """The tokens, and in front of them `#0`, `#1`, ...: a cache has no ids."""
    past = Tokens.plain(f"#{number}" for number in range(n_past))
    special = np.concatenate([past.special, tokens.special])
    return Tokens(past.text + tokens.text, past.raw + tokens.raw, special)


def check_segments(side: Side, given: Any) -> Any:
    """The caller's segments, or None; checked here where the number of tokens is known by now.

    Padding is dropped from what is shown, unless the model turns out to attend to it.
    """
    if given is None or (hasattr(given, "__len__") and not len(given)):
        return None
    if side.tokens is not None:
        with suppress(InputError):
            side.tokens.with_segments(given)
            return given
        side.fit(side.kept_of(len(side.tokens))).with_segments(given)
    return given


def _names(argument: str, given: Any) -> Tokens:
    if isinstance(given, Tokens):
        return given
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
        raise InputError(
            f"{argument}= must be a list with one name a token, got {type(given).__name__}: "
            "tokenizer.convert_ids_to_tokens(inputs['input_ids'][0])."
        )
    return Tokens.plain(given)
