"""What becomes of a product of queries and keys, followed through a model's own attention code.

A `Trail` is tied to a tensor: it holds scores (a product, scaled, masked, reshaped) or the weights
of a softmax. `Trails.follow` hands it on from what a function was given to what it returned, until
a linear layer or the next product uses it up. So a softmax of scores is told from that of a router
or a vocabulary, and values are what weights are multiplied with.

Only queries and keys are held (scores are found by weak reference), and nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from attnscope.capture.hearing.products import Product, order_of

SCALING = {"mul", "mul_", "multiply", "div", "div_", "divide", "true_divide"}
TURNING = {"transpose", "permute", "swapaxes", "swapdims"}
SHIFTING = {"add", "add_", "sub", "sub_", "where", "masked_fill", "masked_fill_", "nan_to_num"}
HARMLESS = SHIFTING | {
    "clamp", "clamp_", "clamp_min", "maximum", "max", "to", "float", "half", "bfloat16", "double",
    "type", "type_as", "clone", "contiguous", "detach", "dropout", "dropout_", "view", "reshape",
    "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as", "expand", "expand_as",
}  # fmt: skip
"""Functions after which scores are still a scaled product plus something, in the same order."""
MIXING = {
    "cat", "concat", "stack", "gather", "index_select", "take_along_dim", "roll", "pad", "unfold",
    "as_strided", "flip", "__getitem__", "__setitem__", "copy_", "narrow", "chunk", "split",
    "__get__", "movedim", "moveaxis", "scatter", "sort", "repeat_interleave", "repeat",
}  # fmt: skip
"""Functions after which columns are no longer the keys in their order."""
ENDS = {"linear", "softmax", "log_softmax", "layer_norm", "rms_norm", "group_norm", "embedding"}


@dataclass(frozen=True, eq=False)
class Trail:
    """What is known of a tensor.

    Attributes:
        product: what was multiplied.
        scale: what the product was multiplied with, a number or one for each head.
        exact: it is still that product, scaled, plus something.
        mixed: rows and columns are no longer queries and keys in their order.
        here: the module that multiplied.
        dropped: dropout was active on the way.
        softmax: for weights: who wants to know what they are multiplied with.
    """

    product: Product
    scale: Any = 1.0
    here: Any = None
    exact: bool = True
    mixed: bool = False
    dropped: bool = False
    softmax: Any = None


@dataclass(eq=False)
class Trails:
    """The trails of the tensors that exist now."""

    known: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)

    def __bool__(self) -> bool:
        """Whether anything is followed; the dictionary takes ten times as long to say so."""
        return bool(self.known.data)

    def of(self, tensor: Any) -> Trail | None:
        found: Trail | None = self.known.get(tensor) if isinstance(tensor, torch.Tensor) else None
        return found

    def start(self, tensor: torch.Tensor, trail: Trail) -> None:
        self.known[tensor] = trail

    def follow(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        """Hand a trail on to what a function returned."""
        if not self or name in ENDS or name.startswith("conv"):
            return
        given = [one for one in _tensors((*args, *kwargs.values())) if one in self.known]
        if not given:
            return
        best = min(given, key=lambda one: (self.known[one].mixed, not self.known[one].exact))
        trail = _after(name, self.known[best], best, args, kwargs)
        changed = args[0] if name in ("__setitem__", "copy_") else output
        for tensor in _tensors((changed,)):
            self.known[tensor] = trail


def _tensors(given: Sequence[Any]) -> Iterator[torch.Tensor]:
    for one in given:
        if isinstance(one, torch.Tensor):
            yield one
        elif isinstance(one, list | tuple):
            yield from (part for part in one if isinstance(part, torch.Tensor))


def _after(
    name: str,
    trail: Trail,
    given: torch.Tensor,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Trail:
    """What is known after a function of this name, which was given a tensor with this trail."""
    if name.startswith("dropout") and _drops(args, kwargs):
        return replace(trail, dropped=True)
    if name in HARMLESS:
        return trail
    if name in SCALING:
        return _scaled(trail, "div" in name, [one for one in args[:2] if one is not given])
    if name in TURNING:
        turned = trail.product.turned(order_of(name, args, given.ndim))
        return replace(trail, product=turned or trail.product, mixed=turned is None)
    return replace(trail, exact=False, mixed=trail.mixed or name in MIXING)


def _drops(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether `F.dropout(input, p=0.5, training=True)` does something."""
    given = dict(zip(("input", "p", "training", "train"), args, strict=False)) | dict(kwargs)
    return bool(given.get("training", given.get("train", True))) and given.get("p", 0.5) > 0


def _scaled(trail: Trail, divides: bool, others: Sequence[Any]) -> Trail:
    """After a multiplication or division by a number, or by one number a head."""
    factor = others[0] if len(others) == 1 else None
    if isinstance(factor, torch.Tensor) and (factor.numel() == 1 or factor.shape[-2:] == (1, 1)):
        factor = factor.detach()
    elif not isinstance(factor, int | float):
        return replace(trail, exact=False)
    return replace(trail, scale=trail.scale / factor if divides else trail.scale * factor)
