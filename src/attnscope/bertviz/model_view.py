"""`model_view` as BertViz has it."""

from __future__ import annotations

from typing import Any

from attnscope.bertviz._deliver import deliver, theme_of
from attnscope.bertviz._given import first_stream, given_trace, numbers


def model_view(
    attention: Any = None,
    tokens: Any = None,
    sentence_b_start: Any = None,
    prettify_tokens: bool = True,
    display_mode: str = "dark",
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Any = None,
    decoder_tokens: Any = None,
    include_layers: Any = None,
    include_heads: Any = None,
    html_action: str = "view",
    *,
    index: int | None = None,
) -> Any:
    """Every layer and head at a glance.

    Args:
        attention: self-attention weights; see `head_view`.
        tokens: the tokens, one string a position.
        sentence_b_start: the place of sentence B's first token in a sentence pair.
        prettify_tokens: show readable text; False shows the tokenizer's pieces as they are.
        display_mode: `dark` or `light`, or `auto` to follow the page (not in BertViz).
        encoder_attention: an encoder-decoder's self-attention over `encoder_tokens`.
        decoder_attention: its self-attention over `decoder_tokens`.
        cross_attention: its attention from `decoder_tokens` to `encoder_tokens`.
        encoder_tokens: the encoder's tokens.
        decoder_tokens: the decoder's tokens.
        include_layers: the layers shown, as rows in this order (None: all).
        include_heads: the heads shown, as columns (None: all).
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
    layers = numbers(trace, "include_layers", include_layers)
    view = trace.model_view(
        layers,
        numbers(trace, "include_heads", include_heads),
        stream=first_stream(trace, layers or ()),
        theme=theme_of(display_mode),
    )
    return deliver("model_view", view, html_action)
