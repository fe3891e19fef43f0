"""Attention to give to BertViz's functions, and what comes out of them as data."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import torch
import transformers as hf
from tokenizers.pre_tokenizers import ByteLevel

from tests.models import build

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the quick brown fox jump ##s over lazy dog cat sat on . ,"


def softmaxed(*shape: int, seed: int = 0) -> np.ndarray:
    """Weights [..., query, key] whose rows sum to 1."""
    scores = np.random.default_rng(seed).normal(size=shape).astype(np.float32) * 2
    weights = np.exp(scores)
    return weights / weights.sum(-1, keepdims=True)


def layers(n: int = 2, heads: int = 3, query: int = 4, key: int = 4, batch: int = 1) -> list[Any]:
    """What a model returns as `attentions`: a tensor [batch, head, query, key] a layer."""
    return [
        torch.from_numpy(softmaxed(batch, heads, query, key, seed=number)) for number in range(n)
    ]


def spec_of(html: Any) -> dict[str, Any]:
    """The spec in the HTML that `html_action='return'` gave."""
    found = re.search(r'data-attnscope-spec="\w+">(.*?)</script>', html.data, re.DOTALL)
    assert found is not None
    spec: dict[str, Any] = json.loads(found[1])
    return spec


def rows_of(spec: dict[str, Any], stream: int = 0) -> dict[int, list[int]]:
    """The heads of each layer of a stream, by the model's numbers and in order."""
    return {row["layer"]: row["heads"] for row in spec["streams"][stream]["layers"]}


def texts(spec: dict[str, Any], side: int = 0) -> list[str]:
    found: list[str] = spec["sides"][side]["text"]
    return found


def bert(**options: Any) -> tuple[Any, Any]:
    """A tiny BERT with a WordPiece tokenizer."""
    names = WORDS.split()
    return build("bert", **options), hf.BertTokenizer({name: i for i, name in enumerate(names)})


def byte_level() -> dict[str, Any]:
    """A byte-level vocabulary that knows ` the`, ` cat` and ` is`, for GPT-2 and RoBERTa."""
    names = ["<pad>", "<s>", "</s>", "<unk>", "<mask>", *sorted(ByteLevel.alphabet())]
    pairs = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("Ġ", "c"), ("a", "t"), ("Ġc", "at")]
    pairs += [("Ġ", "i"), ("Ġi", "s")]
    names += [a + b for a, b in pairs]
    return {"vocab": {name: i for i, name in enumerate(names)}, "merges": pairs}


def gpt2() -> tuple[Any, Any]:
    """A tiny GPT-2 with a byte-level tokenizer."""
    files = byte_level()
    return build("gpt2", vocab_size=len(files["vocab"])), hf.GPT2Tokenizer(**files)


def roberta() -> tuple[Any, Any]:
    """A tiny RoBERTa with a byte-level tokenizer."""
    files = byte_level()
    return build("roberta", vocab_size=len(files["vocab"])), hf.RobertaTokenizer(**files)
