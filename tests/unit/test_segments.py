"""Segments by characters and markers: every token in one, and what matches nothing is said."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import attnscope
from attnscope import InputError, segments
from attnscope.tokens import Tokens, tokens_from_tokenizer

TEXT = "[1] Cats sleep a lot. [2] Dogs bark. Question: what do dogs do?"


def words_of(text: str) -> Tokens:
    """One token a word, with the space before it as some tokenizers have it."""
    pieces, spans, at = text.split(" "), [], 0
    for piece in pieces:
        spans.append((max(0, at - 1), at + len(piece)))
        at += len(piece) + 1
    return Tokens(tuple(pieces), tuple(pieces), np.zeros(len(pieces), bool), spans=np.array(spans))


def named(runs: list[Any]) -> list[tuple[str, int, int]]:
    return [(run.name, run.start, run.stop) for run in runs]


def test_markers_begin_a_segment_each() -> None:
    tokens = words_of("Read: " + TEXT)
    runs = segments.by_markers(tokens, "Read: " + TEXT, ["[1]", "[2]", "Question:"])
    assert named(runs) == [("rest", 0, 1), ("[1]", 1, 6), ("[2]", 6, 9), ("Question:", 9, 14)]
    renamed = segments.by_markers(
        tokens, "Read: " + TEXT, {"question": "Question:", "cats": "[1]"}, rest="start"
    )
    assert named(renamed) == [("start", 0, 1), ("cats", 1, 9), ("question", 9, 14)]


def test_ranges_may_leave_gaps_and_come_in_any_order() -> None:
    runs = segments.by_ranges(words_of(TEXT), TEXT, [("b", 26, 30), ("a", 0, 8)])
    assert named(runs) == [("a", 0, 2), ("rest", 2, 6), ("b", 6, 7), ("rest", 7, 13)]


@given(st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_every_token_is_in_the_range_where_it_starts(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=4)))
    ranges = [(f"r{i}", a, b) for i, (a, b) in enumerate(itertools.pairwise(cuts))]
    tokens, at, starts = words_of(text), 0, []
    for word in words:
        starts.append(at)
        at += len(word) + 1
    empty = [name for name, a, b in ranges if not any(a <= start < b for start in starts)]
    if empty:
        with pytest.raises(InputError, match=f"segment '{empty[0]}' matches nothing"):
            segments.by_ranges(tokens, text, ranges)
        return
    runs = segments.by_ranges(tokens, text, ranges)
    assert [run.start for run in runs] == [0, *[run.stop for run in runs[:-1]]]
    for place, start in enumerate(starts):
        name = next((name for name, a, b in ranges if a <= start < b), "rest")
        assert next(run for run in runs if run.start <= place < run.stop).name == name


def test_a_real_tokenizer_and_a_capture_with_them(minilm: Any) -> None:
    model, tokenizer = minilm
    runs = segments.by_markers(tokenizer, TEXT, {"cats": "[1]", "dogs": "[2]", "ask": "Question"})
    trace = attnscope.capture(model, tokenizer, TEXT, segments=runs)
    texts = {run.name: " ".join(trace.tokens.text[run.start : run.stop]) for run in runs}
    assert texts["dogs"] == "[ 2 ] dogs bark ."
    assert texts["cats"].startswith("[ 1 ] cats sleep")
    assert [segment.name for segment in trace.tokens.segments] == [
        "rest", "cats", "dogs", "ask", "rest",
    ]  # fmt: skip
    assert list(trace.segments().columns)[2:] == ["rest", "cats", "dogs", "ask", "rest (2)"]
    n, start, stop = len(trace.tokens), runs[2].start, runs[3].stop
    assert named(segments.by_markers(trace.tokens, TEXT, ["[2]"])) == [
        ("rest", 0, start), ("[2]", start, stop), ("rest", stop, n),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda t: segments.by_ranges(t, TEXT, []), "ranges must be .name, start, stop. in charac"),
        (lambda t: segments.by_ranges(t, TEXT, [(1, 2)]), r"in characters, got \(1, 2\)"),
        (lambda t: segments.by_ranges(t, TEXT, [("a", 0, 99)]), "'a' goes from character 0 to 99"),
        (lambda t: segments.by_ranges(t, TEXT, [("a", 5, 5)]), "which is no range of the text: it"),
        (
            lambda t: segments.by_ranges(t, TEXT, [("a", 0, 9), ("b", 8, 12)]),
            "'a' and 'b' overlap at characters 8 to 9",
        ),
        (lambda t: segments.by_ranges(t, TEXT, [("a", 1, 3)]), "segment 'a' matches nothing: no t"),
        (lambda t: segments.by_markers(t, TEXT, ["[3]"]), r"the marker '\[3\]' is not in the text"),
        (lambda t: segments.by_markers(t, TEXT, ["do"]), "the marker 'do' is there 3 times: each"),
        (lambda t: segments.by_markers(t, TEXT, "[1]"), r"markers must be strings such as"),
        (lambda t: segments.by_markers(t, " ", ["[1]"]), "text must be a string with at least one"),
        (
            lambda _: segments.by_markers(Tokens.plain(TEXT.split()), TEXT, ["[1]"]),
            "nobody knows where these tokens stand in the text: use a fast tokenizer",
        ),
    ],
)
def test_what_matches_nothing(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make(words_of(TEXT))


def test_a_token_is_named_from_what_the_tokenizer_made(minilm_tokenizer: Any) -> None:
    tokens = tokens_from_tokenizer(minilm_tokenizer, minilm_tokenizer([TEXT]))
    by_tokens = segments.by_markers(tokens, TEXT, ["[1]", "[2]"])
    assert by_tokens == segments.by_markers(minilm_tokenizer, TEXT, ["[1]", "[2]"])
