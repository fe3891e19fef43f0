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

from attnscope.errors import InputError

TABLE = re.compile(r"(^|\.)(wpe|embed_positions|positions?_embed\w*|pos_embed\w*)$")
OTHER_INPUT = re.compile(r"vision|visual|image|audio|patch")


def check_length(model: nn.Module, inputs: Mapping[str, Any]) -> None:
    """Raise InputError where `input_ids` or `decoder_input_ids` do not fit the model."""
    both = "decoder_input_ids" in inputs
    for name in ("input_ids", "decoder_input_ids"):
        if not hasattr(inputs.get(name), "shape"):
            continue
        n_tokens = inputs[name].shape[-1]
        longest = min(_limits(model, both, name == "decoder_input_ids"), default=n_tokens)
        if n_tokens > longest:
            raise InputError(_too_long(name, n_tokens, longest))


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


def _too_long(name: str, n_tokens: int, longest: int) -> str:
    if name == "decoder_input_ids":
        what = "target"
        how = (
            "Shorten it, or give inputs= with decoder_input_ids from tokenizer(text_target=target, "
            f"truncation=True, max_length={longest}, return_tensors='pt')."
        )
    else:
        what = "text"
        how = (
            "Truncate it: capture(model, tokenizer, inputs=tokenizer(text, truncation=True, "
            f"max_length={longest}, return_tensors='pt'))."
        )
    return (
        f"the {what} has {n_tokens:,} tokens, the model takes at most {longest:,}: "
        f"{n_tokens - longest:,} too many. {how}"
    )
