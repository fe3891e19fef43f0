"""Heads that follow syntax or coreference, against trees and mentions that somebody gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from attnscope._numbers import index_of
from attnscope.errors import InputError
from attnscope.measures.conllu import Word, parse, words_of_tokens
from attnscope.measures.corpus import listed_traces
from attnscope.measures.heads import head_columns
from attnscope.measures.known import position_of, stream_of
from attnscope.measures.table import Table
from attnscope.scores import Layer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

ALL_RELATIONS = "all"
OFFSETS = 10
"""Fixed offsets tried for the baseline, on either side."""


def syntactic(traces: Trace | Sequence[Trace], conllu: Any, *, stream: str | None = None) -> Table:
    """How often each head's most attended word is the word's syntactic head (Clark et al. 2019).

    Special tokens are left out; over a word's tokens keys are summed and queries averaged.

    Args:
        traces: one text, or several.
        conllu: its dependency trees as CoNLL-U text or the path of a file, or one for each trace.
        stream: may be left out where there is only one.

    Returns:
        One row a relation and head: `relation` (and `all` of them), `layer`, `head`; `score`: the
        share of words whose largest weight is on their syntactic head; `reverse`: the share of
        words on which their syntactic head has its largest weight among all words that attend to
        them; `count`: words with this relation; `baseline`: what always taking the word at the
        best fixed distance, `offset`, would reach. All shares 0..1.

    Raises:
        InputError: for text that is no CoNLL-U, words that do not align with the tokens, or a
            cross stream.
    """
    listed = listed_traces(traces, 1, "syntactic")
    trees = _trees(conllu, len(listed))
    first = listed[0].stream(stream)
    heads = head_columns(first)
    hits: dict[str, np.ndarray] = {}
    counts: Counter[str] = Counter()
    offsets: dict[str, list[int]] = {}
    for trace, words in zip(listed, trees, strict=True):
        found = stream_of(trace, stream)
        _check_one_side(found)
        right = _right(found, words)
        for place, word in enumerate(words):
            if word.head < 0:
                continue
            for relation in (word.relation, ALL_RELATIONS):
                hits[relation] = hits.get(relation, 0) + right[:, :, place]
                counts[relation] += 1
                offsets.setdefault(relation, []).append(word.head - place)
    tables = [
        _of_relation(name, heads, hits[name], counts[name], offsets[name])
        for name in sorted(counts, key=lambda n: (n != ALL_RELATIONS, -counts[n], n))
    ]
    return Table({name: np.concatenate([table[name] for table in tables]) for name in tables[0]})


def _of_relation(
    relation: str,
    heads: dict[str, np.ndarray],
    hits: Float[np.ndarray, "direction head"],
    count: int,
    offsets: list[int],
) -> dict[str, np.ndarray]:
    near = Counter(offset for offset in offsets if abs(offset) <= OFFSETS)
    offset, right = near.most_common(1)[0] if near else (0, 0)
    n = len(heads["head"])
    columns = {
        "score": hits[0] / count,
        "reverse": hits[1] / count,
        "count": np.full(n, count),
        "baseline": np.full(n, right / count),
        "offset": np.full(n, offset),
    }
    return {"relation": np.full(n, relation), **heads, **columns}


def _right(stream: Stream, words: list[Word]) -> Bool[np.ndarray, "direction head word"]:
    """Whether each head finds each word's syntactic head: by its row, and by its column."""
    groups = words_of_tokens(stream.key, [word.form for word in words])
    wanted = np.array([word.head for word in words])
    by_row, by_column = [], []
    for layer in stream.layers:
        weights = between(layer, groups, groups)
        by_row.append((weights.argmax(-1) == wanted) & (weights.max(-1) > 0))
        by_column.append((weights.argmax(-2) == wanted) & (weights.max(-2) > 0))
    found: Bool[np.ndarray, "direction head word"] = np.stack(
        [np.concatenate(by_row), np.concatenate(by_column)]
    )
    return found


def between(
    layer: Layer, queries: Int[np.ndarray, "token"], keys: Int[np.ndarray, "token"]
) -> Float[np.ndarray, "head word word"]:
    """Weights between groups of tokens (-1: none): keys summed, queries averaged."""
    weights = np.nan_to_num(layer.rows())
    rows, columns = _indicator(queries), _indicator(keys)
    sizes = np.maximum(rows.sum(0), 1)
    summed: Float[np.ndarray, "head word word"] = np.matmul(rows.T, np.matmul(weights, columns))
    averaged: Float[np.ndarray, "head word word"] = summed / sizes[:, None]
    return averaged


