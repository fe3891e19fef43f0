"""Experiments: variants of a text, captured one after the other, and a measure over them.

    from attnscope import experiments

    variants = experiments.replace("I saw the man with the telescope.", "telescope", ["hat", "dog"])
    experiments.run(model, tokenizer, variants, experiments.weight("with", "saw"))

Variants are texts by name; the functions here make the usual ones, and any dict will do. A measure
is what is asked of each trace: `weight` makes one, the name of a head measure is one, and so is any
function of a trace.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnscope._numbers import index_of
from attnscope._places import places_of, runs_of
from attnscope.errors import InputError
from attnscope.measures.heads import MEASURES, heads
from attnscope.measures.table import Table
from attnscope.tokens import Tokens

if TYPE_CHECKING:
    from attnscope.trace import Trace

Variants = dict[str, str]
"""Texts by name, in order; the first one is what the others are variants of."""

WORD = re.compile(r"\w+(?:['’]\w+)*")
ORIGINAL = "original"


def replace(text: str, word: str, others: Iterable[str]) -> Variants:
    """The text with a word replaced by each of the others.

    Raises:
        InputError: when the word is not in the text, or there is nothing to put in its place.
    """
    found = _found(text, word)
    listed = [others] if isinstance(others, str) else list(others)
    if not listed:
        raise InputError("others is empty: name at least one word to put in the place.")
    return {ORIGINAL: text, **{other: _with(text, found, other) for other in listed}}


def swap(text: str, one: str, other: str) -> Variants:
    """The text with two words in each other's place.

    Raises:
        InputError: when one of them is not in the text exactly once.
    """
    first, second = sorted((_single(text, one), _single(text, other)), key=lambda m: m.start())
    swapped = (
        text[: first.start()] + second[0] + text[first.end() : second.start()] + first[0]
        + text[second.end() :]
    )  # fmt: skip
    return {ORIGINAL: text, f"{one} ↔ {other}": swapped}


def mask(text: str, mask_token: Any, words: Sequence[str] | None = None) -> Variants:
    """The text with each of its words masked in turn, every occurrence by itself.

    Args:
        text: the text.
        mask_token: what stands for a masked word, `[MASK]`, or the tokenizer that says it.
        words: only these words; None for all.

    Raises:
        InputError: for a tokenizer without a mask, or a word that is not there.
    """
    sign = mask_token if isinstance(mask_token, str) else getattr(mask_token, "mask_token", None)
    if not sign:
        raise InputError(
            "this tokenizer has no mask token (its model predicts the next one): name a word to "
            "put in the place, mask(text, '...')."
        )
    for word in words or ():
        _found(text, word)
    found = [m for m in WORD.finditer(text) if words is None or m[0] in words]
    counts: dict[str, int] = {}
    variants = {ORIGINAL: text}
    for match in found:
        counts[match[0]] = number = counts.get(match[0], 0) + 1
        name = match[0] if number == 1 else f"{match[0]} ({number})"
        variants[name] = _with(text, [match], sign)
    return variants


def reorder(text: str, n: int = 5, *, seed: int = 0) -> Variants:
    """The text with its words in random orders; punctuation stays where it is.

    Args:
        text: the text.
        n: how many orders; fewer where the words have not so many.
        seed: of the orders.

    Raises:
        InputError: for a text of one word, or n below 1.
    """
    found, rng = list(WORD.finditer(text)), random.Random(seed)
    words = [match[0] for match in found]
    if len(set(words)) < 2 or index_of("n", n) < 1:
        raise InputError(f"nothing to reorder {n} times in {text!r}: it needs two different words.")
    variants, texts = {ORIGINAL: text}, {text}
    for _ in range(20 * n):
        order = rng.sample(words, len(words))
        made = _joined(text, found, order)
        if made not in texts:
            texts.add(made)
            variants[f"order {len(variants)}"] = made
        if len(variants) > n:
            break
    return variants


def lengthen(
    text: str, filler: str, times: Sequence[int] = (1, 2, 4, 8), *, before: str | None = None
) -> Variants:
    """The text made longer: a filler, so many times, at its start or in front of a word.

    Args:
        text: the text.
        filler: a word or a sentence.
        times: how often.
        before: the word in front of which it is put; None puts it in front of the text.

    Raises:
        InputError: when the word is not in the text exactly once, or a number is below 0.
    """
    at = 0 if before is None else _single(text, before).start()
    numbers = [index_of("times", number) for number in times]
    if not filler.strip() or min(numbers, default=0) < 0:
        raise InputError(
            f"cannot put {filler!r} {list(times)} times: give a word and numbers from 0."
        )
    return {
        ORIGINAL: text,
        **{f"{n} × {filler}": text[:at] + f"{filler.strip()} " * n + text[at:] for n in numbers},
    }


Measure = Callable[["Trace"], Any]


def run(
    model: Any,
    tokenizer: Any,
    variants: Mapping[str, str],
    measure: Measure | str,
    **options: Any,
) -> Table:
    """Capture all variants and table a measure over them.

    Args:
        model: a Hugging Face PyTorch model.
        tokenizer: its tokenizer.
        variants: texts by name.
        measure: a function of a trace that gives a number, a dict of numbers, or a table; or the
            name of a measure of heads (`entropy`, `previous_token`, ...), for one row a head.
        options: passed on to `capture` (`target=`, `layers=`, `values=`, ...).

    Returns:
        Columns `variant`, `tokens` (how many the text has), then the measure's: `value` for a
        number.

    Raises:
        InputError: when there are no variants, or for an unknown measure.
    """
    import attnscope

    ask = _measure(measure)
    if not isinstance(variants, Mapping) or not variants:
        raise InputError(
            "variants must be texts by name, {'original': '...', 'longer': '...'}, at least one."
        )
    rows: list[dict[str, Any]] = []
    for name, text in variants.items():
        trace = attnscope.capture(model, tokenizer, text, **options)
        n_tokens = len(next(iter(trace.streams.values())).key)
        rows += [{"variant": name, "tokens": n_tokens, **row} for row in _rows(ask(trace))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table({name: [row.get(name, np.nan) for row in rows] for name in names})


def weight(
    query: int | str,
    key: int | str | Sequence[int | str],
    *,
    layer: int | None = None,
    head: int | None = None,
    stream: str | None = None,
) -> Measure:
    """A measure: the weight that a word gives to others, 0..1.

    A word of several tokens counts as one: its rows are averaged, weights on its tokens added.

    Args:
        query: the word that attends: its text, or the position of a token.
        key: the word attended to, or several, for one column each.
        layer: number of a layer; None for one row a layer and head.
        head: number of a head; None for one row a head.
        stream: may be left out where there is only one.

    Returns:
        A function of a trace: a table with `layer`, `head` and a column for each key, NaN where
        the text lacks one of the words.
    """
    keys = [key] if isinstance(key, int | str) else list(key)

    def measured(trace: Trace) -> Table:
        found = trace.stream(stream)
        rows = []
        columns = {str(one): _places(found.key, one) for one in keys}
        at = _places(found.query, query)
        for number in found.numbers if layer is None else [layer]:
            for place in found.places(number, None if head is None else [head]):
                shown = found.layer(number).rows([place])[0]
                parts = {name: _weight(shown, at, where) for name, where in columns.items()}
                rows.append({"layer": number, "head": found.layer(number).heads[place], **parts})
        return Table({name: [row[name] for row in rows] for name in rows[0]})

    return measured


def _weight(rows: np.ndarray, queries: Sequence[int], keys: Sequence[int]) -> float:
    if not queries or not keys:
        return float("nan")
    return float(rows[list(queries)][:, list(keys)].sum(-1).mean())


def _places(tokens: Tokens, word: int | str) -> tuple[int, ...]:
    """Places of a word; none where the text lacks it.

    Raises:
        InputError: for a word that is there several times, or a position that is not there.
    """
    if isinstance(word, str) and not runs_of(word, tokens):
        return ()
    return places_of("word", word, tokens)


def _measure(measure: Any) -> Measure:
    if callable(measure):
        return measure  # type: ignore[no-any-return]
    if isinstance(measure, str) and measure in MEASURES:
        return lambda trace: heads(trace, [measure])
    raise InputError(
        f"measure must be a function of a trace, or one of {', '.join(MEASURES)}; got {measure!r}."
    )


def _rows(found: Any) -> Iterable[dict[str, Any]]:
    if isinstance(found, Table):
        return found.rows()
    return [dict(found) if isinstance(found, Mapping) else {"value": found}]


def _found(text: str, word: str) -> list[re.Match[str]]:
    found = [match for match in WORD.finditer(text) if match[0] == word]
    if not found:
        words = ", ".join(dict.fromkeys(WORD.findall(text)))
        raise InputError(f"{word!r} is no word of {text!r}, which has {words}.")
    return found


def _single(text: str, word: str) -> re.Match[str]:
    found = _found(text, word)
    if len(found) > 1:
        raise InputError(f"{word!r} is {len(found)} times in {text!r}: name a word that is once.")
    return found[0]


def _with(text: str, found: Sequence[re.Match[str]], other: str) -> str:
    return _joined(text, found, [other] * len(found))


def _joined(text: str, found: Sequence[re.Match[str]], words: Sequence[str]) -> str:
    """The text with other words in these places."""
    for match, word in zip(reversed(found), reversed(words), strict=True):
        text = text[: match.start()] + word + text[match.end() :]
    return text
