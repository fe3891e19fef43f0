"""Bytes as text of a UTF-8 page, seven bits a character: a seventh more, not base64's third.

Three of the 128 characters cannot stand in a script element as they are: U+0000 and the carriage
return, which a browser replaces, and `<`, which could end it. Such a symbol is put together with
the next one into a character of two bytes, which takes no more room than both would have taken:
128 × (1 + its place in `KEPT_OUT`) + the next symbol. Whoever reads it has to know how many bytes
there are.

Made for pages of many megabytes. Control characters do not survive an editor or a notebook's JSON
as well as base64 does; where some are lost, the checksum of gzip tells.
"""

from __future__ import annotations

import numpy as np

KEPT_OUT = (0x00, 0x0D, 0x3C)
FILLER = np.uint16(0x20)
"""Stands at the end, so that every symbol has a next one."""


def dense_text(data: bytes) -> str:
    """The bytes, seven bits a symbol; what fills up the last one means nothing."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    sevens = np.append(bits, np.zeros(-len(bits) % 7, np.uint8)).reshape(-1, 7)
    symbols = (np.packbits(sevens, axis=1)[:, 0] >> 1).astype(np.uint16)
    symbols = np.append(symbols, FILLER)
    first = _first_of_two(np.isin(symbols, KEPT_OUT))
    second = np.roll(first, 1)
    two = 128 * (1 + np.searchsorted(KEPT_OUT, symbols[first])) + symbols[second]
    symbols[first] = two
    text: bytes = symbols[~second].astype("<u2").tobytes()
    return text.decode("utf-16-le")


def _first_of_two(kept_out: np.ndarray) -> np.ndarray:
    """Of a run of symbols that are kept out, every other one: it takes in the one behind it."""
    places = np.arange(len(kept_out))
    starts = kept_out & ~np.append(False, kept_out[:-1])
    run = np.maximum.accumulate(np.where(starts, places, 0))
    first: np.ndarray = kept_out & ((places - run) % 2 == 0)
    return first
