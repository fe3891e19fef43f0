"""Named array shapes: the only place where attnscope's axes are spelled out.

Axis order is the same everywhere: `layer, head, query, key`. A *query* is the token that attends
(a row), a *key* the token attended to (a column).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

Weights = Float[np.ndarray, "head query key"]
"""Softmax output of several heads, 0..1; NaN where the weight is missing."""

HeadWeights = Float[np.ndarray, "query key"]
"""Softmax output of one head, 0..1; NaN where the weight is missing."""

Visible = Bool[np.ndarray, "query key"]
"""True where the query may attend to the key."""

Bias = Float[np.ndarray, "#head query key"]
"""Added to the scores before the softmax (T5's relative positions, an additive mask)."""

Sinks = Float[np.ndarray, "head"]
"""One logit a head that takes part in the softmax and is then dropped (gpt-oss)."""

TokenMask = Bool[np.ndarray, "token"]
TokenIds = Int[np.ndarray, "token"]
Spans = Int[np.ndarray, "token 2"]
Codes = UInt8[np.ndarray, "..."]
