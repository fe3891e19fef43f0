"""What is kept of an attention call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from attnscope.capture.certify import Witness
from attnscope.capture.passing import Followed
from attnscope.capture.streams import Stack
from attnscope.scores import ALL, Layer

DROPOUT = "dropout was active"
"""Why a call cannot be certified: it was computed with other weights than these."""


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


class Cut(NamedTuple):
    """The rows and columns of a call that are kept."""

    rows: slice = ALL
    columns: slice = ALL


def call_of(heard: Any, layer: Layer, witness: Witness | None) -> Call:
    """What is kept of a call that was heard (`recorder.Heard`)."""
    stack, number, _ = heard.place
    about = (stack, number, heard.implementation, heard.name, heard.dtype)
    return Call(*about, layer, witness, heard.unseen)
