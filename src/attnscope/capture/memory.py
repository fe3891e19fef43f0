"""How much memory a capture will take, told before it starts where it is much.

What is recorded follows from the attention modules' own numbers (heads, key heads, dimensions) and
the number of tokens, patches or frames. Models whose attention modules do not tell, whose layers
are of different widths (windows that are merged), or that make tokens in a way that is not known,
have no estimate. The model's own memory is not counted, nor are masks, which layers share.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from attnscope.capture.calls.keeping import Queries
from attnscope.capture.certify import PROBES
from attnscope.capture.inputs.lengths import Lengths, lengths_of
from attnscope.capture.inputs.limits import OTHER_INPUT
from attnscope.capture.places.layout import head_count
from attnscope.capture.places.streams import Numbering, Stack, side_of, stack_of
from attnscope.capture.places.where import attention_modules, plain
from attnscope.capture.running import warn

LARGE = 1_000_000_000
"""Bytes from which it is told how many there will be."""

LESS = "queries=slice(-100, None) the rows of the last tokens, dtype='float16' half of float32"
DIMS = ("qk_head_dim", "head_dim", "attention_head_size", "key_value_proj_dim", "d_kv", "dim_head")
GROUPS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")
WIDTHS = ("hidden_size", "d_model", "n_embd", "dim", "embed_dim")
DEPTHS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
FLOAT = 4
NO_SOFTMAX = re.compile(r"Linear|Lightning|Delta|Recurrent|Rwkv|Mamba|SSM|Conv")
"""What the classes of layers are called that have no weights to record."""


@dataclass(frozen=True)
class Asked:
    """What is to be recorded; see `capture`."""

    layers: Sequence[int] | None = None
    heads: Sequence[int] | None = None
    queries: Queries | None = None
    dtype: str | None = None
    values: bool = False
    gradient: bool = False
    value_zeroing: bool = False


class Shape(NamedTuple):
    """One attention module: heads, key heads, dimensions of keys, values and the model, tokens."""

    heads: int
    groups: int
    dim: int
    value: int
    width: int
    n_query: int
    n_key: int
    bias: bool = False


def estimate(
    model: nn.Module, inputs: Mapping[str, Any], asked: Asked, more: int = 0
) -> int | None:
    """Bytes that a capture of these inputs will hold; None where that is not known.

    `more` tokens will be generated behind them, and read.
    """
    with suppress(Exception):  # an estimate is no reason to stop
        return _estimate(model, inputs, asked, more)
    return None


def _estimate(model: nn.Module, inputs: Mapping[str, Any], asked: Asked, more: int) -> int | None:
    lengths = lengths_of(model, inputs, list(attention_modules(model)), more)
    if lengths.source is None:
        return None
    size = next((p.element_size() for p in model.parameters() if p.is_floating_point()), FLOAT)
    total = 0
    for shapes in _stacks(model, lengths, asked.layers):
        merging = lengths.seen is not None and len(set(shapes)) > 1  # Swin: fewer tokens, wider
        if None in shapes or merging:
            return None
        total += sum(_bytes(shape, size, asked) for shape in shapes if shape is not None)
        total += max((_bias(shape, asked) for shape in shapes if shape is not None), default=0)
    return total or None


def tell(bytes_needed: int | None, what: str = "capture", less: str = LESS) -> None:
    """Warn where a capture will hold more than there is room for, and say how to keep less."""
    free = available()
    if bytes_needed is None or free is None or bytes_needed <= free:
        return
    warn(
        f"this {what} will record about {in_words(bytes_needed)}, and {in_words(free)} of memory "
        f"are free. Keep less: layers= and heads= some of them, {less}, values=False no values."
    )


def in_words(n: int) -> str:
    """`512 MB`, `1.5 GB`."""
    return f"{n / 1e9:,.1f} GB" if n >= LARGE else f"{n / 1e6:,.0f} MB"


def available() -> int | None:
    """Bytes of memory that are free, in this container where there is one; None if unknown."""
    found = []
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable"))
        found.append(int(line.split()[1]) * 1024)
    with suppress(OSError, ValueError):
        limit, used = (
            int(Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="utf-8"))
            for name in ("max", "current")
        )
        found.append(limit - used)
    if not found and "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", {}):
        found.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(found, default=None)


def _stacks(
    model: nn.Module, lengths: Lengths, layers: Sequence[int] | None
) -> Iterator[list[Shape | None]]:
    """The attention modules wanted of each stack."""
    found = attention_modules(model)
    inner = [name for name in found if not any(other.startswith(f"{name}.") for other in found)]
    numbering = Numbering(plain(name) for name, _ in model.named_modules())
    stacks: dict[Stack, list[tuple[str, int, nn.Module]]] = {}
    for name in inner:
        beside = OTHER_INPUT.search(name) and lengths.seen is None
        if beside or NO_SOFTMAX.search(type(found[name]).__name__):
            continue
        stack = stack_of(name, False, 0, 0)
        number = numbering.next(stack, name, [name])
        stacks.setdefault(stack, []).append((name, number, found[name]))
    for stack, members in stacks.items():
        numbered = [
            (number + more, module)
            for name, number, module in members
            for more in range(_calls_of(model, numbering.layers_of(stack.path, name), members))
        ]
        sizes = _sizes(stack, lengths)
        yield [_shape(one, sizes) for n, one in numbered if layers is None or n in layers]


def _calls_of(model: nn.Module, listed: str | None, members: Sequence[Any]) -> int:
    """How many layers a module is: ALBERT calls one for every layer."""
    if listed is None or len(members) > 1:
        return 1
    length = len(list(model.get_submodule(listed.removesuffix(".")).children()))
    return max(1, (_number(getattr(model, "config", None), DEPTHS) or length) // length)


def _sizes(stack: Stack, lengths: Lengths) -> tuple[int, int]:
    """Queries and keys of a stack's calls."""
    source, target, past, more = lengths.source or 0, lengths.target, lengths.past, lengths.more
    if lengths.seen is not None and OTHER_INPUT.search(stack.path):
        return lengths.seen, lengths.seen
    if target is None:
        return source + more, source + past + more
    if side_of(stack) == "encoder" and not stack.cross:
        return source, source
    return target + more, source if stack.cross else target + past + more


