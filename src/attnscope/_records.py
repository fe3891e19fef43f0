"""The parts of a Trace as JSON and named arrays, and back; nothing is made that was not checked.

Every part is a dataclass of plain values, arrays and other parts. `write` puts each into a list of
*records*, `[class, {field: value}]`, parts first, where `{"record": 3}` stands for one of them and
`{"array": "self.0.queries"}` for an array; what several parts share is there once. `read` takes
records apart again: only classes and fields known here, only values of the declared types, and
arrays whose axes agree.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from attnscope._safetensors import NAMES
from attnscope.capture.certify import Witness
from attnscope.errors import InputError, LoadError
from attnscope.generation import Generation
from attnscope.mixing import Mixing, Norm
from attnscope.overview import Overview, Seen
from attnscope.predicted import Predicted
from attnscope.provenance import Certificate, Provenance
from attnscope.scores import QKLayer, ScoreSpec, WeightsLayer
from attnscope.stream import Stream
from attnscope.tokens import Segment, Tokens

CLASSES: dict[str, type[Any]] = {
    made.__name__: made
    for made in (
        Certificate,
        Generation,
        Mixing,
        Norm,
        Overview,
        Predicted,
        Provenance,
        QKLayer,
        ScoreSpec,
        Seen,
        Segment,
        Stream,
        Tokens,
        WeightsLayer,
        Witness,
    )
}
"""What a file may hold. Their fields are the format: docs/file-format.md."""


class Writer:
    """Puts parts into records; `records` and `arrays` are what a file has to hold."""

    def __init__(self) -> None:
        self.records: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._places: dict[int, int] = {}
        self._names: dict[Any, str] = {}

    def put(self, value: Any, path: str) -> Any:
        """The value as JSON; `path` names the arrays in it.

        Raises:
            InputError: for a part that no file can hold, such as a layer that is computed.
        """
        if isinstance(value, np.ndarray):
            return {"array": self._array(value, path)}
        if is_dataclass(value):
            return {"record": self._record(value, path)}
        if isinstance(value, tuple | list):
            return [self.put(item, f"{path}.{place}") for place, item in enumerate(value)]
        if isinstance(value, Mapping):
            return {"map": {str(name): self.put(item, path) for name, item in value.items()}}
        return value.item() if isinstance(value, np.generic) else value

    def _array(self, array: np.ndarray, path: str) -> str:
        if array.dtype not in NAMES:
            raise InputError(f"{path} has numbers of type {array.dtype}, which no file can hold.")
        where = array.__array_interface__
        same = (where["data"], where["strides"], array.shape, array.dtype)
        name = self._names.setdefault(same, path)
        self.arrays[name] = array
        return name

    def _record(self, part: Any, path: str) -> int:
        if id(part) not in self._places:
            kind = type(part).__name__
            if CLASSES.get(kind) is not type(part):
                raise InputError(
                    f"{path} is a {kind}, which is computed and cannot be saved: save the trace "
                    "that it was computed from."
                )
            given = {
                field.name: (getattr(part, field.name), field.default) for field in fields(part)
            }
            kept = {name: value for name, (value, default) in given.items() if value is not default}
            made = {name: self.put(value, f"{path}.{name}") for name, value in kept.items()}
            self._places[id(part)] = len(self.records)
            self.records.append([kind, made])
        return self._places[id(part)]


def read(records: Any, arrays: Mapping[str, np.ndarray]) -> list[Any]:
    """The parts that records describe, in their order.

    Raises:
        LoadError: for the first that is not known, not complete or not of the declared types.
    """
    made: list[Any] = []
    for kind, given in records:
        known = hints(kind)
        values = {name: _value(value, made, arrays) for name, value in given.items()}
        for name, value in values.items():
            if name not in known:
                raise LoadError(f"its {kind} has a field {name!r}, which is not known here")
            if not fits(value, known[name]):
                raise LoadError(f"{name!r} of its {kind} is {str(value)[:80]}")
        missing = [name for name in _needed(kind) if name not in values]
        if missing:
            raise LoadError(f"its {kind} lacks {', '.join(missing)}")
        made.append(CLASSES[kind](**values))
    return made


@cache
def hints(kind: str) -> dict[str, Any]:
    """The declared types of the fields of a class that a file may hold."""
    if kind not in CLASSES:
        raise LoadError(f"it holds a {kind[:80]!r}, which is not known here")
    declared: dict[str, Any] = get_type_hints(CLASSES[kind])
    return declared


def _needed(kind: str) -> list[str]:
    return [
        field.name
        for field in fields(CLASSES[kind])
        if field.default is MISSING and field.default_factory is MISSING
    ]


def _value(value: Any, made: Sequence[Any], arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(_value(item, made, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "array":
        return arrays[inner]
    if kind == "record" and 0 <= inner < len(made):
        return made[inner]
    if kind == "map":
        return {name: _value(item, made, arrays) for name, item in inner.items()}
    raise LoadError(f"it has a {kind[:80]!r} where a value should be")


def fits(value: Any, hint: Any) -> bool:
    """True for a value of the declared type; only the forms that the classes above use."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is tuple and isinstance(value, tuple):
        each = (inner[0],) * len(value) if inner[-1] is Ellipsis else inner
        return len(value) == len(each) and all(map(fits, value, each))
    if origin is not None:
        return isinstance(value, dict) and all(fits(item, inner[1]) for item in value.values())
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    return isinstance(value, hint)
