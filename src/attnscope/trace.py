"""The Trace: one recorded forward pass, the one noun in the middle of attnscope.

`capture` and `from_attention` make it; measures and views take it. It is immutable and holds
NumPy arrays only: tokens, streams of layers (`scores.Layer`) and where it all came from. Weights
are derived when somebody asks for them: a row, a head, a layer.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from attnscope._types import HeadWeights, Weights
from attnscope.errors import InputError
from attnscope.scores import ALL, Layer
from attnscope.tokens import Tokens

if TYPE_CHECKING:
    from attnscope.measures.table import Table
    from attnscope.view import View
    from attnscope.wire.spec import Theme

STREAM_ORDER = ("self", "encoder", "decoder", "cross")


@runtime_checkable
class Witness(Protocol):
    """What a layer's weights can be checked against: the model's own values and output."""

    def check(self, layer: Layer) -> tuple[float, int]:
        """(largest error of weights x values against the output, rows checked), all rows."""


@dataclass(frozen=True)
class Certificate:
    """How well recorded ingredients explain the model's own attention output.

    Attributes:
        error: largest |P.V - output| over the rows checked, relative to the largest |V| of its
            head (both as products with a few fixed random vectors, see `capture.certify`).
        rows: rows checked (queries of one head).
        calls: attention calls checked.
        skipped: calls that could not be checked (dropout was active).
    """

    error: float
    rows: int
    calls: int
    skipped: int = 0

    def __str__(self) -> str:
        if not self.calls:
            return "not certified: dropout was active"
        skipped = f", {self.skipped} calls not checked" if self.skipped else ""
        return f"certified: largest error {self.error:.1e} over {self.rows:,} rows{skipped}"


@dataclass(frozen=True)
class Provenance:
    """Where a trace came from."""

    model: str = ""
    model_type: str = ""
    dtype: str = ""
    attention: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    certificate: Certificate | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Stream:
    """One attention stack of a model.

    Attributes:
        name: `self`, or `encoder`, `decoder`, `cross` (a model with several: a name of its own).
        numbers: the model's number of each layer kept.
        layers: their attention, in the same order.
        query, key: the tokens on either side.
        witnesses: what each layer can be checked against, () where nothing was kept.
    """

    name: str
    numbers: tuple[int, ...]
    layers: tuple[Layer, ...]
    query: Tokens
    key: Tokens
    witnesses: tuple[Witness | None, ...] = ()

    @property
    def label(self) -> str:
        """The name as a title."""
        return {"self": "Self-attention", "cross": "Cross-attention"}.get(
            self.name, self.name.replace("_", " ").capitalize()
        )

    def layer(self, number: int) -> Layer:
        """The attention of a layer, by the model's own number.

        Raises:
            InputError: when there is no such layer; the text names those there are.
        """
        number = index_of("layer", number)
        if number not in self.numbers:
            raise InputError(
                f"layer {number} is not in the {self.name} stream, which has "
                f"{spans_of('layer', self.numbers)}."
            )
        return self.layers[self.numbers.index(number)]

    def places(self, number: int, heads: Sequence[int] | None) -> list[int]:
        """Places in a layer's arrays of these heads (all of them for None)."""
        layer = self.layer(number)
        if heads is None:
            return list(range(len(layer.heads)))
        wanted = [index_of("head", head) for head in heads]
        for head in wanted:
            if head not in layer.heads:
                raise InputError(
                    f"head {head} is not in layer {number} of the {self.name} stream, which has "
                    f"{spans_of('head', layer.heads)}."
                )
        return [layer.heads.index(head) for head in wanted]


