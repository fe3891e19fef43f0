"""Tokens of any script: a font that has their letters is found, or it is said which were tried."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from matplotlib import font_manager
from matplotlib.figure import Figure

import attnscope
from attnscope import AttnscopeWarning, plot
from attnscope.plot import fonts
from tests.browser.looking import random_weights

RARE = "\U00012000"  # a cuneiform sign, which no font of a usual machine has
OTHER = "\U00012001"


def make_font(path: Path, family: str, letters: str) -> None:
    """A font with square glyphs for some letters."""
    square = Glyph()
    square.numberOfContours = 1
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (800, 700), (800, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = {ord(letter): f"u{ord(letter):X}" for letter in letters}
    order = [".notdef", *names.values()]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(order)
    builder.setupCharacterMap(names)
    builder.setupGlyf(dict.fromkeys(order, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(order, (900, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWeightClass=400)
    builder.setupPost()
    builder.save(path)


@pytest.fixture
def known_fonts(monkeypatch: pytest.MonkeyPatch) -> list:
    """matplotlib's list of fonts, to be added to."""
    listed = list(font_manager.fontManager.ttflist)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", listed)
    monkeypatch.setattr(fonts, "_add_new", lambda: False)
    fonts._chosen.cache_clear()
    yield listed
    fonts._chosen.cache_clear()
    font_manager.fontManager._findfont_cached.cache_clear()


def trace_of(*names: str) -> attnscope.Trace:
    count = len(names)
    return attnscope.from_attention(random_weights(1, 1, count, count), list(names))


def test_letters_of_the_users_own_fonts_need_no_other():
    letters = fonts.letters_for(["the", "café", "Ω", "слово"])
    assert letters.family == ("sans-serif", "DejaVu Sans")
    assert letters.shown("café") == "café"


def test_a_font_that_has_the_letter_is_chosen_and_used(known_fonts, tmp_path):
    make_font(tmp_path / "rare.ttf", "Attnscope Test Rare", RARE + "a")
    font_manager.fontManager.addfont(tmp_path / "rare.ttf")
    letters = fonts.letters_for(["cat", RARE])
    assert letters.family == ("sans-serif", "DejaVu Sans", "Attnscope Test Rare")
    assert letters.shown(RARE) == RARE
    ax = plot.head(trace_of("cat", RARE), 0, 0, ax=Figure())
    label = ax.get_yticklabels()[1]
    assert label.get_text() == RARE
    assert "Attnscope Test Rare" in label.get_fontfamily()
    ax.figure.savefig(io.BytesIO(), format="png")  # a missing glyph would be a warning


def test_as_few_fonts_as_needed_and_whole_sans_families_first(known_fonts, tmp_path):
    for name, has in [("Odd", RARE), ("Noto Sans Test", RARE + OTHER), ("Sans Test", RARE + OTHER)]:
        make_font(tmp_path / f"{name}.ttf", name, has)
        font_manager.fontManager.addfont(tmp_path / f"{name}.ttf")
    assert fonts.letters_for([RARE + OTHER]).family[2:] == ("Noto Sans Test",)


