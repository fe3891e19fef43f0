"""Interventions: switch heads off, hide keys, put another run's attention in their place.

    with attnscope.ablate(model, heads=[(2, 3)]):
        model(**inputs)                      # without head 3 of layer 2
        attnscope.capture(model, ...)        # what the ablated model attends to

The model's own attention functions run, on edited inputs or with edited outputs (`edits`); nothing
of the model is changed. Interventions nest, work under `generate`, and belong to one thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from attnscope._numbers import index_of, is_number
from attnscope._places import places_of
from attnscope._precision import widen
from attnscope.capture.editing.edits import Collect, Edit, Mean, Replace, Resample, Scale
from attnscope.capture.editing.matching import Heads, Intervention, intervening
from attnscope.capture.editing.patterns import Hide, Pattern, Uniform
from attnscope.capture.inputs.checks import check_model
from attnscope.capture.running import bare
from attnscope.errors import InputError
from attnscope.stream import Stream
from attnscope.tokens import Tokens
from attnscope.trace import Trace

MODES = ("zero", "mean", "uniform", "resample")


def ablate(
    model: Any,
    heads: Any = None,
    mode: Any = None,
    *,
    scale: Any = None,
    keys: Any = None,
    queries: Any = None,
    layers: Any = None,
    tokens: Any = None,
    reference: Any = None,
    stream: str | None = None,
    seed: Any = 0,
) -> AbstractContextManager[Intervention]:
    """Run a model without some of its attention while a `with` block lasts.

    The model, its weights and its configuration stay as they are; other threads and other models
    are not concerned. What `attnscope.capture` records inside is what the changed model does.

    Args:
        model: a Hugging Face PyTorch model.
        heads: (layer, head) pairs, [(2, 3), (5, 0)]; with `keys` None means all heads.
        mode: what becomes of the heads' output. `zero` (the default): nothing is left of it.
            `mean`: its mean over the text's tokens, or over those of `reference`. `resample`: that
            at a token drawn at random from the same (Chan et al. 2022). `uniform`: the weights
            become equal on all keys that the query sees; the values stay.
        scale: the heads' output times this number instead; 1 changes nothing.
        keys: hide these keys instead: positions in what the model reads, padding included, a
            `range` of them, or, with `tokens`, texts of words and names of segments. No token sees
            them (Geva et al. 2023) but each itself, where queries and keys are the same tokens.
        queries: only at these positions, named like keys. With `keys`, exactly these queries do not
            see them.
        layers: whole layers instead of `heads`.
        tokens: a Trace or `Tokens` of the same text, in which names are looked up.
        reference: model inputs, or a list of them, to take means from or draw from. Generation
            needs it: a step has one token.
        stream: where the model has several: `encoder`, `decoder`, `cross`.
        seed: of the draws, a whole number.

    Yields:
        The `Intervention`, with a line `about` it.

    Raises:
        InputError: when what was given does not fit together, and, from the model's forward pass,
            for a layer, head, key or stream that it has not got.
        CaptureError: from the forward pass, for models without softmax attention.
    """
    check_model(model)
    given = {"mode": mode, "scale": scale, "keys": keys}
    several = [name for name, value in given.items() if value is not None]
    if len(several) > 1:
        raise InputError(f"give one of mode=, scale= and keys=, not {' and '.join(several)}.")
    chosen = _heads(heads, layers)
    if chosen is None and keys is None:
        raise InputError("nothing to ablate: give heads=[(layer, head), ...], layers= or keys=.")
    named = _tokens(tokens)
    rows = None if queries is None else places_of("queries", queries, named)
    if keys is not None:
        hidden = places_of("keys", keys, named)
        about = f"{_listed(hidden)} hidden from {_who(chosen)}"
        return _on(model, Hide((hidden,), rows), chosen, stream, about, None)
    if reference is not None and mode not in ("mean", "resample"):
        raise InputError(f"reference= goes with mode='mean' or 'resample', not with {mode!r}.")
    edit, done = _edit_of("zero" if mode is None else mode, scale, seed)
    return _on(model, edit, chosen, stream, f"{_who(chosen)} {done}", rows, reference)


def patch(
    model: Any,
    trace: Any,
    heads: Any = None,
    what: str = "pattern",
    *,
    layers: Any = None,
    queries: Any = None,
    stream: str | None = None,
) -> AbstractContextManager[Intervention]:
    """Put the attention of another run in the place of the model's while a `with` block lasts.

    Args:
        model: the model.
        trace: the other run: another text with as many tokens, or another model.
        heads: (layer, head) pairs, the same in both.
        what: `pattern` (the weights; the values are the model's own) or `output` (what the head
            hands on: needs `capture(..., values=True)`).
        layers: whole layers instead of `heads`.
        queries: only at these queries: positions, words or segments of the trace.
        stream: where there are several.

    Yields:
        The `Intervention`.

    Raises:
        InputError: for heads that are not in the trace, and, from the model's forward pass, where
            the numbers of tokens differ (the text says in which dimension).
        CaptureError: from the forward pass, for patterns of models with learned sinks.
    """
    check_model(model)
    if not isinstance(trace, Trace):
        raise InputError(f"patch takes the attention of a Trace, got {type(trace).__name__}.")
    if what not in ("pattern", "output"):
        raise InputError(f"what must be 'pattern' or 'output', got {what!r}.")
    found, chosen = trace.stream(stream), _heads(heads, layers)
    if chosen is None:
        raise InputError("nothing to patch: give heads=[(layer, head), ...] or layers=.")
    given = {
        (layer, found.layer(layer).heads[place]): torch.from_numpy(
            _weights(found, layer, place) if what == "pattern" else _output(found, layer, place)
        )
        for layer, wanted in chosen.items()
        for place in found.places(layer, wanted)
    }
    edit = Pattern(given) if what == "pattern" else Replace(given)
    rows = None if queries is None else places_of("queries", queries, found.query)
    source = trace.provenance.model or "arrays"
    about = f"the {what} of {_who(chosen)} from a trace of {source}"
    return _on(model, edit, chosen, stream, about, rows)


def _weights(stream: Stream, layer: int, place: int) -> np.ndarray:
    return np.array(stream.layer(layer).rows([place])[0])


def _output(stream: Stream, layer: int, place: int) -> np.ndarray:
    """Weights x values of a head, [query, dim]."""
    mixing = getattr(stream.layer(layer), "mixing", None)
    if mixing is None:
        raise InputError(
            "what='output' needs the values of the trace, and it has none: "
            "attnscope.capture(model, tokenizer, text, values=True)."
        )
    values = widen(mixing.values[mixing.kv_head[place]])
    return np.array(_weights(stream, layer, place) @ values)


@contextmanager
def _on(
    model: Any,
    edit: Edit,
    heads: Heads | None,
    stream: str | None,
    about: str,
    queries: Sequence[int] | None = None,
    reference: Any = None,
) -> Iterator[Intervention]:
    model = bare(model)
    if reference is not None and isinstance(edit, Mean | Resample):
        edit.pools.update(_pools(model, heads, stream, reference))
    queries = None if queries is None else tuple(queries)
    with intervening(Intervention(model, edit, heads, stream, about, queries)) as intervention:
        yield intervention


def _edit_of(mode: Any, scale: Any, seed: Any) -> tuple[Edit, str]:
    """The edit, and what is said to be done."""
    if scale is not None:
        if not is_number(scale) or not math.isfinite(scale):
            raise InputError(f"scale must be a finite number, got {scale!r}.")
        return Scale(float(scale)), f"scaled by {scale:g}"
    if not isinstance(mode, str) or mode not in MODES:
        raise InputError(f"mode must be one of {', '.join(map(repr, MODES))}, got {mode!r}.")
    edits: dict[str, tuple[Edit, str]] = {
        "zero": (Scale(0.0), "zeroed"),
        "mean": (Mean(), "replaced by the mean"),
        "uniform": (Uniform(), "made uniform"),
        "resample": (Resample(torch.Generator().manual_seed(index_of("seed", seed))), "resampled"),
    }
    return edits[mode]


def _pools(
    model: nn.Module, heads: Heads | None, stream: str | None, reference: Any
) -> dict[int, torch.Tensor]:
    """Outputs of the layers on the reference inputs: [row, head, dim] by layer."""
    batches = [reference] if isinstance(reference, Mapping) else reference
    if not isinstance(batches, Sequence) or not all(isinstance(b, Mapping) for b in batches):
        raise InputError(
            "reference must be model inputs such as tokenizer(texts, return_tensors='pt', "
            f"padding=True), or a list of them, got {type(reference).__name__}."
        )
    collect = Collect()
    whole = None if heads is None else dict.fromkeys(heads)
    with intervening(Intervention(model, collect, whole, stream, "")), torch.no_grad():
        for inputs in batches:
            model(**inputs)
    return {layer: torch.cat(rows) for layer, rows in collect.rows.items()}


def _heads(heads: Any, layers: Any) -> Heads | None:
    """Heads by layer; None where nothing was named."""
    if heads is not None and layers is not None:
        raise InputError("give heads= or layers=, not both.")
    if layers is not None:
        listed = layers if hasattr(layers, "__iter__") else [layers]
        chosen: dict[int, Any] = {_number("layer", layer): None for layer in listed}
        return _not_empty("layers", chosen)
    if heads is None:
        return None
    chosen = {}
    for pair in _pairs(heads):
        layer, head = (_number(what, n) for what, n in zip(("layer", "head"), pair, strict=True))
        chosen.setdefault(layer, set()).add(head)
    found = {layer: tuple(sorted(numbers)) for layer, numbers in chosen.items()}
    return _not_empty("heads", found)


def _pairs(heads: Any) -> list[tuple[Any, Any]]:
    try:
        return [(layer, head) for layer, head in heads]
    except (TypeError, ValueError):
        raise InputError(
            f"heads must be (layer, head) pairs such as [(2, 3)], got {heads!r}."
        ) from None


def _number(what: str, value: Any) -> int:
    number = index_of(what, value)
    if number < 0:
        raise InputError(f"{what} {number} is not there: {what}s are counted from 0.")
    return number


def _not_empty(name: str, chosen: dict[int, Any]) -> Heads:
    if not chosen:
        raise InputError(f"{name} is empty: name at least one {name.rstrip('s')}.")
    return chosen


def _tokens(given: Any) -> Tokens | None:
    if given is None or isinstance(given, Tokens):
        return given
    if isinstance(given, Trace):
        return next(iter(given.streams.values())).key
    raise InputError(f"tokens must be a Trace or Tokens of the text, got {type(given).__name__}.")


def _who(heads: Heads | None) -> str:
    """`head 2.3`, `heads 2.3, 5.0`, `layer 4`, `all heads`."""
    if heads is None:
        return "all heads"
    pairs = [f"{layer}.{head}" for layer, numbers in heads.items() for head in numbers or ()]
    layers = [str(layer) for layer, numbers in heads.items() if numbers is None]
    return _counted("layer", layers) if layers else _counted("head", pairs)


def _listed(places: Sequence[int]) -> str:
    return _counted("key", [str(place) for place in places])


def _counted(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
    return f"{what}{'s' if len(names) > 1 else ''} {shown}"
