"""Reads the files of neat-vision (https://github.com/cbaziotis/neat-vision) as documents.

A data file is a JSON list of samples: `text` (tokens), `attention` (one weight a token, zeros for
padding after them), and where the task has them `label`, `prediction`, `posterior` and `id`. A file
of labels names the classes. Everything in them is untrusted text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from attnscope.documents import Document, Documents
from attnscope.errors import InputError

WANTED = (
    "a neat-vision file is a JSON list of samples such as "
    '{"text": ["good", "film"], "attention": [0.7, 0.3], "label": 1, "prediction": 1, "id": "a"}'
)
SCORES = "Posteriors outside 0 to 1 are scores: shown is their {made}."


def from_neat_vision(
    path: str | PathLike[str], labels: str | PathLike[str] | None = None
) -> Documents:
    """The documents in a data file of neat-vision.

    Args:
        path: the data file: classification, multi-label classification or regression.
        labels: a file that names the classes: `{"0": {"name": "anger", "desc": "..."}, ...}`.

    Returns:
        The documents in the order of the file. `attention` may also be [query, key], which
        neat-vision has not. Posteriors that are scores become probabilities, as in neat-vision: by
        a softmax, or by a sigmoid where a text has several labels; `notes` says so.

    Raises:
        InputError: for a file that cannot be read, is no such JSON, or has a sample that does not
            fit; the text names the sample.
    """
    for given in (path, *([] if labels is None else [labels])):
        if not isinstance(given, str | PathLike):
            raise InputError(f"path must be the name of a file, got {given!r}: {WANTED}.")
    names = None if labels is None else _names(Path(labels))
    samples = _json(Path(path))
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{path} holds no samples: {WANTED}.")
    notes: dict[str, None] = {}
    made = [_document(path, place, one, names, notes) for place, one in enumerate(samples)]
    return Documents(made, title=Path(path).name, notes=notes)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as cause:
        raise InputError(f"cannot read {path}: {cause.strerror or cause}.") from cause
    except UnicodeDecodeError as cause:
        raise InputError(f"{path} is no text in UTF-8: {WANTED}.") from cause
    except json.JSONDecodeError as cause:
        raise InputError(
            f"{path} is no JSON: {cause.msg} in line {cause.lineno}, column {cause.colno}."
        ) from cause
    except ValueError as cause:
        raise InputError(f"{path} is no JSON: {cause}.") from cause
    except RecursionError as cause:
        raise InputError(f"{path} is nested too deeply: {WANTED}.") from cause


def _names(path: Path) -> Mapping[str, str]:
    """Class → name."""
    found = _json(path)
    listed = {str(i): one for i, one in enumerate(found)} if isinstance(found, list) else found
    if not isinstance(listed, dict) or not listed:
        raise InputError(
            f'{path} names no classes: expected {{"0": {{"name": "anger"}}, ...}} or a list.'
        )
    names = {key: one.get("name") if isinstance(one, dict) else one for key, one in listed.items()}
    lacking = [key for key, name in names.items() if not isinstance(name, str)]
    if lacking:
        raise InputError(f'{path}: class {lacking[0]!r} has no "name".')
    return {str(key): str(name) for key, name in names.items()}


def _document(
    path: object,
    place: int,
    sample: Any,
    names: Mapping[str, str] | None,
    notes: dict[str, None],
) -> Document:
    where = f"{path}: sample {place}"
    if not isinstance(sample, dict):
        raise InputError(f"{where} is {_short(sample)}: {WANTED}.")
    identity = sample.get("id", "")
    where += f" ({identity})" if isinstance(identity, str) and identity else ""
    for key in ("text", "attention"):
        if not isinstance(sample.get(key), list):
            raise InputError(f"{where} has no list {key!r}: {WANTED}.")
    text = sample["text"]
    if not text or not all(isinstance(word, str) for word in text):
        raise InputError(f"{where}: 'text' must be a list of at least one string.")
    label, prediction = (_classes(sample.get(key), names) for key in ("label", "prediction"))
    try:
        return Document(
            text,
            _unpadded(where, sample["attention"], len(text)),
            label=label,
            prediction=prediction,
            posterior=_posterior(sample.get("posterior"), sample.get("label"), names, notes),
            id=str(identity),
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _unpadded(where: str, attention: list[Any], tokens: int) -> list[Any]:
    """The weights of the tokens; what comes after them must be padding."""
    if any(isinstance(row, list) for row in attention):
        return attention
    if any(attention[tokens:]):
        raise InputError(
            f"{where}: 'attention' has {len(attention)} numbers for {tokens} tokens, and those "
            "after the last token are not 0."
        )
    return attention[:tokens]


def _classes(given: Any, names: Mapping[str, str] | None) -> Any:
    """A label by its name: a class, the classes that a list marks with 1, or a number."""
    if isinstance(given, list):
        return [_class(i, names) for i, marked in enumerate(given) if marked]
    return _class(given, names) if isinstance(given, int) else given


def _class(number: int, names: Mapping[str, str] | None) -> str:
    return (names or {}).get(str(int(number)), str(int(number)))


def _posterior(
    given: Any, label: Any, names: Mapping[str, str] | None, notes: dict[str, None]
) -> dict[str, float] | None:
    """Probabilities by class; one number alone (regression) is the prediction again."""
    if not isinstance(given, list):
        return None
    try:
        values = [float(value) for value in given]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"'posterior' must be a list of numbers, got {_short(given)}.") from None
    if not all(0 <= value <= 1 for value in values) and all(map(math.isfinite, values)):
        several = isinstance(label, list)
        values = _sigmoids(values) if several else _softmax(values)
        notes[SCORES.format(made="sigmoid" if several else "softmax")] = None
    return {_class(place, names): value for place, value in enumerate(values)}


def _softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    parts = [math.exp(score - top) for score in scores]
    return [part / sum(parts) for part in parts]


def _sigmoids(scores: Sequence[float]) -> list[float]:
    return [0.5 * (1 + math.tanh(score / 2)) for score in scores]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
