"""What the functions give back, and the defects of BertViz's pages that this page must not have."""

from __future__ import annotations

import gc
import re
from types import SimpleNamespace

import IPython
import numpy as np
import pytest
import torch
from IPython.display import HTML

from attnscope.bertviz import _deliver, head_view, model_view
from tests.compat.given import layers, softmaxed, spec_of, texts

BOTH = pytest.mark.parametrize("view", [head_view, model_view])
ABCD = list("abcd")
HOSTILE = ["</script><img src=q onerror=window.XSS=1>", "<!--<script>", "&amp;\"'`${1}", "\u2028"]
NAMED = re.compile(r"https?://(www\.w3\.org/|arxiv\.org/abs/)")  # namespaces, and a paper cited
MODULE = re.compile(r"<script type=.module.*?</script>", re.DOTALL)


@BOTH
def test_return_gives_the_notebooks_html_object(view):
    html = view(layers(), ABCD, html_action="return")
    assert type(html) is HTML
    assert spec_of(html)["view"] == view.__name__.partition("_")[0]


@BOTH
def test_return_needs_no_ipython(view, monkeypatch):
    monkeypatch.setattr(_deliver, "find_spec", lambda _: None)
    html = view(layers(), ABCD, html_action="return")
    assert type(html) is _deliver.HTML
    assert html._repr_html_() == html.data
    assert texts(spec_of(html)) == ABCD


@BOTH
def test_view_displays_in_a_notebook_and_returns_none(view, monkeypatch):
    shown = []
    monkeypatch.setattr(IPython, "get_ipython", SimpleNamespace)
    monkeypatch.setattr(IPython.display, "display", shown.append)
    assert view(layers(), ABCD) is None
    bundle = shown[0]._repr_mimebundle_()
    assert texts(spec_of(SimpleNamespace(data=bundle["text/html"]))) == ABCD


class TerminalInteractiveShell:
    """IPython in a terminal goes by this name."""


@BOTH
@pytest.mark.parametrize("shell", [None, TerminalInteractiveShell()])
def test_without_a_notebook_view_says_how_to_see_it(view, shell, monkeypatch, capsys):
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    assert view(layers(), ABCD) is None
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{view.__name__}(..., html_action='return')" in said.err
    assert "python -m attnscope.bertviz --save FOLDER script.py" in said.err


@BOTH
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
def test_a_page_is_written_with_any_encoding(view, encoding, tmp_path):
    """`open(path, "w")` takes the machine's encoding, and the browser guesses one."""
    tokens = ["日本", "😀", "é", "Привет"]
    html = view(layers(), tokens, html_action="return")
    with (tmp_path / "page.html").open("w", encoding=encoding) as page:
        page.write(html.data)
    assert html.data.isascii()
    assert texts(spec_of(html)) == tokens


@BOTH
def test_the_page_names_no_other_machine(view):
    """BertViz loads three scripts from elsewhere (research 3.1)."""
    data = view(layers(), ABCD, html_action="return").data
    found = re.findall(r"https?://[^\s\"'`)]+", data)
    assert not [address for address in found if not NAMED.match(address)]
    assert not re.search(r"<(link|iframe|img)\b|\bsrc=", MODULE.sub("", data))


@BOTH
def test_tokens_are_never_markup(view):
    """`</script>` in a token ran code in BertViz's pages (research 3.2)."""
    html = view(layers(), HOSTILE, html_action="return")
    assert "onerror=window" not in re.sub(r"\\u003c[^\"]*", "", html.data)
    assert spec_of(html)["sides"][0]["raw"] == HOSTILE
    opened = len(re.findall(r"<script\b", html.data))
    assert opened == html.data.count("</script>")


def test_identities_on_a_page_are_unique():
    """BertViz's inner ids were the same in every view (research 1.4)."""
    page = "".join(
        view(layers(), ABCD, html_action="return").data for view in (head_view, model_view) * 2
    )
    ids = re.findall(r'data-attnscope-id="(\w+)"', page)
    assert len(set(ids)) == len(ids) == 4
    assert not re.search(r"<div[^>]* id=", page)


@BOTH
def test_r1_data_stand_in_the_page_once(view):
    data = MODULE.sub("", view(layers(3), ABCD, 2, html_action="return").data)
    assert data.count('type="application/json"') == 1
    keys = re.findall(r'data-key="([^"]+)"', data)
    assert len(set(keys)) == len(keys) == 3
    blocks = re.findall(r"data-key[^>]*>([^<]+)<", data)
    assert all(data.count(block) == 1 for block in blocks)


@BOTH
def test_r2_the_page_is_small(view):
    """BertViz: 107 MB for this one, at 17 to 20 characters a weight, twice."""
    weights = [torch.from_numpy(softmaxed(1, 12, 128, 128, seed=n)) for n in range(12)]
    html = view(weights, [f"token{n}" for n in range(128)], html_action="return")
    assert len(html.data) < 2_600_000


@BOTH
def test_r3_missing_weights_are_told(view):
    given = layers()
    given[0][0, 1, 2] = np.nan
    with pytest.warns(UserWarning, match="4 weights are NaN and shown as missing"):
        view(given, ABCD, html_action="return")


@BOTH
def test_r14_no_file_stays_open(view, recwarn):
    view(layers(), ABCD, html_action="return")
    gc.collect()
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]
