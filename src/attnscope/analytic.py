"""A model with known answers: a GPT-2 whose weights are made by hand, and what its heads do.

    model, tokenizer = attnscope.demo.load("analytic")

It repeats: behind the second occurrence of a word it predicts what followed the first. Two of its
four heads do it, and everything there is to measure about them is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attnscope.errors import MissingDependencyError

if TYPE_CHECKING:
    import torch


def load() -> tuple[Any, Any]:
    """Return (model, tokenizer); the words are w1 to w31, and `<|end|>` begins a text.

    Raises:
        MissingDependencyError: torch or transformers is not installed.
    """
    try:
        model = analytic_gpt2()
    except ImportError as cause:
        raise MissingDependencyError(
            "The analytic model needs torch and transformers. Run: pip install 'attnscope[hf]'"
        ) from cause
    model.config.name_or_path = "analytic GPT-2"
    return model, word_tokenizer()


def word_tokenizer() -> Any:
    """Words w1 to w31 by number; 0 is the end, the start and the padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<|end|>": 0, **{f"w{number}": number for number in range(1, 32)}}
    made = Tokenizer(models.WordLevel(words, unk_token="<|end|>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"bos_token": "<|end|>", "eos_token": "<|end|>", "pad_token": "<|end|>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def analytic_gpt2(n_vocabulary: int = 32, n_positions: int = 64) -> Any:
    """A GPT-2 with weights made by hand, whose four heads do what their names say.

    Layer 0: head 0 attends to the previous token, head 1 to the first one. Layer 1: head 0 is an
    induction head (it attends to what followed the last occurrence of this token), head 1 attends
    to occurrences of the same token. The residual stream has four blocks: the token, its position,
    the token before it, and the prediction.
    """
    import torch
    import transformers as hf

    v, p = n_vocabulary, n_positions
    token, position, before, guess = (slice(a, a + n) for a, n in _blocks(v, p))
    width, dim = 3 * v + p, (3 * v + p) // 2
    config = hf.GPT2Config(
        n_layer=2, n_head=2, n_embd=width, n_inner=4, vocab_size=v, n_positions=p,
        bos_token_id=0, eos_token_id=0, tie_word_embeddings=False, layer_norm_epsilon=1e-12,
    )  # fmt: skip
    model = hf.GPT2LMHeadModel(config).eval()
    sharp = 60 * math.sqrt(dim)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        body = model.transformer
        body.wte.weight[:, token] = torch.eye(v)
        body.wpe.weight[:, position] = torch.eye(p)
        norms = (body.h[0].ln_1, body.h[0].ln_2, body.h[1].ln_1, body.h[1].ln_2, body.ln_f)
        for norm, n_ones in zip(norms, (2, 3, 3, 4, 4), strict=True):
            _undo_norm(norm, n_ones, width)
        first, second = (_Heads(block.attn, dim) for block in body.h)
        first.query(0)[position, :p] = sharp * torch.eye(p)
        first.key(0)[position, :p] = torch.eye(p).roll(1, dims=1).triu(1)
        first.value(0)[token, :v] = torch.eye(v)
        first.out(0)[:v, before] = torch.eye(v)
        first.query_bias(1)[0] = sharp
        first.key(1)[position.start, 0] = 1
        for head, looked_at in enumerate((before, token)):
            second.query(head)[token, :v] = sharp * torch.eye(v)
            second.key(head)[looked_at, :v] = torch.eye(v)
        second.value(0)[token, :v] = torch.eye(v)
        second.out(0)[:v, guess] = torch.eye(v)
        model.lm_head.weight[:, guess] = 20 * torch.eye(v)
    return model


def _blocks(v: int, p: int) -> list[tuple[int, int]]:
    return [(0, v), (v, p), (v + p, v), (2 * v + p, v)]


def _undo_norm(norm: Any, n_ones: int, width: int) -> None:
    """A layer norm that gives back its input, for inputs with n_ones ones and zeros else."""
    mean = n_ones / width
    norm.weight.fill_(math.sqrt(mean - mean * mean))
    norm.bias.fill_(mean)


@dataclass(frozen=True)
class _Heads:
    """The four matrices of one head as views into GPT-2's fused ones."""

    attention: Any
    dim: int

    def _columns(self, part: int, head: int) -> slice:
        start = 2 * part * self.dim + head * self.dim
        return slice(start, start + self.dim)

    def query(self, head: int) -> torch.Tensor:
        return self.attention.c_attn.weight[:, self._columns(0, head)]

    def query_bias(self, head: int) -> torch.Tensor:
        return self.attention.c_attn.bias[self._columns(0, head)]

    def key(self, head: int) -> torch.Tensor:
        return self.attention.c_attn.weight[:, self._columns(1, head)]

    def value(self, head: int) -> torch.Tensor:
        return self.attention.c_attn.weight[:, self._columns(2, head)]

    def out(self, head: int) -> torch.Tensor:
        return self.attention.c_proj.weight[self._columns(0, head)]
