"""What `generate(output_attentions=True)` returns, put together to one matrix a layer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from attnscope.arrays import _to_numpy
from attnscope.errors import AttnscopeWarning, InputError

STEPPED = ("attentions", "decoder_attentions", "cross_attentions")
"""Fields of what `generate()` returns that have an entry a step."""


def is_generated(given: Any) -> bool:
    """True for a tuple of steps, each a tuple of layers [batch, head, query, key]."""
    if not isinstance(given, list | tuple) or not given or not isinstance(given[0], list | tuple):
        return False
    first = next((layer for layer in given[0] if layer is not None), None)
    return len(getattr(first, "shape", ())) == 4


def of_sequences(output: Any) -> Any:
    """What `generate()` returned, with one batch item for each sequence in it.

    Of beam search every step holds all beams, which change places: taken are the rows of the beams
    that made the sequence (`beam_indices`; 0 after its end). An encoder has one item a prompt.
    Anything else is given back as it is.
    """
    sequences, beams = _of(output, "sequences"), _of(output, "beam_indices")
    if sequences is None or not hasattr(sequences, "shape"):
        return output
    fields = {name: _of(output, name) for name in (*STEPPED, "encoder_attentions")}
    if beams is not None:
        chosen = _to_numpy("beam_indices", beams)
        for name in STEPPED:
            if fields[name]:
                fields[name] = _followed(name, fields[name], chosen)
    if fields["encoder_attentions"]:
        fields["encoder_attentions"] = [
            _repeated(layer, len(sequences)) for layer in fields["encoder_attentions"]
        ]
    return {name: field for name, field in fields.items() if field is not None}


def _of(output: Any, name: str) -> Any:
    return output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)


def _followed(name: str, steps: Sequence[Any], beams: np.ndarray) -> list[list[Any]]:
    """The rows [sequence, head, query, key] of each step and layer that made a sequence's token."""
    found = []
    for step, rows in zip(steps, beams.astype(np.int64).T, strict=False):
        ended = (rows < 0)[:, None, None, None]
        arrays = [None if layer is None else _to_numpy(name, layer) for layer in step]
        found.append([a if a is None else np.where(ended, 0, a[rows]) for a in arrays])
    return found


def _repeated(layer: Any, n: int) -> Any:
    """An encoder's layer, each prompt as often as sequences were made of it."""
    array = None if layer is None else _to_numpy("encoder", layer)
    return array if array is None else np.repeat(array, n // len(array), axis=0)


def warn_of_beams(given: Any) -> None:
    """Steps alone do not say which beam was returned: the whole output does."""
    if not is_generated(given):
        return
    n = len(next(layer for layer in given[0] if layer is not None))
    if n > 1:
        warnings.warn(
            f"the steps of generate() hold {n} sequences. If these are beams, they change places "
            "from step to step: pass generate()'s whole output instead of its attentions, "
            "head_view(output, tokens, index=0), and the beam that was returned is followed.",
            AttnscopeWarning,
            stacklevel=4,
        )


def stitched(name: str, steps: Sequence[Any]) -> list[Float[np.ndarray, "b h q k"] | None]:
    """One matrix a layer over the prompt and what was generated.

    The first step has a row for each token of the prompt, every later one a row for the token it
    read. Keys that a row could not see yet get weight 0. In cross-attention all rows see the same
    keys.

    Raises:
        InputError: when the steps do not have the same layers.
    """
    counts = {len(step) for step in steps}
    if len(counts) > 1:
        raise InputError(
            f"the {name} attention of generate() has steps with {sorted(counts)} layers: expected "
            "the same layers in every step."
        )
    return [_one_layer(name, number, steps) for number in range(counts.pop())]


def _one_layer(name: str, number: int, steps: Sequence[Any]) -> Float[np.ndarray, "b h q k"] | None:
    if steps[0][number] is None:
        return None
    parts = [_to_numpy(f"{name} layer {number}", step[number]) for step in steps]
    if len({part.shape[:2] for part in parts}) > 1:
        raise InputError(
            f"{name} layer {number} of generate() changes its number of heads or sequences from "
            "step to step."
        )
    n = sum(part.shape[2] for part in parts)
    n_keys = parts[-1].shape[3] if name == "cross" else n
    whole = np.zeros((*parts[0].shape[:2], n, n_keys), np.float32)
    row = 0
    for part in parts:
        stop = row + part.shape[2]
        # A sliding window's cache holds the last keys only, a static one empty places behind.
        first = 0 if name == "cross" else max(0, stop - part.shape[3])
        last = n_keys if name == "cross" else stop
        whole[:, :, row:stop, first:last] = part[..., : last - first]
        row = stop
    return whole
