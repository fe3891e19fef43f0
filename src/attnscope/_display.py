"""Readable text of a tokenizer's pieces.

Three steps: spell each piece as bytes (GPT-2's alphabet, SentencePiece's `<0xE2>`), put the bytes
of all pieces together to characters, and clean what is left (markers, white space, characters that
hide or reorder text).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np

BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")
VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍", "\u00a0": "⍽"}
JOINERS = "\u200c\u200d"


def display_texts(
    raw: Sequence[str],
    special: Sequence[bool] | np.ndarray | None = None,
    byte_level: bool | None = None,
) -> tuple[str, ...]:
    """The display text of each piece.

    Args:
        raw: the tokenizer's pieces, in order.
        special: True for pieces to be shown as they are.
        byte_level: whether pieces spell bytes; None guesses it from the pieces.
    """
    if byte_level is None:
        byte_level = _spells_bytes(raw)
    sentence_pieces = any("▁" in piece for piece in raw)
    as_is = special if special is not None else [False] * len(raw)
    spelled = [
        piece.encode() if whole else _spell(piece, byte_level)
        for piece, whole in zip(raw, as_is, strict=True)
    ]
    texts = _characters(spelled)
    word_pieces = not byte_level and not sentence_pieces
    return tuple(
        visible(text if whole else _unmark(text, word_pieces))
        for text, whole in zip(texts, as_is, strict=True)
    )


@cache
def _byte_alphabet() -> dict[str, int]:
    """GPT-2's letters for bytes (Radford et al. 2019): printable ones stand for themselves."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in set(plain)]
    return {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(rest)}


def _spells_bytes(raw: Sequence[str]) -> bool:
    """True where `Ġ` or `Ċ` must be a space or a line's end: all pieces together are UTF-8."""
    letters = set("".join(raw))
    if not letters & set("ĠĊ") or not letters <= set(_byte_alphabet()):
        return False
    spelled = _decode(b"".join(_spell(piece, byte_level=True) for piece in raw))
    return not any(character.startswith("\\x") for character, _, _ in spelled[3:-3])


def _spell(piece: str, byte_level: bool) -> bytes:
    if found := BYTE_PIECE.match(piece):
        return bytes([int(found[1], 16)])
    if byte_level:
        alphabet = _byte_alphabet()
        if all(letter in alphabet for letter in piece):
            return bytes(alphabet[letter] for letter in piece)
    return piece.replace("▁", " ").encode()


def _characters(spelled: Sequence[bytes]) -> list[str]:
    """Text of each run of bytes; a character cut into pieces is shown on each, as `é 1/2`."""
    stops = np.cumsum([len(part) for part in spelled]).tolist()
    owner = np.repeat(np.arange(len(spelled)), [len(part) for part in spelled]).tolist()
    texts = [""] * len(stops)
    for character, start, stop in _decode(b"".join(spelled)):
        owners = sorted(set(owner[start:stop]))
        for number, piece in enumerate(owners, 1):
            alone = len(spelled[piece]) <= stop - start
            part = f" {number}/{len(owners)}" if len(owners) > 1 and alone else ""
            texts[piece] += character + part
    return texts


def _decode(data: bytes) -> list[tuple[str, int, int]]:
    r"""(character, start, stop) of UTF-8 bytes; a byte that fits nowhere becomes `\\xe2`."""
    found, at = [], 0
    while at < len(data):
        size = 1 + sum(data[at] >= lead for lead in (0xC0, 0xE0, 0xF0))
        try:
            character = data[at : at + size].decode()
        except UnicodeDecodeError:
            size, character = 1, f"\\x{data[at]:02x}"
        found.append((character, at, at + size))
        at += size
    return found


def _unmark(text: str, word_pieces: bool) -> str:
    if text[:1] == " " and text.strip(" "):
        text = text[1:]
    if word_pieces:
        if text.startswith("##") and len(text) > 2:
            text = text[2:]
        if text.endswith("</w>") and len(text) > 4:
            text = text[:-4]
    return text


def visible(text: str) -> str:
    """The text with hidden white space, and what hides or reorders text, made visible."""
    if text.strip() and text.isprintable():
        return text
    blank = not text.strip(" ")
    alone = len(text) == 1
    return "".join(_shown(letter, blank, alone) for letter in text)


def _shown(letter: str, blank: bool, alone: bool) -> str:
    if letter in VISIBLE and (letter != " " or blank):
        return VISIBLE[letter]
    if letter in JOINERS and not alone:
        return letter
    hidden = unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return f"⟨U+{ord(letter):04X}⟩" if hidden else letter


def printable(text: str) -> str:
    """The text as it is, save for lone surrogates, which no file or page can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
