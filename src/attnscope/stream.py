"""One attention stack of a model: its layers, and the tokens on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from attnscope._numbers import index_of, spans_of
from attnscope.errors import InputError
from attnscope.predicted import Predicted
from attnscope.scores import Layer
from attnscope.tokens import Tokens


@runtime_checkable
class Witness(Protocol):
    """What a layer's weights can be checked against: the model's own values and output."""

    def check(self, layer: Layer) -> tuple[float, int]:
        """(largest error of weights x values against the output, rows checked), all rows."""


@dataclass(frozen=True, eq=False)
class Stream:
    """One attention stack of a model.

    Attributes:
        name: `self`, or `encoder`, `decoder`, `cross` (a model with several: a name of its own).
        numbers: the model's number of each layer kept.
        layers: their attention, in the same order.
        query, key: the tokens on either side.
        witnesses: what each layer can be checked against, () where nothing was kept.
        predicted: what a language model predicted at each query, where that was kept.
    """

    name: str
    numbers: tuple[int, ...]
    layers: tuple[Layer, ...]
    query: Tokens
    key: Tokens
    witnesses: tuple[Witness | None, ...] = ()
    predicted: Predicted | None = None

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
