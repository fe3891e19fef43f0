"""Fonts for tokens of any script: chosen by the glyphs that they have, never boxes.

matplotlib falls back from family to family letter by letter, so it is enough to name families
that together have every letter. Letters that no installed font has are shown by their code
point, and a warning says so once. From 3.11 on matplotlib shapes text (Arabic letters join,
right-to-left runs are reordered); before, right-to-left tokens come with a warning.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from matplotlib import font_manager, ft2font, rcParams
from matplotlib.textpath import TextToPath

from attnscope.errors import AttnscopeWarning

SHAPES = hasattr(ft2font, "__libraqm_version__")
"""Whether this matplotlib orders and joins letters of right-to-left scripts."""

LIKED = ("noto sans", "source han sans", "hiragino", "yu gothic", "pingfang", "microsoft", "sans")
"""Families taken first where several have a letter: whole, upright, without serifs."""

CJK = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC")
NAMED = 6

anywhere: ContextVar[bool] = ContextVar("anywhere", default=False)
"""True while a figure is made whose letters are set elsewhere (an SVG): none is replaced."""

_warned: set[str] = set()


@dataclass(frozen=True)
class Letters:
    """Which fonts a figure's texts are set in.

    Attributes:
        family: names of families, for matplotlib's `fontfamily`.
        lacking: letters that none of them has.
    """

    family: tuple[str, ...]
    lacking: frozenset[str] = frozenset()

    def shown(self, text: str) -> str:
        """The text with letters that no font has as code points: ⟨U+732B⟩."""
        if not self.lacking or self.lacking.isdisjoint(text):
            return text
        return "".join(f"⟨U+{ord(c):04X}⟩" if c in self.lacking else c for c in text)

    def width(self, text: str, size: float) -> float:
        """Width of the text as shown, in points, at a size in points."""
        properties = font_manager.FontProperties(family=list(self.family), size=size)
        measured = TextToPath().get_text_width_height_descent(self.shown(text), properties, False)
        return float(measured[0])


def letters_for(texts: Iterable[str]) -> Letters:
    """The user's font families, and as many others as the letters of these texts need."""
    base = tuple(dict.fromkeys([*rcParams["font.family"], "DejaVu Sans"]))
    letters = {letter for text in texts for letter in text if not _is_unseen(letter)}
    if not anywhere.get():
        _warn_of_direction(letters)
    lacking = frozenset(letters) - _had_by(base, frozenset(letters))
    family = [*base]
    if lacking:
        found, lacking = _others(lacking, _language(letters))
        family += found
    if anywhere.get():
        return Letters(tuple(family))
    _warn_of_boxes(lacking, base)
    return Letters(tuple(family), lacking)


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cf", "Zs") or "\ufe00" <= letter <= "\ufe0f"


@cache
def _had_by(base: tuple[str, ...], letters: frozenset[str]) -> frozenset[str]:
    """Those of the letters that a family of the user's own list has."""
    fonts = [
        font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
        for family in base
    ]
    return frozenset(c for c in letters if any(font.get_char_index(ord(c)) for font in fonts))


def _others(lacking: frozenset[str], language: str) -> tuple[list[str], frozenset[str]]:
    """Installed families for the letters, and the letters that none has.

    matplotlib keeps a list of fonts in a file: where letters stay without, the system is asked
    for fonts that have been installed since.
    """
    found, left = _chosen(lacking, language, len(font_manager.fontManager.ttflist))
    if left and _add_new():
        return _chosen(lacking, language, len(font_manager.fontManager.ttflist))
    return found, left


@cache
def _chosen(
    lacking: frozenset[str], language: str, _installed: int
) -> tuple[list[str], frozenset[str]]:
    found: list[str] = []
    left = set(lacking)
    having = {name: _having(fname, lacking) for name, fname in _families().items()}
    while left:
        best = min(having, key=lambda name: (-len(having[name] & left), _rank(name, language)))
        if not having[best] & left:
            break
        found.append(best)
        left -= having[best]
    return found, frozenset(left)


def _families() -> dict[str, str]:
    """The file of each installed family: the upright one of normal weight."""
    entries = sorted(
        font_manager.fontManager.ttflist,
        key=lambda entry: (entry.style != "normal", abs(_weight(entry.weight) - 400), entry.fname),
        reverse=True,
    )
    return {entry.name: entry.fname for entry in entries if not entry.name.startswith("Last")}


def _weight(weight: Any) -> int:
    number = font_manager.weight_dict.get(weight, weight)
    return number if isinstance(number, int) else 400


def _having(fname: str, letters: frozenset[str]) -> set[str]:
    try:
        font = font_manager.get_font(fname)
        return {letter for letter in letters if font.get_char_index(ord(letter))}
    except (OSError, RuntimeError):  # a font of matplotlib's list that is gone or broken
        return set()


def _rank(name: str, language: str) -> tuple[bool, int, str]:
    lower = name.lower()
    place = next((i for i, liked in enumerate(LIKED) if liked in lower), len(LIKED))
    return not name.endswith(language), place, name


def _language(letters: set[str]) -> str:
    """How Han letters are to look, as families name it: kana ask for JP, hangul for KR."""
    names = {unicodedata.name(letter, "").split(" ")[0] for letter in letters}
    if names & {"HIRAGANA", "KATAKANA"}:
        return "JP"
    return "KR" if "HANGUL" in names else "SC"


@cache
def _add_new() -> bool:
    """Add fonts that the system has and matplotlib's list lacks; once a process."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    added = False
    for fname in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(fname)
            added = True
        except Exception:
            continue
    return added


def _warn_of_boxes(lacking: frozenset[str], base: tuple[str, ...]) -> None:
    fresh = sorted(lacking - _warned)
    if not fresh:
        return
    _warned.update(fresh)
    families = sorted(_families(), key=lambda name: (name not in base, _rank(name, "")))
    more = f" and {len(families) - NAMED} others" if len(families) > NAMED else ""
    some = ", ".join(fresh[:NAMED]) + (" ..." if len(fresh) > NAMED else "")
    warnings.warn(
        f"no installed font has {some}: shown as code points, such as ⟨U+{ord(fresh[0]):04X}⟩. "
        f"Tried: {', '.join(families[:NAMED])}{more}. Install {_advice(fresh)}, or name a font "
        "file: matplotlib.font_manager.fontManager.addfont(path).",
        AttnscopeWarning,
        stacklevel=5,
    )


def _advice(lacking: list[str]) -> str:
    names = [unicodedata.name(letter, "") for letter in lacking]
    if any(name.startswith(CJK) for name in names):
        return "Noto Sans CJK (Debian: fonts-noto-cjk)"
    scripts = sorted({n.split(" ")[0].title() for n in names if " LETTER " in n or " SIGN " in n})
    if scripts:
        return f"Noto Sans {scripts[0]} (Debian: fonts-noto-core)"
    return "Noto Emoji or Noto Sans Symbols 2 (Debian: fonts-noto-core)"


def _warn_of_direction(letters: set[str]) -> None:
    turned = {c for c in letters if unicodedata.bidirectional(c) in ("R", "AL")}
    if SHAPES or not turned or "right to left" in _warned:
        return
    _warned.add("right to left")
    warnings.warn(
        "this matplotlib writes right-to-left tokens from left to right, letters unjoined: "
        "pip install 'matplotlib>=3.11' writes them as they are read.",
        AttnscopeWarning,
        stacklevel=4,
    )
