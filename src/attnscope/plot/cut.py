"""A stream as a view shows it: only some layers, heads and tokens, rows put back to a sum of 1.

What is cut is a stream like any other, so that nothing that draws knows of it (the front end's
`web/src/data/reshape.ts` does the same).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from attnscope.computed import ComputedLayer
from attnscope.plot.part import Part, hidden_cells, part_of, ranges
from attnscope.scores import ALL
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.base import one_of
from attnscope.views.display import Display


@dataclass(frozen=True, eq=False)
class CutLayer(ComputedLayer):
    """Some heads, queries and keys of a layer.

    Attributes:
        base: the whole layer.
        places: places of the heads in it.
        query, key: positions of the tokens kept.
        renormalise: divide what is left of each row by its sum.
    """

    places: tuple[int, ...]
    query: Int[np.ndarray, "query"]
    key: Int[np.ndarray, "key"]
    renormalise: bool

    @property
    def heads(self) -> tuple[int, ...]:
        return tuple(self.base.heads[place] for place in self.places)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.places), len(self.query), len(self.key)

    @property
    def sums_to_one(self) -> bool:
        return self.renormalise

    @property
    def causal(self) -> bool:
        return self.base.causal and np.array_equal(self.query, self.key)

    def hidden(
        self, queries: Int[np.ndarray, "query"], keys: slice
    ) -> Bool[np.ndarray, "query key"]:
        """True where the whole layer's mask hides the key from the query."""
        whole = slice(0, self.base.shape[2])
        return hidden_cells(self.base, self.query[queries], whole)[:, self.key[keys]]

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        seen: Int[np.ndarray, "query"] = (~self.hidden(queries, slice(0, len(self.key)))).sum(-1)
        return seen

    def rows(
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL
    ) -> Float[np.ndarray, "head query key"]:
        places = np.array(self.places)[heads]
        at = self.query[queries]
        if not len(at):
            return np.zeros((len(places), 0, len(self.key)), np.float32)
        span = slice(int(at[0]), int(at[-1]) + 1)
        kept = self.base.rows(places.tolist(), span)[:, at - at[0]][:, :, self.key]
        if not self.renormalise:
            return kept
        total = np.nansum(kept, axis=-1, keepdims=True)
        whole: Float[np.ndarray, "head query key"] = np.zeros_like(kept)
        np.divide(kept, total, out=whole, where=(total > 0) | np.isnan(kept))
        return whole


def cut_stream(
    stream: Stream,
    heads: Mapping[int, Sequence[int]],
    *,
    hide_special: bool = False,
    renormalise: bool = False,
) -> Stream:
    """The stream with these heads of these layers, in this order; without special tokens.

    A side of special tokens only, or of none, is kept as it is.
    """
    query, key = (_kept(tokens) if hide_special else None for tokens in (stream.query, stream.key))
    layers = []
    for number, numbers in heads.items():
        layer = stream.layer(number)
        places = stream.places(number, numbers)
        if query is None and key is None and list(numbers) == list(layer.heads):
            layers.append(layer)
            continue
        at = [np.arange(size) if kept is None else np.flatnonzero(kept)
              for size, kept in zip(layer.shape[1:], (query, key), strict=True)]  # fmt: skip
        cut = renormalise and not (query is None and key is None)
        layers.append(CutLayer(layer, tuple(places), at[0], at[1], cut))
    return replace(
        stream,
        numbers=tuple(heads),
        layers=tuple(layers),
        query=stream.query if query is None else stream.query.take(query),
        key=stream.key if key is None else stream.key.take(key),
        witnesses=(),
    )


def _kept(tokens: Tokens) -> Bool[np.ndarray, "token"] | None:
    """The tokens that are not special; None where that is all of them, or none."""
    kept = ~tokens.special
    return kept if kept.any() and not kept.all() else None


def cut_part(
    trace: Trace,
    stream: str | None,
    tokens: Any,
    words: bool,
    heads: Mapping[int, Sequence[int]] | None,
    display: Display,
    quantity: str = "weight",
) -> Part:
    """The part of a trace with the options of the head and model view; see `part_of`.

    Args:
        trace: what to look at.
        stream: may be left out where there is only one.
        tokens: see `ranges`; of the tokens that are left.
        words: one row and column a word instead of a token.
        heads: numbers of the heads of each layer shown; None for all.
        display: whether special tokens are hidden, and rows renormalised.
        quantity: `weight`, or the `difference` of a comparison.
    """
    one_of("quantity", quantity, ("weight", "difference"))
    whole = part_of(trace, stream, None, words, quantity)
    named = heads or {n: whole.stream.layer(n).heads for n in whole.stream.numbers}
    hide, again = display.get("hide_special", False), display.get("renormalise", False)
    cut = cut_stream(whole.stream, named, hide_special=hide, renormalise=again)
    return Part(cut, *ranges(cut, tokens), whole.quantity)


def note_of(display: Display) -> tuple[str, ...]:
    """What is hidden, in words."""
    if not display.get("hide_special"):
        return ()
    if display.get("renormalise"):
        return ("special tokens hidden, rows renormalised without them",)
    return ("special tokens hidden: rows sum to less than 1",)


def place_in_cut(tokens: Tokens, index: int, *, hide_special: bool) -> int | None:
    """Where a token stands once special ones are hidden; None while it is one of them."""
    kept = _kept(tokens) if hide_special else None
    if kept is None:
        return index
    return int(kept[:index].sum()) if kept[index] else None
