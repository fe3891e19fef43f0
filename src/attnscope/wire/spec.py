"""The contract between Python and the browser: one JSON spec, and bytes beside it.

A *spec* says what to show (tokens, streams, the first state); the weights themselves never travel
in it. The page asks for them with a *request* and gets a *reply*: bytes and a little JSON that
says how to read them. `web/src/types.ts` mirrors these types; `tests/contract` holds the two
together. Change the version when an old page could misread a new spec.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

VERSION = 1

ViewName = Literal["head", "model"]
Theme = Literal["auto", "light", "dark"]
EncodingName = Literal["linear16", "sqrt8"]


class SegmentSpec(TypedDict):
    """A named run of tokens: sentence A or B, a role, a chunk. `stop` is exclusive."""

    name: str
    start: int
    stop: int


class SideSpec(TypedDict):
    """One list of tokens; a stream names one for its queries and one for its keys."""

    text: list[str]
    raw: list[str]
    special: list[int]
    words: list[int]
    segments: list[SegmentSpec]


class LayerSpec(TypedDict):
    """A layer's own number and the numbers of the heads shown, both as in the model."""

    layer: int
    heads: list[int]


class StreamSpec(TypedDict):
    """One attention stack. `query` and `key` are places in the spec's `sides`."""

    name: str
    label: str
    query: int
    key: int
    layers: list[LayerSpec]
    causal: bool
    sinks: bool
    thumbnail: list[int] | None


class PinnedSpec(TypedDict):
    """A token that stays selected."""

    side: Literal["query", "key"]
    index: int


class CellSpec(TypedDict):
    """One head of one layer, by the model's numbers."""

    layer: int
    head: int


class StateSpec(TypedDict):
    """What the reader changes: sent along to start with, synchronised in the widget."""

    stream: str
    filter: str
    layer: int
    heads: list[int] | None
    pinned: PinnedSpec | None
    opened: CellSpec | None
    cells: Literal["auto", "lines", "heat"]


class Spec(TypedDict):
    """Everything a view needs but the weights."""

    version: int
    view: ViewName
    theme: Theme
    title: str
    encoding: EncodingName
    sides: list[SideSpec]
    streams: list[StreamSpec]
    state: StateSpec


class Request(TypedDict):
    """Ask for bytes: all heads of a layer, or the pooled images of all heads of a stream."""

    kind: Literal["layer", "thumbnails"]
    stream: str
    layer: NotRequired[int]


class ReplyMeta(TypedDict):
    """How to read a reply's bytes, once inflated (gzip).

    `shape` is [head, query, key] for a layer; [cell, query, key] for thumbnails, with the cells
    in the order of the stream's `layers` and their `heads`, pooled by maximum.
    `spread` is the most that a code may be away from its weight, in steps.
    """

    shape: list[int]
    encoding: EncodingName
    codec: Literal["gzip"]
    spread: float


def key_of(request: Request) -> str:
    """The request as a path: `layer/self/3`, `thumbnails/self`."""
    parts = [request["kind"], request["stream"]]
    return "/".join(parts + ([str(request["layer"])] if "layer" in request else []))
