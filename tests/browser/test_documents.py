"""Lists of documents in the text view: shades, labels, search, many of them, and hostile ones."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

import attnscope
from attnscope import Document, Documents
from tests.browser.looking import random_weights, settle, trace_of
from tests.browser.prose import SHADE, facts, leave, mean, sentence

SAMPLES = [
    {"text": ["good", "film", "<b>yes</b>"], "attention": [0.7, 0.1, 0.2, 0, 0], "label": 1,
     "prediction": 1, "posterior": [0.1, 0.9], "id": "one"},
    {"text": ["<script>alert(1)</script>", "&amp;"], "attention": [0.5, 0.5], "label": 1,
     "prediction": 0, "posterior": [0.6, 0.4], "id": "<img src=x onerror=alert(2)>"},
    {"text": ["plain"], "attention": [1.0], "label": 0, "prediction": 0, "id": "three"},
]  # fmt: skip

LABELS = {"0": {"name": "bad<i>"}, "1": {"name": "good"}}

trace = pytest.fixture(sentence)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    (tmp_path / "data.json").write_text(json.dumps(SAMPLES))
    (tmp_path / "labels.json").write_text(json.dumps(LABELS))
    return attnscope.from_neat_vision(tmp_path / "data.json", tmp_path / "labels.json")


def texts(view: Locator) -> list[str]:
    return view.locator(".doc .prose").all_inner_texts()


def test_documents_show_text_label_prediction_and_posterior(show, documents):
    view = show(documents.text_view())
    assert texts(view) == ["good film <b>yes</b>", "<script>alert(1)</script> &amp;", "plain"]
    first = view.locator(".doc").first
    shown = first.locator(".tok").evaluate_all(SHADE)
    np.testing.assert_allclose(shown, np.sqrt([1, 1 / 7, 2 / 7]), atol=0.001)
    about = re.sub(r"\s+", " ", first.locator(".about").inner_text())
    assert about == "one label good prediction good ✓ right good 0.900 bad<i> 0.100"
    second = view.locator(".about").nth(1).inner_text()
    assert "<img src=x onerror=alert(2)>" in second
    assert "✗ wrong" in second
    first.locator(".tok").nth(1).hover()
    assert facts(view)[0] == ("film", "0.1000")
    assert facts(view)[1] == ("good", "0.7000")


def test_documents_are_searched_by_text_label_and_id(show, documents):
    view = show(documents.text_view())
    box = view.get_by_label("Search")
    for wanted, found in [
        ("FILM", ["one"]),
        ("<script", ["<img src=x onerror=alert(2)>"]),
        ("good film", ["one"]),
        ("bad<i>", ["<img src=x onerror=alert(2)>", "three"]),
        ("three", ["three"]),
        ("zebra", []),
        ("", ["one", "<img src=x onerror=alert(2)>", "three"]),
    ]:
        box.fill(wanted)
        expect(view.locator(".about b")).to_have_text(found)
        settle(view)
        expect(view.locator(".bar .note")).to_have_text(f"{len(found)} of 3 texts")
    view.get_by_role("radio", name="wrong").click()
    expect(view.locator(".about b")).to_have_text(["<img src=x onerror=alert(2)>"])


def test_a_search_can_be_given_in_python(show, documents):
    view = show(documents.text_view(search="plain"))
    assert texts(view) == ["plain"]
    expect(view.get_by_label("Search")).to_have_value("plain")


def test_a_long_list_shows_a_page_at_a_time(show):
    made = [Document([f"word{place}", "x"], [0.4, 0.6]) for place in range(120)]
    view = show(Documents(made).text_view())
    expect(view.locator(".doc")).to_have_count(50)
    view.get_by_role("button", name="Show 50 more").click()
    expect(view.locator(".doc")).to_have_count(100)
    view.get_by_role("button", name="Show 20 more").click()
    expect(view.locator(".doc")).to_have_count(120)
    view.get_by_label("Search").fill("word11")
    expect(view.locator(".doc")).to_have_count(11)


def test_each_document_of_traces_is_pointed_at_by_itself(show, trace):
    other = trace_of(random_weights(3, 4, 5, 5, seed=9))
    view = show(Documents([Document(trace, id="a"), Document(other, id="b")]).text_view())
    first, second = view.locator(".doc").all()
    second.locator(".tok").nth(3).click()
    settle(view)
    leave(view)
    row = mean(other)[3]
    shown = np.array(second.locator(".tok").evaluate_all(SHADE))
    np.testing.assert_allclose(shown, np.sqrt(row / row.max()), atol=0.012)
    received = mean(trace).mean(axis=0)
    shown = np.array(first.locator(".tok").evaluate_all(SHADE))
    np.testing.assert_allclose(shown, np.sqrt(received / received.max()), atol=0.012)
    first.locator(".tok").nth(1).click()
    settle(view)
    expect(view.locator("[aria-selected=true]")).to_have_count(1)
    expect(first.locator("[aria-selected=true]")).to_have_text("the")
