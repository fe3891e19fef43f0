"""What every kind of test shares: where the checkout is, and how tests spread over two workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from attnscope.doctor import find_chromium

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("attnscope", deadline=None)  # no test rests on wall time
settings.load_profile("attnscope")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    found = find_chromium()
    if found is None:
        pytest.fail("no Chromium on this machine; run: make chromium")
    return found


@pytest.fixture(scope="session")
def minilm() -> tuple[Any, Any]:
    """The shelf's real MiniLM: (model, tokenizer)."""
    from attnscope.demo import load

    return load("minilm")


@pytest.fixture(scope="session")
def minilm_tokenizer(minilm: tuple[Any, Any]) -> Any:
    """The tokenizer of the shelf's MiniLM."""
    return minilm[1]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and keep tests that share costly fixtures on one worker.

    A file's tests stay together; those in packaging/ all share one built wheel. Model types of the
    zoo share nothing and go wherever there is room.
    """
    for item in items:
        folder, *rest = item.path.relative_to(ROOT / "tests").parts
        if folder in ("browser", "visual"):
            item.add_marker(pytest.mark.browser)
        if folder == "zoo":
            continue
        group = folder if folder == "packaging" else "/".join([folder, *rest])
        item.add_marker(pytest.mark.xdist_group(group))
