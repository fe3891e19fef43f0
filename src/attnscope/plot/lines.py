"""Head view as vector art: query tokens, a curve a weight, key tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from attnscope._numbers import index_of, numbers_of
from attnscope.errors import InputError
from attnscope.measures.known import position_of, stream_of
from attnscope.plot.canvas import write_title
from attnscope.plot.colors import NEUTRAL, head_color
from attnscope.plot.cut import cut_part, note_of, place_in_cut
from attnscope.plot.fonts import letters_for
from attnscope.plot.ink import ink_of
from attnscope.plot.part import SIDES, Part
from attnscope.plot.picture import Picture, draw_picture
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace
from attnscope.views.display import Display, checked
from attnscope.wire.spec import PinnedSpec, Theme


def lines(
    trace: Trace,
    layer: int,
    heads: int | Sequence[int] | None = None,
    *,
    query: int | str | None = None,
    key: int | str | None = None,
    ax: Any = None,
    title: str | None = None,
    quantity: str = "weight",
    words: bool = False,
    tokens: Any = None,
    stream: str | None = None,
    theme: Theme = "light",
    width: float | None = None,
    **display: Unpack[Display],
) -> Any:
    """Draw heads of a layer as curves from queries to keys, in the colours of the head view.

    Args:
        trace: what to draw.
        layer: the model's number of the layer.
        heads: numbers of the heads (None: all, or none with `mean`).
        query: position or text of a query to single out: its curves alone, with numbers.
        key: position or text of a key to single out.
        ax: a matplotlib Axes; an empty Figure; or None for a new figure of pyplot.
        title: None for "Layer 5", "" for none.
        quantity: `weight`; or `difference`, of `comparison.difference`, in two colours.
        words: one row a word instead of a token.
        tokens: a slice, (slice of queries, slice of keys), or segments as in "A→B".
        stream: may be left out where there is only one.
        theme: `light` or `dark`.
        width: inches of a new figure (None: a column).
        **display: `mean` (over the heads, as one more), `hide_special`, `renormalise`, `threshold`:
            see `attnscope.views.display.Display`.

    Returns:
        The matplotlib Axes; its unit is a point.

    Raises:
        InputError: for something that the trace does not have, or a value that does not fit.
    """
    number, ink, options = index_of("layer", layer), ink_of(theme), checked(display)
    whole = stream_of(trace, stream).layer(number)
    part = cut_part(trace, stream, tokens, words, {number: whole.heads}, options, quantity)
    shown: list[int | None] = [*_chosen(part, number, heads, options)]
    shown += [None] if options.get("mean") and len(whole.heads) > 1 else []
    picture = Picture(
        part,
        [part.weights(number, one) for one in shown],
        [NEUTRAL[ink.mode] if one is None else head_color(one, ink.mode) for one in shown],
        singled(stream_of(trace, stream), part, options, query, key),
        options.get("threshold", 0.0),
        note_of(options),
    )
    names = [f"mean of {len(whole.heads)}" if one is None else f"{one}" for one in shown]
    ax = draw_picture(ax, picture, ink, width, names)
    made = part.named(number, shown[0]) if len(shown) == 1 else part.titled(f"layer {number}")
    write_title(ax, title, made, ink, letters_for([made]))
    return ax


def _chosen(
    part: Part, layer: int, heads: int | Sequence[int] | None, display: Display
) -> list[int]:
    if heads is None:
        return [] if display.get("mean") else part.heads(layer)
    return part.heads(layer, numbers_of("heads", heads))


def singled(
    stream: Stream, part: Part, display: Display, query: Any, key: Any
) -> PinnedSpec | None:
    """The token singled out, by its place among those left; it must be shown."""
    if query is not None and key is not None:
        raise InputError("single out a query or a key, not both: give query= or key=.")
    for side, given in zip(SIDES, (query, key), strict=True):
        if given is None:
            continue
        tokens: Tokens = getattr(stream, side)
        index = position_of(tokens, given, side)
        hidden = display.get("hide_special", False)
        place = place_in_cut(tokens, index, hide_special=hidden)
        if place is None or place not in getattr(part, side):
            raise InputError(f"{side} {index} is not among the tokens shown.")
        return {"side": side, "index": place}
    return None
