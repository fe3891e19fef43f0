"""The certificate: weights x values must give what the attention function returned.

Weights are never taken from the model, they are derived from recorded queries, keys and a score
spec. Whether these explain what the model did is checked against the one thing it surely computed:
its attention output. No reference model is needed, and a formula that changes in a new release of
a library is an error here, not a wrong picture.

Keeping values V and output O for that would double a trace. Instead both are reduced to their
products with a few fixed random sign vectors r, 16 numbers a token and head, and the check becomes
`weights @ (V r) == O r` (Freivalds 1977). A row that is wrong by a vector e shows as |e.r|, on
average |e|; that four random r all miss most of it is improbable in one row, and impossible in
practice over all rows of a head. The few rows checked at capture and `trace.check()`, all rows,
are the same code, and the same `QKLayer.rows` that every picture is drawn from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Bool, Float

from attnscope.scores import ALL, Layer, QKLayer, widen

PROBES = 4
ROWS = 4
BLOCK = 4_000_000
"""Weights computed at a time by a check of all rows."""

TOLERANCE = {"float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Errors that rounding explains, at least three times what was seen over all test families and a
trained MiniLM, with SDPA and with eager code: 1e-6, 3e-3 and 1.5e-2. Wrong formulas (a scaling that
is off by 5 %, a mask, softcap, bias or sink left out) give 1e-3 to 1 on the same models in float32.
"""


@cache
def probes(dim: int) -> Float[np.ndarray, "dim probe"]:
    """The sign vectors; fixed, so that nothing here touches a random state of the user's."""
    return np.random.default_rng(dim).choice(np.array([-1, 1], np.float32), (dim, PROBES))


def tolerance(layer: Layer, dtype: str) -> float:
    """The largest error that rounding explains in this precision of the model's.

    It is larger where scores are large (MobileBERT): a product of a long query and a long key is
    rounded by about their lengths' product x 1e-7, and a weight changes in proportion to the error
    of its score. One percent is the most allowed for it: a picture that is less certain than that
    is not shown.
    """
    allowed = TOLERANCE.get(dtype, TOLERANCE["float32"])
    if not isinstance(layer, QKLayer):
        return allowed
    with np.errstate(over="ignore", invalid="ignore"):
        query, key = (
            float(np.sqrt(np.square(widen(array)).sum(axis=-1)).max(initial=0))
            for array in (layer.queries, layer.keys)
        )
    rounding = 2 * float(np.finfo(np.float32).eps) * query * key * abs(layer.spec.scaling)
    return allowed + (rounding if rounding < 1e-2 else 1e-2)


@dataclass(frozen=True, eq=False)
class Witness:
    """What the model computed in one attention call, reduced so that weights can be held to it.

    Attributes:
        values: [kv_head, key, probe], the values' products with the sign vectors.
        output: [head, query, probe], those of the attention function's output.
    """

    values: Float[np.ndarray, "kv_head key probe"]
    output: Float[np.ndarray, "head query probe"]

    def check(self, layer: Layer, queries: slice = ALL) -> tuple[float, int]:
        """Largest error and number of rows (queries of one head) checked; all by default.

        An error is relative to the largest value of its head: weights that are wrong by 1 % of a
        row's mass make it at most 2 %. Rows with every key hidden have no weights and are skipped.
        """
        values = self.values[layer.kv_head] if isinstance(layer, QKLayer) else self.values
        size = np.abs(values).max(axis=(1, 2), initial=0)[:, None]
        size[size == 0] = 1
        worst, checked = 0.0, 0
        for rows in self._blocks(layer, queries):
            weights = layer.rows(queries=rows)
            gap = np.abs(weights @ values - self.output[:, rows]).max(axis=-1) / size
            live = weights.sum(axis=-1) != 0
            checked += int(live.sum())
            worst = float(np.maximum(worst, gap.max(initial=0, where=live)))
        return worst, checked

    def check_some(self, layer: Layer) -> tuple[float, int]:
        """`check` for `ROWS` queries, evenly spread, the last one included."""
        n_query = layer.shape[1]
        step = -(-n_query // ROWS)
        return self.check(layer, slice((n_query - 1) % step, None, step))

    def trim(self, queries: Bool[np.ndarray, "query"], keys: Bool[np.ndarray, "key"]) -> Witness:
        """The same without padding."""
        if queries.all() and keys.all():
            return self
        return replace(self, values=self.values[:, keys], output=self.output[:, queries])

    def _blocks(self, layer: Layer, queries: slice) -> Iterator[slice]:
        heads, n_query, n_key = layer.shape
        start, stop, step = queries.indices(n_query)
        stride = step * max(1, BLOCK // max(1, heads * n_key))
        for first in range(start, stop, stride):
            yield slice(first, min(first + stride, stop), step)
