"""The arguments of BertViz's `head_view` and `model_view` to a Trace.

Complaints begin with BertViz's own words, in its order, so that code and people who know them find
them; what follows says what was given and what to do.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attnscope._display import visible
from attnscope._numbers import index_of
from attnscope.arrays import from_attention
from attnscope.bertviz._generated import is_generated, of_sequences, stitched, warn_of_beams
from attnscope.errors import AttnscopeWarning, InputError
from attnscope.tokens import Tokens
from attnscope.trace import Trace

HOW = (
    "attnscope.capture(model, tokenizer, text).head_view() records any model as it is; or load it "
    "with attn_implementation='eager', call it with output_attentions=True and take "
    "outputs.attentions by name."
)
WRONG_RANK = (
    "The attention tensor does not have the correct number of dimensions. Make sure you set "
    "output_attentions=True when initializing your model."
)
FIELDS = {
    "encoder": "encoder_attentions",
    "decoder": "decoder_attentions",
    "cross": "cross_attentions",
}
NEEDED = {"encoder": ("encoder",), "decoder": ("decoder",), "cross": ("encoder", "decoder")}
SIDES = {
    "self": ("self", "self"),
    "encoder": ("encoder", "encoder"),
    "decoder": ("decoder", "decoder"),
    "cross": ("decoder", "encoder"),
}


def given_trace(
    attention: Any,
    tokens: Any,
    sentence_b_start: Any,
    prettify_tokens: bool,
    encoder_attention: Any,
    decoder_attention: Any,
    cross_attention: Any,
    encoder_tokens: Any,
    decoder_tokens: Any,
    index: int | None,
) -> Trace:
    """A Trace of what was given to `head_view` or `model_view`.

    Raises:
        InputError: when the arguments do not fit together.
    """
    attention, given = of_sequences(attention), attention
    stacks = {"encoder": encoder_attention, "decoder": decoder_attention, "cross": cross_attention}
    stacks = {name: _field(given, FIELDS[name]) for name, given in stacks.items()}
    names = {"encoder": encoder_tokens, "decoder": decoder_tokens}
    if any(_has(attention, FIELDS[side]) for side in names):
        stacks = {name: _field(attention, field) for name, field in FIELDS.items()}
    elif attention is not None:
        _check_one_stack(tokens, [*stacks.values(), *names.values()])
        stacks, names = {"self": _field(attention, "attentions")}, {"self": tokens}
    _check_stacks(stacks, names)
    if attention is given:
        warn_of_beams(stacks.get("self", stacks.get("decoder")))
    sides = {side: _tokens(side, given, prettify_tokens) for side, given in names.items()}
    fitted = {}
    for name, given in stacks.items():
        if given is not None:
            fitted[name] = _layers(name, given, sides)
    source, target = sides.get("self", sides.get("encoder")), sides.get("decoder")
    segments = _segments(sentence_b_start, source, "self" in fitted)
    return from_attention(
        fitted.get("self"),
        source,
        encoder=fitted.get("encoder"),
        decoder=fitted.get("decoder"),
        cross=fitted.get("cross"),
        target_tokens=target,
        segments=segments,
        index=None if index is None else index_of("index", index),
    )


def numbers(trace: Trace, name: str, given: Any) -> list[int] | None:
    """Layer or head numbers as a list; None for all. Negative ones count from the end."""
    stream = next(iter(trace.streams.values()))
    known = stream.numbers if name == "include_layers" else stream.layers[0].heads
    return [n + max(known) + 1 if n < 0 else n for n in _listed(name, given)] or None


def _listed(name: str, given: Any) -> list[int]:
    if given is None:
        return []
    return [index_of(name, n) for n in (given if hasattr(given, "__iter__") else [given])]


def opening_layer(trace: Trace, layer: Any, include_layers: Any) -> int | None:
    """The layer shown first, by the model's number; it has to be among those included."""
    if layer is None:
        return None
    wanted = index_of("layer", layer)
    known = sorted({n for stream in trace.streams.values() for n in stream.numbers})
    listed = _listed("include_layers", include_layers) or known
    if wanted not in listed:
        raise InputError(f"Layer {wanted} is not in include_layers: {listed}")
    return (numbers(trace, "include_layers", [wanted]) or [wanted])[0]


def first_stream(trace: Trace, layers: Sequence[int]) -> str | None:
    """The stream shown first: the first that has all these layers."""
    fitting = (name for name, s in trace.streams.items() if set(layers) <= set(s.numbers))
    return next(fitting, None)


def _has(given: Any, field: str) -> bool:
    """True for a model's output that has this field."""
    return getattr(given, field, None) is not None or (
        isinstance(given, Mapping) and given.get(field) is not None
    )


def _field(given: Any, field: str) -> Any:
    """The attentions of this name in a model's output; anything else as it is."""
    if not isinstance(given, Mapping) and not hasattr(given, field):
        return given
    found = given.get(field) if isinstance(given, Mapping) else getattr(given, field)
    return () if found is None else found