def _shape(module: nn.Module, sizes: tuple[int, int]) -> Shape | None:
    holders = (module, getattr(module, "config", None))
    heads = head_count(module)
    width = next(filter(None, (_number(one, WIDTHS) for one in reversed(holders))), None)
    if heads is None or hasattr(module, "pos_bias_u"):  # Conformer: a bias of each layer's own
        return None
    dim = next(filter(None, (_number(one, DIMS) for one in holders)), None)
    if dim is None and width is not None and width % heads == 0:
        dim = width // heads
    if dim is None:
        return None
    groups = next(filter(None, (_number(one, GROUPS) for one in holders)), None) or heads
    groups = min(groups, heads)  # Whisper's configuration tells the encoder's
    if hasattr(module, "qk_head_dim"):  # multi-head latent attention: a key for every head
        groups = heads
    biased = bool(getattr(module, "has_relative_attention_bias", False))
    value = _number(module, ("v_head_dim",)) or dim
    return Shape(heads, groups, dim, value, width or heads * dim, *sizes, biased)


def _number(holder: Any, names: Sequence[str]) -> int | None:
    found = (getattr(holder, name, None) for name in names)
    return next((one for one in found if type(one) is int), None)


def _bytes(shape: Shape, size: int, asked: Asked) -> int:
    """What one call leaves: vectors, witness, and values where they are wanted."""
    heads, groups = _kept(shape, asked)
    rows = _rows(shape, asked)
    vectors = {"float16": 2, "float32": 4}.get(asked.dtype or "", size)
    tokens = heads * rows + groups * shape.n_key
    total = tokens * (shape.dim * vectors + PROBES * FLOAT)
    if asked.values:
        total += shape.n_key * groups * shape.value * size
        total += shape.width * (heads * shape.value * size + rows * size)
    if asked.gradient:
        total += heads * rows * shape.value * FLOAT
    if asked.value_zeroing:
        total += rows * shape.n_key * FLOAT
    return total


def _bias(shape: Shape, asked: Asked) -> int:
    """A bias that all layers of a stack share (T5)."""
    heads, _ = _kept(shape, asked)
    return heads * _rows(shape, asked) * shape.n_key * FLOAT if shape.bias else 0


def _kept(shape: Shape, asked: Asked) -> tuple[int, int]:
    if asked.heads is None:
        return shape.heads, shape.groups
    wanted = [head for head in asked.heads if head < shape.heads]
    return len(wanted), len({head // max(1, shape.heads // shape.groups) for head in wanted})


def _rows(shape: Shape, asked: Asked) -> int:
    return shape.n_query if asked.queries is None else len(asked.queries.among(shape.n_query))
