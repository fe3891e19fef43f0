"""What can be changed in an attention call while the model runs: what a head hands on.

Edits of *outputs* are here: `Scale`, `Gate`, `Mean`, `Resample`, `Replace`. The weights stay as
they were. Edits of *inputs*, which change the weights, are in `patterns`.

An edit never changes a tensor in place: what the model gave may be its cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float

from attnscope.errors import InputError

Given = dict[str, Any]
Output = Float[torch.Tensor, "batch query head dim"]


@dataclass(frozen=True)
class Site:
    """Where an edit is applied: one attention call.

    Attributes:
        name: the module's, for error texts.
        layer: the layer's number.
        implementation: `sdpa`, `eager`, ...
        given: what the call was given.
        heads: the heads to edit.
        n_heads: heads of the layer.
        first: position of the call's first query among all tokens.
        offset: position of its first key.
        own: queries and keys are the same tokens (no cross-attention).
        queries: positions at which to edit; None for all.
    """

    name: str
    layer: int
    implementation: str
    given: Mapping[str, Any]
    heads: Sequence[int]
    n_heads: int
    first: int = 0
    offset: int = 0
    own: bool = True
    queries: tuple[int, ...] | None = None

    def rows(self, n_query: int, device: torch.device) -> Bool[torch.Tensor, "query"]:
        """Which of the call's queries to edit."""
        if self.queries is None:
            return torch.ones(n_query, dtype=torch.bool, device=device)
        at = torch.arange(n_query, device=device) + self.first
        return torch.isin(at, torch.tensor(self.queries, device=device))

    @property
    def everywhere(self) -> bool:
        """Whether all heads are edited."""
        return len(self.heads) == self.n_heads


class Edit:
    """Changes attention calls; the base class changes nothing."""

    def inputs(self, site: Site, given: Given) -> Given:  # noqa: ARG002
        """What the attention function is given instead."""
        return given

    def output(self, site: Site, out: Output) -> Output:  # noqa: ARG002
        """What the model gets instead of the function's output."""
        return out

    def applied(self, site: Site, out: Output) -> Output:
        """The same at the site's queries only."""
        made = self.output(site, out)
        if made is out or site.queries is None:
            return made
        rows = site.rows(out.shape[1], out.device)
        return torch.where(rows[:, None, None], made, out)


@dataclass(frozen=True)
class Scale(Edit):
    """A head's output times a factor; 0 switches it off."""

    factor: float

    def output(self, site: Site, out: Output) -> Output:
        out = out.clone()
        heads = list(site.heads)
        out[:, :, heads] = out[:, :, heads] * self.factor if self.factor else 0
        return out


@dataclass(frozen=True, eq=False)
class Gate(Edit):
    """Each item's output of each head times a factor of its own: [batch, head] by layer.

    What is taken from the output is replaced by that of another edit: factor 0 is that edit, 1 is
    the model. A factor that asks for gradients gives Michel et al.'s head importance (2019).
    """

    factors: dict[int, Float[torch.Tensor, "batch head"]]
    instead: Edit = field(default_factory=lambda: Scale(0.0))

    def output(self, site: Site, out: Output) -> Output:
        factors = self.factors[site.layer].to(out.device)[:, None, :, None].to(out.dtype)
        if isinstance(self.instead, Scale) and not self.instead.factor:
            return out * factors
        return out * factors + self.instead.output(site, out) * (1 - factors)


@dataclass(eq=False)
class Survey(Edit):
    """Changes nothing and notes how many heads each layer has, and in which module."""

    heads: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def output(self, site: Site, out: Output) -> Output:
        self.heads[site.layer], self.names[site.layer] = site.n_heads, site.name
        return out


@dataclass(frozen=True, eq=False)
class Mean(Edit):
    """A head's output replaced by its mean: over a pool, or over this text's own tokens."""

    pools: dict[int, Float[torch.Tensor, "row head dim"]] = field(default_factory=dict)

    def output(self, site: Site, out: Output) -> Output:
        heads, out = list(site.heads), out.clone()
        if site.layer in self.pools:
            out[:, :, heads] = self.pools[site.layer].mean(0)[heads].to(out)
            return out
        _check_own_rows(site, out)
        for item, rows in enumerate(_real_rows(site, len(out))):
            out[item, :, heads] = out[item, rows][:, heads].mean(0)
        return out


@dataclass(frozen=True, eq=False)
class Resample(Edit):
    """A head's output at each token replaced by that at another, drawn at random (with seed)."""

    generator: torch.Generator
    pools: dict[int, Float[torch.Tensor, "row head dim"]] = field(default_factory=dict)

    def output(self, site: Site, out: Output) -> Output:
        heads, out = list(site.heads), out.clone()
        if site.layer in self.pools:
            pool = self.pools[site.layer].to(out)
        else:
            _check_own_rows(site, out)
            rows = _real_rows(site, len(out))
            pool = torch.cat([out[item, kept] for item, kept in enumerate(rows)])
        for head in heads:
            drawn = torch.randint(len(pool), out.shape[:2], generator=self.generator)
            out[:, :, head] = pool[drawn.to(out.device), head]
        return out


@dataclass(eq=False)
class Collect(Edit):
    """Changes nothing and keeps every output: [row, head, dim] by layer, padding left out."""

    rows: dict[int, list[torch.Tensor]] = field(default_factory=dict)

    def output(self, site: Site, out: Output) -> Output:
        for item, kept in enumerate(_real_rows(site, len(out))):
            self.rows.setdefault(site.layer, []).append(out[item, kept].detach())
        return out


@dataclass(frozen=True, eq=False)
class Replace(Edit):
    """A head's output replaced by a given one, [query, dim] by (layer, head)."""

    outputs: dict[tuple[int, int], Float[torch.Tensor, "query dim"]]

    def output(self, site: Site, out: Output) -> Output:
        out = out.clone()
        for head in site.heads:
            wanted = self.outputs[site.layer, head]
            check_size(site, "outputs", tuple(wanted.shape), (out.shape[1], out.shape[3]))
            out[:, :, head] = wanted.to(out)
        return out


def _real_rows(site: Site, batch: int) -> list[torch.Tensor]:
    """For each item, which queries are tokens and not padding, as far as the mask tells."""
    given = site.given
    n_query, n_key = given["query"].shape[2], given["key"].shape[2]
    device = given["query"].device
    everything = torch.ones(batch, n_query, dtype=torch.bool, device=device)
    mask = given.get("attention_mask")
    if not isinstance(mask, torch.Tensor) or n_query != n_key or not site.own:
        return list(everything)
    if mask.ndim == 2:
        return list(mask.bool())
    mask = mask[..., :n_query, :n_key]
    seen = mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return list(seen.diagonal(dim1=-2, dim2=-1).any(1).expand(batch, -1))


def _check_own_rows(site: Site, out: Output) -> None:
    if out.shape[1] == 1:
        raise InputError(
            f"{site.name} was called with one token, as in generation: there is nothing to take a "
            "mean of, or to draw from. Give reference= inputs."
        )


def check_size(site: Site, what: str, given: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """InputError where a trace's numbers do not fit the call, with the dimensions."""
    if given != wanted:
        names = ("queries", "keys") if what == "weights" else ("queries", "dimensions")
        sizes = [" × ".join(f"{n} {name}" for n, name in zip(size, names, strict=True))
                 for size in (given, wanted)]  # fmt: skip
        raise InputError(
            f"the trace's {what} of layer {site.layer} are {sizes[0]}, and the model now works on "
            f"{sizes[1]}: patch from a text with as many tokens."
        )
