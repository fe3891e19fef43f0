"""What weights move: a weight counts by the vector that it brings from key to query.

A large weight on a token whose value is short moves little: that is what attention sinks are. The
measures here need values: `attnscope.capture(model, tokenizer, text, values=True)`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnscope.measures.flow import Chain, layers_from, raise_if, why_no_flow, why_too_long
from attnscope.measures.known import stream_of
from attnscope.mixing import Mixing
from attnscope.scores import ALL, Layer
from attnscope.stream import Stream
from attnscope.trace import Trace

BLOCK = 8_000_000
"""Numbers of contribution vectors made at a time."""

HOW_TO_RECORD = (
    "Record them: attnscope.capture(model, tokenizer, text, values=True), or "
    "attnscope.generate(..., values=True)."
)


def norm_weighted(
    trace: Trace, layer: int, head: int | None = None, *, stream: str | None = None
) -> Float[np.ndarray, "*head query key"]:
    """Norm-weighted attention (Kobayashi et al. 2020): ‖w f(x)‖, the length of what is moved.

    f(x) is the key's value after the head's part of the output projection.

    Args:
        trace: a trace captured with `values=True`.
        layer: number of the layer.
        head: number of a head; None takes all heads.
        stream: may be left out where there is only one.

    Returns:
        [query, key], or [head, query, key] when `head` is None; 0 or more, in units of the
        model's states.

    Raises:
        InputError: where values, or the output projection, were not recorded.
    """
    found = stream_of(trace, stream)
    raise_if(why_not_moved(found))
    places = found.places(layer, None if head is None else [head])
    norms = head_norms(found.layer(layer), places, ALL)
    return norms if head is None else norms[0]


def norm_together(
    trace: Trace, layer: int, *, stream: str | None = None
) -> Float[np.ndarray, "query key"]:
    """Norm-weighted attention of all heads together (Kobayashi et al. 2020): ‖Σ_h w f_h(x)‖.

    What heads move may cancel, so that this is at most the sum over heads of `norm_weighted`.

    Args:
        trace: a trace captured with `values=True`.
        layer: number of the layer.
        stream: may be left out where there is only one.

    Returns:
        [query, key], 0 or more, in units of the model's states.

    Raises:
        InputError: where values, or the output projection, were not recorded.
    """
    found = stream_of(trace, stream)
    raise_if(why_not_moved(found))
    return layer_norms(found.layer(layer), ALL)


def alti(
    trace: Trace, *, start_layer: int | None = None, stream: str | None = None
) -> Float[np.ndarray, "query key"]:
    """ALTI (Ferrando et al. 2022): the product over layers of `contributions`.

    Args:
        trace: a trace captured with `values=True`; the stream must have the same tokens on both
            sides, and all layers.
        start_layer: number of the first layer taken; None for the first there is.
        stream: may be left out where there is only one.

    Returns:
        [query, key]: share of input token `key` in position `query` after the last layer; rows
        sum to 1.

    Raises:
        InputError: for a cross stream, missing layers, or where values or residuals were not
            recorded.
    """
    found = stream_of(trace, stream)
    raise_if(why_no_contributions(found) or why_no_flow(found, "ALTI"))
    raise_if(why_too_long(found, "ALTI"))
    return Chain(layers_from(found, start_layer), contributions_of).last()


def contributions(
    trace: Trace, layer: int, *, stream: str | None = None
) -> Float[np.ndarray, "query key"]:
    """Share of each token in one block's output (Ferrando et al. 2022), residual and norm included.

    The block's output y_i is a sum of one vector a token, T_i(x_j). A token's share is by how much
    its vector brings the sum nearer to y_i: max(0, ‖y_i‖₁ - ‖y_i - T_i(x_j)‖₁), over the row's
    sum. Post-norm models are measured after the normalisation, pre-norm models before the next.

    Args:
        trace: a trace captured with `values=True`.
        layer: number of the layer.
        stream: may be left out where there is only one.

    Returns:
        [query, key], 0..1; rows sum to 1.

    Raises:
        InputError: for a cross stream, or where values or residuals were not recorded.
    """
    found = stream_of(trace, stream)
    raise_if(why_no_contributions(found))
    return contributions_of(found.layer(layer))


def why_not_moved(stream: Stream) -> str:
    """What keeps a stream from having norm-weighted attention; "" for nothing."""
    for number, layer in zip(stream.numbers, stream.layers, strict=True):
        mixing: Mixing | None = getattr(layer, "mixing", None)
        if mixing is None:
            return f"this needs values, which layer {number} of {stream.name} lacks. " + (
                HOW_TO_RECORD
            )
        if mixing.projection is None:
            return f"layer {number} of {stream.name} cannot be measured so: {mixing.lacking}."
    return ""


def why_no_contributions(stream: Stream) -> str:
    """What keeps a stream from being split into its tokens' contributions; "" for nothing."""
    reason = why_not_moved(stream)
    if reason:
        return reason
    if stream.query is not stream.key:
        return (
            "contributions of tokens need the same tokens on both sides, with the residual among "
            f"them; {stream.name} has not."
        )
    for number, layer in zip(stream.numbers, stream.layers, strict=True):
        mixing = mixing_of(layer)
        if mixing.residual is None:
            return f"layer {number} of {stream.name} cannot be measured so: {mixing.lacking}."
    return ""


