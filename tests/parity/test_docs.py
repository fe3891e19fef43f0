"""The pages about measures: their code runs, and they name every measure and quantity there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from attnscope import measures

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "measures"
PAGES = sorted(FOLDER.glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_on_a_page_runs(page: Path) -> None:
    blocks = BLOCK.findall(page.read_text())
    assert blocks
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


def test_every_measure_and_quantity_is_on_a_page() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for name in (*measures.MEASURES, *measures.QUANTITIES):
        assert f"`{name}`" in text, name
    shown = set(measures.__all__) - {"MEASURES", "QUANTITIES", "Quantity", "Table"}
    for name in shown - {"shares", "compare", "align"}:
        assert re.search(rf"\b{name}\b", text), name


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("https://") or (page.parent / target).exists(), target
