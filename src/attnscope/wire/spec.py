"""The contract between Python and the browser: one JSON spec, and bytes beside it.

A *spec* says what to show (tokens, streams, the first state); the weights themselves never travel
in it. The page asks for them with a *request* and gets a *reply*: bytes and a little JSON that
says how to read them. `web/src/types.ts` mirrors these types; `tests/contract` holds the two
together. Change the version when an old page could misread a new spec.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

VERSION = 1

ViewName = Literal["head", "model", "neuron", "image", "matrix", "heads", "text", "generation"]
Theme = Literal["auto", "light", "dark"]
EncodingName = Literal["linear16", "sqrt8"]
DtypeName = Literal["float32", "float16", "bfloat16", "uint8", "int8"]
ShownName = Literal["both", "difference"]


class SegmentSpec(TypedDict):
    """A named run of tokens: sentence A or B, a role, a chunk. `stop` is exclusive."""

    name: str
    start: int
    stop: int


class SideSpec(TypedDict):
    """One list of tokens; a stream names one for its queries and one for its keys.

    `spaced`, where the tokens are to be read as text, names those with white space before them.
    `numbers` are the tokens' numbers in the whole text, where only some were kept.
    `marked` tokens are what the page is about: an answer.
    `kinds`, where two lists were merged, says of each token whether both have the same.
    """

    text: list[str]
    raw: list[str]
    special: list[int]
    words: list[int]
    segments: list[SegmentSpec]
    spaced: NotRequired[list[int]]
    numbers: NotRequired[list[int]]
    kinds: NotRequired[list[Literal["same", "replaced", "alone", "gap"]]]
    marked: NotRequired[list[int]]


class RulesSpec(TypedDict):
    """How a layer makes weights from queries and keys (see `scores.ScoreSpec`), for the page.

    `key_place` and `key_head` have one entry a head shown: the place of its key head in the
    `vectors` reply, and that key head's number in the model. `bias` and `mask` name the layer
    whose reply of that kind holds the array, because layers often share one.
    """

    dim: int
    dtype: DtypeName
    scaling: float
    causal: bool
    offset: int
    window: int | None
    softcap: float | None
    sinks: bool
    key_place: list[int]
    key_head: list[int]
    bias: int | None
    mask: int | None


class LayerSpec(TypedDict):
    """A layer's own number and the numbers of the heads shown, both as in the model."""

    layer: int
    heads: list[int]
    rules: NotRequired[RulesSpec]


class MeasureSpec(TypedDict):
    """One measure of every head shown: a list a layer, in order of `layers` and their `heads`."""

    name: str
    values: list[list[float | None]]


class QuantitySpec(TypedDict):
    """What can be shown of a stream (see `measures.QUANTITIES`).

    `per`: a number a head, or one for the layer. `high`: the largest there can be, None where the
    data decide. `across`: numbers of everything up to a layer, so that the last has it all.
    `carried`: a saved page has it too; weights and scores it makes itself.
    """

    name: str
    label: str
    about: str
    per: Literal["head", "layer"]
    high: float | None
    signed: bool
    across: bool
    carried: bool


class WordsSpec(TypedDict):
    """A stream over words: places of its sides. `carried`: a saved page has its weights too."""

    query: int
    key: int
    carried: bool


class ClassSpec(TypedDict):
    """A class and the number that a model gave it, usually its probability."""

    name: str
    value: float


class DocumentSpec(TypedDict):
    """What is known of a text beside its attention; `right` says whether the prediction is."""

    id: str
    label: list[str]
    prediction: list[str]
    right: bool | None
    posterior: list[ClassSpec]


class StepsSpec(TypedDict):
    """Of a stream whose queries are tokens that were generated: the text that their keys are in.

    `text` is a place in the spec's `sides`: all keys, and behind them the last token if it was
    made and not read. `first` is the place in it of the first token that was generated; None where
    the keys are another text (cross-attention).
    """

    text: int
    first: int | None


class PredictedSpec(TypedDict):
    """What a language model predicted at each query: what comes next, or what stands there."""

    following: bool
    tokens: list[list[str]]
    probabilities: list[list[float]]


