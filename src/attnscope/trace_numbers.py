"""What a Trace gives as numbers: tables, traces over words, frames; a line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from attnscope.measures.table import Table
    from attnscope.trace import Trace


class Numbers:
    """The methods of `Trace` that give numbers."""

    def heads(
        self, measures: Sequence[str] | str | None = None, *, stream: str | None = None
    ) -> Table:
        """A table with one row a head: measures, and the pattern it shows; see `measures.heads`."""
        from attnscope.measures import heads

        return heads(_trace(self), measures, stream=stream)

    def top(self, query: int | str, k: int = 5, **where: Any) -> Table:
        """The keys that a query attends to most; see `measures.top` (layer=, head=, stream=)."""
        from attnscope.measures import top

        return top(_trace(self), query, k, **where)

    def pairs(self, k: int = 20, **where: Any) -> Table:
        """The strongest pairs of tokens; see `measures.pairs` (layer=, head=, stream=)."""
        from attnscope.measures import pairs

        return pairs(_trace(self), k, **where)

    def segments(self, **where: Any) -> Table:
        """The share of each row's weight that each segment of the keys gets: `measures.shares`.

        Of a generation, the rows are those that made the generated tokens.
        """
        from attnscope.measures import shares

        return shares(_trace(self), **where)

    def words(self, special: bool = True) -> Trace:
        """The trace over words: keys are summed, queries averaged (Clark et al. 2019).

        Args:
            special: keep special tokens, each as a word; False leaves them out, and the weight on
                them with them (`.normalised(None)` makes rows sum to 1 again).

        Returns:
            A trace of weights whose tokens are words, computed when looked at. Words are the
            tokenizer's own; where it knows none, every token is one.
        """
        from attnscope.words import over_words

        return over_words(_trace(self), special)

    def normalised(self, drop: Any = "special") -> Trace:
        """The trace without the weight on some keys, rows scaled to sum to 1 again.

        Args:
            drop: `special` tokens, the `first` token, positions of keys; or None to scale only
                (rows that a learned sink, or words without special tokens, have left below 1).

        Returns:
            A trace of weights over the same tokens; the keys dropped have weight 0, and a row that
            looked at nothing else is 0.

        Raises:
            InputError: for something else, an unknown position, or when no key would be left.
        """
        from attnscope.normalised import normalised

        return normalised(_trace(self), drop)

    def to_xarray(self, layers: Any = None, *, stream: str | None = None) -> Any:
        """The weights as an xarray DataArray with labelled axes (extra `frames`).

        Args:
            layers: numbers of the layers (None: all).
            stream: may be left out where there is only one.

        Returns:
            `DataArray` [layer, head, query, key] with the tokens' texts as coordinates
            `query_token` and `key_token`.

        Raises:
            InputError: for more than 100 million weights, or layers with different heads.
            MissingDependencyError: without xarray.
        """
        from attnscope.frames import to_xarray

        return to_xarray(_trace(self), layers, stream)

    def to_pandas(self, layers: Any = None, *, stream: str | None = None) -> Any:
        """The weights as a pandas DataFrame, one row a weight (extra `frames`).

        Args:
            layers: numbers of the layers (None: all).
            stream: may be left out where there is only one.

        Returns:
            Columns `layer`, `head`, `query`, `query_token`, `key`, `key_token`, `weight`.

        Raises:
            InputError: for more than 100 million weights.
            MissingDependencyError: without pandas.
        """
        from attnscope.frames import to_pandas

        return to_pandas(_trace(self), layers, stream)


def _trace(numbers: Numbers) -> Trace:
    return cast("Trace", numbers)
