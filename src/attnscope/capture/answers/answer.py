"""Answers of language models and of question-answering models, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attnscope._numbers import index_of
from attnscope.answer import Answer
from attnscope.capture.answers.sources import (
    Answered,
    Asked,
    effects,
    over_answer,
    ranges_of,
    shares_of,
)
from attnscope.capture.inputs.checks import check_model, forward_inputs, has_decoder
from attnscope.capture.running import bare, device_of
from attnscope.errors import InputError
from attnscope.measures.table import Table
from attnscope.segments import Range, tokens_in
from attnscope.tokens import Tokens, tokens_from_tokenizer

SENTENCE = re.compile(r"\S.*?(?:[.!?]+(?=\s|$)|$)", re.S)


def sources(
    model: Any,
    tokenizer: Any,
    prompt: Any,
    answer: Any = None,
    *,
    ranges: Any = None,
    markers: Any = None,
    per: Any = "answer",
    max_new_tokens: Any = 32,
) -> Table:
    """What each part of a prompt has to do with the answer: weight, norm, and causal effect.

    Args:
        model: a language model, decoder-only or encoder-decoder.
        tokenizer: its tokenizer, a fast one.
        prompt: the text with the parts in it, such as retrieved chunks and a question.
        answer: the text that follows; None for what the model writes (greedy).
        ranges: the parts, (name, start, stop) in characters of the prompt.
        markers: the parts by the strings that they begin with, instead of `ranges`.
        per: `answer` for one row a part, `token` for one row a part and token of the answer.
        max_new_tokens: of an answer that the model writes.

    Returns:
        Columns `part`; for `token` its number and `text`;
        `weight`: share of the attention of the rows that make the answer, mean over layers and
        heads, with the sink (the first token) and special tokens left out, 0..1;
        `norm`: share in the length of what is moved (Kobayashi et al. 2020; all heads together),
        mean over layers, sink included, 0..1; NaN where the model's projection is not known;
        `effect`: log-probability (nats) of the answer less that with the part's keys hidden from
        all other tokens: above 0 where the part supports the answer. Per answer, weights and norms
        are means over its tokens and effects are added.

    Raises:
        InputError: for parts that overlap or match nothing, an empty prompt or answer, and what the
            model cannot read.
    """
    check_model(model)
    model = bare(model)
    if not isinstance(prompt, str) or not prompt.strip():
        raise InputError(f"prompt must be a string with at least one word, got {prompt!r}.")
    if per not in ("answer", "token"):
        raise InputError(f"per must be 'answer' or 'token', got {per!r}.")
    named = ranges_of(prompt, ranges, markers, lambda: [("prompt", 0, len(prompt))])
    encoding = tokenizer([prompt])
    tokens = tokens_from_tokenizer(tokenizer, encoding)
    ids = torch.tensor(encoding["input_ids"], device=device_of(model))
    new = _answer_ids(model, tokenizer, ids, answer, index_of("max_new_tokens", max_new_tokens))
    names = [tokenizer.decode([number]) for number in new]
    asked, answered = (_of_pair if has_decoder(model) else _of_decoder)(model, ids, new, names)
    parts = tokens_in(tokens, prompt, named)
    table = effects(
        shares_of(asked, answered, tokens), answered, parts, asked.without([(), *parts.values()])
    )
    return table if per == "token" else over_answer(table)


def _answer_ids(model: Any, tokenizer: Any, ids: torch.Tensor, answer: Any, n: int) -> list[int]:
    if answer is None:
        if not callable(getattr(model, "generate", None)):
            raise InputError(f"{type(model).__name__} does not write: give answer=.")
        made = model.generate(
            ids, max_new_tokens=n, do_sample=False, num_beams=1, attention_mask=torch.ones_like(ids)
        )[0].tolist()
        start = 1 if has_decoder(model) else ids.shape[1]
        new: list[int] = made[start:]
        while new and new[-1] in tokenizer.all_special_ids:
            new.pop()
    elif not isinstance(answer, str):
        raise InputError(f"answer must be a string, got {type(answer).__name__}.")
    elif has_decoder(model):
        new = list(tokenizer(text_target=answer)["input_ids"])
    else:
        new = list(tokenizer(answer, add_special_tokens=False)["input_ids"])
    if not new:
        raise InputError("the answer has no token: give answer= with at least one word.")
    return new


def _of_decoder(
    model: Any, ids: torch.Tensor, new: list[int], names: list[str]
) -> tuple[Asked, Answered]:
    n, wanted = ids.shape[1], torch.tensor(new, device=ids.device)
    whole = torch.cat([ids, wanted[None]], dim=1)

    def read(output: Any) -> Float[torch.Tensor, "item answer"]:
        return _log_probability_of(wanted, output.logits[:, -len(new) - 1 : -1])

    options = {"use_cache": False, "logits_to_keep": len(new) + 1}
    asked = Asked(model, {"input_ids": whole}, ("self",), read, options)
    return asked, Answered(names, "self", (n - 1, n - 1 + len(new)))


def _of_pair(
    model: Any, ids: torch.Tensor, new: list[int], names: list[str]
) -> tuple[Asked, Answered]:
    wanted = torch.tensor(new, device=ids.device)
    start = torch.tensor([model.config.decoder_start_token_id], device=ids.device)
    inputs = {"input_ids": ids, "decoder_input_ids": torch.cat([start, wanted[:-1]])[None]}

    def read(output: Any) -> Float[torch.Tensor, "item answer"]:
        return _log_probability_of(wanted, output.logits)

    asked = Asked(model, inputs, ("encoder", "cross"), read)
    return asked, Answered(names, "cross", (0, len(new)))


def _log_probability_of(
    wanted: torch.Tensor, logits: Float[torch.Tensor, "item answer vocabulary"]
) -> Float[torch.Tensor, "item answer"]:
    rows = logits.float().log_softmax(-1)
    return rows.gather(2, wanted[None, :, None].expand(len(rows), -1, -1))[..., 0]


def find_answer(
    model: Any,
    tokenizer: Any,
    question: Any,
    context: Any,
    *,
    ranges: Any = None,
    markers: Any = None,
    longest: Any = 30,
) -> Answer:
    """What a question-answering model answers, and which parts of the context it comes from.

    Args:
        model: a model with start and end logits (`AutoModelForQuestionAnswering`).
        tokenizer: its tokenizer, a fast one.
        question: the question.
        context: the text with the answer in it.
        ranges: its parts, (name, start, stop) in characters; None for its sentences.
        markers: the parts by the strings that they begin with, instead of `ranges`.
        longest: most tokens of an answer.

    Returns:
        The most probable span of the context, with a table of the parts: the share of the
        span's attention that each gets (special tokens left out), its norm share, and how much the
        span's log-probability falls when the part's keys are hidden from all other tokens. (Each
        token still sees itself; `without` is the best answer that is not in the part.)

    Raises:
        InputError: for a model of another kind, empty texts, or parts that overlap or match
            nothing.
    """
    check_model(model)
    model, longest = bare(model), max(1, index_of("longest", longest))
    for name, given in (("question", question), ("context", context)):
        if not isinstance(given, str) or not given.strip():
            raise InputError(f"{name} must be a string with at least one word, got {given!r}.")
    encoding = tokenizer([question], [context])
    tokens = tokens_from_tokenizer(tokenizer, encoding)
    known, _ = forward_inputs(model)
    inputs = {
        name: torch.tensor(value, device=device_of(model))
        for name, value in encoding.items()
        if name in known
    }
    within = _context_of(encoding)
    named = ranges_of(context, ranges, markers, lambda: _sentences(context))
    parts = tokens_in(tokens, context, named, within)
    asked = Asked(model, inputs, ("self",), lambda output: _log_probabilities(output, within))
    spans = asked.without([(), *parts.values()])
    first, last = _span(spans[0], within, longest)
    start, stop = _characters(tokens, first, last)
    answered = Answered([context[start:stop]], "self", (first, last + 1))
    scores = spans[:, first - within.start, last - within.start, None]
    shares = shares_of(asked, answered, tokens)
    table = over_answer(effects(shares, answered, parts, scores))
    columns: dict[str, Any] = {**table.columns, "without": [
        context[slice(*_characters(tokens, *_span(left, within, longest, places)))]
        for left, places in zip(spans[1:], parts.values(), strict=True)
    ]}  # fmt: skip
    weights = np.where(shares.kept, shares.weights.mean(0), 0)
    return Answer(
        text=context[start:stop],
        start=start,
        stop=stop,
        probability=float(np.exp(scores[0, 0])),
        sources=Table(columns),
        tokens=tokens,
        span=(first, last + 1),
        parts=parts,
        shares={"weight": weights, "norm": shares.norms.mean(0)},
        model=shares.model,
    )


def _characters(tokens: Tokens, first: int, last: int) -> tuple[int, int]:
    assert tokens.spans is not None
    return int(tokens.spans[first, 0]), int(tokens.spans[last, 1])


def _sentences(text: str) -> list[Range]:
    """The sentences of a text, named by number and first words."""
    found = [match.span() for match in SENTENCE.finditer(text)]
    return [
        Range(f"{number}: {_begin(text[start:stop])}", start, stop)
        for number, (start, stop) in enumerate(found, 1)
    ]


def _begin(text: str) -> str:
    return text if len(text) <= 30 else text[:29].rsplit(" ", 1)[0] + " ..."


def _context_of(encoding: Any) -> range:
    """Places of the second text's tokens."""
    sides = encoding.sequence_ids(0) if hasattr(encoding, "sequence_ids") else []
    places = [at for at, side in enumerate(sides) if side == 1]
    if not places:
        raise InputError(
            "the tokenizer does not tell question and context apart: use a fast tokenizer "
            "(AutoTokenizer)."
        )
    return range(places[0], places[-1] + 1)


