"""Model inputs and Tokens, from texts or from inputs that the caller has prepared.

Everything the caller can get wrong is found here, before the model runs, and said in one sentence
with the next step. What can only be known afterwards (how many patches an image model makes) is
left to `Side.fit`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope._types import TokenMask
from attnscope.errors import InputError
from attnscope.tokens import Tokens, tokens_from_tokenizer
from attnscope.trace import index_of

DECODER_INPUTS = ("decoder_input_ids", "decoder_inputs_embeds", "labels")
MAIN_INPUTS = ("input_ids", "inputs_embeds", "pixel_values", "input_features", "input_values")


@dataclass(frozen=True, eq=False)
class Side:
    """The tokens on one side of a model before it has run.

    Attributes:
        argument: what the caller names them by, `tokens` or `target_tokens`.
        tokens: named by the tokenizer or the caller, or None: positions.
        given: the tokens are the caller's, so that they have to fit.
        kept: False for padding, or None where nothing is known to be.
    """

    argument: str
    tokens: Tokens | None = None
    given: bool = False
    kept: TokenMask | None = None

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
            raise InputError(
                f"{self.argument}= has {len(self.tokens)} names, the model works on {n} "
                f"tokens{without}: give one name a token, special tokens included."
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
    batch, item = _batch_and_item(encoding, index)
    source = _side("tokens", "input_ids", "attention_mask", encoding, item, tokenizer, tokens)
    aim = _side(
        "target_tokens",
        "decoder_input_ids",
        "decoder_attention_mask",
        encoding,
        item,
        tokenizer,
        target_tokens,
    )
    return Prepared(_moved(model, encoding), item, batch, source, aim)


def _moved(model: nn.Module, encoding: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs on the model's device."""
    first = next(model.parameters(), torch.empty(0))
    device = getattr(model, "device", first.device)
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
        inputs = _checked(model, inputs)
        _check_decoder(model, None, inputs)
        return inputs
    if text is None:
        raise InputError(
            "nothing to run the model on: give a text, capture(model, tokenizer, text), or "
            "prepared inputs, capture(model, inputs=tokenizer(text, return_tensors='pt'))."
        )
    if tokenizer is None or isinstance(tokenizer, str):
        what = "no tokenizer" if tokenizer is None else f"the text {tokenizer[:40]!r} as tokenizer"
        raise InputError(
            f"a text was given with {what}: capture(model, tokenizer, text), where tokenizer is "
            "AutoTokenizer.from_pretrained(name of the model)."
        )
    for name, given in (("text", text), ("text_pair", text_pair), ("target", target)):
        _check_text(name, given)
    _check_decoder(model, target, None)
    return _tokenised(model, tokenizer, text, text_pair, target)


def _check_text(name: str, given: Any) -> None:
    texts = given if isinstance(given, list | tuple) else [given]
    if given is None:
        return
    if not texts or not all(isinstance(item, str) for item in texts):
        raise InputError(
            f"{name} must be a string (or a list of strings with index=), got "
            f"{type(given).__name__}. Prepared inputs go to inputs=."
        )
    if not all(item.strip() for item in texts):
        raise InputError(f"{name} is empty: give at least one word.")


def _tokenised(model: nn.Module, tokenizer: Any, text: Any, text_pair: Any, target: Any) -> Any:
    many = isinstance(text, list | tuple)
    options = {"return_tensors": "pt", "padding": many}
    encoding = tokenizer(text, text_pair, **options)
    if not encoding["input_ids"].numel():
        raise InputError(f"the tokenizer made no tokens of text {text!r}: give a longer text.")
    known = inspect.signature(model.forward).parameters
    if "input_ids" in known:
        for name in set(encoding) - set(known):
            del encoding[name]
    if target is not None:
        labels = tokenizer(text_target=target, **options)
        ids, kept = labels["input_ids"], labels["attention_mask"]
        encoding["decoder_input_ids"] = _shifted(model, ids)
        if many:
            first = torch.ones_like(kept[:, :1])
            encoding["decoder_attention_mask"] = torch.cat([first, kept[:, :-1]], dim=1)
    return encoding


def _shifted(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """What the decoder reads while it is taught to write `labels`: the same, one place later."""
    if hasattr(model, "prepare_decoder_input_ids_from_labels"):
        shifted: torch.Tensor = model.prepare_decoder_input_ids_from_labels(labels=labels)
        return shifted
    start = getattr(model.config, "decoder_start_token_id", None)
    if start is None:
        raise InputError(
            "target= needs to know what the decoder starts with, and config."
            "decoder_start_token_id is not set: pass inputs= with decoder_input_ids."
        )
    return torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)


