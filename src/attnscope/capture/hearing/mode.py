"""Attention in a model's own code: part 2 of a capture, a torch function mode.

While a capture runs, PyTorch tells the mode of every function that this thread calls on tensors.
The mode calls the same function with the same arguments and hands its result on untouched. On the
way it records

    `F.scaled_dot_product_attention`   queries, keys, values, mask
    a softmax of scores                the weights, and the queries and keys that explain them
    `F.multi_head_attention_forward`   what is inside (the fused fast path of `nn.Transformer*`
                                       is off, as PyTorch has it under any such mode)

and nothing inside an attention function that `registry` hears already, nothing outside the model's
own modules, and no softmax of anything else than a product of two activations (see `trails`).
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from attnscope.capture.calls.bands import Band, is_band, tokens_given
from attnscope.capture.hearing.listeners import (
    inside,
    is_editing,
    is_inside,
    listener_of,
    through,
    unread,
)
from attnscope.capture.hearing.products import (
    PRODUCTS,
    Product,
    of_activations,
    operands_of,
    product_of,
)
from attnscope.capture.hearing.tap import Tap
from attnscope.capture.hearing.trails import Trail, Trails
from attnscope.capture.places.layout import Layout, Unresolved, layout_of
from attnscope.capture.places.where import Running, running

STARTS = PRODUCTS | {"scaled_dot_product_attention", "multi_head_attention_forward", "softmax"}
"""Functions with which attention begins: the others matter only where something is followed."""

SDPA = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


class Watch(TorchFunctionMode):
    """Sees the attention in a model's own code, for one who watches it (see `where`)."""

    def __init__(self, who: Any) -> None:
        super().__init__()
        self.who = who
        self.trails = Trails()
        self.bands: dict[int, Band] = {}

    def __torch_function__(
        self, function: Any, _: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name not in STARTS and not self.trails:
            return function(*args, **kwargs)
        here = [] if is_inside() else running(self.who)
        if not here:
            return function(*args, **kwargs)
        if function is F.multi_head_attention_forward:
            with self:
                return _opened(function)(*args, **kwargs)
        if function is F.scaled_dot_product_attention:
            return self._attended(here[-1], args, kwargs)
        output = function(*args, **kwargs)
        with inside():
            if name in PRODUCTS:
                return self._multiplied(here[-1], name, args, kwargs, output)
            if name == "softmax":
                self._softmax(here, args, kwargs, output)
            else:
                self.trails.follow(name, args, kwargs, output)
        return output

    def _attended(self, here: Running, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`F.scaled_dot_product_attention` is called."""
        given: Any = None
        with inside(), self._noting(here):
            named = dict(zip(SDPA, args, strict=False)) | dict(kwargs)
            lead, batch = named["query"].shape[:-2], self._batch(here)
            layout = layout_of(lead, batch, here.module, here.name)
            given = canonical(named, layout) | {"module": here.module, "layout": layout}
        if given is None:
            return F.scaled_dot_product_attention(*args, **kwargs)
        made: list[torch.Tensor] = []

        def compute(edited: Any) -> torch.Tensor:
            if edited is not None:
                return attention(edited).transpose(1, 2)
            made.append(F.scaled_dot_product_attention(*args, **kwargs))
            return layout.unfold(made[0]).transpose(1, 2)

        out = through("sdpa", given, compute)
        if made and not self._tracked(here.module):
            return made[0]
        return layout.fold(out.transpose(1, 2), (*lead, out.shape[1], out.shape[3]))

    def _multiplied(
        self,
        here: Running,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        output: Any,
    ) -> Any:
        """A product: the start of scores, or the use of weights."""
        found = product_of(name, args, kwargs, output)
        if found is None:
            return output
        product, factor = found
        for place, tensor in enumerate(operands_of(name, args, kwargs)):
            trail = self.trails.of(tensor)
            if trail is not None and trail.softmax is not None:
                return self._used(trail, product.swapped if place else product, output)
        if of_activations(product):
            self.trails.start(output, Trail(product, factor, here))
        return output

    def _softmax(
        self, here: list[Running], args: Sequence[Any], kwargs: Mapping[str, Any], output: Any
    ) -> None:
        """A softmax has returned: attention where it was given scores."""
        scores = args[0] if args else kwargs["input"]
        trail = self.trails.of(scores)
        dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
        if trail is None or trail.softmax is not None or dim not in (-1, output.ndim - 1):
            return
        if scores.ndim == 2 and len(scores) != scores.shape[1]:
            return
        owner = trail.here if any(trail.here is entry for entry in here) else here[-1]
        with self._noting(owner):
            if "ProbSparse" in type(owner.module).__name__:
                raise Unresolved(
                    f"{owner.name} attends with some of its queries only (ProbSparse attention): "
                    "which row is which query is not known."
                )
            if is_band(owner):
                self._banded(owner, tokens_given(here), output)
            else:
                above = [None, *here][here.index(owner)]
                self._tapped(owner, above, trail, scores, output)

    def _tapped(
        self,
        here: Running,
        above: Running | None,
        trail: Trail,
        scores: torch.Tensor,
        output: Any,
    ) -> None:
        tap = Tap(here.module, here.name, self._batch(here), trail, scores, output)
        self.trails.start(output, Trail(tap.product, softmax=tap))
        listener: Any = listener_of(here.module)
        if listener is not None:
            listener.tapped(tap)
            here.at_end.append(lambda: listener.untapped(tap, above))

    def _banded(self, here: Running, n_tokens: int | None, output: torch.Tensor) -> None:
        listener: Any = listener_of(here.module)
        earlier = self.bands.get(here.serial)
        if earlier is not None:
            earlier.seeing_all = output
        elif listener is not None:
            self.bands[here.serial] = Band(here, n_tokens, output.clone())
            here.at_end.append(lambda: listener.banded(self.bands.pop(here.serial)))

    def _used(self, trail: Trail, product: Product, output: torch.Tensor) -> torch.Tensor:
        """Weights are multiplied with values."""
        tap: Tap = trail.softmax
        if not tap.used(trail, product, output):
            return output
        module = tap.given["module"]
        given, out = tap.as_attention(is_editing(module)), tap.output()

        def compute(edited: Any) -> torch.Tensor:
            new = None if edited is None else tap.recomputed(given, edited)
            return out if new is None else new

        got = through("softmax", given, compute)
        if got is out and not self._tracked(module):
            return output
        return tap.restored(product, got.transpose(1, 2))

    @contextmanager
    def _noting(self, here: Running) -> Iterator[None]:
        """Where nobody listens, what cannot be read is left alone, and editors are told."""
        listener: Any = listener_of(here.module)
        if listener is not None:
            with listener.noting(here.module):
                yield
        else:
            try:
                yield
            except Unresolved as reason:
                unread(here.module, reason)

    def _batch(self, here: Running) -> int | None:
        return getattr(listener_of(here.module), "batch", None)

    def _tracked(self, module: nn.Module) -> bool:
        """Whether the output may have become another tensor: edited, or to be derived by."""
        return is_editing(module) or getattr(listener_of(module), "gradient", False)


def _opened(function: Any) -> Any:
    """`F.multi_head_attention_forward`, so that what it calls is seen.

    It begins by asking whether a mode wants to hear of it, and would ask again without end: the
    same code with that one answer changed.
    """
    names = {**function.__globals__, "has_torch_function": lambda *_: False}
    copy = types.FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def canonical(named: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    """What `F.scaled_dot_product_attention` was given, by the names that `registry` hears."""
    query, key, value = (named[name] for name in SDPA[:3])
    lead, mask = tuple(query.shape[:-2]), named.get("attn_mask")
    key, value = (_like(lead, one, named.get("enable_gqa", False)) for one in (key, value))
    causal, sizes = bool(named.get("is_causal", False)), (query.shape[-2], key.shape[-2])
    if mask is not None:
        mask = mask.reshape(*[1] * (query.ndim - mask.ndim), *mask.shape)
        if len(lead) != 2:
            mask = layout.unfold(mask.expand(*lead, -1, -1))
    elif causal and sizes[0] == 1:
        mask = torch.ones(sizes, dtype=torch.bool, device=query.device).tril()[None, None]
    return {
        "query": layout.unfold(query),
        "key": layout.unfold(key, key.shape[-3] if len(lead) == 2 else None),
        "value": layout.unfold(value, value.shape[-3] if len(lead) == 2 else None),
        "attention_mask": mask,
        "is_causal": causal,
        "dropout": named.get("dropout_p", 0.0),
        "scaling": named.get("scale"),
    }


def attention(given: Mapping[str, Any]) -> torch.Tensor:
    """[item x part, head, query, dim] of what an editor made of `canonical`."""
    query, key, mask = given["query"], given["key"], given["attention_mask"]
    return F.scaled_dot_product_attention(
        query,
        key,
        given["value"],
        attn_mask=mask,
        dropout_p=given["dropout"],
        is_causal=given["is_causal"] and mask is None,
        scale=given["scaling"],
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _like(lead: tuple[int, ...], tensor: torch.Tensor, grouped: bool) -> torch.Tensor:
    """Keys or values with as many items as queries; heads may be fewer (GQA), or one for all."""
    same = lead[:-1] if grouped or (len(lead) == 2 and tensor.ndim == 4) else lead
    heads = tensor.shape[len(same) : -2]
    return tensor.expand(*same, *heads, *tensor.shape[-2:])
