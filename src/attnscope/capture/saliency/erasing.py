"""What is left of a prediction when tokens are taken from the text: is an attribution faithful?

Comprehensiveness asks what happens without the tokens that an attribution puts first, sufficiency
what is left with them alone (DeYoung et al. 2020, ERASER). Both are asked of the model itself, for
several shares of the tokens, and of random orders as well: what chance makes of them is the
measure of what a method is worth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attnscope.capture.saliency.targets import Target, no_words
from attnscope.errors import InputError
from attnscope.measures.table import Table

REMOVE = ("mask", "pad", "delete")
RANDOM = "random"
BATCH = 16


@dataclass(frozen=True, eq=False)
class Erasing:
    """A text whose tokens are taken away, and the model that is asked again.

    Attributes:
        model: what is asked.
        inputs: its inputs for the whole text, one item.
        target: what is asked for.
        free: places of the tokens that may be taken away.
        remove: how: replaced by the mask token, by padding that nothing attends to, or deleted.
        token: id that stands in their place; None where they are deleted.
    """

    model: Any
    inputs: Mapping[str, torch.Tensor]
    target: Target
    free: Sequence[int]
    remove: str
    token: int | None
    _known: dict[frozenset[int], float] = field(default_factory=dict)

    def value(self, gone: Iterable[int] = ()) -> float:
        """The target's value without these tokens."""
        gone = frozenset(gone)
        self.ask([gone])
        return self._known[gone]

    def ask(self, sets: Iterable[frozenset[int]]) -> None:
        """Run the model without each of these sets of tokens, equal lengths together."""
        new = [gone for gone in dict.fromkeys(sets) if gone not in self._known]
        step = 1 if self._one_by_one else BATCH
        for length in sorted({self._length(gone) for gone in new}):
            alike = [gone for gone in new if self._length(gone) == length]
            for start in range(0, len(alike), step):
                some = alike[start : start + step]
                self._known.update(zip(some, self._values(some), strict=True))

    @property
    def _one_by_one(self) -> bool:
        """Callables make one number; classifiers of last tokens need padding for batches."""
        config = getattr(self.model, "config", None)
        lonely = config is not None and getattr(config, "pad_token_id", None) is None
        return self.target.made is not None or (self.target.classes and lonely)

    def _length(self, gone: frozenset[int]) -> int:
        whole = int(self.inputs["input_ids"].shape[1])
        return whole - len(gone) if self.remove == "delete" else whole

    def _values(self, sets: Sequence[frozenset[int]]) -> list[float]:
        rows = [self._without(gone) for gone in sets]
        inputs = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        before = [sum(1 for one in gone if one < self.target.position) for gone in sets]
        moved = [self.target.position - n * (self.remove == "delete") for n in before]
        places = torch.tensor(moved, device=inputs["input_ids"].device)
        with torch.no_grad():
            values = self.target.values(self.model(**inputs), places)
        return [float(value) for value in values]

    def _without(self, gone: frozenset[int]) -> dict[str, torch.Tensor]:
        n, places = self.inputs["input_ids"].shape[1], sorted(gone)
        whole = {name: value for name, value in self.inputs.items() if value.shape[:2] == (1, n)}
        if self.remove == "delete":
            kept = [place for place in range(n) if place not in gone]
            return {name: value[:, kept] for name, value in whole.items()}
        made = {name: value.clone() for name, value in whole.items()}
        made["input_ids"][0, places] = self.token
        if self.remove == "pad":
            mask = made.setdefault("attention_mask", torch.ones_like(made["input_ids"]))
            mask[0, places] = 0
        return made


def how_removed(remove: Any, model: Any, tokenizer: Any) -> tuple[str, int | None]:
    """How tokens are taken away, and the id that stands in their place.

    Raises:
        InputError: for an unknown way, or one for which the tokenizer has no token.
    """
    known = no_words(model, tokenizer)
    if remove is None:
        remove = "mask" if known["mask"] is not None else "delete"
    if remove not in REMOVE:
        raise InputError(f"remove must be one of {', '.join(map(repr, REMOVE))}, got {remove!r}.")
    if remove != "delete" and known[remove] is None:
        raise InputError(
            f"remove={remove!r} needs a {remove} token, and tokenizer and model have none in "
            "common: "
            "remove='delete' takes tokens out of the text."
        )
    return remove, None if remove == "delete" else known[remove]


def faithfulness(
    erasing: Erasing,
    scores: Mapping[str, Float[np.ndarray, "token"]],
    fractions: Sequence[float],
    random: int,
    seed: int,
) -> Table:
    """Comprehensiveness and sufficiency of each attribution, and of random ones.

    Args:
        erasing: the text and the model.
        scores: attributions by their names; tokens with larger ones are taken first.
        fractions: shares of the tokens, 0..1; of each at least one token.
        random: how many random orders the last row is the mean over; 0 leaves it out.
        seed: of the random orders.

    Returns:
        Columns `method`, `comprehensiveness`, `sufficiency`: means over the fractions of how much
        the target's value falls without the first tokens, or with nothing but them.
    """
    free = np.array(erasing.free, int)
    orders = {name: [free[np.argsort(-one[free], kind="stable")]] for name, one in scores.items()}
    generator = np.random.default_rng(seed)
    if random:
        orders[RANDOM] = [generator.permutation(free) for _ in range(random)]
    sizes = [max(1, int(np.ceil(share * len(free)))) for share in fractions]
    erasing.ask(gone for many in orders.values() for one in many for gone in _sets(one, sizes))
    made = {name: _means(erasing, many, sizes) for name, many in orders.items()}
    return Table(
        {
            "method": list(made),
            "comprehensiveness": [one[0] for one in made.values()],
            "sufficiency": [one[1] for one in made.values()],
        }
    )


def _sets(order: np.ndarray, sizes: Sequence[int]) -> list[frozenset[int]]:
    """What is taken away: the first tokens of an order, and all others."""
    whole = order.tolist()
    return [frozenset(part) for size in sizes for part in (whole[:size], whole[size:])]


def _means(
    erasing: Erasing, orders: Sequence[np.ndarray], sizes: Sequence[int]
) -> tuple[float, float]:
    base = erasing.value()
    falls = [[base - erasing.value(gone) for gone in _sets(one, sizes)] for one in orders]
    means = np.mean(falls, axis=0)
    return float(means[::2].mean()), float(means[1::2].mean())
