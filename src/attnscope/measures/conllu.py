"""Dependency trees of the CoNLL-U format, and which tokens make each of their words.

https://universaldependencies.org/format.html: ten columns a word, of which FORM, HEAD and DEPREL
are read; comments, ranges of multiword tokens and empty nodes are left out.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from attnscope.errors import InputError
from attnscope.tokens import Tokens

SPACES = re.compile(r"[\s␣⏎⇥␍⍽]+")
PART = re.compile(r"(.) (\d+)/\d+\Z", re.DOTALL)


@dataclass(frozen=True)
class Word:
    """A word of a tree.

    Attributes:
        form: as it is written.
        head: place of the word it depends on, -1 for the root.
        relation: `nsubj`, `det`, ...
    """

    form: str
    head: int
    relation: str


def parse(given: Any) -> list[Word]:
    """The words of one or several sentences, numbered through.

    Args:
        given: CoNLL-U text, or the path of a file.

    Raises:
        InputError: for lines that are not CoNLL-U, or heads that are not there.
    """
    words: list[Word] = []
    for block in re.split(r"\n\s*\n", _text(given).replace("\r\n", "\n").strip("\n")):
        lines = [line for line in block.split("\n") if line.strip() and line[0] != "#"]
        rows = [_columns(line) for line in lines]
        kept = [row for row in rows if row[0].isdigit()]
        words += [_word(row, number, len(kept), len(words)) for number, row in enumerate(kept)]
    if not words:
        raise InputError("the CoNLL-U text has no words.")
    return words


def _text(given: Any) -> str:
    if isinstance(given, PathLike) or (isinstance(given, str) and "\t" not in given):
        path = Path(given)
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as cause:
            raise InputError(
                f"conllu must be CoNLL-U text (ten columns with tabs between) or the path of such "
                f"a file; {str(given)[:60]!r} is neither ({cause})."
            ) from None
    if not isinstance(given, str):
        raise InputError(f"conllu must be text or a path, got {type(given).__name__}.")
    return given


def _columns(line: str) -> list[str]:
    row = line.split("\t")
    if len(row) != 10:
        raise InputError(
            f"not CoNLL-U: {line[:60]!r} has {len(row)} columns, expected 10 with tabs between."
        )
    return row


def _word(row: list[str], number: int, n_words: int, before: int) -> Word:
    if int(row[0]) != number + 1:
        raise InputError(f"not CoNLL-U: word {number + 1} has the number {row[0]}.")
    if not row[6].isdigit() or int(row[6]) > n_words:
        raise InputError(
            f"not CoNLL-U: word {row[0]} {row[1]!r} has the head {row[6]!r}, expected 0 for the "
            f"root or a word, 1 to {n_words}."
        )
    head = int(row[6])
    return Word(row[1], before + head - 1 if head else -1, row[7])


def words_of_tokens(tokens: Tokens, forms: list[str]) -> Int[np.ndarray, "token"]:
    """For each token, the place of the form it belongs to; -1 for special tokens.

    Texts are compared without spaces, case and accents, as tokenizers take these away.

    Raises:
        InputError: where the forms are not the text of the tokens, or a token lies across two.
    """
    pieces = [""] * len(tokens)
    for place, text in enumerate(tokens.text):
        pieces[place] = "" if tokens.special[place] else plain(text)
    wanted = [plain(form) for form in forms]
    _check_same("".join(pieces), wanted, forms)
    stops = np.cumsum([len(form) for form in wanted])
    at, words = 0, np.full(len(tokens), -1)
    for place, piece in enumerate(pieces):
        if tokens.special[place]:
            continue
        first = int(np.searchsorted(stops, at, side="right"))
        first = min(first, len(forms) - 1)
        if at + len(piece) > stops[first]:
            raise InputError(
                f"word {first} {forms[first]!r} ends inside the token {tokens.text[place]!r}: "
                "capture the text with a space between all words, ' '.join(words)."
            )
        words[place] = first
        at += len(piece)
    return words


def plain(text: str) -> str:
    """A text without spaces, case and accents; of a character in several pieces the first."""
    part = PART.match(text)
    if part:
        text = part[1] if part[2] == "1" else ""
    spread = unicodedata.normalize("NFKD", SPACES.sub("", text))
    return "".join(c for c in spread if not unicodedata.combining(c)).casefold()


def _check_same(text: str, wanted: list[str], forms: list[str]) -> None:
    at = 0
    for place, form in enumerate(wanted):
        there = text[at : at + len(form)]
        if there != form:
            raise InputError(
                f"the words do not align with the tokens: word {place} is {forms[place]!r}, where "
                f"the tokens go on with {text[at : at + 20]!r}. The trees must be those of the "
                "captured text, whole and in order."
            )
        at += len(form)
    if at != len(text):
        raise InputError(
            f"the words end before the tokens: nothing aligns with {text[at : at + 20]!r}. The "
            "trees must be those of the captured text, whole and in order."
        )
