"""A text as it runs: its tokens, their shades, and what is told beside it."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import Locator

from attnscope.trace import Trace
from tests.browser.looking import FRAMES, random_weights, trace_of

TOKENS = ["[CLS]", "the", "un", "##happy", "cat", "sat", "[SEP]"]

SHADE = (
    "all => all.map(span => { const v = span.style.getPropertyValue('--v'); "
    "return v === 'none' ? null : Number(v); })"
)


def sentence() -> Trace:
    return trace_of(random_weights(3, 4, len(TOKENS), len(TOKENS)), tokens=TOKENS)


def tokens(view: Locator) -> Locator:
    return view.locator(".tok")


def shades(view: Locator) -> np.ndarray:
    view.page.evaluate(FRAMES)
    found = tokens(view).evaluate_all(SHADE)
    return np.array([np.nan if value is None else value for value in found], float)


def assert_shaded(view: Locator, values: np.ndarray) -> None:
    """Each shade is the root of the token's share of the largest number."""
    np.testing.assert_allclose(shades(view), np.sqrt(values / np.nanmax(values)), atol=0.012)


def facts(view: Locator) -> list[tuple[str, str]]:
    """(label, number) of what is told beside the text."""
    rows = view.locator("aside.facts tr")
    read = "rows => rows.map(row => [...row.querySelectorAll('td')].map(td => td.textContent))"
    return [(label, value) for label, value in rows.evaluate_all(read)]


def point(view: Locator, index: int, shift: bool = False) -> None:
    tokens(view).nth(index).hover(modifiers=["Shift"] if shift else [])
    view.page.evaluate(FRAMES)


def leave(view: Locator) -> None:
    view.page.mouse.move(1, 1)
    view.page.evaluate(FRAMES)


def mean(trace: Trace) -> np.ndarray:
    return np.mean([trace.weights(layer) for layer in trace.stream().numbers], axis=(0, 1))


def signed_shades(view: Locator) -> np.ndarray:
    """Shades, below 0 where the colour is that of numbers below 0."""
    against = "all => all.map(span => span.classList.contains('against') ? -1 : 1)"
    return shades(view) * tokens(view).evaluate_all(against)


def number_in(text: str) -> float:
    return float(text.replace("−", "-"))
