"""Views caught on their way to a notebook, and the real bertviz set aside."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from attnscope.bertviz import _deliver, uninstall_as_bertviz
from attnscope.view import View


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[View]:
    """The views that would have been shown."""
    caught: list[View] = []
    monkeypatch.setattr(_deliver, "_show", lambda _, view: caught.append(view))
    return caught


@pytest.fixture
def modules() -> Iterator[None]:
    """Whatever a test does with `import bertviz` is undone after it."""
    uninstall_as_bertviz()
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] == "bertviz"}
    yield
    for name in [n for n in sys.modules if n.partition(".")[0] == "bertviz"]:
        del sys.modules[name]
    sys.modules.update(before)