def _log_probabilities(output: Any, within: range) -> Float[torch.Tensor, "item first last"]:
    """Of each span of the context, log p(first) + log p(last) within the context.

    Raises:
        InputError: for an output without start and end logits.
    """
    logits: list[Any] = [getattr(output, f"{side}_logits", None) for side in ("start", "end")]
    if not all(isinstance(one, torch.Tensor) for one in logits):
        raise InputError(
            "the model gives no start and end logits: load it with "
            "AutoModelForQuestionAnswering. For models that write, attnscope.sources."
        )
    start, end = (one[:, within.start : within.stop].float().log_softmax(-1) for one in logits)
    return start[:, :, None] + end[:, None]


def _span(
    scores: Float[np.ndarray, "first last"],
    within: range,
    longest: int,
    hidden: Sequence[int] = (),
) -> tuple[int, int]:
    """Places of the first and last token of the most probable answer, none of them hidden."""
    n = len(scores)
    length = np.arange(n) - np.arange(n)[:, None]
    scores = np.where((length < 0) | (length >= longest), -np.inf, scores)
    gone = [place - within.start for place in hidden]
    if len(gone) < n:
        scores[gone] = -np.inf
        scores[:, gone] = -np.inf
    first, last = np.unravel_index(scores.argmax(), scores.shape)
    return within.start + int(first), within.start + int(last)
