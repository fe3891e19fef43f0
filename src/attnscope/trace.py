"""The Trace: one recorded forward pass, the one noun in the middle of attnscope.

`capture` and `from_attention` make it; measures and views take it. It is immutable and holds
NumPy arrays only: tokens, streams of layers (`scores.Layer`) and where it all came from. Weights
are derived when somebody asks for them: a row, a head, a layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from attnscope._numbers import counted
from attnscope._types import HeadWeights, Weights
from attnscope.errors import InputError
from attnscope.generation import Generation
from attnscope.provenance import UNKNOWN, Certificate, Provenance
from attnscope.scores import ALL
from attnscope.shows import Shows
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace_numbers import Numbers

STREAM_ORDER = ("self", "encoder", "decoder", "cross")


class Trace(Numbers, Shows):
    """One recorded forward pass: tokens, streams of layers, provenance.

    Attributes:
        streams: the attention stacks by name, `self` or `encoder`, `decoder`, `cross`.
        provenance: model, precision, versions, and the certificate of a capture.
        generation: the tokens that were generated, of a trace of `attnscope.generate`, or None.
    """

    streams: Mapping[str, Stream]
    provenance: Provenance
    generation: Generation | None

    def __init__(
        self,
        streams: Sequence[Stream],
        provenance: Provenance = UNKNOWN,
        generation: Generation | None = None,
    ) -> None:
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
        object.__setattr__(self, "generation", generation)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Trace is immutable: {name!r} cannot be set.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Trace, (list(self.streams.values()), self.provenance, self.generation)

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

    def save(
        self,
        path: str | PathLike[str],
        *,
        dtype: Literal["float16", "float32"] | None = None,
        overviews: bool | None = None,
    ) -> Path:
        """Write the trace to one file, `attnscope.load(path)` opens it again.

        The file is written beside its place and moved there, so that an existing one is kept until
        the new one is whole. Above 4 GB, further files stand beside it. See docs/file-format.md.

        Args:
            path: the file; its suffix must be `.safetensors`.
            dtype: `float16` halves the file of a float32 trace; weights are then right to about
                0.003. None keeps what was recorded, bit for bit.
            overviews: compute the overview of every head now, so that a map of it opens at once;
                None does so for inputs from 1,024 tokens where it takes less than half a minute.

        Returns:
            The whole path of the file.

        Raises:
            InputError: for another suffix, or a trace of computed quantities.
            SaveError: when the file cannot be written.
        """
        from attnscope.store import save

        return save(self, path, dtype=dtype, overviews=overviews)

    def steps(self, start: int | None = None) -> Trace:
        """The rows that made the generated tokens, as a trace of their own: `measures.steps`."""
        from attnscope.measures import steps

        return steps(self, start)

    def __repr__(self) -> str:
        source = self.provenance.model or "arrays"
        lines = [f"Trace of {source}"]
        for stream in self.streams.values():
            queries = counted(len(stream.query), "query", "queries")
            counts = sorted({len(layer.heads) for layer in stream.layers})
            heads = "".join(f"{count}/" for count in counts[:-1]) + counted(counts[-1], "head")
            layers = counted(len(stream.layers), "layer")
            keys = counted(len(stream.key), "key")
            lines.append(f"  {stream.name}: {layers} × {heads}, {queries} × {keys}")
        if self.provenance.certificate is not None:
            lines.append(f"  {self.provenance.certificate}")
        lines += [f"  {note}" for note in self.provenance.notes]
        return "\n".join(lines)
