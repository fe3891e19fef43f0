"""Tokens: one side of an attention stream, readable and traceable to the text.

A tokenizer's pieces are made for machines: `Ġcat`, `▁cat`, `##ting`, `ðŁĺ`. `Tokens` keeps the
piece as it is (`raw`) and a *display text* beside it that a person can read (`text`): markers gone,
bytes put together to characters, white space visible, nothing that could reorder or hide text.
Word groups, segments, character spans and masks come from the tokenizer where it knows them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attnscope._display import display_texts, printable
from attnscope._types import Spans, TokenIds, TokenMask
from attnscope.errors import InputError


@dataclass(frozen=True)
class Segment:
    """A named run of tokens: sentence A or B, a role, a chunk. `stop` is exclusive."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Tokens:
    """One side of a stream.

    Attributes:
        text: display text of each token.
        raw: the tokenizer's own piece of each token.
        ids: vocabulary ids, or None.
        spans: [token, 2] start and stop in the source text, -1 where a token has none; or None.
        words: word number of each token, -1 for none (special tokens); () when unknown.
        special: True for [CLS], </s> and the like.
        segments: named runs that cover all tokens, () when there is just one.
        grid: rows and columns of image patches, which are the last tokens, row by row; or None.
        numbers: the tokens' numbers in the whole text, rising, where a capture kept some of them
            (`capture(queries=...)`); () where these are all.
    """

    text: tuple[str, ...]
    raw: tuple[str, ...]
    special: TokenMask
    ids: TokenIds | None = None
    spans: Spans | None = None
    words: tuple[int, ...] = ()
    segments: tuple[Segment, ...] = ()
    grid: tuple[int, int] | None = None
    numbers: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.text)

    def __iter__(self) -> Iterable[str]:
        return iter(self.text)

    @classmethod
    def plain(cls, names: Iterable[Any], *, segments: Any = ()) -> Tokens:
        """Tokens from names alone (`outputs of convert_ids_to_tokens`, words, positions).

        `segments` are (name, start, stop) in order, or a list of starts of further segments.
        """
        raw = tuple(_name(piece) for piece in names)
        special = np.array([looks_special(piece) for piece in raw], dtype=bool)
        tokens = cls(display_texts(raw), raw, special, words=words_from_markers(raw, special))
        return tokens.with_segments(segments)

    def with_segments(self, segments: Any) -> Tokens:
        """The same tokens with these named runs: `[("question", 0, 9), ...]` or starts `[9]`.

        Raises:
            InputError: when the runs leave a gap, overlap, are empty or end elsewhere.
        """
        if isinstance(segments, str | bytes | dict) or not hasattr(segments, "__len__"):
            raise InputError(
                "segments must be a list such as [('question', 0, 9), ('context', 9, 40)] or of "
                f"starts such as [9], got {segments!r}."
            )
        return replace(self, segments=_segments(segments, len(self)))

    def take(self, keep: TokenMask) -> Tokens:
        """The tokens where `keep` is True, with segments and masks cut to match."""
        at = np.flatnonzero(keep)
        shift = np.concatenate([[0], np.cumsum(keep)])
        cut = (Segment(s.name, int(shift[s.start]), int(shift[s.stop])) for s in self.segments)
        return Tokens(
            text=tuple(self.text[i] for i in at),
            raw=tuple(self.raw[i] for i in at),
            special=self.special[at],
            ids=None if self.ids is None else self.ids[at],
            spans=None if self.spans is None else self.spans[at],
            words=tuple(self.words[i] for i in at) if self.words else (),
            segments=tuple(s for s in cut if s.stop > s.start),
            grid=self.grid if keep.all() else None,
            numbers=tuple(self.numbers[i] for i in at) if self.numbers else (),
        )

    def only(self, numbers: Sequence[int]) -> Tokens:
        """Some tokens of a whole text, which keep their numbers."""
        chosen = np.zeros(len(self), bool)
        chosen[list(numbers)] = True
        if chosen.all():
            return self
        return replace(self.take(chosen), numbers=tuple(np.flatnonzero(chosen).tolist()))

    @property
    def numbered(self) -> Sequence[int]:
        """The number of each token in the whole text."""
        return self.numbers or range(len(self))


def _name(piece: Any) -> str:
    if isinstance(piece, bytes):
        piece = piece.decode("utf-8", "backslashreplace")
    return printable(str(piece))


def _segments(given: Sequence[Any], n: int) -> tuple[Segment, ...]:
    if not len(given):
        return ()
    if all(isinstance(item, int | np.integer) for item in given):
        starts = [0, *(int(item) for item in given)]
        runs = zip(starts, [*starts[1:], n], strict=True)
        made = [Segment(_letters(i), start, stop) for i, (start, stop) in enumerate(runs)]
    else:
        made = [_segment(item) for item in given]
    stops = [0, *(s.stop for s in made)]
    joined = all(s.start == stop < s.stop for s, stop in zip(made, stops, strict=False))
    if not joined or stops[-1] != n:
        runs_given = ", ".join(f"{s.name} {s.start}:{s.stop}" for s in made)
        raise InputError(
            f"segments {runs_given} do not cover the {n} tokens one after the other: "
            f"each must start where the one before stops, the last must stop at {n}, and none "
            "may be empty."
        )
    return tuple(made)


