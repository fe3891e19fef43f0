"""What an ablation costs beside a plain forward pass, on a model of GPT-2's size.

    python benchmarks/what_if.py [--tokens 8 16 64] [--rounds 21] [--texts 32] [--json FILE]

Each round runs all ways one after the other in turned order, in CPU seconds of this process on one
thread; what counts is the median over rounds of each way's ratio to the plain pass of its round.

Then the importance of all 144 heads by ablation, as it is by default (with its null), over short
texts in one batch, in units of one forward pass of that batch (the median of passes before and
after). Bars: one head at most 1.1, importance at most 150. `--texts 0` leaves that part out.
Two minutes on a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel

import attnscope
from attnscope.analytic import word_tokenizer

WAYS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda _: contextlib.nullcontext(),
    "zero one head": lambda model: attnscope.ablate(model, [(5, 3)]),
    "mean of one head": lambda model: attnscope.ablate(model, [(5, 3)], "mean"),
    "uniform head": lambda model: attnscope.ablate(model, [(5, 3)], "uniform"),
    "hide a key everywhere": lambda model: attnscope.ablate(model, keys=3),
    "zero every head": lambda model: attnscope.ablate(model, layers=range(12)),
}


def ratios(n_tokens: int, rounds: int) -> dict[str, float]:
    """Median CPU time of each way over that of the plain pass of the same round."""
    model, inputs = gpt2(n_tokens)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with torch.no_grad():
        for turn in range(rounds + 1):  # the first one warms up
            ways = list(WAYS)[:: 1 if turn % 2 else -1]
            for way in ways:
                start = time.process_time()
                with WAYS[way](model):
                    model(**inputs)
                seconds[way].append(time.process_time() - start)
    return {
        way: statistics.median(
            took / plain for took, plain in zip(times[1:], seconds["plain"][1:], strict=True)
        )
        for way, times in seconds.items()
    }


def importance_in_passes(n_texts: int, *, length: int = 10) -> dict[str, float]:
    """CPU time of `importance` over that of one forward pass of the batch of its texts."""
    model, _ = gpt2(length)
    tokenizer = word_tokenizer()
    numbers = torch.randint(1, 32, (n_texts, length)).tolist()
    texts = [" ".join(f"w{number}" for number in text) for text in numbers]
    inputs = tokenizer(texts, return_tensors="pt")
    taken: list[float] = []

    def passes() -> None:
        with torch.no_grad():
            for _ in range(5):
                start = time.process_time()
                model(**inputs, use_cache=False)
                taken.append(time.process_time() - start)

    passes()
    taken.clear()
    passes()
    start = time.process_time()
    attnscope.importance(model, tokenizer, texts, progress=False)
    spent = time.process_time() - start
    passes()
    return {f"importance of {n_texts} texts": spent / statistics.median(taken)}


def gpt2(n_tokens: int) -> tuple[Any, dict[str, torch.Tensor]]:
    """A random model of GPT-2's shape, and one text."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    return model, {"input_ids": torch.randint(0, 50257, (1, n_tokens))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, nargs="+", default=[8, 16, 64])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {
        f"{way}, {n_tokens} tokens": ratio
        for n_tokens in options.tokens
        for way, ratio in ratios(n_tokens, options.rounds).items()
    }
    if options.texts:
        found |= importance_in_passes(options.texts)
    for way, ratio in found.items():
        print(f"{way:<34} {ratio:7.3f} x a plain forward pass")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
