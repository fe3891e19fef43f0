"""Fixtures that open one kind of view: `show = opens("head")`, `head = opened("head")`."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page

from tests.browser.live import open_live
from tests.browser.paging import tiny


def opens(kind: str | None, *, width: int = 1000, height: int = 800, live: bool = False) -> Any:
    """A fixture `show(trace, width=width, height=height, **options of the view)`.

    With None as the kind it is `show(view)`. With `live`, tests that use it run twice: with a saved
    page, and connected to Python.
    """

    @pytest.fixture(params=["saved", "live"] if live else None)
    def show(request: pytest.FixtureRequest, page: Page, open_view: Any) -> Any:
        saved = getattr(request, "param", "saved") == "saved"

        def showing(
            shown: Any, width: int = width, height: int = height, **options: object
        ) -> Locator:
            view = getattr(shown, f"{kind}_view")(**options) if kind else shown
            if saved:
                return open_view(page, view.html(), width=width, height=height)
            return open_live(page, view, width, height)

        return showing

    return show


def opened(kind: str) -> Any:
    """A fixture: this view of a small trace (3 layers, 4 heads, 8 tokens in two segments)."""

    @pytest.fixture
    def view(page: Page, open_view: Any) -> Locator:
        return open_view(page, getattr(tiny(), f"{kind}_view")().html())

    return view
