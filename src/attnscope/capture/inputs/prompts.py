"""Prompts to model inputs: a text, a chat or prepared inputs; and the turns of a chat as runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope.capture.inputs.chats import Template, Turn, check_chat, is_chat, is_message
from attnscope.capture.inputs.checks import AXES, check_ids, checked
from attnscope.capture.inputs.texts import check_reads_text, check_text, pieces_of
from attnscope.errors import InputError
from attnscope.tokens import Segment


@dataclass(frozen=True, eq=False)
class Prompt:
    """What `model.generate()` is called with.

    Attributes:
        inputs: the model's inputs, as the tokenizer returned them or as they were given.
        n: prompts in the batch.
        turns: of each chat, its turns and the token at which each starts, padding left out; ()
            where the prompts are no chats.
    """

    inputs: Mapping[str, Any]
    n: int
    turns: Sequence[Sequence[Turn]] = ()


def prompt_of(model: nn.Module, tokenizer: Any, given: Any, template_options: Any) -> Prompt:
    """The prompt as model inputs.

    Raises:
        InputError: when it is no prompt, or does not fit the tokenizer or the model.
    """
    chats = _chats(given)
    if not chats and isinstance(given, Mapping | torch.Tensor | np.ndarray):
        inputs = checked(model, given)
        check_ids(model, inputs)
        return Prompt(inputs, _batch(inputs))
    listed = given if isinstance(given, list | tuple) else [given]
    if not chats and not (len(listed) and all(isinstance(text, str) for text in listed)):
        what = "none" if given is None else type(given).__name__
        raise InputError(
            "the prompt must be a text, a list of chat messages such as [{'role': 'user', "
            f"'content': '...'}}], or tokenizer(text, return_tensors='pt'), got {what}."
        )
    _check_tokenizer(tokenizer)
    check_reads_text(model)
    if chats:
        return _of_chats(model, tokenizer, chats, template_options)
    check_text("the prompt", given)
    inputs = pieces_of(model, tokenizer, given, **_padding(model))
    check_ids(model, inputs)
    return Prompt(inputs, 1 if isinstance(given, str) else len(given))


def segments_of(turns: Sequence[Turn], n_tokens: int) -> list[Segment]:
    """The turns of a chat as runs of its tokens; turns that have no token of their own left out."""
    starts = [0, *(start for _, start in turns[1:])]
    stops = [*starts[1:], n_tokens]
    runs = zip(turns, starts, stops, strict=True)
    return [Segment(name, start, stop) for (name, _), start, stop in runs if start < stop]


def _chats(given: Any) -> list[Any]:
    """The chats that were given, [] where it is something else."""
    if is_message(given):
        return [[given]]
    if is_chat(given):
        return [given]
    several = isinstance(given, list | tuple) and given and all(map(is_chat, given))
    return list(given) if several else []


def _batch(inputs: Mapping[str, Any]) -> int:
    tensors = [inputs[name] for name in AXES if isinstance(inputs.get(name), torch.Tensor)]
    tensors += [value for value in inputs.values() if isinstance(value, torch.Tensor)]
    return len(tensors[0]) if tensors else 1


def _check_tokenizer(tokenizer: Any) -> None:
    if tokenizer is None or isinstance(tokenizer, str):
        what = "no tokenizer" if tokenizer is None else f"the text {tokenizer[:40]!r} as tokenizer"
        raise InputError(
            f"a prompt was given with {what}: generate(model, tokenizer, prompt), where tokenizer "
            "is AutoTokenizer.from_pretrained(name of the model)."
        )


def _padding(model: Any) -> dict[str, Any]:
    """Where several prompts are padded: in front, where the model goes on writing behind them."""
    both = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    return {} if both else {"padding_side": "left"}


def _of_chats(model: nn.Module, tokenizer: Any, chats: Sequence[Any], options: Any) -> Prompt:
    for messages in chats:
        check_chat(tokenizer, messages)
    template = Template(tokenizer, options or {})
    rendered = [template.rendered(messages) for messages in chats]
    texts = [text for text, _ in rendered]
    inputs = pieces_of(
        model,
        tokenizer,
        texts if len(texts) > 1 else texts[0],
        add_special_tokens=False,
        **_padding(model),
    )
    check_ids(model, inputs)
    turns = [_by_token(tokenizer, text, found) for text, found in rendered]
    return Prompt(inputs, len(texts), turns)


def _by_token(tokenizer: Any, text: str, turns: Sequence[Turn]) -> list[Turn]:
    """The turns with the token at which they start instead of the character."""
    if getattr(tokenizer, "is_fast", False):
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        starts = [start for start, _ in encoding["offset_mapping"]]
        return [(name, int(np.searchsorted(starts, at))) for name, at in turns]
    before = (tokenizer(text[:at], add_special_tokens=False)["input_ids"] for _, at in turns)
    return [(name, len(ids)) for (name, _), ids in zip(turns, before, strict=True)]
