"""A Trace from attention weights that somebody already has.

NumPy, torch, JAX, TensorFlow or nested lists, one array a layer, with or without a batch axis; or a
mapping that has them by name (`_named`). The shapes are normalised here, at the edge, once; every
complaint says what was given and what fits.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from attnscope._display import printable
from attnscope._named import HOW_TO_GET_WEIGHTS, is_mapping, stacks_of
from attnscope._numbers import item_of
from attnscope._types import Weights
from attnscope.errors import AttnscopeWarning, InputError
from attnscope.provenance import Provenance
from attnscope.scores import WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

SUM_TOLERANCE = 0.02


def from_attention(
    attention: Any = None,
    tokens: Any = None,
    *,
    encoder: Any = None,
    decoder: Any = None,
    cross: Any = None,
    target_tokens: Any = None,
    segments: Sequence[Any] = (),
    index: int | None = None,
    model: str = "",
) -> Trace:
    """A Trace of given attention weights.

    Args:
        attention: self-attention, one array a layer: [head, query, key] or
            [1, head, query, key]; a stacked array with a layer axis in front works too. A layer
            that is None is left out and the others keep their numbers. Or a mapping that has
            the arrays by name: a TransformerLens ActivationCache, tensors by module name
            (nnsight, hooks), Flax intermediates, the output of a Hugging Face model.
        tokens: the tokens (for an encoder-decoder: the source's), strings or a `Tokens`.
        encoder: the encoder's self-attention in an encoder-decoder, instead of `attention`.
        decoder: the decoder's self-attention.
        cross: the decoder's attention to the encoder: queries are target, keys source tokens.
        target_tokens: the decoder's tokens.
        segments: named runs of `tokens`, [("question", 0, 9), ("context", 9, 40)], or the starts
            of further ones, [9].
        index: the item to take when the arrays hold a batch.
        model: a name for the title.

    Raises:
        InputError: when shapes, tokens or batch do not fit.

    Warns:
        AttnscopeWarning: once, when weights are outside 0..1, rows do not sum to 1, or are NaN.
    """
    given = {"self": attention, "encoder": encoder, "decoder": decoder, "cross": cross}
    present = {name: value for name, value in given.items() if value is not None}
    if set(present) == {"self"} and is_mapping(attention):
        present = dict(stacks_of(attention))
    _check_streams(present)
    source = None if tokens is None else _as_tokens(tokens, "tokens")
    if len(segments):
        source = _named_runs(source, segments)
    target = None if target_tokens is None else _as_tokens(target_tokens, "target_tokens")
    sides = {"self": (source, source), "encoder": (source, source)}
    sides |= {"decoder": (target, target), "cross": (target, source)}
    streams = [_stream(name, value, *sides[name], index) for name, value in present.items()]
    return Trace(streams, Provenance(model=printable(str(model)), notes=_warn_once(streams)))


def _check_streams(present: dict[str, Any]) -> None:
    if not present:
        raise InputError(f"no attention given: attention=None. {HOW_TO_GET_WEIGHTS}")
    if "self" in present and len(present) > 1:
        others = ", ".join(f"{name}=" for name in present if name != "self")
        raise InputError(
            f"attention= was given together with {others}: pass attention= for a model with one "
            "stack, or encoder=, decoder= and cross= for an encoder-decoder."
        )


def _as_tokens(given: Any, name: str) -> Tokens:
    if isinstance(given, Tokens):
        return given
    listed = hasattr(given, "__len__") and getattr(given, "ndim", 1) == 1
    if isinstance(given, str | bytes | dict | set) or not listed:
        raise InputError(
            f"{name} must be a list with one string a token, got {type(given).__name__} "
            f"{str(given)[:40]!r}. A tokenizer gives it: "
            "tokenizer.convert_ids_to_tokens(inputs['input_ids'][0])."
        )
    return Tokens.plain(given.tolist() if hasattr(given, "tolist") else given)


def _stream(
    name: str, value: Any, query: Tokens | None, key: Tokens | None, index: int | None
) -> Stream:
    layers = _layers(name, value)
    kept = [
        (number, _weights(f"{name} layer {number}", layer, index))
        for number, layer in enumerate(layers)
        if layer is not None
    ]
    if not kept:
        raise InputError(
            f"the {name} attention has no weights: {_what(value)}. Models run with SDPA return "
            f"none. {HOW_TO_GET_WEIGHTS}"
        )
    shapes = {weights.shape[1:] for _, weights in kept}
    if len(shapes) > 1:
        raise InputError(
            f"the layers of the {name} attention have different sizes {sorted(shapes)} [query, "
            "key]: a stream needs the same tokens in every layer. For generate() output, which "
            "has a tuple a step, pass one step."
        )
    n_query, n_key = shapes.pop()
    target = "target_tokens" if name in ("decoder", "cross") else "tokens"
    one_side = name != "cross" and query is key and n_query == n_key
    query = _fitted(query, n_query, f"{name} attention has {n_query} queries", target)
    source = "target_tokens" if name == "decoder" else "tokens"
    has = f"{name} attention has {n_key} keys"
    return Stream(
        name=name,
        numbers=tuple(number for number, _ in kept),
        layers=tuple(WeightsLayer(w, tuple(range(len(w)))) for _, w in kept),
        query=query,
        key=query if one_side else _fitted(key, n_key, has, source),
    )


def _layers(name: str, value: Any) -> list[Any]:
    if is_mapping(value) or not hasattr(value, "__len__"):
        raise InputError(
            f"the {name} attention must be a sequence with one array a layer, got {_what(value)}. "
            "A Hugging Face model's output has it as outputs.attentions."
        )
    rank = getattr(value, "ndim", None)
    if rank is not None and rank not in (4, 5):
        raise InputError(
            f"the {name} attention is one array of shape {tuple(value.shape)}: expected "
            "[layer, head, query, key] or [layer, 1, head, query, key]. For a single layer, pass "
            "a list with that one array."
        )
    return list(value)


def _weights(where: str, layer: Any, index: int | None) -> Weights:
    array = _to_numpy(where, layer)
    if array.ndim == 4:
        array = _batch_item(where, array, index)
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(
            f"{where} has shape {array.shape}: expected [head, query, key] or "
            "[1, head, query, key], with at least one of each."
        )
    return array


def _batch_item(where: str, array: Float[np.ndarray, "b h q k"], index: int | None) -> Weights:
    item = item_of(index, len(array), f"{where} has shape {array.shape},", "show")
    weights: Weights = array[item]
    return weights


def _to_numpy(where: str, layer: Any) -> Float[np.ndarray, "..."]:
    """float32 of whatever the framework has; torch is recognised by what it can do."""
    if hasattr(layer, "detach"):
        layer = layer.detach()
    try:
        array = np.array(_plain(layer), dtype=np.float32, order="C", copy=True)
        array.setflags(write=False)
        return array
    except (TypeError, ValueError, RuntimeError) as cause:
        raise InputError(
            f"{where} cannot be read as an array of numbers: {_what(layer)} ({cause}). For "
            "generate() output, which has a tuple of layers a step, pass one step."
        ) from None


def _plain(layer: Any) -> Any:
    """Something that NumPy reads as real numbers; what a masked array hides is missing."""
    if hasattr(layer, "cpu") and hasattr(layer, "float"):
        return layer.cpu().float().numpy()
    if isinstance(layer, np.ma.MaskedArray):
        return np.ma.filled(layer.astype(np.float32), np.nan)
    if getattr(getattr(layer, "dtype", None), "kind", "") in set("cMmUS"):
        raise TypeError(f"its numbers are {layer.dtype}")
    return layer


def _named_runs(tokens: Tokens | None, segments: Sequence[Any]) -> Tokens:
    if tokens is None:
        raise InputError(f"segments={list(segments)!r} name runs of tokens: pass tokens= as well.")
    return tokens.with_segments(segments)


def _fitted(tokens: Tokens | None, n: int, has: str, name: str) -> Tokens:
    if tokens is None:
        return Tokens.plain(range(n))
    if len(tokens) != n:
        joined = " ".join(tokens.text)
        shown = joined if len(joined) <= 80 else joined[:77] + "..."
        raise InputError(
            f"{has}, while {name}= has {len(tokens)} tokens ({shown}). Give one token a "
            "position, special tokens included; drop padding from both."
        )
    return tokens


def _warn_once(streams: Sequence[Stream]) -> tuple[str, ...]:
    """One warning for all that looks wrong, with where it was seen first; notes for the page."""
    found: dict[str, str] = {}
    for stream in streams:
        for number, layer in zip(stream.numbers, stream.layers, strict=True):
            for problem in _problems(layer.rows()):
                found.setdefault(problem, f"{stream.name} layer {number}")
    if found:
        listed = "; ".join(f"{problem} (first in {where})" for problem, where in found.items())
        warnings.warn(f"this attention looks unusual: {listed}.", AttnscopeWarning, stacklevel=3)
    return tuple(f"Unusual: {problem} (first in {where})." for problem, where in found.items())


def _problems(weights: Weights) -> list[str]:
    missing = np.isnan(weights)
    problems = []
    if missing.any():
        problems.append(f"{missing.sum():,} weights are NaN and shown as missing")
    low, high = np.nanmin(weights, initial=0), np.nanmax(weights, initial=0)
    if low < -1e-6 or high > 1 + 1e-3:
        problems.append(
            f"weights go from {low:.3g} to {high:.3g}, expected 0 to 1 (scores before the "
            "softmax?); those outside are shown as missing"
        )
    sums = np.where(missing, 0, weights).sum(-1)
    odd = (np.abs(sums - 1) > SUM_TOLERANCE) & (np.abs(sums) > SUM_TOLERANCE)
    odd &= ~missing.any(-1)
    if odd.any():
        problems.append(f"{odd.sum():,} rows do not sum to 1 (one sums to {sums[odd][0]:.3g})")
    return problems


def _what(value: Any) -> str:
    kind = type(value).__name__
    if hasattr(value, "__len__") and not hasattr(value, "shape"):
        inner = (
            f" of {type(value[0]).__name__}" if isinstance(value, list | tuple) and value else ""
        )
        return f"{'an empty ' if not len(value) else ''}{kind}{inner}"
    return f"{kind} of shape {tuple(value.shape)}" if hasattr(value, "shape") else kind
