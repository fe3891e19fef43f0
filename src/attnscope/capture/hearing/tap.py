"""A softmax in a model's own code: exact weights, and the queries and keys that explain them.

The weights are what the softmax returned. Queries and keys are the tensors that were multiplied to
make its scores; see `explain` for when they are kept. What the weights are multiplied with
afterwards is the witness (see `certify`); where that is not seen, a call is kept without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from attnscope.capture.calls.call import DROPOUT, Cut
from attnscope.capture.calls.explain import HIDDEN, explained
from attnscope.capture.calls.masks import MaskReader
from attnscope.capture.certify import Witness
from attnscope.capture.hearing.products import Product
from attnscope.capture.hearing.trails import Trail
from attnscope.capture.places.layout import Layout, Unresolved, layout_of
from attnscope.capture.places.placing import Place
from attnscope.capture.tensors import Item, as_multiplied, precision, probed
from attnscope.errors import CaptureError
from attnscope.scores import Layer

NO_VALUES = "what the weights are multiplied with was not seen"
CHANGED = "the weights are changed before they are multiplied with values"
INPUTS = ("query", "key", "value", "attention_mask", "scaling")


class Tap:
    """One softmax of scores; see `recorder.Heard`.

    Attributes:
        given: `query`, `key`, `scores`, `weights`, [item x part, head, ...].
        values, out: what the weights were multiplied with, and what came of it, once that is seen.
        edited: somebody changed what makes the weights.
        kept: the recording has kept it.
    """

    implementation = "softmax"
    place: Place

    def __init__(
        self,
        module: nn.Module,
        name: str,
        batch: int | None,
        scored: Trail,
        scores: torch.Tensor,
        weights: torch.Tensor,
    ) -> None:
        """Raises Unresolved where rows and columns of the scores are not queries and keys."""
        self.name, self.scored = name, scored
        self.product = product = self._product(scores)
        x, p = product.arranged(scores), product.arranged(weights.detach())
        assert x is not None
        assert p is not None
        self.lead = tuple(x.shape[:-2])
        self.layout: Layout = layout_of(self.lead, batch, module, name)
        self.sizes = product.sizes
        self.dtype = precision(as_multiplied(product.left))
        query, key = (self._unfolded(one, product.lead) for one in (product.left, product.right))
        self.n_heads = int(query.shape[1])
        self.given: dict[str, Any] = {"module": module, "query": query, "key": key}
        self.given |= {"scores": self.layout.unfold(x), "weights": self.layout.unfold(p)}
        self.values: torch.Tensor | None = None
        self.out: torch.Tensor | None = None
        self.unseen = NO_VALUES
        self.edited = self.kept = False

    def _product(self, scores: torch.Tensor) -> Product:
        product = self.scored.product.along_last()
        if self.scored.mixed or product is None or product.arranged(scores) is None:
            raise Unresolved(
                f"{self.name} puts scores {tuple(scores.shape)} together from several products, "
                "or orders them anew: which column is which key is not known."
            )
        return product

    def layer(self, item: Item, heads: Sequence[int], _: MaskReader, cut: Cut) -> Layer:
        exact = self.scored.exact
        return explained(self.name, self.given, item, heads, exact, self._factor(item), cut)

    def witness(self, layer: Layer, item: Item, cut: Cut) -> Witness | None:
        if self.values is None or self.out is None:
            return None
        heads = list(layer.heads)
        values, out = item.of(self.values), item.of(self.out)
        return Witness(probed(values, heads, cut.columns), probed(out, heads, cut.rows))

    def _unfolded(self, tensor: torch.Tensor, lead: Sequence[int]) -> torch.Tensor:
        """[item x part, head, token, dim] of one of two tensors multiplied."""
        rest = tensor.shape[-2:]
        return self.layout.unfold(tensor.expand(*lead, *rest).reshape(*self.lead, *rest))

    def _factors(self) -> Any:
        """What the product was multiplied with: a number, or [item x part, head, 1, 1]."""
        scale = self.scored.scale
        if not isinstance(scale, torch.Tensor) or scale.numel() == 1:
            return float(scale)
        return self._unfolded(scale, self.product.lead)

    def _factor(self, item: Item) -> Any:
        factors = self._factors()
        return item.of(factors).float() if isinstance(factors, torch.Tensor) else factors

    def used(self, trail: Trail, product: Product, output: torch.Tensor) -> bool:
        """Take what the weights are multiplied with, if they are still these; once."""
        if self.unseen != NO_VALUES:
            return False
        found, sizes = product.arranged(output), (*product.left.shape[-2:], product.sizes[0])
        if trail.dropped:
            self.unseen = DROPOUT
        elif (
            not trail.exact or trail.mixed or found is None or sizes != (*self.sizes, self.sizes[0])
        ):
            self.unseen = CHANGED
        else:
            self.unseen = ""
            self.values = self._unfolded(product.right.transpose(-1, -2), product.lead)
            self.out = self._unfolded(found, product.lead)
        return not self.unseen

    def restored(self, product: Product, out: torch.Tensor) -> torch.Tensor:
        """Weights x values as the model has it, of [item x part, head, query, dim]."""
        arranged = self.layout.fold(out, (*product.lead, *out.shape[-2:]))
        return arranged.permute([product.axes.index(n) for n in range(arranged.ndim)])

    def output(self) -> torch.Tensor:
        """[item x part, query, head, dim], weights x values as attention functions return them."""
        assert self.out is not None
        return self.out.transpose(1, 2)

    def as_attention(self, whole: bool) -> dict[str, Any]:
        """The call as an attention function would be given it; for editors the whole of it."""
        query, key = (self.given[name] for name in ("query", "key"))
        given = {"module": self.given["module"], "value": self.values, "tap": self}
        if not whole or not self.scored.exact:
            return given | {"query": query, "key": key, "attention_mask": None, "scaling": None}
        factor = self._factors()
        if isinstance(factor, torch.Tensor):
            query, factor = query * factor, 1.0
        added = self.given["scores"] - factor * (query @ key.transpose(-1, -2))
        added = added.masked_fill(added <= HIDDEN, torch.finfo(added.dtype).min)
        return given | {"query": query, "key": key, "attention_mask": added, "scaling": factor}

    def recomputed(
        self, before: Mapping[str, Any], given: Mapping[str, Any]
    ) -> torch.Tensor | None:
        """`output` of a call whose inputs were edited; None where they were not.

        Raises:
            CaptureError: where the scores are more than a scaled product plus something.
        """
        if all(given[name] is before[name] for name in INPUTS):
            return None
        if given["scaling"] is None:
            raise CaptureError(
                f"{self.name} computes its scores in a way of its own: its heads can be switched "
                "off, scaled and replaced, their weights cannot be changed."
            )
        scores = given["scaling"] * (given["query"] @ given["key"].transpose(-1, -2))
        weights = (scores + given["attention_mask"]).softmax(-1)
        self.edited = True
        return (weights @ given["value"]).to(given["value"].dtype).transpose(1, 2)
