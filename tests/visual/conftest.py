"""Pictures are taken in the same quiet Chromium that the browser tests use."""

from tests.browser.conftest import browser, context, open_view, page, quiet_context

__all__ = ["browser", "context", "open_view", "page", "quiet_context"]
