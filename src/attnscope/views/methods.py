"""Several quantities of one trace on one page, for the reader to switch among.

Each quantity of an attention stack is a stream of the page's trace: the first has the stack's own
name, the others `stack.quantity`. What shows streams then shows any of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.measures.known import known
from attnscope.measures.quantities import QUANTITIES
from attnscope.measures.quantities import quantity as of_quantity
from attnscope.stream import Stream
from attnscope.trace import Trace
from attnscope.wire.spec import QuantitySpec, StreamSpec


def quantity_spec(name: str, *, carried: bool = True) -> QuantitySpec:
    """One of `measures.QUANTITIES` as JSON."""
    one = QUANTITIES[name]
    return {
        "name": one.name,
        "label": one.label,
        "about": one.about,
        "per": one.per,
        "high": one.high,
        "signed": one.signed,
        "across": one.across,
        "carried": carried,
    }


def named_quantities(given: Any) -> list[str]:
    """The quantities asked for, each once.

    Raises:
        InputError: for an unknown name (the nearest is suggested), something that is no name, or
            an empty list.
    """
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list | tuple) or not listed:
        raise InputError(
            f"quantity must be a name, or a list of names to switch among, got {given!r}."
        )
    return [known("quantity", name, QUANTITIES) for name in dict.fromkeys(listed)]


def stream_in(trace: Trace, name: str, stream: str | None) -> Stream:
    """A stream whose layers hold this quantity: the one asked for, or the first that can."""
    if known("quantity", name, QUANTITIES) == "weight":
        return trace.stream(stream)
    if stream is None:
        able = [key for key, one in trace.streams.items() if not QUANTITIES[name].why_not(one)]
        stream = able[0] if able else None
    return of_quantity(trace, name, stream)


def method_streams(
    trace: Trace, names: Sequence[str], stacks: Sequence[StreamSpec]
) -> tuple[list[Stream], list[StreamSpec]]:
    """A stream and its spec for each stack and quantity; the first name has the stack's own.

    Raises:
        InputError: where a stack cannot have a quantity; the text says why and what to do.
    """
    streams, specs = [], []
    for stack in stacks:
        for place, quantity in enumerate(names):
            made = of_quantity(trace, quantity, stack["name"])
            page = replace(made, name=f"{made.name}.{quantity}" if place else made.name)
            spec = {**stack, "name": page.name, "stack": made.name}
            if QUANTITIES[quantity].per == "layer":
                spec["layers"] = [{"layer": row["layer"], "heads": [0]} for row in stack["layers"]]
            streams.append(page)
            specs.append(cast(StreamSpec, {**spec, "quantity": quantity_spec(quantity)}))
    return streams, specs


def able(trace: Trace, names: Sequence[str], stacks: Sequence[StreamSpec]) -> list[StreamSpec]:
    """The stacks that can have every one of these quantities."""
    return [
        stack
        for stack in stacks
        if not any(QUANTITIES[name].why_not(trace.streams[stack["name"]]) for name in names)
    ]
