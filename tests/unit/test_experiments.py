"""Experiments: variants of texts, and one call that captures all and tables a measure."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attnscope
from attnscope import InputError, experiments
from attnscope._places import places_of
from attnscope.tokens import Tokens

TEXT = "I saw the man with the telescope."


def test_replacing_a_word() -> None:
    assert experiments.replace(TEXT, "telescope", ["hat", "big dog"]) == {
        "original": TEXT,
        "hat": "I saw the man with the hat.",
        "big dog": "I saw the man with the big dog.",
    }
    assert experiments.replace(TEXT, "the", "a")["a"] == "I saw a man with a telescope."


def test_swapping_two_words_keeps_the_rest() -> None:
    made = experiments.swap("Then Mary, tired, gave John a drink.", "John", "Mary")
    assert made["John ↔ Mary"] == "Then John, tired, gave Mary a drink."


def test_masking_every_word_in_turn() -> None:
    made = experiments.mask("the cat, the dog", "[MASK]")
    assert list(made) == ["original", "the", "cat", "the (2)", "dog"]
    assert made["the (2)"] == "the cat, [MASK] dog"
    assert list(experiments.mask("the cat, the dog", "_", ["dog"])) == ["original", "dog"]


@given(st.lists(st.sampled_from("abcde"), min_size=2, max_size=7), st.integers(0, 3))
def test_orders_are_new_and_of_the_same_words(words: list[str], seed: int) -> None:
    text = ", ".join(words) + "."
    if len(set(words)) < 2:
        with pytest.raises(InputError, match="it needs two different words"):
            experiments.reorder(text)
        return
    made = experiments.reorder(text, 4, seed=seed)
    assert len(set(made.values())) == len(made) <= 5
    assert made == experiments.reorder(text, 4, seed=seed)
    for variant in made.values():
        assert Counter(re.findall(r"\w", variant)) == Counter(words)
        assert re.sub(r"\w", "x", variant) == re.sub(r"\w", "x", text)


def test_lengthening() -> None:
    made = experiments.lengthen("The cat sat.", "really", [0, 2], before="sat")
    assert made["0 × really"] == made["original"] == "The cat sat."
    assert made["2 × really"] == "The cat really really sat."
    assert experiments.lengthen("It.", "A dog.", [1])["1 × A dog."] == "A dog. It."


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: experiments.replace(TEXT, "cat", ["dog"]), "'cat' is no word of 'I saw the"),
        (lambda: experiments.replace(TEXT, "man", []), "others is empty: name at least one word"),
        (lambda: experiments.swap(TEXT, "the", "man"), "'the' is 2 times in 'I saw"),
        (lambda: experiments.mask(TEXT, object()), "this tokenizer has no mask token"),
        (lambda: experiments.mask(TEXT, "_", ["cat"]), "'cat' is no word of"),
        (lambda: experiments.reorder("one"), "nothing to reorder 5 times in 'one'"),
        (lambda: experiments.lengthen(TEXT, " "), r"cannot put ' ' \[1, 2, 4, 8\] times"),
        (lambda: experiments.lengthen(TEXT, "x", [-1]), r"cannot put 'x' \[-1\] times"),
        (lambda: experiments.run(None, None, {}, "entropy"), "variants must be texts by name"),
        (lambda: experiments.run(None, None, {"a": "b"}, "entopy"), "measure must be a func"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


@pytest.fixture
def words_only(monkeypatch: pytest.MonkeyPatch) -> dict[str, attnscope.Trace]:
    """`attnscope.capture` for traces of words with random weights."""
    made: dict[str, attnscope.Trace] = {}

    def capture(model: Any, tokenizer: Any, text: str, **options: Any) -> attnscope.Trace:
        words = text.replace(".", " .").split()
        weights = np.random.default_rng(len(words)).dirichlet(
            np.ones(len(words)), (2, 2, len(words))
        )
        made[text] = attnscope.from_attention(weights, words)
        return made[text]

    monkeypatch.setattr(attnscope, "capture", capture)
    return made


def test_a_weight_between_words_over_variants(words_only: dict[str, attnscope.Trace]) -> None:
    variants = experiments.replace(TEXT, "telescope", ["hat"])
    ask = experiments.weight("with", ["saw", "telescope", 0])
    table = experiments.run(None, None, variants, ask)
    assert list(table.columns) == ["variant", "tokens", "layer", "head", "saw", "telescope", "0"]
    assert len(table) == 2 * 4
    for row in table.rows():
        weights = words_only[variants[row["variant"]]].weights(row["layer"], row["head"])
        assert row["saw"] == pytest.approx(weights[4, 1])
        assert row["0"] == pytest.approx(weights[4, 0])
        if row["variant"] == "original":
            assert row["telescope"] == pytest.approx(weights[4, 6])
        else:
            assert np.isnan(row["telescope"])
    one = experiments.run(None, None, variants, experiments.weight("with", "man", layer=1, head=0))
    assert len(one) == 2
    with pytest.raises(InputError, match="word: 'the' is there 2 times, at 2, 5"):
        experiments.run(None, None, variants, experiments.weight("the", "man"))


def test_a_word_of_several_tokens_counts_as_one() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(4), (1, 1, 4))
    trace = attnscope.from_attention(weights, ["the", "tele", "##scope", "fell"])
    found = next(experiments.weight("telescope", "telescope")(trace).rows())
    assert found["telescope"] == pytest.approx(weights[0, 0][1:3][:, 1:3].sum(1).mean())


def test_measures_of_heads_numbers_and_dicts(words_only: dict[str, attnscope.Trace]) -> None:
    variants = {"a": "x y z", "b": "x y"}
    table = experiments.run(None, None, variants, "entropy")
    assert len(table) == 8
    expected = [row["entropy"] for row in words_only["x y z"].heads(["entropy"]).rows()]
    assert table["entropy"][:4].tolist() == expected
    plain = experiments.run(None, None, variants, lambda trace: len(trace.tokens))
    assert plain["value"].tolist() == plain["tokens"].tolist() == [3, 2]
    mixed = experiments.run(
        None, None, variants, lambda trace: {"n": 1} if len(trace.tokens) == 3 else {"m": 2}
    )
    assert np.isnan(mixed["m"][0])
    assert mixed["m"][1] == 2


def test_on_a_real_model(minilm: Any) -> None:
    """Two heads disagree about what "with the telescope" belongs to."""
    ask = experiments.weight("with", ["saw", "man"])
    table = experiments.run(*minilm, {"original": TEXT}, ask)
    best = {word: next(table.sort(word).rows()) for word in ("saw", "man")}
    assert (best["saw"]["layer"], best["saw"]["head"]) == (1, 2)
    assert best["saw"]["saw"] == pytest.approx(0.686, abs=1e-3)
    behind = table.take(table["layer"] > 0)
    assert next(behind.sort("man").rows())["head"] == 9


def test_names_are_found_as_they_are_written_first() -> None:
    tokens = Tokens.plain(["she", "She", "saw", "her"])
    assert places_of("keys", "She", tokens) == (1,)
    assert places_of("keys", "SAW", tokens) == (2,)
    with pytest.raises(InputError, match="'SHE' is there 2 times, at 0, 1"):
        places_of("keys", "SHE", tokens)
