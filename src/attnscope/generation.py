"""What a trace of `attnscope.generate` knows of the tokens that were generated."""

from __future__ import annotations

from dataclasses import dataclass

from attnscope.tokens import Tokens

GENERATED = "generated"
"""Name of the segment of the tokens that were generated and read."""


@dataclass(frozen=True, eq=False)
class Generation:
    """The tokens that a model generated, and the rows that made them.

    A token is made by the row of the token before it: what that row looked at is what the model
    looked at when it chose the token. The last token was made and not read, so that it has no row
    and is no key: it is in `tokens`, and not among the tokens of a stream.

    Attributes:
        stream: whose tokens were generated, `self` or `decoder`; `cross` has the same queries.
        start: place among its queries of the row that made the first token; `start + i` made
            token i.
        tokens: all tokens generated, the last one included.
        text: the same as the tokenizer writes it, without special tokens; "" without a tokenizer.
    """

    stream: str
    start: int
    tokens: Tokens
    text: str = ""

    def __len__(self) -> int:
        return len(self.tokens)
