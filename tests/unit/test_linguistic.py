"""Syntactic and coreference scores: attention made to be right, slow loops, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attnscope
from attnscope import InputError, Tokens, measures
from attnscope.measures.conllu import parse, plain, words_of_tokens

FILE = Path(__file__).resolve().parents[1] / "fixtures" / "trees.conllu"


def row(number: int, form: str, head: int | str, relation: str = "dep") -> str:
    return "\t".join([str(number), form, "_", "_", "_", "_", str(head), relation, "_", "_"])


TREE = "\n".join(
    [
        "# text = Dogs chased unbelievable cats",
        row(1, "Dogs", 2, "nsubj"),
        row(2, "chased", 0, "root"),
        row(3, "unbelievable", 4, "amod"),
        row(4, "cats", 2, "obj"),
    ]
)
PIECES = ["[CLS]", "dogs", "chased", "un", "##believ", "##able", "cats", "[SEP]"]
OF_WORD = [[1], [2], [3, 4, 5], [6]]


def a_trace(*heads: np.ndarray, pieces: list[str] = PIECES) -> attnscope.Trace:
    return attnscope.from_attention([np.stack(heads).astype(np.float32)], pieces)


def looking(at: dict[int, int], n: int = 8) -> np.ndarray:
    """Rows that look at one key; the others look at the first token."""
    weights = np.zeros((n, n))
    for query in range(n):
        weights[query, at.get(query, 0)] = 1
    return weights


def test_a_head_that_follows_every_arc_scores_one_and_its_opposite_in_reverse() -> None:
    to_head = looking({1: 2, 3: 6, 4: 6, 5: 6, 6: 2})
    to_child = np.zeros((8, 8))
    to_child[:, 0] = 1
    to_child[2] = [0, 0.5, 0, 0, 0, 0, 0.5, 0]
    to_child[6] = [0, 0, 0, 0.4, 0.3, 0.3, 0, 0]
    table = measures.syntactic(a_trace(to_head, to_child), TREE)
    everything = {r["head"]: r for r in table.rows() if r["relation"] == "all"}
    assert (everything[0]["score"], everything[0]["count"]) == (1.0, 3)
    assert everything[1]["reverse"] == 1.0
    assert everything[1]["score"] < 1
    assert set(table["relation"]) == {"all", "nsubj", "amod", "obj"}
    assert everything[0]["baseline"] == pytest.approx(2 / 3)
    assert everything[0]["offset"] == 1
    nsubj = next(r for r in table.rows() if r["relation"] == "nsubj")
    assert (nsubj["count"], nsubj["baseline"], nsubj["offset"]) == (1, 1.0, 1)


def test_scores_are_what_slow_loops_give() -> None:
    rng = np.random.default_rng(0)
    heads = [rng.random((8, 8)) ** 4 for _ in range(3)]
    heads = [head / head.sum(-1, keepdims=True) for head in heads]
    table = measures.syntactic(a_trace(*heads), TREE)
    for number, weights in enumerate(heads):
        words = np.zeros((4, 4))
        for i, queries in enumerate(OF_WORD):
            for j, keys in enumerate(OF_WORD):
                words[i, j] = np.mean([sum(weights[q, k] for k in keys) for q in queries])
        arcs = [(0, 1), (2, 3), (3, 1)]
        score = np.mean([words[child].argmax() == head for child, head in arcs])
        reverse = np.mean([words[:, child].argmax() == head for child, head in arcs])
        found = table.take((table["relation"] == "all") & (table["head"] == number))
        assert found["score"][0] == pytest.approx(score)
        assert found["reverse"][0] == pytest.approx(reverse)


def test_several_texts_count_together() -> None:
    good, bad = a_trace(looking({1: 2, 3: 6, 4: 6, 5: 6, 6: 2})), a_trace(looking({}))
    table = measures.syntactic([good, bad], [TREE, TREE])
    assert table["score"][0] == 0.5
    assert table["count"][0] == 6


def test_a_file_and_a_head_of_fixed_distance(tmp_path: Path) -> None:
    path = tmp_path / "tree.conllu"
    path.write_text(TREE)
    to_next = looking({1: 2, 2: 3, 3: 6, 4: 6, 5: 6, 6: 7})
    table = measures.syntactic(a_trace(to_next), path)
    assert table["score"][0] == pytest.approx(table["baseline"][0])


def test_the_shipped_trees_are_whole() -> None:
    words = parse(FILE)
    assert sum(word.head < 0 for word in words) == 8
    assert {"nsubj", "det", "obj", "case", "amod"} <= {word.relation for word in words}


def test_ranges_empty_nodes_and_comments_are_left_out() -> None:
    text = "\n".join(
        [
            "# c",
            "1-2\tdu" + "\t_" * 8,
            row(1, "de", 0),
            row(2, "le", 1),
            "2.1\tx" + "\t_" * 8,
            "",
            "",
        ]
    )
    assert [(word.form, word.head) for word in parse(text + row(1, "b", 0))] == [
        ("de", -1),
        ("le", 0),
        ("b", -1),
    ]


def test_words_align_without_case_accents_spaces_and_bytes() -> None:
    tokens = Tokens.plain(["<s>", "▁Caf", "é", "▁LATTE", "</s>"])
    assert words_of_tokens(tokens, ["café", "Latte"]).tolist() == [-1, 0, 0, 1, -1]
    text = ("日 1/2", "日 2/2", "本", "␣", "語")
    split = Tokens(text, text, np.zeros(5, bool))
    assert words_of_tokens(split, ["日本", "語"])[[0, 1, 2, 4]].tolist() == [0, 0, 0, 1]
    assert plain("日 2/3") == ""


CAT = ["[CLS]", "the", "cat", "##s", "sat", "as", "they", "do", "[SEP]"]


def test_a_head_that_finds_the_antecedent() -> None:
    right = looking({6: 3}, 9)
    wrong = looking({6: 4}, 9)
    spread = looking({}, 9)
    spread[6] = [0.4, 0, 0.17, 0.18, 0.2, 0.05, 0, 0, 0]
    itself = looking({6: 6}, 9)
    itself[6] = [0, 0, 0.06, 0.04, 0, 0, 0.9, 0, 0]
    trace = a_trace(right, wrong, spread, itself, pieces=CAT)
    table = measures.coreference(trace, [("they", (2, 4))])
    assert table["score"].tolist() == [1, 0, 1, 1]
    np.testing.assert_allclose(table["weight"], [1, 0, 0.35, 0.1], atol=1e-6)
    several = measures.coreference(trace, [(6, "the"), (6, (2, 4)), (7, "the")])
    assert several["count"].tolist() == [2, 2, 2, 2]
    assert several["score"][0] == 0.5


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: measures.syntactic(t, "nowhere.conllu"), "or the path of such a file; 'nowhere"),
        (lambda t: measures.syntactic(t, "1\ta\tb"), "'1\\ta\\tb' has 3 columns, expected 10"),
        (lambda t: measures.syntactic(t, 3), "conllu must be text or a path, got int"),
        (lambda t: measures.syntactic(t, row(2, "dogs", 0)), "word 1 has the number 2"),
        (lambda t: measures.syntactic(t, row(1, "dogs", 7)), "'dogs' has the head '7', expected 0"),
        (
            lambda t: measures.syntactic(t, row(1, "wolves", 0)),
            "word 0 is 'wolves', where the tokens go on with 'dogschasedunbelievab'",
        ),
        (
            lambda t: measures.syntactic(t, row(1, "Dogs", 0)),
            "the words end before the tokens: nothing aligns with 'chasedunbelievableca'",
        ),
        (
            lambda t: measures.syntactic(
                t,
                TREE.replace(
                    row(2, "chased", 0, "root"), row(2, "cha", 0) + "\n" + row(3, "sed", 2)
                ),
            ),
            "word 4 has the number 3",
        ),
        (
            lambda t: measures.syntactic(
                t,
                "\n".join(
                    row(i + 1, w, 0) for i, w in enumerate(["dogscha", "sedunbelievablecats"])
                ),
            ),
            "word 0 'dogscha' ends inside the token 'chased': capture the text with a space",
        ),
        (lambda t: measures.syntactic([t, t], TREE), "one text of trees was given for 2 traces"),
        (lambda t: measures.syntactic([t, t], [TREE]), "1 trees were given for 2 traces"),
        (lambda t: measures.coreference(t, []), "mentions is empty"),
        (lambda t: measures.coreference(t, [3]), "mentions must be pairs (mention, antecedent)"),
        (lambda t: measures.coreference(t, [("it", "dogs")]), "mention 'it' is not among"),
        (
            lambda t: measures.coreference(t, [((5, 9), 1)]),
            "mention (5, 9) is not there: tokens go",
        ),
        (
            lambda _: measures.coreference(
                attnscope.from_attention(cross=np.full((1, 1, 2, 3), 1 / 3)), [(0, 1)]
            ),
            "relations between words need the same tokens on both sides; cross has not",
        ),
    ],
)
def test_what_does_not_fit_is_named(call: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        call(a_trace(looking({})))
    assert text in str(caught.value)
