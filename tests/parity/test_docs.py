"""The pages of the documentation: their code runs; those about measures name each there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attnscope import measures
from tests import readers

DOCS = readers.ROOT / "docs"
PAGES = sorted((DOCS / "measures").glob("*.md"))
WITH_CODE = [
    page
    for page in (readers.ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
    if readers.BLOCK.search(page.read_text())
]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
@pytest.mark.filterwarnings("ignore::attnscope.AttnscopeWarning")
def test_the_code_on_a_page_runs(page: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    readers.run(page)


def test_pages_about_measures_have_code() -> None:
    assert set(PAGES) <= set(WITH_CODE)


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
