"""The browser fixtures notice what they promise to notice."""

from __future__ import annotations

import pytest

DRAWN = '<div data-attnscope-view="head" data-attnscope-state="drawn">ok</div>'


def test_a_quiet_drawn_page_passes(page, open_view):
    view = open_view(page, DRAWN, width=600, color_scheme="dark")
    assert view.inner_text() == "ok"
    assert page.evaluate("[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]") == [
        600,
        True,
    ]


def test_a_view_in_error_fails_at_once(page, open_view):
    broken = DRAWN.replace("drawn", "error").replace("ok", "no such layer")
    with pytest.raises(AssertionError, match="'error': no such layer"):
        open_view(page, broken)


@pytest.mark.console_ok("expected trouble")
def test_marked_console_errors_pass(page, open_view):
    open_view(page, DRAWN + "<script>console.error('expected trouble')</script>")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("console.error('trouble')", "console: trouble"),
        ("throw new Error('trouble')", "uncaught: .*trouble"),
        (
            "fetch('https://example.org/d3.js').catch(() => {})",
            "request: https://example.org/d3.js",
        ),
        ("new Image().src = 'http://192.0.2.1/x.png'", "request: http://192.0.2.1/x.png"),
    ],
)
def test_noise_and_requests_fail_the_test(quiet_context, open_view, script, problem):
    def visit():
        with quiet_context() as context:
            page = context.new_page()
            open_view(page, f"{DRAWN}<script>{script}</script>")
            page.wait_for_timeout(100)

    with pytest.raises(pytest.fail.Exception, match=problem):
        visit()
