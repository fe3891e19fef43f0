"""What a layer has from the one that it is computed from, when somebody looks at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from attnscope.scores import Layer


@dataclass(frozen=True, eq=False)
class ComputedLayer:
    """The beginning of a `scores.Layer` over the same queries and keys as another.

    Attributes:
        base: the layer that it is computed from.
    """

    base: Layer

    @property
    def causal(self) -> bool:
        return self.base.causal

    @property
    def nbytes(self) -> int:
        return self.base.nbytes

    def visible_keys(self, queries: Int[np.ndarray, "query"]) -> Int[np.ndarray, "query"]:
        return self.base.visible_keys(queries)
