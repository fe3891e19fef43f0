"""Tokens: display texts, words, segments, and what a tokenizer knows."""

from __future__ import annotations

import numpy as np
import pytest

from attnscope import InputError, Segment, Tokens
from attnscope.tokens import tokens_from_tokenizer


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (["[CLS]", "play", "##ing", "[SEP]"], ("[CLS]", "play", "ing", "[SEP]")),
        (["Hello", "Ġworld", "Ċ", "Ġ", "ĠĠ"], ("Hello", "world", "⏎", "␣", "␣␣")),
        (["ðŁĺ", "Ģ", "Ġcaf", "Ã©", "âĢĻ", "s"], ("😀 1/2", "😀 2/2", "caf", "é", "’", "s")),
        (["▁Hallo", "▁Wel", "t", "▁"], ("Hallo", "Wel", "t", "␣")),
        (["▁", "<0xE2>", "<0x82>", "<0xAC>"], ("␣", "€ 1/3", "€ 2/3", "€ 3/3")),
        (["▁x", "<0xFF>"], ("x", "\\xff")),
        (["low", "er</w>"], ("low", "er")),
        (["##", "\t", "a\nb", "\u00a0"], ("##", "⇥", "a⏎b", "⍽")),
        (["a\u202eb", "\u200b", "👩\u200d🔬"], ("a⟨U+202E⟩b", "⟨U+200B⟩", "👩\u200d🔬")),
        (["自動", "運転", "שלום"], ("自動", "運転", "שלום")),
        (["â", "naïve"], ("â", "naïve")),
        ([""], ("",)),
    ],
)
def test_display_text(raw: list[str], text: tuple[str, ...]) -> None:
    tokens = Tokens.plain(raw)
    assert tokens.text == text
    assert tokens.raw == tuple(raw)


def test_a_lone_surrogate_cannot_reach_a_file() -> None:
    tokens = Tokens.plain(["a\ud800b"])
    assert "".join(tokens.text + tokens.raw).encode() == b"a\\ud800b" * 2


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (["[CLS]", "play", "##ing", "now", "[SEP]"], (-1, 0, 0, 1, -1)),
        (["Hel", "lo", "Ġworld"], (0, 0, 1)),
        (["▁a", "b", "</s>", "▁c"], (0, 0, -1, 1)),
        (["plain", "words"], ()),
    ],
)
def test_words_follow_the_markers(raw: list[str], words: tuple[int, ...]) -> None:
    assert Tokens.plain(raw).words == words


def test_segments_by_starts_and_by_name() -> None:
    assert Tokens.plain("abcd", segments=[2]).segments == (Segment("A", 0, 2), Segment("B", 2, 4))
    named = Tokens.plain("abcd", segments=[("question", 0, 1), ("context", 1, 4)])
    assert [s.name for s in named.segments] == ["question", "context"]


@pytest.mark.parametrize("starts", [[0], [4], [9], [3, 2]])
def test_segments_that_do_not_cover_the_tokens(starts: list[int]) -> None:
    with pytest.raises(InputError, match=r"do not cover the 4 tokens one after the other"):
        Tokens.plain("abcd", segments=starts)


def test_take_cuts_segments_and_masks() -> None:
    tokens = Tokens.plain(["[CLS]", "a", "b", "c", "[PAD]"], segments=[3])
    kept = tokens.take(np.array([True, True, False, True, False]))
    assert kept.text == ("[CLS]", "a", "c")
    assert kept.segments == (Segment("A", 0, 2), Segment("B", 2, 3))
    assert kept.special.tolist() == [True, False, False]


def test_a_pair_from_a_tokenizer(minilm_tokenizer: object) -> None:
    text, pair = "The cats sat on mattresses", "They slept."
    encoding = minilm_tokenizer(text, pair)  # type: ignore[operator]
    batch = {"input_ids": [encoding["input_ids"]], "token_type_ids": [encoding["token_type_ids"]]}
    whole = minilm_tokenizer(text, pair, return_tensors="np")  # type: ignore[operator]
    tokens = tokens_from_tokenizer(minilm_tokenizer, whole)
    first = tokens.text.index("[SEP]") + 1
    assert tokens.segments == (Segment("A", 0, first), Segment("B", first, len(tokens)))
    spans = zip(tokens.spans.tolist(), tokens.raw, tokens.special, strict=True)
    for (start, stop), raw, special in list(spans)[:first]:
        assert special or text[start:stop].lower() == raw.removeprefix("##")
    split = [w for w, raw in zip(tokens.words, tokens.raw, strict=True) if raw.startswith("##")]
    assert split
    assert all(tokens.words.count(word) > 1 for word in split)
    slow = tokens_from_tokenizer(minilm_tokenizer, batch)
    assert slow.text == tokens.text
    assert slow.segments == tokens.segments


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (["Ġenn", "café", "über"], ("Ġenn", "café", "über")),  # a Maltese letter, not a space
        (["Ġenn", "▁caf", "é"], ("Ġenn", "caf", "é")),
        (["ðŁ", "ĺĢ", "Ġgo", "ðŁĺ"], ("😀 1/2", "😀 2/2", "go", "\\xf0\\x9f\\x98")),
    ],
)
def test_a_letter_is_a_space_only_where_all_pieces_spell_bytes(
    raw: list[str], text: tuple[str, ...]
) -> None:
    assert Tokens.plain(raw).text == text


def test_more_than_26_segments_have_names_of_their_own() -> None:
    tokens = Tokens.plain(range(40), segments=range(1, 40))
    names = [segment.name for segment in tokens.segments]
    assert names[:2] == ["A", "B"]
    assert names[25:28] == ["Z", "AA", "AB"]
    assert len(set(names)) == 40


def a_tokenizer(byte_level: bool) -> object:
    """A fast tokenizer whose vocabulary has the letter `Ġ`, as a space or as itself."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"Ġ": 0, "Ġcaf": 1, "café": 2, "[UNK]": 3}, "[UNK]"))
    kind = pre_tokenizers.ByteLevel if byte_level else pre_tokenizers.Whitespace
    made.pre_tokenizer = kind()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]")


@pytest.mark.parametrize(
    ("byte_level", "text"), [(True, ("␣", "caf")), (False, ("Ġ", "Ġcaf", "café"))]
)
def test_the_tokenizer_knows_whether_pieces_spell_bytes(
    byte_level: bool, text: tuple[str, ...]
) -> None:
    ids = [[0, 1, 2][: len(text)]]
    assert tokens_from_tokenizer(a_tokenizer(byte_level), {"input_ids": ids}).text == text
