"""The types of `wire/spec.py` and of `web/src/types.ts` are the same types."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from attnscope.wire import spec

SHAPES = {name: value for name, value in vars(spec).items() if is_typeddict(value)}
NAMES = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
ALIAS = re.compile(r'export type (\w+) = ((?:"\w+"(?: \| )?)+);')
INTERFACE = re.compile(r"export interface (\w+) \{\n(.*?)\n\}", re.DOTALL)
FIELD = re.compile(r"^  (\w+\??): (.+);$", re.MULTILINE)
BROWSER_ONLY = {"Reply", "Transport"}


@pytest.fixture(scope="module")
def mirrored(root: Path) -> dict[str, dict[str, str]]:
    """Fields of each interface in types.ts; a field that may be missing ends in `?`."""
    source = (root / "web/src/types.ts").read_text(encoding="utf-8")
    aliases = dict(ALIAS.findall(source))
    return {
        name: {key: in_order(kind, aliases) for key, kind in FIELD.findall(body)}
        for name, body in INTERFACE.findall(source)
        if name not in BROWSER_ONLY
    }


def in_order(kind: str, aliases: dict[str, str]) -> str:
    """A TypeScript type with its aliases written out and its parts sorted."""
    if kind.endswith("[]"):
        items = in_order(kind.removesuffix("[]").strip("()"), aliases)
        return f"({items})[]" if "|" in items else f"{items}[]"
    written = " | ".join(aliases.get(part, part) for part in kind.split(" | "))
    return " | ".join(sorted(written.split(" | ")))


def in_typescript(kind: Any) -> str:
    """A Python type as TypeScript writes it."""
    if kind in NAMES:
        return NAMES[kind]
    if is_typeddict(kind):
        return kind.__name__
    if get_origin(kind) is list:
        items = in_typescript(get_args(kind)[0])
        return f"({items})[]" if "|" in items else f"{items}[]"
    if get_origin(kind) is Literal:
        return " | ".join(sorted(f'"{value}"' for value in get_args(kind)))
    assert get_origin(kind) is types.UnionType, kind
    return " | ".join(sorted(in_typescript(part) for part in get_args(kind)))


def test_both_sides_have_the_same_shapes(mirrored):
    assert set(mirrored) == set(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_has_the_same_keys_and_types_on_both_sides(mirrored, name):
    expected = {}
    for key, kind in get_type_hints(SHAPES[name], include_extras=True).items():
        optional = get_origin(kind) is NotRequired
        bare = get_args(kind)[0] if optional else kind
        expected[f"{key}?" if optional else key] = in_typescript(bare)
    assert mirrored[name] == expected


def test_both_sides_are_written_for_the_same_version(root):
    source = (root / "web/src/types.ts").read_text(encoding="utf-8")
    assert f"export const VERSION = {spec.VERSION};" in source