class StreamSpec(TypedDict):
    """One attention stack. `query` and `key` are places in the spec's `sides`.

    `patterns` name what each head shown does: a list a layer, as in `measures`. `quantity` says
    what the numbers of its layers are, where they are no weights, and `stack` which attention
    stack they are of: a page may have one in several quantities, each a stream. `pair` names
    the two streams that this one is the difference of: second minus first. `part`: so many tokens
    of a side are shown at a time, where all are too many.
    """

    name: str
    label: str
    query: int
    key: int
    layers: list[LayerSpec]
    causal: bool
    sinks: bool
    thumbnail: list[int] | None
    measures: list[MeasureSpec]
    patterns: NotRequired[list[list[str]]]
    quantities: NotRequired[list[QuantitySpec]]
    words: NotRequired[WordsSpec]
    document: NotRequired[DocumentSpec]
    steps: NotRequired[StepsSpec]
    quantity: NotRequired[QuantitySpec]
    stack: NotRequired[str]
    pair: NotRequired[list[str]]
    predicted: NotRequired[PredictedSpec]
    part: NotRequired[int]


class PinnedSpec(TypedDict):
    """A token that stays selected."""

    side: Literal["query", "key"]
    index: int


class CellSpec(TypedDict):
    """One head of one layer, by the model's numbers; None for the mean over the layer's heads."""

    layer: int
    head: int | None


class PairSpec(TypedDict):
    """A cell of the heat map: a query and a key."""

    query: int
    key: int


class WindowSpec(TypedDict):
    """The part of a long input that is shown, [start, stop] in tokens; of a map with fractions."""

    query: list[float]
    key: list[float]


class StateSpec(TypedDict):
    """What the reader changes: sent along to start with, synchronised in the widget.

    `heads` may be empty while `mean` is on. `sort` is `number` or the name of a measure.

    Generated tokens: `step` is the one shown; `all_layers` says that the mean over layers is,
    `hide_first` that the first token is left out.

    Heat maps: `over` says whether one head is shown or the mean or maximum over the layer's heads,
    `blocks` what a block of several cells shows, `color` and `fit` how numbers become colours.

    Comparisons: `show` says whether both are shown side by side, or their difference.
    """

    stream: str
    filter: str
    layer: int
    heads: list[int] | None
    head: int | None
    expanded: bool
    pinned: PinnedSpec | None
    opened: CellSpec | None
    cells: Literal["auto", "lines", "heat"]
    mean: bool
    sort: str
    hide_special: bool
    renormalise: bool
    threshold: float
    over: Literal["head", "mean", "max"]
    quantity: str
    words: bool
    window: WindowSpec | None
    cursor: PairSpec | None
    color: Literal["root", "linear", "log"]
    fit: bool
    blocks: Literal["max", "mean"]
    measure: str
    all_layers: bool
    column: bool
    search: str
    outcome: Literal["all", "right", "wrong"]
    step: int
    hide_first: bool
    show: Literal["both", "difference"]


class ImageSpec(TypedDict):
    """A picture (base64), patches row by row from token `first` on; `other`: a second trace's."""

    width: int
    height: int
    png: str
    rows: int
    columns: int
    first: int
    other: NotRequired[str]


