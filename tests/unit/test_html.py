"""The HTML host: one safe, offline file, written whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import attnscope
from attnscope import AttnscopeWarning, InputError, SaveError
from attnscope.hosts import html as host
from attnscope.view import CELL_BYTES

NASTY = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>",
    "&amp;",
    "\u2028",
    '"',
    "'",
]


def nasty_view() -> attnscope.View:
    weights = np.full((1, 2, 7, 7), 1 / 7, np.float32)
    return attnscope.from_attention(weights, NASTY, model="</title><script>").model_view()


def test_hostile_tokens_stay_text() -> None:
    page = nasty_view().html()
    assert "<img" not in page
    assert "<!--" not in page
    assert "</title><script>" not in page
    spec = re.search(r"data-attnscope-spec=\"\w+\">(.*?)</script>", page)
    assert spec is not None
    assert json.loads(spec[1])["sides"][0]["raw"] == NASTY


def test_the_policy_names_the_only_script_and_style() -> None:
    page = nasty_view().html()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    scripts = re.findall(
        r'<script type="module" async data-attnscope-code="\w+">(.*?)</script>', page, re.DOTALL
    )
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy[1]
    assert "unsafe" not in policy[1]


def test_every_block_that_is_not_the_bundle_is_inert() -> None:
    kinds = set(re.findall(r'<script type="([^"]+)"', nasty_view().html()))
    assert kinds == {"application/json", "text/plain", "module"}


def test_a_string_and_a_file_hold_the_same(tmp_path: Path) -> None:
    view = nasty_view()
    path = view.save(tmp_path / "page.html")
    unmarked = [re.sub(r"[0-9a-f]{32}", "", text) for text in (view.html(), path.read_text())]
    assert unmarked[0] == unmarked[1]
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_unknown_suffix(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the suffix must be \.html, .* got .*gif"):
        nasty_view().save(tmp_path / "page.gif")


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SaveError, match="Nothing was changed; choose a folder that exists"):
        nasty_view().save(tmp_path / "nowhere" / "page.html")


def test_a_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "page.html"
    old.write_text("old")

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(host, "write_page", broken)
    with pytest.raises(SaveError, match="No space left on device"):
        nasty_view().save(old)
    assert old.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_an_interrupted_save_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "page.html"
    old.write_text("old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(host, "write_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nasty_view().save(old)
    assert old.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_huge_page_is_warned_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "WARN_BYTES", 1000)
    with pytest.warns(AttnscopeWarning, match=r"Show fewer layers .*\.widget\(\)"):
        nasty_view().save(tmp_path / "page.html")


def test_a_block_that_a_browser_would_drop_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "SCRIPT_LIMIT", 10)
    with pytest.raises(InputError, match=r"browsers drop a block over 10 without a word"):
        nasty_view().html()


def test_a_cell_shows_html_that_lives_without_a_kernel() -> None:
    bundle = nasty_view()._repr_mimebundle_()
    assert "data-attnscope-view" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" not in bundle
    assert len(bundle["text/html"]) < CELL_BYTES


def test_a_cell_shows_a_large_view_by_the_widget() -> None:
    noise = np.random.default_rng(0).random((1, 8, 700, 700)).astype(np.float32)
    trace = attnscope.from_attention(noise / noise.sum(-1, keepdims=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        bundle = trace.head_view()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "run the cell" in bundle["text/html"]


def test_saving_keeps_a_links_target_and_a_files_mode(tmp_path: Path) -> None:
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    nasty_view().save(link)
    assert link.is_symlink()
    assert real.read_text() != "old"
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(SaveError, match="Nothing was changed"):
        nasty_view().save("\0.html")


def test_lone_surrogates_in_names_cannot_break_a_page(tmp_path: Path) -> None:
    weights = np.full((1, 1, 2, 2), 0.5, np.float32)
    segments = [("\ud800", 0, 1), ("b", 1, 2)]
    trace = attnscope.from_attention(weights, ["\udfff", "b"], segments=segments, model="\ud800")
    trace.head_view().save(tmp_path / "page.html")
