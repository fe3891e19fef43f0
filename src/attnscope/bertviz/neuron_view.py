"""BertViz's neuron view, for any Hugging Face model.

    from attnscope.bertviz import neuron_view

    neuron_view.show(model, "bert", tokenizer, sentence_a, sentence_b)
    neuron_view(model, "bert", tokenizer, sentence_a, layer=5, head=0)

The module can be called: that is `show`. Queries and keys are recorded from the model as it is
(`attnscope.capture`); the changed model classes that BertViz needed are not.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from attnscope.bertviz._deliver import deliver, theme_of
from attnscope.bertviz.util import SPACES
from attnscope.errors import InputError
from attnscope.scores import ALL, QKLayer, widen
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

WITH_DELIMITERS = ("bert", "roberta", "xlnet")


def show(
    model: Any,
    model_type: str,
    tokenizer: Any,
    sentence_a: str,
    sentence_b: str | None = None,
    display_mode: str = "dark",
    layer: int | None = None,
    head: int | None = None,
    html_action: str = "view",
) -> Any:
    """Queries and keys of one head, neuron by neuron.

    Args:
        model: a Hugging Face PyTorch model.
        model_type: `bert`, `roberta`, `gpt2`, `xlnet`: the delimiters are written as BertViz
            does. Any other name: the tokenizer writes them.
        tokenizer: its tokenizer.
        sentence_a: the text.
        sentence_b: a second text in the same input.
        display_mode: `dark` or `light`, or `auto` to follow the page.
        layer: the layer shown first (None: the first).
        head: the head shown first (None: the first).
        html_action: `view` shows the view in a notebook, `return` returns it as HTML.

    Returns:
        None, or with `return` an object whose `.data` is the HTML.

    Raises:
        InputError: a ValueError, when the arguments do not fit.
        CaptureError: when this model's attention cannot be recorded.
    """
    trace = _record(model, model_type, tokenizer, sentence_a, sentence_b)
    view = trace.neuron_view(layer, head, theme=theme_of(display_mode))
    return deliver("neuron_view.show", view, html_action)


def get_attention(
    model: Any,
    model_type: str,
    tokenizer: Any,
    sentence_a: str,
    sentence_b: str | None = None,
    include_queries_and_keys: bool = False,
) -> dict[str, dict[str, list[Any]]]:
    """Weights, tokens, and on request queries and keys, as nested lists.

    Returns:
        `{"all": {"attn": [layer][head][query][key], "left_text": [...], "right_text": [...]}}`,
        with `queries` and `keys` ([layer][head][token][neuron]) on request; for a pair also `aa`,
        `bb`, `ab` (queries of sentence A, keys of B) and `ba`.

    Raises:
        InputError: a ValueError, when the arguments do not fit.
        CaptureError: when this model's attention cannot be recorded.
    """
    trace = _record(model, model_type, tokenizer, sentence_a, sentence_b)
    if len(trace.streams) > 1:
        raise InputError(
            f"get_attention is for models with one stack; this one has {', '.join(trace.streams)}. "
            "attnscope.capture(model, tokenizer, text, target=...) gives the weights of each."
        )
    stream = next(iter(trace.streams.values()))
    whole = [layer.rows() for layer in stream.layers]
    names = _names(stream.query, model_type, tokenizer)
    parts = {"all": (ALL, ALL)}
    if sentence_b and stream.query.segments:
        a, b = (slice(run.start, run.stop) for run in stream.query.segments[:2])
        parts |= {"aa": (a, a), "bb": (b, b), "ab": (a, b), "ba": (b, a)}
    result: dict[str, dict[str, list[Any]]] = {
        part: {
            "attn": [weights[:, queries, keys].tolist() for weights in whole],
            "left_text": names[queries],
            "right_text": names[keys],
        }
        for part, (queries, keys) in parts.items()
    }
    if include_queries_and_keys:
        known = _vectors(stream)
        for part, (queries, keys) in parts.items():
            result[part]["queries"] = [q[:, queries].tolist() for q, _ in known]
            result[part]["keys"] = [k[:, keys].tolist() for _, k in known]
    return result


def _vectors(stream: Stream) -> list[tuple[np.ndarray, np.ndarray]]:
    """Queries and keys of each layer, [head, token, neuron]; shared keys once for each head."""
    known = [layer for layer in stream.layers if isinstance(layer, QKLayer)]
    if len(known) < len(stream.layers):
        raise InputError("this model's queries and keys were not recorded, only its weights.")
    return [(widen(layer.queries), widen(layer.keys[layer.kv_head])) for layer in known]


def _record(model: Any, model_type: Any, tokenizer: Any, a: Any, b: Any) -> Trace:
    """One forward pass of the model in evaluation mode, with the input as BertViz writes it."""
    from attnscope.capture.forward import capture

    _check(model_type, a, b)
    delimiters = (getattr(tokenizer, name, None) for name in ("cls_token", "sep_token"))
    with _evaluating(model):
        if model_type != "gpt2" and not (model_type in WITH_DELIMITERS and all(delimiters)):
            return capture(model, tokenizer, a, b or None)
        first, second = _pieces(model_type, tokenizer, a, b)
        ids = tokenizer.convert_tokens_to_ids([*first, *second])
        inputs = {"input_ids": np.array([ids], dtype=np.int64)}
        if model_type == "bert" and second and _takes(model, "token_type_ids"):
            kinds = np.repeat([0, 1], [len(first), len(second)])
            inputs["token_type_ids"] = kinds[None]
        segments = [len(first)] if second else None
        return capture(model, tokenizer, inputs=inputs, segments=segments)


def _check(model_type: Any, a: Any, b: Any) -> None:
    if not isinstance(model_type, str) or not model_type:
        raise InputError(
            f"Invalid model type: {model_type!r}. Give 'bert', 'roberta', 'gpt2', or the name of "
            "any other type, model.config.model_type."
        )
    if not a:
        raise InputError("Sentence A is required")
    if b and model_type == "gpt2":
        raise InputError(f"Model {model_type} does not support sentence pairs")
    if b and model_type == "xlnet":
        raise NotImplementedError("Sentence-pair inputs for XLNet not currently supported.")


def _pieces(model_type: str, tokenizer: Any, a: str, b: str | None) -> tuple[list[str], list[str]]:
    """The tokens of both sentences with BertViz's delimiters; the second list may be empty."""
    cls, sep = tokenizer.cls_token, tokenizer.sep_token
    first, second = tokenizer.tokenize(a), tokenizer.tokenize(b) if b else []
    if model_type == "gpt2":
        return first, second
    if model_type == "xlnet":
        return [*first, sep, cls], second
    between = [sep] if model_type == "roberta" else []
    return [cls, *first, sep], [*between, *second, sep] if b else []


def _names(tokens: Tokens, model_type: str, tokenizer: Any) -> list[str]:
    """Tokens as BertViz names them; readable text for the types it did not know."""
    if model_type not in (*WITH_DELIMITERS, "gpt2"):
        return list(tokens.text)
    names = [piece.translate(SPACES) for piece in tokens.raw]
    if model_type == "gpt2":
        return names
    called = {tokenizer.sep_token: "[SEP]", tokenizer.cls_token: "[CLS]"}
    return [called.get(name, name) for name in names]


def _takes(model: Any, argument: str) -> bool:
    return argument in inspect.signature(model.forward).parameters


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode, as BertViz runs it; its modules' modes come back after."""
    training: Sequence[Any] = [m for m in getattr(model, "modules", list)() if m.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return show(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        """What `inspect.signature` and a notebook's help show."""
        return inspect.signature(show)


sys.modules[__name__].__class__ = _CallableModule
