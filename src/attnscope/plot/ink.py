"""Light and dark: grounds, inks and lines of a figure, as on the screen (web/src/ui/style.ts)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from attnscope.plot.colors import Mode
from attnscope.views.base import one_of
from attnscope.wire.spec import Theme


@dataclass(frozen=True)
class Ink:
    """One theme's colours, `#rrggbb`."""

    mode: Mode
    bg: str
    ink: str
    quiet: str
    line: str
    strong: str
    accent: str
    wash: str


THEMES: dict[Mode, Ink] = {
    "light": Ink(
        "light", "#ffffff", "#1c2026", "#5b626d", "#e0e3e8", "#b9bfc9", "#2456c7", "#e9eefb"
    ),
    "dark": Ink(
        "dark", "#131519", "#e8eaee", "#a3abb8", "#2c3038", "#4a515d", "#8fb4ff", "#1f2c47"
    ),
}


def ink_of(theme: Any) -> Ink:
    """The colours of a theme; a figure stands on no page, so `auto` is light.

    Raises:
        InputError: for another name.
    """
    one_of("theme", theme, get_args(Theme))
    return THEMES["dark" if theme == "dark" else "light"]
