"""What each token of a text is worth for one prediction, and how far each method is to be trusted.

`attnscope.saliency` makes it. It holds NumPy arrays and needs no model any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from attnscope.measures.quantities import QUANTITIES
from attnscope.measures.table import Table
from attnscope.provenance import Provenance
from attnscope.tokens import Tokens

if TYPE_CHECKING:
    from attnscope.view import View
    from attnscope.wire.spec import Theme


class Method(NamedTuple):
    """How tokens get their numbers: its label, one line about it, whether numbers have a sign."""

    label: str
    about: str
    signed: bool


BY_GRADIENT: dict[str, Method] = {
    "integrated_gradients": Method(
        "Integrated gradients",
        "Share of each token in the difference to a text without words: they sum to it.",
        True,
    ),
    "gradient_input": Method(
        "Gradient × input",
        "Each token's embedding times the gradient of the score by it: its part to first order.",
        True,
    ),
}
"""Methods that ask for gradients by the embeddings, through Captum."""

BY_ATTENTION = ("weight", "rollout", "alti", "gradient", "relevancy")
"""Quantities of attention that are read at one position."""

READ = {True: "After the last layer.", False: "Mean over all layers and heads."}

METHODS: dict[str, Method] = BY_GRADIENT | {
    name: Method(one.label, f"{one.about} {READ[one.across]}", one.signed)
    for name, one in ((name, QUANTITIES[name]) for name in BY_ATTENTION)
}
"""Every method by its name."""


@dataclass(frozen=True, eq=False)
class Saliency:
    """What each token is worth for one prediction.

    Attributes:
        tokens: the text's tokens.
        scores: by method, one number a token. Those of `integrated_gradients` and `gradient_input`
            are in units of the score (a logit, or what a callable made) and have a sign; those of
            attention are in their own.
        target: what was explained, in words.
        position: the token at which the prediction was made and attention was read.
        value: the target's probability, or the callable's number.
        score: its logit, or the callable's number.
        missed: by how much integrated gradients do not sum to what they should, as a share of it:
            more `steps` make it smaller. NaN where they were not asked for.
        faithfulness: columns `method`, `comprehensiveness`, `sufficiency`; see docs/saliency.md.
        removed: how tokens were taken away for it: `mask`, `pad` or `delete`.
        provenance: the model.
    """

    tokens: Tokens
    scores: Mapping[str, Float[np.ndarray, "token"]]
    target: str
    position: int
    value: float
    score: float
    missed: float
    faithfulness: Table
    removed: str
    provenance: Provenance

    def table(self) -> Table:
        """One row a token: `position`, `token`, and a column a method."""
        columns: dict[str, Any] = {
            "position": np.arange(len(self.tokens)),
            "token": self.tokens.text,
        }
        return Table(columns | dict(self.scores))

    def text_view(self, method: str | None = None, *, theme: Theme = "auto") -> View:
        """The text shaded by one method at a time, and the table of faithfulness beside it.

        Args:
            method: the method shown first, one of `scores` (None: the first).
            theme: `light`, `dark`, or `auto` to follow the page.

        Raises:
            InputError: for a method that was not asked for.
        """
        from attnscope.view import View
        from attnscope.views.saliency import saliency_view

        return View(*saliency_view(self, method, theme))

    def __repr__(self) -> str:
        said = f"{self.target}: {self.value:.3f}, {len(self.tokens)} tokens"
        return f"Saliency of {said}\n{self.faithfulness}"
