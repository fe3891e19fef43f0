"""Matrix products as a model writes them, read as rows times columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from string import ascii_uppercase
from typing import Any

import torch
from torch import nn

PRODUCTS = {"matmul", "bmm", "mm", "baddbmm", "einsum"}


@dataclass(frozen=True, eq=False)
class Product:
    """Two tensors multiplied.

    Attributes:
        left: [lead, row, dim].
        right: [lead, column, dim].
        shape: of the result, in the model's own order of axes.
        axes: how to permute the result's axes to [lead, row, column].
    """

    left: torch.Tensor
    right: torch.Tensor
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def lead(self) -> tuple[int, ...]:
        """The lengths of all axes but rows and columns."""
        return tuple(self.shape[axis] for axis in self.axes[:-2])

    @property
    def sizes(self) -> tuple[int, int]:
        """How many rows and columns there are."""
        return self.shape[self.axes[-2]], self.shape[self.axes[-1]]

    def arranged(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The result, or a reshape of it, as [lead, row, column]; None where it is neither."""
        if tensor.shape == self.shape:
            return tensor.permute(self.axes)
        if self.axes != tuple(range(len(self.axes))) or tensor.numel() != prod(self.shape):
            return None
        return tensor if tuple(tensor.shape[-2:]) == self.sizes else None

    def turned(self, order: Sequence[int] | None) -> Product | None:
        """The same after the axes of its result were permuted; None where that is not known."""
        if order is None or len(order) != len(self.shape):
            return None
        axes = tuple(order.index(axis) for axis in self.axes)
        return replace(self, shape=tuple(self.shape[axis] for axis in order), axes=axes)

    @property
    def swapped(self) -> Product:
        """The same with rows and columns exchanged."""
        axes = (*self.axes[:-2], self.axes[-1], self.axes[-2])
        return replace(self, left=self.right, right=self.left, axes=axes)

    def along_last(self) -> Product | None:
        """The same with the last axis of the result as columns."""
        last = len(self.axes) - 1
        if self.axes[-2] == last:
            return self.swapped
        return self if self.axes[-1] == last else None


def order_of(name: str, args: Sequence[Any], ndim: int) -> list[int] | None:
    """How `transpose` or `permute`, called with these arguments, orders the axes."""
    dims = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
    if not all(isinstance(dim, int) for dim in dims):
        return None
    places = [dim % ndim for dim in dims]
    if name == "permute" and len(places) == ndim:
        return places
    order = list(range(ndim))
    if name in ("transpose", "swapaxes", "swapdims") and len(places) == 2:
        one, other = places
        order[one], order[other] = other, one
        return order
    return None


def product_of(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any
) -> tuple[Product, float] | None:
    """A product and its factor; None for what is no plain product of two tensors."""
    found = _product(name, args, kwargs, out)
    factor = float(kwargs.get("alpha", 1.0)) if name == "baddbmm" else 1.0
    return None if found is None else (found, factor)


SECOND = ("batch1", "batch2", "mat2", "other", "tensor2")


def operands_of(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Sequence[Any]:
    """The two tensors multiplied."""
    if name == "einsum":
        return args[1] if isinstance(args[1], list | tuple) else args[1:]
    given = [*args, *(kwargs[named] for named in SECOND if named in kwargs)]
    return given[1:3] if name == "baddbmm" else given[:2]


def of_activations(product: Product) -> bool:
    """False for the product with a weight of the model, such as a router's."""
    bases = [t if t._base is None else t._base for t in (product.left, product.right)]
    return not any(isinstance(base, nn.Parameter) for base in bases)


def _product(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], out: torch.Tensor
) -> Product | None:
    given = operands_of(name, args, kwargs)
    if name == "einsum":
        return _einsum(args[0], given, out)
    if len(given) != 2 or not all(isinstance(t, torch.Tensor) and t.ndim > 1 for t in given):
        return None
    left, right = given
    return Product(left, right.transpose(-1, -2), tuple(out.shape), tuple(range(out.ndim)))


def _einsum(equation: Any, operands: Sequence[torch.Tensor], out: torch.Tensor) -> Product | None:
    """Products of two tensors with one summed axis, and one axis of its own each."""
    if len(operands) != 2 or not isinstance(equation, str) or "->" not in equation:
        return None
    first, second, result = _axes(equation, operands)
    summed = [x for x in first if x in second and x not in result]
    row = [x for x in first if x in result and x not in second]
    column = [x for x in second if x in result and x not in first]
    if not len(summed) == len(row) == len(column) == 1:
        return None
    lead = [x for x in result if x in first and x in second]
    if len(lead) + 2 != len(result):
        return None
    left = operands[0].permute([first.index(x) for x in [*lead, *row, *summed]])
    right = operands[1].permute([second.index(x) for x in [*lead, *column, *summed]])
    axes = tuple(result.index(x) for x in [*lead, *row, *column])
    return Product(left, right, tuple(out.shape), axes)


def _axes(equation: str, operands: Sequence[torch.Tensor]) -> tuple[str, str, str]:
    """One letter an axis: `...` becomes capitals."""
    first, second, result = equation.replace(" ", "").replace("->", ",").split(",")
    more = operands[0].ndim - len(first.replace("...", ""))
    letters = ascii_uppercase[: more if "..." in first else 0]
    one, other, both = (part.replace("...", letters) for part in (first, second, result))
    return one, other, both
