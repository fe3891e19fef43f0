"""How tokens run on as text: before which of them there is white space."""

from __future__ import annotations

import re

from attnscope.tokens import Tokens

UNSPACED = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
)
"""Letters of scripts that put no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, Chinese,
Japanese."""

MARKS = ("Ġ", "▁", " ", "Ċ")


def spaced(tokens: Tokens) -> list[int]:
    """Places of the tokens with white space before them in the text.

    Positions in the source text know it where there are any; else the tokenizer's own marks do;
    else tokens are words, with spaces between them in scripts that have any.
    """
    marked = any(piece[:1] in MARKS and len(piece) > 1 for piece in tokens.raw)
    pieces = any(piece.startswith("##") and len(piece) > 2 for piece in tokens.raw)
    return [
        place
        for place in range(1, len(tokens))
        if _spaced(tokens, place, marked=marked, pieces=pieces)
    ]


def _spaced(tokens: Tokens, place: int, *, marked: bool, pieces: bool) -> bool:
    raw = tokens.raw[place]
    if tokens.special[place] or tokens.special[place - 1]:
        return True
    if tokens.spans is not None and (tokens.spans[[place - 1, place]] >= 0).all():
        before, here = int(tokens.spans[place - 1, 1]), int(tokens.spans[place, 0])
        return here != before or (here < int(tokens.spans[place, 1]) and raw[:1] in MARKS[:3])
    if marked:
        return raw[:1] in MARKS[:3]
    if pieces and raw.startswith("##"):
        return False
    last, first = tokens.text[place - 1][-1:], tokens.text[place][:1]
    return not (UNSPACED.match(last) and UNSPACED.match(first))
