"""The parts of each layer, one a step, put together: what one pass over the whole text records.

Rows are those of the sequence that was returned: of beam search, the rows of the beam that made
each token. A part that starts before the one before it ends replaces its end: what was read there
was taken back (assisted generation guesses tokens and drops the wrong ones).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from attnscope._types import Bias, TokenMask
from attnscope.capture.calls.call import Call
from attnscope.capture.calls.masks import recognise
from attnscope.capture.certify import Witness
from attnscope.capture.generating.mixings import behind, followed_together, until
from attnscope.capture.generating.parts import Extent, Hiding, Part, causal_spec
from attnscope.capture.generating.stepping import Step, Stepwise
from attnscope.capture.places.streams import Stack
from attnscope.errors import CaptureError
from attnscope.scores import QKLayer, ScoreSpec

FINISHED = "Capture the finished text instead: attnscope.capture(model, tokenizer, text)."

Shared = dict[tuple[int, ...], tuple[list[Hiding], ScoreSpec]]
"""Masks that layers have in common, by the identity of their hidings (held, so that it is one)."""


@dataclass(frozen=True, eq=False)
class Path:
    """The sequence to follow through the steps.

    Attributes:
        stop: its tokens but the last, which was made and not read: those that have a row.
        first: position of the row that made its first token.
        beams: the beam that made each token; () where there is one.
    """

    stop: int
    first: int
    beams: Sequence[int] = ()

    def row(self, position: int, n_rows: int) -> int:
        """Place of the sequence's beam among the rows kept, one where all beams are alike."""
        place = position - self.first
        return self.beams[place] % n_rows if place >= 0 and self.beams else 0


@dataclass(frozen=True, eq=False)
class Piece:
    """The rows of one part that belong to the sequence."""

    extent: Extent
    call: Call
    hiding: Hiding
    bias: Bias | None

    @property
    def cross(self) -> bool:
        return self.call.stack.cross

    def cut(self, stop: int) -> Piece:
        """Without the rows from a position on; and without their keys, but in cross-attention."""
        if stop >= self.extent.stop:
            return self
        n = stop - self.extent.start
        n_key = self.extent.n_key if self.cross else stop
        layer, witness, k = layer_of(self.call), self.call.witness, n_key - self.extent.first
        if witness is not None:
            witness = Witness(witness.values[:, :k], witness.output[:, :n])
        layer = replace(layer, queries=layer.queries[:, :n], keys=layer.keys[:, :k])
        followed = self.call.followed and until(self.call.followed, n, k)
        seen = self.hiding.visible
        return Piece(
            replace(self.extent, stop=stop, n_key=n_key),
            replace(self.call, layer=layer, witness=witness, followed=followed),
            self.hiding if seen is None else replace(self.hiding, visible=seen[:n, :n_key]),
            None if self.bias is None else self.bias[..., :n, :n_key],
        )


def joined(recording: Stepwise, path: Path) -> tuple[list[Call], dict[Stack, set[int]], Stack]:
    """One call for each layer, the numbers of each stack's layers, and the stack that wrote.

    Raises:
        CaptureError: when rows are missing, or no layer reads what was written by itself.
    """
    shared: Shared = {}
    calls = []
    numbers: dict[Stack, set[int]] = {}
    writers = []
    for (stack, _), parts in recording.parts.items():
        pieces = _pieces(parts, path)
        call = pieces[0].call
        if not parts[0].extent.once:
            _check_whole(pieces, path)
            call = _call(pieces, recording.kept, shared)
        n_query, n_key = call.layer.shape[1:]
        sized = stack._replace(n_query=n_query, n_key=n_key)
        numbers[sized] = recording.numbers[stack]
        calls.append(replace(call, stack=sized))
        if not parts[0].extent.once and not stack.cross:
            writers.append(sized)
    if not writers:
        raise CaptureError(
            f"{calls[-1].name} reads what it writes and what it was given in one attention call: "
            f"that is not recorded while a model generates. {FINISHED}"
        )
    return calls, numbers, writers[0]


def ids_read(steps: Sequence[Step], path: Path) -> list[int | None]:
    """Ids of the tokens read, None where the model was given embeddings."""
    ids: list[int | None] = [None] * steps[0].start
    for step in steps:
        if step.start >= path.stop:
            continue
        read: list[int | None] = [None] * (step.stop - step.start)
        if step.ids is not None:
            read = step.ids[path.row(step.start, len(step.ids))].tolist()
        ids[step.start :] = read
    return ids[: path.stop]


