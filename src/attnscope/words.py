"""A trace over words instead of tokens: keys are summed, queries averaged (Clark et al. 2019).

What is attended to a word is what its pieces get together; what a word attends to is the mean of
its pieces. Rows that summed to 1 do so again. Words are the tokenizer's own (`Tokens.words`), so
that languages without spaces work; a token that belongs to none is one by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from attnscope._display import display_texts
from attnscope._types import Weights
from attnscope.computed import ComputedLayer
from attnscope.scores import ALL
from attnscope.stream import Stream
from attnscope.tokens import Segment, Tokens
from attnscope.trace import Trace


@dataclass(frozen=True, eq=False)
class Words:
    """How a side's tokens make words.

    Attributes:
        tokens: the words, as tokens.
        starts: [word] first token of every word, dropped ones too; words follow each other.
        kept: True for the words that are shown.
        n_tokens: tokens there were.
    """

    tokens: Tokens
    starts: Int[np.ndarray, "word"]
    kept: Bool[np.ndarray, "word"]
    n_tokens: int

    @property
    def stops(self) -> Int[np.ndarray, "word"]:
        """One past the last token of every word."""
        return np.append(self.starts[1:], self.n_tokens)


@dataclass(frozen=True, eq=False)
class WordLayer(ComputedLayer):
    """The attention of one layer between words, computed from its tokens' when asked for.

    Attributes:
        base: the attention between tokens.
        query, key: how the tokens of each side make words.
    """

    query: Words
    key: Words

    @property
    def heads(self) -> tuple[int, ...]:
        return self.base.heads

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.heads), len(self.query.tokens), len(self.key.tokens)

    @property
    def sums_to_one(self) -> bool:
        return self.base.sums_to_one and bool(self.key.kept.all())

    @property
    def causal(self) -> bool:
        return self.base.causal and self.query is self.key

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        """Words with a token among the first so many that the query's last token sees."""
        last = self.query.stops[self.query.kept][queries] - 1
        begun = self.base.visible_keys(last)[:, None] > self.key.starts[self.key.kept]
        return np.asarray(begun.sum(-1))

    def rows(self, heads: Sequence[int] | slice = ALL, queries: slice = ALL) -> Weights:
        words = np.flatnonzero(self.query.kept)[queries]
        if not len(words):
            return self.base.rows(heads, slice(0))[:, :, : self.shape[2]]
        starts, stops = self.query.starts, self.query.stops
        low, high = words.min(), words.max()
        first = int(starts[low])
        weights = self.base.rows(heads, slice(first, int(stops[high])))
        keys = np.add.reduceat(weights, self.key.starts, axis=2)[:, :, self.key.kept]
        summed = np.add.reduceat(keys, starts[low : high + 1] - first, axis=1)[:, words - low]
        sizes = (stops - starts)[words, None]
        averaged: Weights = np.divide(summed, sizes, dtype=np.float32)
        return averaged


def over_words(trace: Trace, special: bool = True) -> Trace:
    """The trace over words; see `Trace.words`."""
    made: dict[int, Words] = {}
    streams = [stream_over_words(stream, special, made) for stream in trace.streams.values()]
    return Trace(streams, trace.provenance)


def stream_over_words(
    stream: Stream, special: bool = True, made: dict[int, Words] | None = None
) -> Stream:
    """A stream over words: of a trace, or one of `measures.quantity` whose keys may be summed."""
    made = {} if made is None else made
    sides = []
    for tokens in (stream.query, stream.key):
        if id(tokens) not in made:
            made[id(tokens)] = words_of(tokens, special)
        sides.append(made[id(tokens)])
    query, key = sides
    layers = tuple(WordLayer(layer, query, key) for layer in stream.layers)
    return Stream(stream.name, stream.numbers, layers, query.tokens, key.tokens)


def words_of(tokens: Tokens, special: bool = True) -> Words:
    """The words of one side; special tokens are words of their own, or dropped."""
    numbers = np.array(tokens.words or np.arange(len(tokens)), dtype=np.int64)
    joined = (numbers[1:] == numbers[:-1]) & (numbers[1:] >= 0)
    starts = np.flatnonzero(np.concatenate([[True], ~joined])) if len(tokens) else np.arange(0)
    kept = np.ones(len(starts), dtype=bool) if special else ~tokens.special[starts]
    words = Words(tokens, starts, kept, len(tokens))
    return Words(_as_tokens(words), starts, kept, len(tokens))


def _as_tokens(words: Words) -> Tokens:
    tokens, starts, stops = words.tokens, words.starts, words.stops
    runs = list(zip(starts.tolist(), stops.tolist(), strict=True))
    raw = ["".join(_unjoined(tokens.raw[i], i > a) for i in range(a, b)) for a, b in runs]
    alone = stops - starts == 1
    shown = display_texts(raw, tokens.special[starts], _spells_bytes(tokens))
    text = [tokens.text[a] if alone[i] else shown[i] for i, (a, _) in enumerate(runs)]
    spans = (
        None
        if tokens.spans is None
        else np.stack([tokens.spans[starts, 0], tokens.spans[stops - 1, 1]], axis=1)
    )
    merged = Tokens(
        text=tuple(text),
        raw=tuple(raw),
        special=tokens.special[starts],
        spans=spans,
        words=tuple(-1 if tokens.special[a] else i for i, a in enumerate(starts.tolist())),
        segments=_segments(tokens, starts),
    )
    return merged if words.kept.all() else merged.take(words.kept)


def _spells_bytes(tokens: Tokens) -> bool | None:
    """Whether the tokens' texts are those of pieces that spell bytes; None where it is all one."""
    for answer in (None, True):
        if display_texts(tokens.raw, tokens.special, answer) == tokens.text:
            return answer
    return False


def _unjoined(piece: str, follows: bool) -> str:
    """A piece as it is written inside a word."""
    return piece.removeprefix("##") if follows else piece


def _segments(tokens: Tokens, starts: Int[np.ndarray, "word"]) -> tuple[Segment, ...]:
    """The same segments, in words; a word belongs to the segment that it begins in."""
    bounds = np.searchsorted(starts, [s.start for s in tokens.segments] + [len(tokens)])
    runs = zip(tokens.segments, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    return tuple(Segment(s.name, start, stop) for s, start, stop in runs if stop > start)