class Trace:
    """One recorded forward pass: tokens, streams of layers, provenance.

    Attributes:
        streams: the attention stacks by name, `self` or `encoder`, `decoder`, `cross`.
        provenance: model, precision, versions, and the certificate of a capture.
    """

    streams: Mapping[str, Stream]
    provenance: Provenance

    def __init__(self, streams: Sequence[Stream], provenance: Provenance = Provenance()) -> None:
        """Streams in any order; they are kept as self, encoder, decoder, cross, others."""
        if not streams or not any(stream.layers for stream in streams):
            raise InputError(
                "a Trace needs at least one stream with at least one layer; none was given."
            )
        rank = {name: place for place, name in enumerate(STREAM_ORDER)}
        ordered = sorted(streams, key=lambda s: rank.get(s.name, len(rank)))
        by_name = MappingProxyType({stream.name: stream for stream in ordered})
        object.__setattr__(self, "streams", by_name)
        object.__setattr__(self, "provenance", provenance)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Trace is immutable: {name!r} cannot be set.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Trace, (list(self.streams.values()), self.provenance)

    def stream(self, name: str | None = None) -> Stream:
        """A stream by name; None for the only one there is.

        Raises:
            InputError: for an unknown name, or None where there are several.
        """
        names = ", ".join(repr(known) for known in self.streams)
        if name is None and len(self.streams) > 1:
            raise InputError(f"this trace has several streams: pass stream= one of {names}.")
        chosen = next(iter(self.streams)) if name is None else name
        if not isinstance(chosen, str) or chosen not in self.streams:
            raise InputError(f"no stream {chosen!r} in this trace; it has {names}.")
        return self.streams[chosen]

    @property
    def tokens(self) -> Tokens:
        """The tokens of the only stream; `trace.streams[name].query` or `.key` where several."""
        return self.stream().query

    def weights(
        self, layer: int, head: int | None = None, stream: str | None = None
    ) -> Weights | HeadWeights:
        """Exact weights of one head, or of all heads of a layer.

        Args:
            layer: the model's number of the layer.
            head: the model's number of the head, or None for all.
            stream: may be left out where there is only one.

        Returns:
            float32 [query, key], or [head, query, key] when `head` is None; 0..1, rows sum to 1
            (to less where a learned sink takes its share, to 0 where every key is hidden).

        Raises:
            InputError: for a layer, head or stream that is not there.
        """
        if head is None:
            return self.stream(stream).layer(layer).rows()
        return self.rows(layer, head, stream=stream)

    def rows(
        self, layer: int, head: int, queries: slice = ALL, *, stream: str | None = None
    ) -> HeadWeights:
        """Exact weights [query, key] of some rows of one head: only these are computed.

        Raises:
            InputError: for a layer, head or stream that is not there, or queries that are no slice.
        """
        if not isinstance(queries, slice):
            raise InputError(
                f"queries must be a slice, such as slice(3, 5) or slice(None), got {queries!r}."
            )
        found = self.stream(stream)
        places = found.places(layer, [head])
        rows: HeadWeights = found.layer(layer).rows(places, queries)[0]
        return rows

    def check(self) -> Certificate:
        """Check every row of every layer against the attention output the model computed.

        Returns:
            The certificate over all rows; see `Certificate`.

        Raises:
            InputError: where the trace holds weights only, or was not made in this process.
        """
        pairs = [
            (witness, layer)
            for stream in self.streams.values()
            for witness, layer in zip(stream.witnesses, stream.layers, strict=False)
            if witness is not None
        ]
        if not pairs:
            raise InputError(
                "nothing to check the weights against: values and outputs are kept by "
                "attnscope.capture(model, ...) while the model is not in training mode, and this "
                "trace has none."
            )
        results = [witness.check(layer) for witness, layer in pairs]
        errors, rows = zip(*results, strict=True)
        layers = sum(len(stream.layers) for stream in self.streams.values())
        return Certificate(max(errors), sum(rows), len(pairs), layers - len(pairs))

    def heads(self, measures: Sequence[str] | None = None, *, stream: str | None = None) -> Table:
        """A table with one row a head: measures, and the pattern it shows; see `measures.heads`."""
        from attnscope.measures import heads

        return heads(self, measures, stream=stream)

    def top(self, query: int | str, k: int = 5, **where: Any) -> Table:
        """The keys that a query attends to most; see `measures.top` (layer=, head=, stream=)."""
        from attnscope.measures import top

        return top(self, query, k, **where)

    def pairs(self, k: int = 20, **where: Any) -> Table:
        """The strongest pairs of tokens; see `measures.pairs` (layer=, head=, stream=)."""
        from attnscope.measures import pairs

        return pairs(self, k, **where)

    def head_view(
        self,
        layer: int | None = None,
        heads: Sequence[int] | None = None,
        *,
        layers: Sequence[int] | None = None,
        stream: str | None = None,
        theme: Theme = "auto",
    ) -> View:
        """One layer, several heads as coloured lines between query and key tokens.

        Args:
            layer: the layer shown first (None: the first).
            heads: the heads switched on first (None: all).
            layers: the layers to choose from (None: all).
            stream: the stream shown first (None: the first).
            theme: `light`, `dark`, or `auto` to follow the page.
        """
        from attnscope.view import View
        from attnscope.views.head import head_view

        spec = head_view(self, layer, heads, layers=layers, stream=stream, theme=theme)
        return View(self, spec)

    def model_view(
        self,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        *,
        stream: str | None = None,
        cells: str = "auto",
        theme: Theme = "auto",
    ) -> View:
        """Every layer and head at a glance; a click opens one.

        Args:
            layers: the layers shown, as rows in this order (None: all).
            heads: the heads shown, as columns (None: all).
            stream: the stream shown first (None: the first).
            cells: `lines`, `heat`, or `auto`: lines up to 64 tokens, heat maps above.
            theme: `light`, `dark`, or `auto` to follow the page.
        """
        from attnscope.view import View
        from attnscope.views.model import model_view

        spec = model_view(self, layers, heads, stream=stream, cells=cells, theme=theme)
        return View(self, spec)

    def neuron_view(
        self,
        layer: int | None = None,
        head: int | None = None,
        query: int | None = None,
        *,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        stream: str | None = None,
        theme: Theme = "auto",
    ) -> View:
        """One head from query and key vectors to weights, every step of the sum to be seen.

        It starts as lines between query and key tokens; a token's ⊕ shows its neurons.

        Args:
            layer: the layer shown first (None: the first).
            head: the head shown first (None: the first).
            query: place of a query token whose neurons are shown at once (None: lines first).
            layers: the layers to choose from (None: all).
            heads: the heads to choose from (None: all).
            stream: the stream shown first (None: the first).
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: for a layer, head, query or stream that is not there, or where the trace
                holds weights only: `attnscope.capture` records queries and keys.
        """
        from attnscope.view import View
        from attnscope.views.neuron import neuron_view

        spec = neuron_view(
            self, layer, head, query, layers=layers, heads=heads, stream=stream, theme=theme
        )
        return View(self, spec)

    def __repr__(self) -> str:
        source = self.provenance.model or "arrays"
        lines = [f"Trace of {source}"]
        for stream in self.streams.values():
            sizes = f"{len(stream.query)} queries × {len(stream.key)} keys"
            counts = sorted({len(layer.heads) for layer in stream.layers})
            heads = "/".join(map(str, counts))
            lines.append(f"  {stream.name}: {len(stream.layers)} layers × {heads} heads, {sizes}")
        if self.provenance.certificate is not None:
            lines.append(f"  {self.provenance.certificate}")
        lines += [f"  {note}" for note in self.provenance.notes]
        return "\n".join(lines)


def index_of(what: str, value: Any) -> int:
    """A whole number out of a Python or NumPy integer; InputError for anything else."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(
            f"{what} must be a whole number, got {value!r} ({type(value).__name__})."
        ) from None


def item_of(index: Any, batch: int, what: str, purpose: str) -> int:
    """The item of a batch that `index` names; None will do where there is only one.

    Raises:
        InputError: "`what` a batch of 3: pass index= ... to choose the item to `purpose`", or an
            index that the batch lacks.
    """
    if index is None and batch > 1:
        raise InputError(
            f"{what} a batch of {batch}: pass index= 0 to {batch - 1} to choose the item to "
            f"{purpose}."
        )
    item = 0 if index is None else index_of("index", index)
    if not 0 <= item < batch:
        raise InputError(f"index {item} is not in the batch: it holds items 0 to {batch - 1}.")
    return item


def spans_of(what: str, numbers: Sequence[int]) -> str:
    """`layers 0 to 11`, `heads 1, 4, 7`, `layer 3`."""
    if len(numbers) == 1:
        return f"{what} {numbers[0]}"
    if list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{what}s {numbers[0]} to {numbers[-1]}"
    return f"{what}s {', '.join(map(str, numbers))}"
