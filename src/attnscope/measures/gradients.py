"""Weights times their gradients: which weights something the model said hangs on.

The gradients are recorded with the trace, for one objective:
`attnscope.capture(model, tokenizer, text, gradient=...)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnscope._precision import widen
from attnscope.errors import InputError
from attnscope.measures.flow import Chain, layers_from, raise_if, why_no_flow, why_too_long
from attnscope.measures.known import stream_of
from attnscope.measures.moved import mixing_of
from attnscope.scores import ALL, Layer
from attnscope.stream import Stream
from attnscope.trace import Trace


def gradient_attention(
    trace: Trace, layer: int, head: int | None = None, *, stream: str | None = None
) -> Float[np.ndarray, "*head query key"]:
    """Gradient × attention: dY/dw · w of every weight w, for the objective Y of the capture.

    To first order, what Y loses when this weight is taken away, its value with it and the other
    weights left as they are.

    Args:
        trace: a trace captured with `gradient=`.
        layer: number of the layer.
        head: number of a head; None takes all heads.
        stream: may be left out where there is only one.

    Returns:
        [query, key], or [head, query, key] when `head` is None; of either sign, in units of Y.

    Raises:
        InputError: where no gradient was recorded.
    """
    found = stream_of(trace, stream)
    raise_if(why_no_gradient(found))
    places = found.places(layer, None if head is None else [head])
    products = gradient_times_weight(found.layer(layer), places, ALL)
    return products if head is None else products[0]


def relevancy(
    trace: Trace, *, start_layer: int | None = None, stream: str | None = None
) -> Float[np.ndarray, "query key"]:
    """Relevancy of input tokens (Chefer et al. 2021): R ← R + mean_h(max(0, dY/dA · A)) R, R₀ = I.

    Of an encoder-decoder's `cross`, the rules for two streams: decoder layer by decoder layer the
    relevancy of source tokens to target tokens follows decoder attention as above (rule 7), and
    cross-attention adds R̄_decoderᵀ Ā R̄_encoder (rule 10), where R̄ has I taken off, rows divided by
    their sums, and I again (rules 8, 9). Rule 11 adds nothing: no encoder attends to a decoder.

    Args:
        trace: a trace captured with `gradient=`, with all layers; for `cross` with the encoder's
            and the decoder's, too.
        start_layer: number of the first layer taken; None for the first there is, and for `cross`.
        stream: may be left out where there is only one.

    Returns:
        [query, key], 0 or more: the row of the position that Y was read from (the last token,
        [CLS]) is its relevancy map. The diagonal starts at 1, for the token itself; `cross` at 0.

    Raises:
        InputError: for streams that a rule needs and the trace lacks, missing layers, or where no
            gradient was recorded.
    """
    found = stream_of(trace, stream)
    if found.name == "cross" and "encoder" in trace.streams and "decoder" in trace.streams:
        return _across(trace, start_layer)
    raise_if(why_no_gradient(found) or why_no_flow(found, "relevancy"))
    raise_if(why_too_long(found, "relevancy"))
    return Chain(layers_from(found, start_layer), relevancy_step).last()


def _across(trace: Trace, start_layer: int | None) -> Float[np.ndarray, "query key"]:
    """Relevancy of source tokens to target tokens, through every layer of both stacks."""
    if start_layer is not None:
        raise InputError("relevancy of cross-attention follows all layers: leave start_layer out.")
    cross, encoder, decoder = (trace.streams[n] for n in ("cross", "encoder", "decoder"))
    for one in (encoder, decoder):
        raise_if(why_no_gradient(one) or why_no_flow(one, "relevancy"))
    raise_if(why_no_gradient(cross))
    if cross.numbers != decoder.numbers:
        raise InputError(
            f"relevancy of cross-attention needs it in every decoder layer: cross has layers "
            f"{list(cross.numbers)}, decoder {list(decoder.numbers)}."
        )
    source = _without_itself(Chain(layers_from(encoder, None), relevancy_step).last())
    target, found = np.eye(len(decoder.query)), np.zeros((len(cross.query), len(cross.key)))
    for own, across in zip(decoder.layers, cross.layers, strict=True):
        step = relevancy_step(own)
        target, found = step @ target, step @ found
        found = found + _without_itself(target).T @ positive(across) @ source
    return found


def _without_itself(relevancy: Float[np.ndarray, "query key"]) -> Float[np.ndarray, "query key"]:
    """R̄: what came from other tokens, each row put to a sum of 1, and the token itself (8, 9)."""
    others = relevancy - np.eye(len(relevancy))
    total = others.sum(-1, keepdims=True)
    shares: np.ndarray = np.divide(others, total, out=np.zeros_like(others), where=total > 0)
    return shares + np.eye(len(relevancy))


def why_no_gradient(stream: Stream) -> str:
    """What keeps a stream from having gradients of its weights; "" for nothing."""
    for number, layer in zip(stream.numbers, stream.layers, strict=True):
        mixing = getattr(layer, "mixing", None)
        if mixing is None or mixing.gradient is None:
            return (
                f"this needs gradients, which layer {number} of {stream.name} lacks. Record them "
                "for what you ask about, such as the largest logit: attnscope.capture(model, "
                "tokenizer, text, gradient=True)."
            )
    return ""


def gradient_times_weight(
    layer: Layer, places: Sequence[int], queries: slice
) -> Float[np.ndarray, "head query key"]:
    """dY/dw · w of these heads and queries: dY/dw_ij = dY/dO_i · v_j."""
    mixing = mixing_of(layer)
    assert mixing.gradient is not None
    values = widen(mixing.values[mixing.kv_head[list(places)]])
    by_weight = np.matmul(mixing.gradient[list(places), queries], values.transpose(0, 2, 1))
    products: np.ndarray = by_weight * np.nan_to_num(layer.rows(places, queries))
    return products


def relevancy_step(layer: Layer) -> Float[np.ndarray, "query key"]:
    """I + mean_h(max(0, dY/dA · A)) of one layer."""
    step = positive(layer)
    return step + np.eye(len(step))


def positive(layer: Layer) -> Float[np.ndarray, "query key"]:
    """Ā: mean_h(max(0, dY/dA · A)) of one layer."""
    products = gradient_times_weight(layer, range(layer.shape[0]), ALL)
    mean: np.ndarray = np.maximum(products, 0).mean(0, dtype=np.float64)
    return mean
