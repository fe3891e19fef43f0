"""Layers that are computed from others when somebody looks at them.

Views, figures and tables read `scores.Layer`, so whatever is to be shown per pair of tokens takes
that form. `rows()` then gives the quantity where a layer of attention gives weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from attnscope.scores import ALL, Layer, QKLayer

Cells = Callable[[Sequence[int], slice], Float[np.ndarray, "head query key"]]
"""Places of heads and a slice of queries, to a quantity [head, query, key]."""


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


@dataclass(frozen=True, eq=False)
class Derived(ComputedLayer):
    """A quantity for the same queries and keys as the layer it is computed from.

    Attributes:
        base: the layer of attention.
        heads: numbers of its heads; (0,) for a quantity of the layer as a whole.
        cells: computes what is asked for; NaN where the quantity is not defined.
        sums_to_one: whether each row does.
        vectors: queries and keys that explain the cells, where they are weights.
    """

    heads: tuple[int, ...]
    cells: Cells
    sums_to_one: bool = False
    vectors: QKLayer | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.heads), *self.base.shape[1:]

    def rows(
        self, heads: Sequence[int] | slice = ALL, queries: slice = ALL
    ) -> Float[np.ndarray, "head query key"]:
        places = np.arange(len(self.heads))[heads]
        return self.cells(places.tolist(), queries).astype(np.float32, copy=False)