def mixing_of(layer: Layer) -> Mixing:
    """The mixing of a layer that is known to have one."""
    mixing: Mixing | None = getattr(layer, "mixing", None)
    assert mixing is not None
    return mixing


def head_norms(
    layer: Layer, places: Sequence[int], queries: slice
) -> Float[np.ndarray, "head query key"]:
    """‖w f_h(x)‖ of these heads and queries."""
    lengths = np.linalg.norm(mixing_of(layer).moved(), axis=-1)[list(places)]
    norms: np.ndarray = layer.rows(places, queries) * lengths[:, None]
    return norms


def layer_norms(layer: Layer, queries: slice) -> Float[np.ndarray, "query key"]:
    """‖Σ_h w f_h(x)‖ from the products of f_h(x) with each other, without a vector per pair."""
    moved = mixing_of(layer).moved().astype(np.float64)
    products = np.matmul(moved.transpose(1, 0, 2), moved.transpose(1, 2, 0))
    weights = np.nan_to_num(layer.rows(ALL, queries)).astype(np.float64).transpose(2, 1, 0)
    squares = (np.matmul(weights, products) * weights).sum(-1).T
    norms: np.ndarray = np.sqrt(np.maximum(squares, 0))
    return norms.astype(np.float32)


def contributions_of(layer: Layer) -> Float[np.ndarray, "query key"]:
    """See `contributions`."""
    mixing, weights = mixing_of(layer), np.nan_to_num(layer.rows())
    assert mixing.residual is not None
    residual = mixing.residual_wide()
    added = mixing.projected(weights)
    whole = residual + (mixing.branch(added) if mixing.branch else added)
    whole = mixing.norm(whole) if mixing.norm else whole
    moved = mixing.moved().transpose(1, 0, 2)
    n_query, n_model = whole.shape
    step = max(1, BLOCK // (n_query * n_model))
    far = np.concatenate(
        [
            _distances(mixing, whole, residual, weights, moved, slice(start, start + step))
            for start in range(0, len(moved), step)
        ],
        axis=1,
    )
    shares = np.maximum(0, np.abs(whole).sum(-1, keepdims=True) - far)
    total = shares.sum(-1, keepdims=True)
    split: np.ndarray = np.divide(shares, total, out=np.eye(n_query), where=total > 0)
    return split


def _distances(
    mixing: Mixing,
    whole: np.ndarray,
    residual: np.ndarray,
    weights: np.ndarray,
    moved: np.ndarray,
    keys: slice,
) -> Float[np.ndarray, "query key"]:
    """‖y_i - T_i(x_j)‖₁ for some keys."""
    parts = np.matmul(weights[:, :, keys].transpose(2, 1, 0), moved[keys])
    parts = mixing.branch.linear(parts) if mixing.branch else parts
    for place, key in enumerate(range(*keys.indices(len(moved)))):
        parts[place, key] += residual[key]
    parts = mixing.norm.linear(parts) if mixing.norm else parts
    np.subtract(whole, parts, out=parts)
    distances: np.ndarray = np.abs(parts, out=parts).sum(-1, dtype=np.float64).T
    return distances
