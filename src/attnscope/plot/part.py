"""What a figure shows of a trace: one stream's tokens and numbers, cut to what was asked for.

A figure has some hundred thousand dots at most. Above `MOST` tokens a side, several weights share
a cell, which shows the largest of them: a mean would make every sharp head look empty.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from attnscope._types import HeadWeights
from attnscope.computed import Derived
from attnscope.errors import InputError
from attnscope.measures import QUANTITIES, Quantity, quantity
from attnscope.scores import Layer, QKLayer
from attnscope.stream import Stream
from attnscope.tiles import CAUSAL, tile
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.base import one_of, side_spec
from attnscope.views.display import switch
from attnscope.words import stream_over_words

MOST = 1024
"""Cells a side of one head's map."""

CHUNK = 8_000_000
"""Cells of a mask computed at a time."""

Head = int | str | None
"""A head's number, or `mean` (None, too) or `max` over the heads of its layer."""

OVER, BLOCKS = ("mean", "max"), ("max", "mean")
SideName = Literal["query", "key"]
SIDES: tuple[SideName, SideName] = ("query", "key")


@dataclass(frozen=True, eq=False)
class Block:
    """The numbers of one head's map.

    Attributes:
        values: [row, column]; NaN where missing, or hidden.
        hidden: [row, column]: True where a mask hides the key from the query.
        step: so many queries, and keys, share a cell.
    """

    values: Float[np.ndarray, "row column"]
    hidden: Bool[np.ndarray, "row column"]
    step: int = 1


