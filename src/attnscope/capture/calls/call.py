"""What is kept of an attention call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from attnscope.capture.certify import Witness
from attnscope.capture.mixing.passing import Followed
from attnscope.capture.places.streams import Stack
from attnscope.scores import ALL, Layer

DROPOUT = "dropout was active"
"""Why a call cannot be certified: it was computed with other weights than these."""


class Cut(NamedTuple):
    """The rows and columns of a call that are kept."""

    rows: slice = ALL
    columns: slice = ALL


@dataclass(eq=False)
class Call:
    """One attention call of the model, for one batch item.

    Attributes:
        stack, number: where it belongs, see `placing`.
        implementation: `sdpa`, `eager`, ... as the model's configuration names it; `softmax` for
            code of the model's own.
        name: the module that made it.
        dtype: the model's precision in this call.
        layer: queries, keys and score spec, or the weights.
        witness: what the model computed, to hold the layer to; None where it was not seen.
        unseen: why there is none.
        followed: what follows the call in the model, where values are asked for.
        cut: the rows and columns of the model's call that these are.
        picked: which queries are kept, None for all.
        stored: the precision that queries and keys, or weights, were brought to; "" is the model's.
    """

    stack: Stack
    number: int
    implementation: str
    name: str
    dtype: str
    layer: Layer
    witness: Witness | None
    unseen: str = ""
    followed: Followed | None = None
    cut: Cut = field(default_factory=Cut)
    picked: Picked | None = None
    stored: str = ""

    @property
    def n_query(self) -> int:
        """How many queries the model had."""
        return self.layer.shape[1] if self.picked is None else self.picked.n_query

    @property
    def precision(self) -> str:
        """The coarser one of the model's precision and that of what is kept."""
        return "float16" if self.stored == "float16" and self.dtype == "float32" else self.dtype


class Picked(NamedTuple):
    """The queries kept of a call: their positions, of so many, padding included."""

    rows: Int[np.ndarray, "query"]
    n_query: int


def call_of(heard: Any, layer: Layer, witness: Witness | None, cut: Cut) -> Call:
    """What is kept of a call that was heard (`recorder.Heard`)."""
    stack, number, _ = heard.place
    about = (stack, number, heard.implementation, heard.name, heard.dtype)
    return Call(*about, layer, witness, heard.unseen, cut=cut)