def test_a_letter_that_no_font_has_is_shown_as_its_code_point_and_named_once(known_fonts):
    trace = trace_of("cat", f"x{RARE}")
    with pytest.warns(AttnscopeWarning) as caught:
        ax = plot.head(trace, 0, 0, ax=Figure())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "x⟨U+12000⟩"]
    [said] = {str(warning.message) for warning in caught}
    assert said.startswith(
        f"no installed font has {RARE}: shown as code points, such as ⟨U+12000⟩. "
    )
    assert "Tried: DejaVu Sans" in said
    assert "Install Noto Sans Cuneiform (Debian: fonts-noto-core)" in said
    ax.figure.savefig(io.BytesIO(), format="png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot.head(trace, 0, 0, ax=Figure())


@pytest.mark.parametrize(
    ("letters", "advice"),
    [
        (["猫"], "Noto Sans CJK (Debian: fonts-noto-cjk)"),
        (["が"], "Noto Sans CJK (Debian: fonts-noto-cjk)"),
        (["국"], "Noto Sans CJK (Debian: fonts-noto-cjk)"),
        (["ह"], "Noto Sans Devanagari (Debian: fonts-noto-core)"),
        (["🧪"], "Noto Emoji or Noto Sans Symbols 2 (Debian: fonts-noto-core)"),
    ],
)
def test_what_to_install_depends_on_the_script(letters, advice):
    assert fonts._advice(letters) == advice


def test_han_letters_follow_the_language_of_the_text():
    assert fonts._language({"猫", "が"}) == "JP"
    assert fonts._language({"猫", "국"}) == "KR"
    assert fonts._language({"猫"}) == "SC"


def test_fonts_installed_since_are_found_without_clearing_a_cache(monkeypatch, tmp_path):
    make_font(tmp_path / "new.ttf", "Attnscope Test New", OTHER)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "new.ttf")])
    fonts._add_new.cache_clear()
    try:
        assert "Attnscope Test New" in fonts.letters_for([OTHER]).family
    finally:
        fonts._add_new.cache_clear()
        fonts._chosen.cache_clear()


def test_a_broken_font_file_is_passed_over(monkeypatch, tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "broken.ttf")])
    fonts._add_new.cache_clear()
    try:
        assert fonts._add_new() is False
    finally:
        fonts._add_new.cache_clear()


@pytest.mark.skipif(not fonts.SHAPES, reason="this matplotlib does not shape text")
def test_right_to_left_tokens_are_written_as_they_are_read():
    """Mirrored letters differ: the token equals what a plain text of matplotlib draws."""
    ours, theirs = Figure(figsize=(2, 2)), Figure(figsize=(2, 2))
    ax = plot.head(trace_of("שלום", "السلام"), 0, 0, ax=ours)
    drawn = ax.get_yticklabels()[0]
    assert drawn.get_text() == "שלום"
    widths = [
        fonts.letters_for(["السلام"]).width(text, 20) for text in ("السلام", " ".join("السلام"))
    ]
    assert widths[0] < widths[1] * 0.8  # joined letters are narrower
    assert theirs is not ours


def test_without_shaping_right_to_left_tokens_come_with_a_warning(monkeypatch):
    monkeypatch.setattr(fonts, "SHAPES", False)
    with pytest.warns(AttnscopeWarning, match=r"pip install 'matplotlib>=3.11'"):
        fonts.letters_for(["שלום"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fonts.letters_for(["שלום"])
        fonts.letters_for(["cat"])


HOSTILE = ["$x_1$", r"\alpha", "x^2", "$", r"\$5", "a_b", "%", "#1", "{", "~"]


def test_no_token_is_read_as_mathematics_or_tex(trace):
    hostile = trace_of(*HOSTILE)
    for draw in (
        lambda ax: plot.head(hostile, 0, 0, ax=ax),
        lambda ax: plot.lines(hostile, 0, query=0, ax=ax),
        lambda ax: plot.text(hostile, 0, ax=ax),
        lambda ax: plot.layer(hostile, 0, ax=ax),
    ):
        ax = draw(Figure())
        labels = [*ax.get_xticklabels(), *ax.get_yticklabels(), *ax.texts]
        kept = [label for label in labels if label.get_text() in HOSTILE]
        assert len(kept) >= len(HOSTILE)
        assert not any(label.get_parse_math() or label.get_usetex() for label in kept)
        assert not ax.title.get_parse_math()
        ax.figure.savefig(io.BytesIO(), format="svg")


def test_widths_are_those_of_the_letters_shown():
    letters = fonts.Letters(("DejaVu Sans",), frozenset("猫"))
    assert letters.width("猫", 10) == pytest.approx(letters.width("⟨U+732B⟩", 10))
    assert letters.width("ii", 20) == pytest.approx(2 * letters.width("ii", 10), rel=0.02)
    assert np.isfinite(letters.width("", 10))
