"""The longest input a model takes, found before it runs.

A model that looks positions up in a table cannot take more tokens than the table has rows; where
positions are relative or rotary there is no such end. The table is the truth, not the
configuration: T5 has `n_positions` and no table, RoBERTa and OPT keep some rows to themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from attnscope.capture.inputs.checks import past_length
from attnscope.errors import InputError

NAMES = ("input_ids", "inputs_embeds")
TABLE = re.compile(r"(^|\.)(wpe|embed_positions|positions?_embed\w*|pos_embed\w*)$")
OTHER_INPUT = re.compile(r"vision|visual|image|audio|patch")


def check_length(
    model: nn.Module,
    inputs: Mapping[str, Any],
    call: str = "capture(model, tokenizer, inputs=",
) -> None:
    """Raise InputError where there are more tokens, cached ones included, than fit the model.

    `call` is how truncated inputs are given, for the text.
    """
    both = any(inputs.get(f"decoder_{name}") is not None for name in NAMES)
    past = past_length(inputs)
    for name in (*NAMES, *(f"decoder_{name}" for name in NAMES)):
        if not hasattr(inputs.get(name), "shape"):
            continue
        decoder = name.startswith("decoder")
        n_tokens = inputs[name].shape[1] + (past if decoder == both else 0)
        longest = min(_limits(model, both, decoder), default=n_tokens)
        if n_tokens > longest:
            raise InputError(_too_long(name, n_tokens, longest, call))


def check_room(model: nn.Module, n_prompt: int, n_new: int, both: bool) -> None:
    """Raise InputError where so many new tokens do not fit behind the prompt (the decoder's).

    The last token is not read. A model that looks positions up would stop with an IndexError.
    """
    longest = min(_limits(model, both, both), default=n_prompt + n_new)
    room = longest - n_prompt + 1
    if n_new > room:
        raise InputError(
            f"max_new_tokens={n_new} does not fit: the model takes at most {longest:,} tokens, of "
            f"which the prompt has {n_prompt:,}. Give max_new_tokens={room} at most, or a shorter "
            "prompt."
        )


def _limits(model: nn.Module, both: bool, decoder: bool) -> Iterator[int]:
    for name, module in model.named_modules():
        if not isinstance(module, nn.Embedding) or not TABLE.search(name):
            continue
        if OTHER_INPUT.search(name) or (both and ("decoder" in name.split(".")) != decoder):
            continue
        yield module.num_embeddings - _reserved(module)


def _reserved(table: nn.Embedding) -> int:
    """Rows in front that no position uses: OPT and BART keep 2, RoBERTa `padding_idx` + 1."""
    if isinstance(offset := getattr(table, "offset", None), int):
        return offset
    reserves = type(table) is nn.Embedding and table.padding_idx is not None
    return table.padding_idx + 1 if reserves else 0


def _too_long(name: str, n_tokens: int, longest: int, call: str) -> str:
    if name.endswith("inputs_embeds"):
        what, how = f"inputs['{name}']", "Give fewer positions."
    elif name == "decoder_input_ids":
        what = "the target"
        how = (
            "Shorten it, or give inputs= with decoder_input_ids from tokenizer(text_target=target, "
            f"truncation=True, max_length={longest}, return_tensors='pt')."
        )
    else:
        what = "the text"
        how = (
            f"Truncate it: {call}tokenizer(text, truncation=True, "
            f"max_length={longest}, return_tensors='pt'))."
        )
    return (
        f"{what} has {n_tokens:,} tokens, the model takes at most {longest:,}: "
        f"{n_tokens - longest:,} too many. {how}"
    )
