"""Documents, and neat-vision's files of them: what is read, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import attnscope
from attnscope import Document, Documents, InputError

SAMPLE = {
    "text": ["what", "a", "film"],
    "attention": [0.5, 0.1, 0.4, 0.0, 0.0],
    "label": 1,
    "prediction": 0,
    "posterior": [0.75, 0.25],
    "id": "sample_1",
}
LABELS = {"0": {"name": "bad", "desc": "..."}, "1": {"name": "good", "desc": "..."}}


@pytest.fixture
def write(tmp_path: Path):
    """Writes JSON, or text as it is, and returns the path."""

    def writing(content: Any, name: str = "data.json") -> Path:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return writing


def test_a_file_of_neat_vision_is_read(write) -> None:
    documents = attnscope.from_neat_vision(write([SAMPLE]), write(LABELS, "labels.json"))
    (document,) = documents
    assert document.tokens.text == ("what", "a", "film")
    np.testing.assert_allclose(document.attention, [[0.5, 0.1, 0.4]])
    assert (document.label, document.prediction, document.right) == (("good",), ("bad",), False)
    assert document.posterior == {"bad": 0.75, "good": 0.25}
    assert document.id == "sample_1"
    assert documents.title == "data.json"
    assert documents.notes == ()


def test_classes_without_names_are_numbers(write) -> None:
    (document,) = attnscope.from_neat_vision(write([SAMPLE]))
    assert (document.label, document.prediction) == (("1",), ("0",))
    assert list(document.posterior) == ["0", "1"]


def test_scores_become_probabilities_by_a_softmax_and_are_called_so(write) -> None:
    scores = [1.65, 0.65, -1.85]
    documents = attnscope.from_neat_vision(write([{**SAMPLE, "posterior": scores}] * 2))
    parts = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(list(documents[0].posterior.values()), parts)
    assert documents.notes == ("Posteriors outside 0 to 1 are scores: shown is their softmax.",)


def test_several_labels_are_names_and_scores_become_probabilities_by_a_sigmoid(write) -> None:
    sample = {
        **SAMPLE,
        "label": [1, 0, 1],
        "prediction": [1, 0, 0],
        "posterior": [2.0, -800.0, 0.0],
    }
    names = ["joy", "fear", "trust"]
    (document,) = attnscope.from_neat_vision(write([sample]), write(names, "labels.json"))
    assert (document.label, document.prediction) == (("joy", "trust"), ("joy",))
    assert document.right is False
    assert document.posterior["joy"] == pytest.approx(1 / (1 + math.exp(-2)))
    assert document.posterior["fear"] == pytest.approx(0)
    assert document.posterior["trust"] == 0.5


def test_no_label_at_all_may_be_right(write) -> None:
    sample = {**SAMPLE, "label": [0, 0], "prediction": [0, 0]}
    (document,) = attnscope.from_neat_vision(write([sample]))
    assert (document.label, document.right) == (("(none)",), True)


def test_regression_has_numbers_and_nothing_is_right_or_wrong(write) -> None:
    sample = {**SAMPLE, "label": 0.47, "prediction": 0.5187928, "posterior": 0.5187928}
    (document,) = attnscope.from_neat_vision(write([sample]))
    assert (document.label, document.prediction) == (("0.47",), ("0.5188",))
    assert document.right is None
    assert document.posterior == {}


def test_what_is_optional_may_be_missing(write) -> None:
    (document,) = attnscope.from_neat_vision(write([{"text": ["a"], "attention": [1]}]))
    assert (document.label, document.prediction, document.right) == ((), (), None)


def test_attention_of_every_pair_is_read_too(write) -> None:
    pairs = [[0.9, 0.1], [0.5, 0.5]]
    (document,) = attnscope.from_neat_vision(write([{"text": ["a", "b"], "attention": pairs}]))
    np.testing.assert_allclose(document.attention, pairs)


def test_marks_of_tokenizers_are_letters_in_a_word(write) -> None:
    words = ["##tag", "Ġo", "▁", "a\nb", "\u202eevil", "</script><b>"]
    sample = {"text": words, "attention": [0.1] * len(words)}
    (document,) = attnscope.from_neat_vision(write([sample]))
    assert document.tokens.text == ("##tag", "Ġo", "▁", "a⏎b", "⟨U+202E⟩evil", "</script><b>")
    assert document.tokens.raw == tuple(words)


def changed(**parts: Any) -> list[dict[str, Any]]:
    return [SAMPLE, {**SAMPLE, **parts}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "is no JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        ("[" * 100_000, "is nested too deeply: a neat-vision file is a JSON list of samples"),
        ("1" * 5000, "is no JSON: Exceeds the limit"),
        ([], "holds no samples: a neat-vision file is a JSON list of samples such as"),
        ({"text": []}, "holds no samples"),
        ([3], "sample 0 is 3: a neat-vision file"),
        (["x" * 500], "xxx...: a neat-vision file"),
        (changed(text=None), "sample 1 (sample_1) has no list 'text'"),
        (changed(attention="0.5"), "sample 1 (sample_1) has no list 'attention'"),
        (changed(text=[]), "'text' must be a list of at least one string"),
        (changed(text=["a", 1, "b"]), "'text' must be a list of at least one string"),
        (changed(attention=[0.5]), "attention has shape [1], and the document has 3 tokens"),
        (
            changed(attention=[0.1, 0.1, 0.1, 0.1]),
            "'attention' has 4 numbers for 3 tokens, and those after the last token are not 0",
        ),
        (changed(attention=[0.5, "x", 0.1]), "attention must be numbers, one a token"),
        (changed(attention=[[0.5], [0.1, 0.2]]), "attention must be numbers, one a token"),
        (changed(attention=[50, 20, 30]), "attention holds 50: weights go from 0 to 1. Divide"),
        (changed(attention=[-0.1, 0.2, 0.3]), "attention holds -0.1: weights go from 0 to 1"),
        (changed(posterior=[0.5, "x"]), "'posterior' must be a list of numbers, got [0.5, 'x']"),
        ("[" + json.dumps({**SAMPLE, "posterior": [float("nan")]}) + "]", "must be finite numbers"),
        (changed(label={"a": 1}), "a label must be a name, a number, or a list of them, got {'a'"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_that_does_not_fit_is_refused(write, content: Any, text: str) -> None:
    path = write(content)
    with pytest.raises(InputError) as caught:
        attnscope.from_neat_vision(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (3, 'names no classes: expected {"0": {"name": "anger"}, ...} or a list'),
        ({}, "names no classes"),
        ({"0": {"desc": "x"}}, "class '0' has no \"name\""),
        ([1], "class '0' has no \"name\""),
    ],
)
def test_labels_that_do_not_fit_are_refused(write, labels: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        attnscope.from_neat_vision(write([SAMPLE]), write(labels, "labels.json"))
    assert text in str(caught.value)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*absent.json: No such file"):
        attnscope.from_neat_vision(tmp_path / "absent.json")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is no text in UTF-8"):
        attnscope.from_neat_vision(tmp_path / "bytes")


def trace_of(tokens: int = 4) -> attnscope.Trace:
    weights = np.random.default_rng(0).dirichlet(np.ones(tokens), (2, 3, tokens))
    return attnscope.from_attention(weights.astype(np.float32), [f"t{i}" for i in range(tokens)])


def test_documents_are_a_list() -> None:
    documents = Documents([Document(["a", "b"], [0.5, 0.5], id="one"), trace_of()], title="two")
    assert (len(documents), documents[0].id, len(documents[1])) == (2, "one", 4)
    assert [one.id for one in documents[:1]] == ["one"]
    assert repr(documents) == "<Documents two: 2 texts, 6 tokens>"
    assert repr(documents[0]) == "<Document one: 2 tokens>"
    assert repr(documents.text_view()) == "<text view of two: 2 documents>"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Documents([]), "there are no documents: give at least one"),
        (lambda: Documents("text"), "documents must be a list of attnscope.Document or of traces"),
        (lambda: Documents([3]), "document 0 is 3 (int): expected an attnscope.Document"),
        (lambda: Document("some text", [1]), "Split the text into tokens first"),
        (lambda: Document([], []), "a document needs at least one token"),
        (lambda: Document(["a"]), "a document of tokens needs attention="),
        (lambda: Document(trace_of(), [1]), "a Trace has its own attention: leave attention= out"),
        (lambda: Document(["a"], [1], posterior=3), "posterior must be numbers by class, got 3"),
        (lambda: Document(["a"], [1], posterior={"x": "y"}), "posterior must be numbers by class"),
        (lambda: Documents([trace_of()]).text_view(layer=9), "document 0: layer 9 is not in"),
        (
            lambda: Documents([trace_of()]).text_view(head="min"),
            "head must be one of 'mean', 'max'",
        ),
        (lambda: Documents([trace_of()]).text_view(search=3), "search must be a text, got 3"),
    ],
)
def test_documents_that_do_not_fit(make: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert text in str(caught.value)


def test_a_posterior_may_have_no_names() -> None:
    assert Document(["a"], [1], posterior=np.array([0.25, 0.75])).posterior == {
        "0": 0.25,
        "1": 0.75,
    }


def test_missing_weights_may_be_given() -> None:
    document = Document(["a", "b"], [float("nan"), 0.5])
    assert document.attention is not None
    assert np.isnan(document.attention[0, 0])


def test_what_is_no_name_of_a_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"path must be the name of a file, got \[\]: a neat"):
        attnscope.from_neat_vision([])  # type: ignore[arg-type]