class TableSpec(TypedDict):
    """A small table beside a view, its cells as text; the first column names the rows."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    about: str


class ErrorSpec(TypedDict):
    """How far off the weights of a page are whose queries and keys are in eight bits a number.

    `largest`: no weight of the page is further off. `typical`: in half of its rows none is.
    """

    largest: float
    typical: float


class Spec(TypedDict):
    """Everything a view needs but the weights.

    `carries` says what a page brings along of layers with `rules`: their weights, or the queries
    and keys from which weights follow, or both. A page that is connected to Python may ask for
    queries and keys whatever it carries. Layers without rules have weights only. Of generated
    tokens a page may carry `means` over heads only. Streams with a `part` have queries and keys.

    `precision` is there where a page carries queries and keys in eight bits a number, and `error`
    says in the page how far off that puts its weights.
    """

    version: int
    view: ViewName
    theme: Theme
    title: str
    notes: list[str]
    encoding: EncodingName
    carries: Literal["weights", "vectors", "both", "means"]
    sides: list[SideSpec]
    streams: list[StreamSpec]
    state: StateSpec
    image: NotRequired[ImageSpec]
    tables: NotRequired[list[TableSpec]]
    precision: NotRequired[Literal["int8"]]
    error: NotRequired[ErrorSpec]


class Request(TypedDict):
    """Ask for bytes.

    `layer`: the weights of a layer's heads shown. `thumbnails`: pooled images of all heads of a
    stream. `vectors`: queries and keys of a layer; `rounded`: of a `key_head` and the heads that it
    serves, in eight bits a number, with bounds of the error of each row. `bias`, `mask`: what that
    layer adds to its scores or hides, where its rules name it. `rows`: of a stream with `steps`,
    the weights of a layer's heads shown; without a layer, their means, of every layer shown.
    `quantity`: another quantity of a layer's heads than their weights, cell by cell.
    `tile`: the numbers of `query` × `key` (each [start, stop]) of one `head`, or of all heads shown
    put together (`over`), in blocks of `step` × `step` cells. Only hosts that are connected to
    Python answer it, so it is not among those that a page can carry.
    `part`: the weights of `query` × `key` of one `head`, of heads put together (`over`), or of each
    head, with sums over keys before and after, special ones left out (`hide`). Likewise.
    """

    kind: Literal[
        "layer", "thumbnails", "vectors", "rounded", "bias", "mask", "rows", "quantity", "tile",
        "part",
    ]  # fmt: skip
    stream: str
    layer: NotRequired[int]
    head: NotRequired[int]
    key_head: NotRequired[int]
    over: NotRequired[Literal["mean", "max"]]
    quantity: NotRequired[str]
    words: NotRequired[bool]
    rough: NotRequired[bool]
    hide: NotRequired[bool]
    query: NotRequired[list[int]]
    key: NotRequired[list[int]]
    step: NotRequired[int]


class ReplyMeta(TypedDict):
    """How to read the bytes of weights, once inflated (gzip).

    `shape` is [head, query, key] for a layer; [cell, query, key] for thumbnails, with the cells
    in the order of the stream's `layers` and their `heads`, pooled by maximum.
    `spread` is the most that a code may be away from its weight, in steps. `range` has the signed
    roots (of -4: -2) of the numbers that codes for 0 and 1 stand for, where they are no shares.
    """

    shape: list[int]
    encoding: EncodingName
    codec: Literal["gzip"]
    spread: float
    range: NotRequired[list[float]]


class ArraySpec(TypedDict):
    """One array of a reply: its numbers in row-major order, as planes of bytes.

    A plane holds the first bytes of all numbers, the next one their second bytes (little-endian):
    exponents are alike, and compress better side by side.
    """

    name: str
    dtype: DtypeName
    shape: list[int]


class ArraysMeta(TypedDict):
    """How to read the bytes of any other reply, once inflated: arrays one after the other."""

    codec: Literal["gzip"]
    arrays: list[ArraySpec]


def is_share(stream: StreamSpec) -> bool:
    """Whether a stream's numbers are shares from 0 to 1, as weights are."""
    shown = stream.get("quantity")
    return shown is None or (shown["high"] == 1 and not shown["signed"])


def key_of(request: Request) -> str:
    """The request as a path: `layer/self/3`, `thumbnails/self`, `tile/self/3/mean/0-9/0-9/1`."""
    parts: list[object] = [request["kind"], request["stream"]]
    one_of = ("layer", "head", "key_head", "over", "quantity")
    parts += [request[name] for name in one_of if name in request]  # type: ignore[literal-required]
    parts += [name for name in ("words", "rough", "hide") if request.get(name)]
    for side in ("query", "key"):
        if side in request:
            parts.append("-".join(map(str, request[side])))
    if "step" in request:
        parts.append(request["step"])
    return "/".join(map(str, parts))