@dataclass(frozen=True, eq=False)
class Part:
    """A range of queries and a range of keys of a stream.

    Attributes:
        stream: its layers hold the quantity.
        query, key: positions of the tokens shown.
        quantity: what the numbers are.
    """

    stream: Stream
    query: range
    key: range
    quantity: Quantity

    def texts(self, side: SideName) -> list[str]:
        """Display texts of the tokens shown; `∅` for an empty one."""
        tokens: Tokens = getattr(self.stream, side)
        return [tokens.text[place] or "∅" for place in getattr(self, side)]

    def special(self, side: SideName) -> list[bool]:
        """Which of the tokens shown are [CLS], </s> and the like."""
        tokens: Tokens = getattr(self.stream, side)
        return [bool(tokens.special[place]) for place in getattr(self, side)]

    def heads(self, layer: int, heads: Sequence[int] | None = None) -> list[int]:
        """The numbers of the heads of a layer, or those asked for, which must be there."""
        found = self.stream.layer(layer)
        return [found.heads[place] for place in self.stream.places(layer, heads)]

    def block(self, layer: int, head: Head, most: int = MOST, blocks: str = "max") -> Block:
        """One map, pooled to at most `most` cells a side.

        Args:
            layer: number of the layer.
            head: number of the head; `mean` (or None) or `max` over the layer's heads.
            most: cells a side.
            blocks: a cell of several numbers shows their `max` or `mean`.
        """
        found = self.stream.layer(layer)
        if isinstance(head, str):
            one_of("head", head, OVER)
        elif head is not None and self.quantity.per == "layer":
            raise InputError(f"{self.quantity.name} is one number a layer: leave head out.")
        one_of("blocks", blocks, BLOCKS)
        over = head if isinstance(head, str) else "mean"
        places = self.stream.places(layer, [head] if isinstance(head, int | np.integer) else None)
        step = -(-max(len(self.query), len(self.key)) // most)
        hidden = _all_hidden(found, self.query, self.key, step)
        if step > 1:
            pooled = tile(found, places, self.query, self.key, step, over=over)  # type: ignore[arg-type]
            return Block(getattr(pooled, blocks)[0], hidden, step)
        rows, keys = slice(self.query.start, self.query.stop), slice(self.key.start, self.key.stop)
        values = fused(found.rows(places, rows)[:, :, keys], over)
        values[hidden] = np.nan
        return Block(values, hidden)

    def named(self, layer: int, head: Head, step: int = 1, blocks: str = "max") -> str:
        """`Layer 5, head 11`: what a map shows, as a title."""
        one = isinstance(head, int | np.integer)
        which = f"head {head}" if one else f"{head or 'mean'} of heads"
        if self.quantity.per == "layer":
            which = self.quantity.label.lower()
        pooled = {"max": "largest", "mean": "mean"}[blocks]
        note = f" ({pooled} of {step} × {step})" if step > 1 else ""
        return self.titled(f"layer {layer}, {which}{note}")

    def titled(self, about: str) -> str:
        """A title, which names the stream where it is not the only kind there is."""
        title = about if self.stream.name == "self" else f"{self.stream.label}, {about}"
        return title[0].upper() + title[1:]

    def weights(self, layer: int, head: Head) -> HeadWeights:
        """All numbers of one head; 0 where masked, NaN where missing."""
        block = self.block(layer, head, most=max(len(self.query), len(self.key)))
        weights: HeadWeights = np.where(block.hidden, 0, block.values)
        return weights


def pooled(values: Float[np.ndarray, "query key"], most: int) -> Block:
    """A map of at most `most` cells a side; each shows the largest of the numbers that share it."""
    step = -(-max(values.shape) // most)
    rows, columns = (np.arange(0, size, step) for size in values.shape)
    largest = np.fmax.reduceat(np.fmax.reduceat(values, rows, 0), columns, 1)
    return Block(largest, np.zeros(largest.shape, bool), step)


def fused(values: Float[np.ndarray, "head query key"], over: str) -> HeadWeights:
    """The mean or maximum over the heads that have a number; NaN where none has."""
    if len(values) == 1:
        return np.array(values[0])
    there = ~np.isnan(values)
    if over == "max":
        made = np.where(there, values, -np.inf).max(0)
    else:
        made = np.where(there, values, 0).sum(0) / np.maximum(there.sum(0), 1)
    both: HeadWeights = np.where(there.any(0), made, np.nan).astype(values.dtype)
    return both


def _all_hidden(
    layer: Layer, query: range, key: range, step: int
) -> Bool[np.ndarray, "row column"]:
    """Where a mask hides all keys that share a cell from all its queries."""
    columns, rows = np.arange(0, len(key), step), max(1, CHUNK // len(key) // step) * step
    parts = []
    for start in range(query.start, query.stop, rows):
        at = np.arange(start, min(start + rows, query.stop))
        hidden = hidden_cells(layer, at, slice(key.start, key.stop))
        down = np.logical_and.reduceat(hidden, np.arange(0, len(at), step), 0)
        parts.append(np.logical_and.reduceat(down, columns, 1))
    return np.concatenate(parts)


def hidden_cells(
    layer: Any, queries: Int[np.ndarray, "query"], keys: slice
) -> Bool[np.ndarray, "query key"]:
    """True where the layer's mask hides the key from the query."""
    if hasattr(layer, "hidden"):
        hidden: Bool[np.ndarray, "query key"] = layer.hidden(queries, keys)
        return hidden
    layer = layer.base if isinstance(layer, Derived) else layer
    seen = np.ones((len(queries), keys.stop - keys.start), bool)
    spec = layer.spec if isinstance(layer, QKLayer) else CAUSAL if layer.causal else None
    if spec is not None:
        spec.hide(seen, False, queries, keys)
    return ~seen


def part_of(
    trace: Trace,
    stream: str | None,
    tokens: Any = None,
    words: bool = False,
    shown: str = "weight",
) -> Part:
    """The part of a trace that a figure's options name.

    Args:
        trace: what to look at.
        stream: may be left out where there is only one.
        tokens: see `ranges`.
        words: one row and column a word instead of a token.
        shown: the quantity, one of `measures.QUANTITIES`.
    """
    found = quantity(trace, shown, stream)
    if switch("words", words) and QUANTITIES[shown].high != 1:
        raise InputError(
            f"{shown} cannot be summed over the pieces of a word: leave words out, or draw a share "
            "such as weight or rollout."
        )
    found = stream_over_words(found) if words else found
    return Part(found, *ranges(found, tokens), QUANTITIES[shown])


def ranges(stream: Stream, tokens: Any) -> tuple[range, range]:
    """Positions of the queries and keys that `tokens` names.

    Args:
        stream: whose tokens.
        tokens: None for all; a slice for both sides; two slices, of queries and of keys; or
            segments, as in "A→B" (queries of A, keys of B; "A->B" and one name will do, too).

    Raises:
        InputError: for anything else, an unknown segment, or a slice without tokens.
    """
    if tokens is None or tokens == "all":
        return range(len(stream.query)), range(len(stream.key))
    if isinstance(tokens, str):
        names = re.split(r"\s*(?:→|->)\s*", tokens.strip())
        if len(names) <= 2:
            return _segment(stream, "query", names[0]), _segment(stream, "key", names[-1])
    pair = (tokens, tokens) if isinstance(tokens, slice) else tokens
    if not (isinstance(pair, tuple | list) and len(pair) == 2 and _are_slices(pair)):
        raise InputError(
            "tokens must be a slice such as slice(0, 20), two of them for queries and keys, or "
            f"segments such as 'A→B', got {tokens!r}."
        )
    query, key = range(len(stream.query))[pair[0]], range(len(stream.key))[pair[1]]
    for side, chosen in (("query", query), ("key", key)):
        if not len(chosen) or chosen.step != 1:
            raise InputError(
                f"tokens {tokens!r} names no run of {side} tokens: the {stream.name} stream has "
                f"{len(getattr(stream, side))}."
            )
    return query, key


def _are_slices(pair: Sequence[Any]) -> bool:
    return all(isinstance(one, slice) for one in pair)


def _segment(stream: Stream, side: SideName, name: str) -> range:
    """The run of a segment, by its name as views show it; case is not minded."""
    segments = side_spec(getattr(stream, side))["segments"]
    for segment in segments:
        if segment["name"].lower() == name.lower():
            return range(segment["start"], segment["stop"])
    known = ", ".join(repr(segment["name"]) for segment in segments) or "none"
    raise InputError(f"no {side} segment {name!r} in the {stream.name} stream; it has {known}.")