def _pieces(parts: Sequence[Part], path: Path) -> list[Piece]:
    pieces: list[Piece] = []
    for part in parts:
        start = part.extent.start
        pieces = [piece.cut(start) for piece in pieces if piece.extent.start < start]
        if start < path.stop or part.extent.once:
            call = part.calls[path.row(start, len(part.calls))]
            piece = Piece(part.extent, call, part.hiding, part.bias)
            pieces.append(piece if part.extent.once else piece.cut(path.stop))
    return pieces


def _check_whole(pieces: Sequence[Piece], path: Path) -> None:
    stops = [pieces[0].extent.start, *(piece.extent.stop for piece in pieces)]
    for piece, stop in zip(pieces, stops, strict=False):
        if piece.extent.start != stop:
            break
    else:
        if stops[-1] == path.stop:
            return
    raise CaptureError(
        f"{pieces[0].call.name}: of the {path.stop} tokens read, rows were recorded of "
        f"{', '.join(f'{p.extent.start} to {p.extent.stop - 1}' for p in pieces)} only. {FINISHED}"
    )


def _call(pieces: Sequence[Piece], kept: TokenMask | None, shared: Shared) -> Call:
    layers = [layer_of(piece.call) for piece in pieces]
    first, plain = pieces[0].call, layers[0].spec
    lost = pieces[0].extent.offset  # keys that a sliding cache had dropped before the first step
    hidings = [piece.hiding for piece in pieces]
    about = tuple(map(id, hidings))
    if about not in shared:
        shared[about] = hidings, _mask_spec(pieces, kept)
    spec = replace(
        shared[about][1],
        scaling=plain.scaling,
        softcap=plain.softcap,
        sinks=plain.sinks,
        bias=_bias(pieces),
    )
    queries = np.concatenate([layer.queries for layer in layers], axis=1)
    keys = behind(lost, [layer.keys for layer in layers])
    layer = replace(layers[0], queries=queries, keys=keys, spec=spec)
    followed = followed_together([piece.call.followed for piece in pieces], lost)
    return replace(first, layer=layer, witness=_witness(pieces, lost), followed=followed)


def layer_of(call: Call) -> QKLayer:
    """A step's layer; weights alone are not recorded while a model generates."""
    return cast(QKLayer, call.layer)


def _witness(pieces: Sequence[Piece], lost: int) -> Witness | None:
    witnesses = [piece.call.witness for piece in pieces]
    known = [witness for witness in witnesses if witness is not None]
    if len(known) < len(witnesses):
        return None
    return Witness(
        values=behind(lost, [witness.values for witness in known]),
        output=np.concatenate([witness.output for witness in known], axis=1),
    )


def _mask_spec(pieces: Sequence[Piece], kept: TokenMask | None) -> ScoreSpec:
    """A spec with the mask of all pieces, in words where they agree."""
    first, last = pieces[0].extent, pieces[-1].extent
    hidings = [piece.hiding for piece in pieces]
    if not any(hiding.causal or hiding.visible is not None for hiding in hidings):
        return ScoreSpec(1.0)
    if all(hiding.causal and hiding.visible is None for hiding in hidings):
        windows = {hiding.window for hiding in hidings if hiding.window is not None}
        width = max(windows, default=last.stop)
        if len(windows) < 2 and all(p.hiding.window or p.extent.stop <= width for p in pieces):
            return causal_spec(replace(first, n_key=last.n_key), kept, max(windows, default=None))
    visible = np.zeros((last.stop - first.start, last.n_key), dtype=bool)
    for piece in pieces:
        rows = slice(piece.extent.start - first.start, piece.extent.stop - first.start)
        visible[rows, : piece.extent.n_key] = piece.hiding.mask(piece.extent, kept)
    return ScoreSpec(1.0, **recognise(visible))


def _bias(pieces: Sequence[Piece]) -> Bias | None:
    if all(piece.bias is None for piece in pieces):
        return None
    first, last = pieces[0].extent, pieces[-1].extent
    n_head = max(len(piece.bias) for piece in pieces if piece.bias is not None)
    bias = np.full((n_head, last.stop - first.start, last.n_key), -np.inf, dtype=np.float32)
    for piece in pieces:
        rows = slice(piece.extent.start - first.start, piece.extent.stop - first.start)
        bias[:, rows, : piece.extent.n_key] = 0 if piece.bias is None else piece.bias
    return bias
