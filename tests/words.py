"""A tokenizer for the tiny models: words w1 to w31, by number."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


def word_tokenizer() -> Any:
    """Words w1 to w31 by number; 0 is the end, the start and the padding; 32 the mask."""
    words = {"<|end|>": 0, **{f"w{i}": i for i in range(1, 32)}, "[MASK]": 32}
    made = Tokenizer(models.WordLevel(words, unk_token="<|end|>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"bos_token": "<|end|>", "eos_token": "<|end|>", "pad_token": "<|end|>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, mask_token="[MASK]", **names)
