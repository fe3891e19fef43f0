"""Two traces compared whose numbers are known: what a person sees of both, and what is true."""

from __future__ import annotations

import re

from playwright.sync_api import Locator

import attnscope
from tests.browser.looking import random_weights

FIRST = ["the", "man", "saw", "it", "."]

SECOND = ["the", "old", "man", "saw", "her", "."]

MERGED = ["the", "+old", "man", "saw", "it→her", "."]

IN_FIRST, IN_SECOND = [0, None, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]


def words_compared() -> attnscope.Comparison:
    traces = [
        attnscope.from_attention(random_weights(2, 3, len(words), len(words), seed=seed), words)
        for seed, words in enumerate((FIRST, SECOND))
    ]
    return attnscope.compare(*traces, names=("before", "after"))


def part(view: Locator, name: int | str) -> Locator:
    return view.locator(f"[data-part='{name}']")


def plain(text: str) -> str:
    """`−0.12` → `-0.12`, `2.5·10⁻⁴` → `2.5e-4`."""
    signs = str.maketrans("−⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return text.replace("·10⁻", "e-").translate(signs)


def expected(comparison, layer: int, head: int, query: int, key: int) -> list[float | None]:
    """What NumPy says of a merged cell: before, after, difference."""
    places = [(IN_FIRST[query], IN_FIRST[key]), (IN_SECOND[query], IN_SECOND[key])]
    both = [
        None if None in place else float(trace.weights(layer, head)[place])
        for trace, place in zip((comparison.a, comparison.b), places, strict=True)
    ]
    return [*both, None if None in both else both[1] - both[0]]


def are_true(texts: list[str], numbers: list[float | None]) -> bool:
    """Every text is its number, to the last digit that it prints."""

    def is_true(text: str, number: float | None) -> bool:
        if text == "missing" or number is None:
            return text == "missing" and number is None
        if text.startswith("<"):
            return 0 <= number < float(text[1:])
        lead, _, power = plain(text).partition("e-")
        decimals = len(lead.partition(".")[2]) + int(power or 0)
        return abs(float(plain(text)) - number) <= 0.51 * 10**-decimals + 1e-5

    return all(map(is_true, texts, numbers))


def has(name: str) -> re.Pattern[str]:
    return re.compile(rf"\b{name}\b")