def _checked(model: Any, inputs: Any) -> Any:
    """Prepared inputs as a mapping of tensors."""
    if isinstance(inputs, torch.Tensor):
        inputs = {getattr(model, "main_input_name", "input_ids"): inputs}
    if not isinstance(inputs, Mapping) or not len(inputs):
        what = f"an empty {type(inputs).__name__}" if inputs == {} else type(inputs).__name__
        raise InputError(
            f"inputs= must be what the model is called with, a mapping such as "
            f"tokenizer(text, return_tensors='pt'), got {what}."
        )
    for name in (*MAIN_INPUTS, *DECODER_INPUTS):
        if isinstance(inputs.get(name), list | tuple):
            raise InputError(
                f"inputs['{name}'] is a {type(inputs[name]).__name__}, expected a tensor: call the "
                "tokenizer with return_tensors='pt'."
            )
        if name.endswith("ids") and getattr(inputs.get(name), "ndim", 2) != 2:
            raise InputError(
                f"inputs['{name}'] has shape {tuple(inputs[name].shape)}, expected [batch, "
                f"token]: for one text, add the batch axis with ids[None]."
            )
    arrays = {n: torch.as_tensor(v) for n, v in inputs.items() if isinstance(v, np.ndarray)}
    if not arrays and isinstance(getattr(inputs, "encodings", None), list):
        return inputs
    return {**inputs, **arrays}


def _check_decoder(model: nn.Module, target: Any, encoding: Mapping[str, Any] | None) -> None:
    """An encoder-decoder needs something to decode; some models would quietly make it up."""
    takes_target = "decoder_input_ids" in inspect.signature(model.forward).parameters
    has_decoder = takes_target and getattr(
        getattr(model, "config", None), "is_encoder_decoder", False
    )
    if target is not None and not has_decoder:
        raise InputError(
            f"target= was given, and {type(model).__name__} has no decoder that reads one. For two "
            "texts in one input, use text_pair=."
        )
    given = encoding or {}
    if has_decoder and target is None and all(given.get(n) is None for n in DECODER_INPUTS):
        raise InputError(
            f"{type(model).__name__} is an encoder-decoder and needs to know what the decoder "
            "reads: give target=... (the translation, the summary), or inputs= with "
            "decoder_input_ids. model.generate(**inputs) makes some."
        )


def _batch_and_item(encoding: Mapping[str, Any], index: Any) -> tuple[int, int]:
    tensors = [encoding[name] for name in MAIN_INPUTS if hasattr(encoding.get(name), "shape")]
    tensors += [value for value in encoding.values() if isinstance(value, torch.Tensor)]
    batch = int(tensors[0].shape[0]) if tensors and tensors[0].ndim else 1
    if index is None and batch > 1:
        raise InputError(
            f"the inputs are a batch of {batch}: pass index= 0 to {batch - 1} to choose the item "
            "to record."
        )
    item = 0 if index is None else index_of("index", index)
    if not 0 <= item < batch:
        raise InputError(f"index {item} is not in the batch: it holds items 0 to {batch - 1}.")
    return batch, item


def _side(
    argument: str,
    ids_name: str,
    mask_name: str,
    encoding: Any,
    item: int,
    tokenizer: Any,
    given: Any,
) -> Side:
    ids, mask = encoding.get(ids_name), encoding.get(mask_name)
    kept = None
    if getattr(mask, "ndim", 0) == 2:
        kept = (mask[item] != 0).cpu().numpy()
        if not kept.any():
            raise InputError(f"{mask_name} hides every token of item {item}: nothing is left.")
    side = Side(argument, kept=kept)
    if given is not None:
        side = replace(side, tokens=_names(argument, given), given=True)
        if ids is not None:
            side.fit(side.kept_of(ids.shape[1]))
    elif ids is not None and tokenizer is not None:
        if not hasattr(tokenizer, "convert_ids_to_tokens"):
            tokenizer = tokenizer.tokenizer  # a processor, which holds one
        source = encoding if ids_name == "input_ids" else {"input_ids": ids}
        side = replace(side, tokens=tokens_from_tokenizer(tokenizer, source, item))
    elif ids is not None:
        side = replace(side, tokens=Tokens.plain(ids[item].tolist()))
    return side


def _names(argument: str, given: Any) -> Tokens:
    if isinstance(given, Tokens):
        return given
    if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
        raise InputError(
            f"{argument}= must be a list with one name a token, got {type(given).__name__}: "
            "tokenizer.convert_ids_to_tokens(inputs['input_ids'][0])."
        )
    return Tokens.plain(given)
