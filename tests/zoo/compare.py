"""What a capture of a model type gives, beside what Transformers' own eager code returns."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch

from attnscope.capture.forward import record
from attnscope.capture.places.streams import stream_names
from attnscope.capture.recorder import Recording
from attnscope.scores import QKLayer
from tests.untouched import tensors
from tests.zoo.inputs import batch_of, inputs_of
from tests.zoo.odd import TRUE
from tests.zoo.tiny import build, config_of

EXACT = 1e-5


@dataclass
class Result:
    """One model type.

    Attributes:
        kind: the model type.
        paths: who computes its attention: `sdpa`, `eager` (functions of Transformers), `softmax`
            and `F.sdpa` (code of its own).
        streams: layers by name.
        with_qk, calls: calls with queries and keys, and all, of one item.
        references, matched: layers that Transformers returns, of all items, and those found.
        worst: the largest difference of a weight from its reference.
        certificate: the largest error of the certificate, None where nothing was checked.
        same: outputs are bit for bit those without capture.
        said: what was said not to be recorded.
    """

    kind: str
    paths: list[str] = field(default_factory=list)
    streams: dict[str, int] = field(default_factory=dict)
    with_qk: int = 0
    calls: int = 0
    references: int = 0
    matched: int = 0
    worst: float = 0.0
    certificate: float | None = None
    same: bool = True
    said: str = ""

    @property
    def exact(self) -> bool:
        """Every layer that Transformers returns was found, and nothing else happened."""
        every = self.references > 0 and self.matched == self.references
        return every and self.same and not self.said


def compared(kind: str) -> Result:
    """A model type, captured item by item and compared."""
    config = config_of(kind)
    model = build(kind, copy.deepcopy(config))
    inputs, batch = inputs_of(kind, model), batch_of(kind)
    result = Result(kind)
    with torch.no_grad():
        plain = tensors(_called(model, inputs))
        recordings = [_recorded(model, inputs, item, batch) for item in range(batch)]
        references = _eager(kind, config, inputs)
    for item, (recording, output) in enumerate(recordings):
        result.same &= _equal(plain, output)
        _note(result, recording)
        for layer in references:
            _match(result, recording, layer, item, batch)
    return result


def _recorded(model: Any, inputs: Any, item: int, batch: int) -> tuple[Recording, Any]:
    with record(model, index=item, batch=batch) as recording:
        output = tensors(_called(model, inputs))
    return recording, output


def _called(model: Any, inputs: dict[str, Any], **options: Any) -> Any:
    """The model's output; some draw random numbers in every run."""
    torch.manual_seed(0)
    fresh = {n: v.clone() if isinstance(v, torch.Tensor) else v for n, v in inputs.items()}
    return model(**fresh, **options)


def _equal(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())
        for a, b in zip(one, other, strict=True)
    )


def _eager(kind: str, config: Any, inputs: dict[str, Any]) -> list[torch.Tensor]:
    """The attention that Transformers' eager code returns, layer by layer."""
    model = build(kind, copy.deepcopy(config), "eager")

    def run() -> dict[str, list[torch.Tensor]]:
        return _fields(_called(model, inputs, output_attentions=True, return_dict=True))

    return TRUE[kind](model, run) if kind in TRUE else list(chain(*run().values()))


def _fields(output: Any, path: str = "") -> dict[str, list[torch.Tensor]]:
    found: dict[str, list[torch.Tensor]] = {}
    for name, value in output.items() if isinstance(output, dict) else ():
        if "attention" in name and "mask" not in name:
            found[path + name] = [t for t in tensors(value) if t.ndim >= 3]
        elif isinstance(value, dict):
            found |= _fields(value, f"{path}{name}.")
    return found


def _note(result: Result, recording: Recording) -> None:
    if recording.problems:
        raise recording.problems[0]
    result.said = next(iter(recording.unresolved.values()), "")
    certificate = recording.verify()
    if certificate.calls:
        result.certificate = max(result.certificate or 0, certificate.error)
    names = stream_names(tuple(recording.numbers))
    result.paths = sorted({call.implementation for call in recording.calls})
    result.streams = {name: len(recording.numbers[stack]) for stack, name in names.items()}
    result.calls = len(recording.calls)
    result.with_qk = sum(isinstance(call.layer, QKLayer) for call in recording.calls)


def _match(result: Result, recording: Recording, layer: Any, item: int, batch: int) -> None:
    result.references += 1
    expected = [_dense(layer, item, batch, call.layer.shape) for call in recording.calls]
    pairs = zip(recording.calls, expected, strict=True)
    gaps = [_difference(call.layer.rows(), one) for call, one in pairs if one is not None]
    if gaps:
        result.worst = float(np.maximum(result.worst, min(gaps)))
        result.matched += min(gaps) <= EXACT


def _dense(
    reference: torch.Tensor, item: int, batch: int, shape: tuple[int, int, int]
) -> np.ndarray | None:
    """[head, query, key] of an item; windows as blocks on the diagonal."""
    found, heads = reference.float(), shape[0]
    if found.ndim == 5 and found.shape[1] == heads and len(found) == batch:
        found = found.transpose(1, 2).flatten(0, 1)
    if found.ndim == 3 and len(found) % (batch * heads) == 0:
        found = found.reshape(-1, heads, *found.shape[-2:])
    if found.ndim != 4 or found.shape[1] != heads or len(found) % batch:
        return None
    parts, (n_query, n_key) = len(found) // batch, found.shape[2:]
    if (parts * n_query, parts * n_key) != shape[1:]:
        return None
    whole = np.zeros((heads, parts, n_query, parts, n_key), np.float32)
    for part in range(parts):
        whole[:, part, :, part] = found[item * parts + part].numpy()
    return whole.reshape(shape)


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest one, in rows that see something."""
    live = found.any(-1)
    return float(np.abs(found - expected)[live].max(initial=0))
