"""Documents: texts with the attention that each token got, and what a model said of them.

    document = attnscope.Document(trace, label="spam", prediction="ham")
    attnscope.Documents([document, ...]).text_view()

A document is a Trace, or tokens with one weight each (what attention over an RNN gives), or tokens
with a weight for every pair. `attnscope.from_neat_vision` reads them from neat-vision's files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from jaxtyping import Float

from attnscope._display import printable, visible
from attnscope.errors import InputError
from attnscope.tokens import Tokens
from attnscope.trace import Trace

if TYPE_CHECKING:
    from attnscope.view import View
    from attnscope.views.text import Switches
    from attnscope.wire.spec import Theme


class Document:
    """One text, its attention, and what was predicted for it.

    Attributes:
        source: a Trace, or None where the attention was given.
        tokens: the tokens of the text.
        attention: [query, key] float32, 0..1; one row where each token has one weight; None for a
            Trace, whose layer and head are chosen when it is shown.
        id: what the document is called; "" takes its place in the list.
        label, prediction: names, () where not given; several for a multi-label task.
        right: whether the prediction is the label; None where that is not known.
        posterior: a number for each class by its name, usually its probability.
    """

    def __init__(
        self,
        source: Trace | Tokens | Iterable[str],
        attention: Any = None,
        *,
        label: Any = None,
        prediction: Any = None,
        posterior: Mapping[str, float] | Sequence[float] | None = None,
        id: str = "",
    ) -> None:
        """A document from a trace, or from tokens and their attention.

        Args:
            source: a Trace, or the tokens.
            attention: weights 0..1 for tokens: [token], or [query, key].
            label: the right class, a list of them, or a number (regression).
            prediction: what the model said, in the same form.
            posterior: a number for each class, by name or in order.
            id: what the document is called.

        Raises:
            InputError: where attention is missing, or does not fit the tokens.
        """
        self.source = source if isinstance(source, Trace) else None
        self.id = printable(str(id))
        if isinstance(source, Trace):
            if attention is not None:
                raise InputError("a Trace has its own attention: leave attention= out.")
            self.tokens = next(iter(source.streams.values())).key
            self.attention = None
        else:
            self.tokens = _tokens(source)
            self.attention = _attention(attention, len(self.tokens))
        self.label, self.prediction = names_of(label), names_of(prediction)
        measured = isinstance(label, float | np.floating) or isinstance(
            prediction, float | np.floating
        )
        known = label is not None and prediction is not None and not measured
        self.right = set(self.label) == set(self.prediction) if known else None
        self.posterior = _posterior(posterior)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        said = f", {' + '.join(self.prediction)}" if self.prediction else ""
        return f"<Document {self.id or 'without a name'}: {len(self)} tokens{said}>"


class Documents(Sequence[Document]):
    """A list of documents that is shown, and searched, as one.

    Attributes:
        title: what the list is called.
        notes: what is unusual about the data, in sentences.
    """

    def __init__(
        self,
        documents: Iterable[Document | Trace],
        *,
        title: str = "",
        notes: Iterable[str] = (),
    ) -> None:
        """Documents, or traces, in the order shown.

        Raises:
            InputError: where there are none, or one of them is something else.
        """
        if isinstance(documents, str | bytes | Document | Trace) or not hasattr(
            documents, "__iter__"
        ):
            raise InputError(
                f"documents must be a list of attnscope.Document or of traces, got {documents!r}."
            )
        made = [Document(one) if isinstance(one, Trace) else one for one in documents]
        for place, one in enumerate(made):
            if not isinstance(one, Document):
                raise InputError(
                    f"document {place} is {one!r} ({type(one).__name__}): expected an "
                    "attnscope.Document or a trace."
                )
        if not made:
            raise InputError("there are no documents: give at least one.")
        self._documents = tuple(made)
        self.title, self.notes = printable(title), tuple(notes)

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, place: Any) -> Any:
        found = self._documents[place]
        return Documents(found, title=self.title) if isinstance(place, slice) else found

    def __iter__(self) -> Iterator[Document]:
        return iter(self._documents)

    def __repr__(self) -> str:
        tokens = sum(map(len, self))
        return f"<Documents {self.title}: {len(self):,} texts, {tokens:,} tokens>"

    def text_view(
        self,
        *,
        layer: int | str = "all",
        head: int | str = "mean",
        quantity: str = "weight",
        stream: str | None = None,
        search: str = "",
        theme: Theme = "auto",
        **switches: Unpack[Switches],
    ) -> View:
        """The documents as running text with shaded tokens, to be searched.

        Args:
            layer: of traces, the layer shown, or `all` for the mean over all.
            head: of traces, the head shown, or `mean` or `max` over all heads.
            quantity: of traces, what is shown of each pair; see `Trace.text_view`.
            stream: of traces, the stream shown (None: the only one).
            search: show only documents with this in their text, id, label or prediction.
            theme: `light`, `dark`, or `auto` to follow the page.
            **switches: `column`, `words`, `hide_special`, `renormalise`; see
                `attnscope.views.text.Switches`.

        Raises:
            InputError: for a layer, head, quantity or stream that a trace does not have.
        """
        from attnscope.view import View
        from attnscope.views.documents import documents_view

        where: Any = {"stream": stream, "search": search, "theme": theme}
        return View(*documents_view(self, layer, head, quantity, **where, **switches))


def names_of(value: Any) -> tuple[str, ...]:
    """A label as names: one or several; () for None, and "(none)" for an empty list of them.

    Raises:
        InputError: for something that is no name, number or list of them.
    """
    if value is None:
        return ()
    listed = list(value) if isinstance(value, list | tuple | set | np.ndarray) else [value]
    names = []
    for one in listed:
        plain = one.item() if isinstance(one, np.generic) else one
        if not isinstance(plain, str | int | float):
            raise InputError(
                f"a label must be a name, a number, or a list of them, got {one!r} "
                f"({type(one).__name__})."
            )
        names.append(f"{plain:.4g}" if isinstance(plain, float) else printable(str(plain)))
    return tuple(names) or ("(none)",)


def _tokens(source: Any) -> Tokens:
    if isinstance(source, Tokens):
        return source
    if isinstance(source, str) or not hasattr(source, "__iter__"):
        raise InputError(
            f"a document is made of a Trace or of a list of tokens, got {source!r}. Split the text "
            "into tokens first, such as text.split()."
        )
    raw = [printable(str(word)) for word in source]
    if not raw:
        raise InputError("a document needs at least one token.")
    # Words as they are: `##` or `Ġ` in them is no tokenizer's mark.
    return Tokens(tuple(map(visible, raw)), tuple(raw), np.zeros(len(raw), bool))


def _attention(given: Any, tokens: int) -> Float[np.ndarray, "query key"]:
    if given is None:
        raise InputError(
            "a document of tokens needs attention=: one weight a token, or [query, key]."
        )
    try:
        weights = np.asarray(given, np.float32)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"attention must be numbers, one a token or [query, key], got {str(given)[:80]!r}."
        ) from None
    if weights.shape not in ((tokens,), (1, tokens), (tokens, tokens)):
        raise InputError(
            f"attention has shape {list(weights.shape)}, and the document has {tokens} tokens: "
            f"expected [{tokens}] (one weight a token) or [{tokens}, {tokens}] (query, key)."
        )
    if not (np.isnan(weights) | ((weights >= 0) & (weights <= 1))).all():
        wrong = weights[~((weights >= 0) & (weights <= 1))].flat[0]
        raise InputError(
            f"attention holds {wrong:g}: weights go from 0 to 1. Divide scores by their sum, or "
            "percentages by 100."
        )
    return weights.reshape(-1, tokens)


def _posterior(given: Any) -> dict[str, float]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        pairs = [(printable(str(name)), value) for name, value in given.items()]
    elif isinstance(given, str) or not hasattr(given, "__iter__"):
        raise InputError(f"posterior must be numbers by class, got {given!r}.")
    else:
        pairs = [(str(place), value) for place, value in enumerate(given)]
    try:
        found = {name: float(value) for name, value in pairs}
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"posterior must be numbers by class, got {given!r}.") from None
    if not np.isfinite(list(found.values())).all():
        raise InputError(f"posterior must be finite numbers by class, got {given!r}.")
    return found