def _check_one_stack(tokens: Any, others: Sequence[Any]) -> None:
    if tokens is None:
        raise InputError(
            "'tokens' is required: tokenizer.convert_ids_to_tokens(inputs['input_ids'][0])"
        )
    if any(other is not None for other in others):
        raise InputError(
            "If you specify 'attention' you may not specify any encoder-decoder arguments. This "
            "argument is only for self-attention models."
        )


def _check_stacks(stacks: Mapping[str, Any], names: Mapping[str, Any]) -> None:
    for name, given in stacks.items():
        for side in NEEDED.get(name, ()):
            if given is not None and names[side] is None:
                raise InputError(f"'{side}_tokens' required if '{name}_attention' is not None")
    if all(given is None for given in stacks.values()):
        raise InputError(
            "You must specify at least one attention argument. All of them are None, which "
            f"outputs.attentions is when the model was not asked for weights. {HOW}"
        )


def _tokens(side: str, given: Any, prettify: bool) -> Tokens | None:
    if given is None or isinstance(given, Tokens):
        return given
    argument = "tokens" if side == "self" else f"{side}_tokens"
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise InputError(
            f"{argument} must be a list with one string a token, got {type(given).__name__} "
            f"{str(given)[:40]!r}: tokenizer.convert_ids_to_tokens(inputs['input_ids'][0])."
        )
    tokens = Tokens.plain(given.tolist() if hasattr(given, "tolist") else given)
    raw = tuple(visible(piece) for piece in tokens.raw)
    return tokens if prettify else replace(tokens, text=raw)


def _layers(name: str, given: Any, sides: dict[str, Tokens | None]) -> list[Any]:
    """One array a layer; where a step was generated and never read, `sides` loses its token."""
    if not hasattr(given, "__len__"):
        raise InputError(f"{WRONG_RANK} The {name} attention is a {type(given).__name__}. {HOW}")
    if is_generated(given):
        layers: list[Any] = stitched(name, given)
        _drop_unread(sides, SIDES[name][0], layers)
    else:
        layers = list(given)
    if all(layer is None for layer in layers):
        raise InputError(_nothing_in(name, given))
    query, key = (_length(sides[side]) for side in SIDES[name])
    for layer in layers:
        if layer is not None:
            _check_layer(name, layer, query, key)
    _check_count(layers, sides[SIDES[name][0]], -2)
    _check_count(layers, sides[SIDES[name][1]], -1)
    return layers


def _length(tokens: Tokens | None) -> int:
    return 0 if tokens is None else len(tokens)


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple(layer.shape) if hasattr(layer, "shape") else np.shape(layer)


def _check_layer(name: str, layer: Any, query: int, key: int) -> None:
    """[1, head, query, key]; without the first axis only where it must be attention."""
    shape = _shape(layer)
    if len(shape) != 4 and (len(shape) != 3 or shape[1:] != (query, key)):
        raise InputError(
            f"{WRONG_RANK} A layer of the {name} attention has shape {shape}, expected [1, head, "
            f"query, key]. {HOW}"
        )


def _check_count(layers: Sequence[Any], tokens: Tokens | None, axis: int) -> None:
    n = next(_shape(layer)[axis] for layer in layers if layer is not None)
    if tokens is not None and n != len(tokens):
        joined = " ".join(tokens.raw)
        raise InputError(
            f"Attention has {n} positions, while number of tokens is {len(tokens)} for tokens: "
            f"{joined if len(joined) <= 300 else joined[:297] + '...'}"
        )


def _nothing_in(name: str, given: Any) -> str:
    what = f"an empty {type(given).__name__}" if not len(given) else "only None, no layer"
    argument = "attention" if name == "self" else f"{name}_attention"
    return (
        f"{argument} is {what}. `attention = outputs[-1]` takes it on current Transformers, where "
        "the last output of BERT-type models is an empty cross-attention; and models run with "
        f"SDPA return no weights. The fix in one line: {HOW}"
    )


def _drop_unread(sides: dict[str, Tokens | None], side: str, layers: Sequence[Any]) -> None:
    """The last token that generate() made was never read: it has no attention."""
    tokens = sides[side]
    read = next((_shape(layer)[-2] for layer in layers if layer is not None), 0)
    if tokens is not None and len(tokens) == read + 1:
        warnings.warn(
            f"the last token {tokens.raw[-1]!r} was generated and not read by the model, so that "
            "it has no attention: it is left out.",
            AttnscopeWarning,
            stacklevel=5,
        )
        sides[side] = tokens.take(np.arange(len(tokens)) < read)


def _segments(start: Any, tokens: Tokens | None, used: bool) -> Sequence[int]:
    if start is None or tokens is None:
        return ()
    if not used:
        warnings.warn(
            "sentence_b_start is used with attention= only; it is ignored here, as in BertViz.",
            AttnscopeWarning,
            stacklevel=4,
        )
        return ()
    given, n = index_of("sentence_b_start", start), len(tokens)
    place = given + n if given < 0 else given
    if not 0 < place < n:
        raise InputError(
            f"sentence_b_start={given} leaves one of the sentences empty: with {n} tokens the "
            f"first token of sentence B is one of 1 to {n - 1}; for a single text leave it out."
        )
    return (place,)
