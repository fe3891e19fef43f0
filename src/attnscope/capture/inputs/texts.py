"""Model inputs from texts: what the tokenizer makes of them, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from attnscope.capture.inputs.checks import check_decoder, forward_inputs
from attnscope.errors import InputError


def encoded(model: nn.Module, tokenizer: Any, text: Any, text_pair: Any, target: Any) -> Any:
    """What the tokenizer makes of the texts, without what this model does not take.

    Raises:
        InputError: when the texts do not fit together, the tokenizer or the model.
    """
    if tokenizer is None or isinstance(tokenizer, str):
        what = "no tokenizer" if tokenizer is None else f"the text {tokenizer[:40]!r} as tokenizer"
        raise InputError(
            f"a text was given with {what}: capture(model, tokenizer, text), where tokenizer is "
            "AutoTokenizer.from_pretrained(name of the model)."
        )
    for name, given in (("text", text), ("text_pair", text_pair), ("target", target)):
        check_text(name, given)
    check_reads_text(model)
    check_decoder(model, target, None)
    n = len(_listed(text))
    return _tokenised(
        model, tokenizer, n, text, _like(n, "text_pair", text_pair), _like(n, "target", target)
    )


def named_by(tokenizer: Any) -> Any:
    """The tokenizer itself, or the one that a processor holds.

    Raises:
        InputError: when it is neither.
    """
    for candidate in (tokenizer, getattr(tokenizer, "tokenizer", None)):
        if hasattr(candidate, "convert_ids_to_tokens") and not isinstance(candidate, type):
            return candidate
    how = "AutoTokenizer.from_pretrained(name of the model)"
    if type(tokenizer).__module__.partition(".")[0] == "tokenizers":
        how = "transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)"
    what = tokenizer.__name__ if isinstance(tokenizer, type) else type(tokenizer).__name__
    raise InputError(f"tokenizer must be a Hugging Face tokenizer, got {what}: use {how}.")


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def check_text(name: str, given: Any) -> None:
    """Raise InputError for what is no text, an empty one, or one that no tokenizer reads."""
    texts = _listed(given)
    if given is None:
        return
    if all(isinstance(item, Mapping) and "role" in item for item in texts) and texts:
        raise InputError(
            f"{name} is chat messages, expected a string: attnscope.generate(model, tokenizer, "
            "messages) records what the model answers. To record one pass over them: "
            "capture(model, tokenizer, inputs=tokenizer.apply_chat_template(messages, "
            "return_dict=True, return_tensors='pt'))."
        )
    if not texts or not all(isinstance(item, str) for item in texts):
        raise InputError(
            f"{name} must be a string (or a list of strings with index=), got "
            f"{type(given).__name__}. Prepared inputs go to inputs=."
        )
    if isinstance(given, tuple) and len(given) == 2 and name == "text":
        raise InputError(
            "text is a tuple of two strings: for a pair read together give text_pair=, "
            "capture(model, tokenizer, a, b); for two texts a list, [a, b], with index=."
        )
    for item in texts:
        if not item.strip():
            raise InputError(f"{name} is empty: give at least one word.")
        at = next((i for i, letter in enumerate(item) if "\ud800" <= letter <= "\udfff"), None)
        if at is not None:
            raise InputError(
                f"{name} has {item[at]!r} at character {at}, half of a character (a surrogate), "
                "which no tokenizer reads: text.encode('utf-16', 'surrogatepass')"
                ".decode('utf-16', 'replace') puts halves together and replaces single ones."
            )


def check_reads_text(model: nn.Module) -> None:
    """Raise InputError for a model that does not take text."""
    names, takes_others = forward_inputs(model)
    if "input_ids" not in names and not (takes_others and not names):
        raise InputError(
            f"a text was given, and {type(model).__name__} takes no input_ids. It takes "
            f"{', '.join(names)}: give them as inputs=, from the model's own processor."
        )


def _like(n: int, name: str, given: Any) -> Any:
    """`text_pair` or `target` as many times as there are texts: one string, or a list of n."""
    if given is None:
        return None
    found = _listed(given)
    if len(found) != n:
        wanted = "one string" if n == 1 else f"a list of {n} strings, one for each text"
        raise InputError(
            f"{name}= and text= do not fit together: {name}= has {len(found)}, text= has {n}. "
            f"Give {name}= as {wanted}."
        )
    return found[0] if n == 1 else found


def _check_padding(tokenizer: Any, n: int) -> None:
    if getattr(named_by(tokenizer), "pad_token", "") is None and n > 1:
        raise InputError(
            f"{n} texts are padded to one length, and this tokenizer has no padding token: set "
            "tokenizer.pad_token = tokenizer.eos_token, or give the one text alone."
        )


def _tokenised(
    model: nn.Module, tokenizer: Any, n: int, text: Any, text_pair: Any, target: Any
) -> Any:
    encoding = pieces_of(model, tokenizer, text, text_pair)
    options = {"return_tensors": "pt", "padding": n > 1}
    if target is not None:
        labels = tokenizer(text_target=target, **options)
        encoding["decoder_input_ids"] = _shifted(model, labels["input_ids"])
        if n > 1:
            kept = labels["attention_mask"]
            first = torch.ones_like(kept[:, :1])
            encoding["decoder_attention_mask"] = torch.cat([first, kept[:, :-1]], dim=1)
    return encoding


def pieces_of(
    model: nn.Module, tokenizer: Any, text: Any, text_pair: Any = None, **options: Any
) -> Any:
    """The tokenizer's output for a text or several, padded, without what the model does not take.

    Raises:
        InputError: when there are no tokens, or nothing to pad them with.
    """
    n = len(_listed(text))
    _check_padding(tokenizer, n)
    options |= {"return_tensors": "pt", "padding": n > 1}
    encoding = tokenizer(_listed(text)[0] if n == 1 else text, text_pair, **options)
    if not encoding["input_ids"].numel():
        raise InputError(f"the tokenizer made no tokens of text {text!r}: give a longer text.")
    known, _ = forward_inputs(model)
    if "input_ids" in known:
        for name in set(encoding) - set(known):
            del encoding[name]
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
