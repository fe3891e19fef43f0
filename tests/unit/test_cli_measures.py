"""Commands that print numbers: heads, top, compare; as a table, JSON or CSV."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import attnscope
from attnscope import pretrained
from tests.commands import invoke


def test_heads_prints_a_table_json_or_csv(measured, folder):
    plain = invoke("heads", "--model", folder, "the cat sat")
    assert plain.exit_code == 0, plain.output
    assert plain.output.splitlines()[0].split()[:3] == ["layer", "head", "entropy"]
    assert len(plain.output.splitlines()) == 5
    rows = json.loads(invoke("heads", "--model", folder, "x", "--json").output)
    assert [(row["layer"], row["head"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert invoke("heads", "--model", folder, "x", "--csv").output.startswith("layer,head,entropy")
    wrong = invoke("heads", "--model", folder, "x", "--sort", "nope")
    assert wrong.exit_code == 2
    assert "no column 'nope'" in wrong.output


@pytest.fixture
def recorded(monkeypatch):
    """What `attnscope.capture` was asked to record; it gives two pieces of one word and another."""
    weights = np.full((2, 2, 3, 3), 1 / 3, np.float32)
    trace = attnscope.from_attention(weights, ["cat", "##s", "sat"])
    asked = []
    monkeypatch.setattr(attnscope, "capture", lambda *_, **named: asked.append(named) or trace)
    monkeypatch.setattr(pretrained, "load", lambda _: ("model", "tokenizer"))
    return asked


def test_heads_takes_measures_and_words(recorded, folder):
    some = ("--measure", "entropy", "--measure", "next_token")
    plain = invoke("heads", "--model", folder, "x", *some, "--csv").output.splitlines()
    assert plain[0] == "layer,head,entropy,next_token"
    words = invoke("heads", "--model", folder, "x", *some, "--words", "--json").output
    assert json.loads(words)[0]["next_token"] == pytest.approx(1 / 3)
    invoke("heads", "--model", folder, "x", "--measure", "special_norm")
    assert [named["values"] for named in recorded] == [False, False, True]
    wrong = invoke("heads", "--model", folder, "x", "--measure", "entopy")
    assert wrong.exit_code == 2
    assert "Did you mean 'entropy'?" in wrong.output


def test_top_takes_any_quantity_and_records_what_it_needs(recorded, folder):
    ask = ("top", "--model", folder, "x", "--query", "0", "--csv", "--quantity")
    assert invoke(*ask, "rollout").output.splitlines()[0] == "key,token,rollout"
    words = invoke(*ask, "weight", "--words").output.splitlines()
    assert words[1].startswith("0,cats,0.66")
    lacking = invoke(*ask, "norm")
    assert lacking.exit_code == 2
    assert "this needs values" in lacking.output
    assert recorded[-1]["values"] is True
    wrong = invoke(*ask, "rolout")
    assert "Did you mean 'rollout'?" in wrong.output
    assert len(recorded) == 3


def test_top_takes_a_token_or_its_position(measured, folder):
    by_text = invoke("top", "--model", folder, "x", "--query", "cat", "-k", "2", "--csv")
    assert by_text.output.splitlines()[0] == "key,token,weight"
    assert len(by_text.output.splitlines()) == 3
    by_place = invoke("top", "--model", folder, "x", "--query", "1", "-k", "2", "--csv")
    assert by_place.output == by_text.output
    missing = invoke("top", "--model", folder, "x", "--query", "dog")
    assert missing.exit_code == 2
    assert "query 'dog' is not among" in missing.output


@pytest.fixture
def two_texts(monkeypatch):
    """`attnscope.capture` and `pretrained.load` for traces of words, one set of weights a text."""
    loaded = []

    def load(name):
        loaded.append(Path(name).name)
        return Path(name).name, None

    def capture(model, tokenizer, text, pair=None, *, target=None):
        words = text.split()
        rng = np.random.default_rng(len(text) + len(model))
        return attnscope.from_attention(
            rng.dirichlet(np.ones(len(words)), (1, 2, len(words))), words
        )

    monkeypatch.setattr(attnscope, "capture", capture)
    monkeypatch.setattr(pretrained, "load", load)
    return loaded


def test_compare_prints_the_heads_that_changed_and_fails_on_request(two_texts, folder):
    done = invoke("compare", "--model", folder, "a b c", "a new b c", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert {row["head"] for row in rows} == {0, 1}
    assert rows[0]["change"] >= rows[1]["change"] > 0
    said = invoke("compare", "--model", folder, "a b c", "a new b c", "--most", "0.01")
    assert said.exit_code == 1
    assert "self: 4 tokens, 3 same, 1 added." in said.stdout
    wanted = f"head 0.{rows[0]['head']} has changed by {rows[0]['change']:.3f}, more than 0.01."
    assert wanted in said.stderr
    assert invoke("compare", "--model", folder, "a b c", "a c", "--most", "1").exit_code == 0


def test_compare_shows_both_as_a_page_or_from_a_server(two_texts, folder, tmp_path, monkeypatch):
    texts, out = ("a b c", "a new b c"), tmp_path / "both.html"
    done = invoke("compare", "--model", folder, *texts, "-o", out)
    assert done.exit_code == 0, done.output
    assert 'data-attnscope-view="head"' in out.read_text()
    invoke("compare", "--model", folder, *texts, "-o", out, "--view", "model")
    assert 'data-attnscope-view="model"' in out.read_text()
    asked = []
    monkeypatch.setattr(
        "attnscope.hosts.server.serve", lambda shown, **options: asked.append((shown, options))
    )
    done = invoke(
        "compare", "--model", folder, *texts, "--serve", "--view", "heads", "--port", "81"
    )
    assert done.output == "Stopped.\n"
    shown, options = asked[0]
    assert shown.b.tokens.text == ("a", "new", "b", "c")
    assert (options["view"], options["port"]) == ("heads", 81)
    both = invoke("compare", "--model", folder, *texts, "--serve", "-o", out)
    assert both.exit_code == 2
    assert "-o writes a page and --serve serves: give one of them." in both.stderr


def test_compare_takes_a_second_model_and_needs_something_to_compare(two_texts, folder, tmp_path):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/config.json").write_text("{}")
    done = invoke("compare", "--model", folder, "a b c", "--with", tmp_path / "tuned", "--csv")
    assert done.exit_code == 0, done.output
    assert two_texts == ["model", "tuned"]
    assert done.stdout.startswith("layer,head,change,js,largest,query,token\n0,")
    alone = invoke("compare", "--model", folder, "a b c")
    assert alone.exit_code == 2
    assert "nothing to compare with: give a second text, or --with a model." in alone.stderr
    apart = invoke("compare", "--model", folder, "a b c", "u v")
    assert apart.exit_code == 2
    assert "error: the traces have no query token of the self stream in common" in apart.stderr
