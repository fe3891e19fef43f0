"""`head_view` as BertViz has it."""

from __future__ import annotations

from typing import Any

from attnscope.bertviz._deliver import deliver
from attnscope.bertviz._given import first_stream, given_trace, numbers, opening_layer


def head_view(
    attention: Any = None,
    tokens: Any = None,
    sentence_b_start: Any = None,
    prettify_tokens: bool = True,
    layer: Any = None,
    heads: Any = None,
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Any = None,
    decoder_tokens: Any = None,
    include_layers: Any = None,
    html_action: str = "view",
    *,
    index: int | None = None,
) -> Any:
    """One layer, several heads as coloured lines between tokens.

    Args:
        attention: self-attention weights, an array [1, head, query, key] a layer (of torch, NumPy,
            JAX, TensorFlow or lists); also a model's whole output, or that of `generate()`.
        tokens: the tokens, one string a position.
        sentence_b_start: the place of sentence B's first token in a sentence pair.
        prettify_tokens: show readable text; False shows the tokenizer's pieces as they are.
        layer: the layer shown first (None: the first).
        heads: the heads switched on first (None: all).
        encoder_attention: an encoder-decoder's self-attention over `encoder_tokens`.
        decoder_attention: its self-attention over `decoder_tokens`.
        cross_attention: its attention from `decoder_tokens` to `encoder_tokens`.
        encoder_tokens: the encoder's tokens.
        decoder_tokens: the decoder's tokens.
        include_layers: the layers to choose from (None: all); they keep their numbers.
        html_action: `view` shows the view in a notebook, `return` returns it as HTML.
        index: the item to show when the arrays hold a batch (not in BertViz).

    Returns:
        None, or with `return` an object whose `.data` is the HTML.

    Raises:
        InputError: a ValueError, when the arguments do not fit together.
    """
    trace = given_trace(
        attention, tokens, sentence_b_start, prettify_tokens, encoder_attention,
        decoder_attention, cross_attention, encoder_tokens, decoder_tokens, index,
    )  # fmt: skip
    start = opening_layer(trace, layer, include_layers)
    layers = numbers(trace, "include_layers", include_layers)
    view = trace.head_view(
        start,
        numbers(trace, "heads", heads),
        layers=layers,
        stream=first_stream(trace, [*(layers or ()), *(() if start is None else (start,))]),
    )
    return deliver("head_view", view, html_action)