def _indicator(groups: Int[np.ndarray, "token"]) -> Float[np.ndarray, "token word"]:
    made: Float[np.ndarray, "token word"] = (groups[:, None] == np.arange(groups.max() + 1)).astype(
        np.float32
    )
    return made


def _trees(conllu: Any, count: int) -> list[list[Word]]:
    if isinstance(conllu, list | tuple):
        if len(conllu) != count:
            raise InputError(f"{len(conllu)} trees were given for {count} traces: one for each.")
        return [parse(one) for one in conllu]
    if count > 1:
        raise InputError(f"one text of trees was given for {count} traces: pass a list, one each.")
    return [parse(conllu)]


def _check_one_side(stream: Stream) -> None:
    if stream.query is not stream.key:
        raise InputError(
            f"relations between words need the same tokens on both sides; {stream.name} has not."
        )


def coreference(
    trace: Trace, mentions: Sequence[tuple[Any, Any]], *, stream: str | None = None
) -> Table:
    """How often each head's most attended word, from a mention, is its antecedent (Clark 2019).

    Special tokens and the mention itself are left out; over words keys are summed, over the
    mention's tokens queries averaged.

    Args:
        trace: what to measure.
        mentions: pairs (mention, antecedent), each a token's position, its text where it is there
            once, or (first position, one past the last). Several antecedents of one mention are
            several pairs; any of them is right.
        stream: may be left out where there is only one.

    Returns:
        Columns `layer`, `head`; `score`: share of mentions, 0..1; `weight`: mean weight from
        mentions on their antecedents, 0..1; `count`: mentions.

    Raises:
        InputError: for positions or texts that do not fit, or a cross stream.
    """
    found = stream_of(trace, stream)
    _check_one_side(found)
    by_mention: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for mention, antecedent in _pairs(mentions):
        run = _run(found.key, mention)
        by_mention.setdefault(run, []).append(_run(found.key, antecedent))
    words = _word_groups(found.key)
    scores = [list(_coreferent(layer, words, by_mention)) for layer in found.layers]
    score, weight = np.concatenate([np.array(one).mean(0) for one in scores], axis=1)
    count = np.full(len(score), len(by_mention))
    return Table({**head_columns(found), "score": score, "weight": weight, "count": count})


def _coreferent(
    layer: Layer,
    words: Int[np.ndarray, "token"],
    by_mention: dict[tuple[int, int], list[tuple[int, int]]],
) -> Iterator[tuple[Bool[np.ndarray, "head"], Float[np.ndarray, "head"]]]:
    """For each mention, whether each head is right, and its weight on the antecedents."""
    columns = _indicator(words)
    for (start, stop), antecedents in by_mention.items():
        row = np.nan_to_num(layer.rows(slice(None), slice(start, stop))).mean(1)
        wanted = np.zeros(len(words), dtype=bool)
        for first, last in antecedents:
            wanted[first:last] = True
        by_word = row @ columns
        by_word[:, words[start:stop][words[start:stop] >= 0]] = -1
        right = np.isin(by_word.argmax(-1), words[wanted]) & (by_word.max(-1) > 0)
        yield right, row[:, wanted].sum(-1)


def _word_groups(tokens: Tokens) -> Int[np.ndarray, "token"]:
    """A number for each token's word, 0.. in order; -1 for special tokens."""
    numbers = np.array(tokens.words or np.arange(len(tokens)))
    own = np.where((numbers < 0) & ~tokens.special, -2 - np.arange(len(tokens)), numbers)
    own[tokens.special] = -1
    kinds = [int(kind) for kind in dict.fromkeys(own.tolist()) if kind != -1]
    places = {kind: place for place, kind in enumerate(kinds)} | {-1: -1}
    return np.array([places[kind] for kind in own.tolist()])


def _pairs(mentions: Any) -> list[tuple[Any, Any]]:
    try:
        pairs = [(mention, antecedent) for mention, antecedent in mentions]
    except (TypeError, ValueError):
        raise InputError(
            f"mentions must be pairs (mention, antecedent), such as [('it', 'cat'), (9, (1, 3))]; "
            f"got {mentions!r}."
        ) from None
    if not pairs:
        raise InputError("mentions is empty: give at least one pair (mention, antecedent).")
    return pairs


def _run(tokens: Tokens, given: Any) -> tuple[int, int]:
    """Positions of a mention: first, and one past the last."""
    if isinstance(given, tuple | list) and len(given) == 2:
        start, stop = (index_of("a mention's position", place) for place in given)
    else:
        start = position_of(tokens, given, "mention")
        stop = start + 1
    if not 0 <= start < stop <= len(tokens):
        raise InputError(
            f"mention {given!r} is not there: tokens go from 0 to {len(tokens) - 1}, and a mention "
            "is (first, one past the last)."
        )
    return start, stop