SPECIAL_NAMES = frozenset(
    [
        "[CLS]",
        "[SEP]",
        "[PAD]",
        "[MASK]",
        "[UNK]",
        "[BOS]",
        "[EOS]",
        "<s>",
        "</s>",
        "<pad>",
        "<mask>",
        "<unk>",
        "<bos>",
        "<eos>",
        "<cls>",
        "<sep>",
        "<start_of_turn>",
        "<end_of_turn>",
    ]
)


def _segment(given: Any) -> Segment:
    if isinstance(given, Segment):
        return given
    try:
        name, start, stop = given
        return Segment(printable(str(name)), operator.index(start), operator.index(stop))
    except (TypeError, ValueError):
        raise InputError(
            "segments must be (name, start, stop) in order, such as "
            f"[('question', 0, 9), ('context', 9, 40)], or starts such as [9]; got {given!r}."
        ) from None


def distinct(names: Sequence[str]) -> list[str]:
    """Names that can be told apart, also where case is not minded: user, user (2)."""
    found: list[str] = []
    taken: set[str] = set()
    for given in names:
        number, name = 1, given
        while name.lower() in taken:
            number += 1
            name = f"{given} ({number})"
        taken.add(name.lower())
        found.append(name)
    return found


def _letters(number: int) -> str:
    """A to Z, then AA, AB, ..."""
    before = _letters(number // 26 - 1) if number >= 26 else ""
    return before + chr(ord("A") + number % 26)


def looks_special(piece: str) -> bool:
    """True for the usual names of special tokens, where no tokenizer can be asked."""
    return piece in SPECIAL_NAMES or (piece.startswith("<|") and piece.endswith("|>"))


def words_from_markers(raw: Sequence[str], special: TokenMask) -> tuple[int, ...]:
    """Word numbers from `##`, `Ġ` and `▁`, where no tokenizer can be asked; () without them."""
    starts_word = any(piece[:1] in "Ġ▁" and piece for piece in raw)
    if not starts_word and not any(piece.startswith("##") for piece in raw):
        return ()
    words, word, fresh = [], -1, True
    for piece, is_special in zip(raw, special, strict=True):
        joins = piece[:1] not in ("Ġ", "▁") if starts_word else piece.startswith("##")
        if not is_special:
            word += fresh or not joins
        words.append(-1 if is_special else word)
        fresh = bool(is_special)
    return tuple(words)


def tokens_from_tokenizer(tokenizer: Any, encoding: Any, index: int = 0) -> Tokens:
    """Tokens of one item of what a Hugging Face tokenizer returned.

    Args:
        tokenizer: the tokenizer, fast or slow.
        encoding: its output (`BatchEncoding`), or any mapping with `input_ids` [batch, token].
        index: the item of the batch.
    """
    ids = np.asarray(_row(encoding["input_ids"], index), dtype=np.int64)
    raw = tuple(_name(piece) for piece in tokenizer.convert_ids_to_tokens(ids.tolist()))
    special = np.isin(ids, list(tokenizer.all_special_ids))
    tokens = Tokens(display_texts(raw, special, is_byte_level(tokenizer)), raw, special, ids)
    fast = (getattr(encoding, "encodings", None) or [None] * (index + 1))[index]
    tokens = replace(tokens, **_from_fast(fast)) if fast is not None else tokens
    if not tokens.words:
        tokens = replace(tokens, words=words_from_markers(raw, special))
    types = encoding.get("token_type_ids")
    start = _second_start(fast, None if types is None else _row(types, index), len(tokens))
    return tokens.with_segments([start] if start else [])


def is_byte_level(tokenizer: Any) -> bool:
    """True where pieces spell bytes (GPT-2's alphabet), so that `Ġ` is a space and not a letter."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return hasattr(tokenizer, "byte_decoder")
    return "ByteLevel" in f"{backend.pre_tokenizer!r} {backend.decoder!r}"


def _row(batch: Any, index: int) -> Any:
    row = batch[index]
    return row.tolist() if hasattr(row, "tolist") else row


def _from_fast(fast: Any) -> dict[str, Any]:
    """Spans, words and special tokens as a fast tokenizer knows them."""
    special = np.array(fast.special_tokens_mask, dtype=bool)
    spans = np.array(fast.offsets, dtype=np.int64).reshape(-1, 2)
    spans[special] = -1
    numbers: dict[Any, int] = {}
    places = zip(fast.sequence_ids, fast.word_ids, strict=True)
    words = [
        -1 if word is None else numbers.setdefault((sequence, word), len(numbers))
        for sequence, word in places
    ]
    return {"special": special, "spans": spans, "words": tuple(words)}


def _second_start(fast: Any, types: Sequence[int] | None, n: int) -> int:
    """Where the second text of a pair starts; 0 for a single text."""
    if types is not None and 0 < sum(map(bool, types)) < n and not types[0]:
        return next(i for i, kind in enumerate(types) if kind)
    if fast is None or 1 not in fast.sequence_ids:
        return 0
    return int(fast.sequence_ids.index(1))
