"""An answer that a question-answering model gave, and what it rests on.

`attnscope.find_answer` makes it. It holds NumPy arrays and needs no model any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from attnscope.measures.table import Table
from attnscope.tokens import Tokens

if TYPE_CHECKING:
    from attnscope.view import View
    from attnscope.wire.spec import Theme


@dataclass(frozen=True, eq=False)
class Answer:
    """An answer that a question-answering model found in a context.

    Attributes:
        text: the answer.
        start, stop: where it stands in the context, in characters.
        probability: of its first and last token together.
        sources: one row a part of the context: `part`, `weight`, `norm`, `effect` as in
            `attnscope.sources`, and `without`: the best answer elsewhere when the part is hidden.
        tokens: of question and context.
        span: places of the answer's first token, and of the one behind its last.
        parts: places of the tokens of each part.
        shares: of each token in what the answer's tokens look at: `weight`, `norm`.
        model: the model's name.
    """

    text: str
    start: int
    stop: int
    probability: float
    sources: Table
    tokens: Tokens
    span: tuple[int, int]
    parts: Mapping[str, Sequence[int]]
    shares: Mapping[str, Float[np.ndarray, "token"]]
    model: str = ""

    def text_view(self, *, theme: Theme = "auto") -> View:
        """Question and context with the answer marked, shaded by what it looks at, and the sources.

        Args:
            theme: `light`, `dark`, or `auto` to follow the page.
        """
        from attnscope.view import View
        from attnscope.views.answer import answer_view

        return View(*answer_view(self, theme))

    def __repr__(self) -> str:
        return f"{self.text!r} ({self.probability:.3f})\n{self.sources}"
