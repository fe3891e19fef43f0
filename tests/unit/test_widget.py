"""The widget: answers what the page asks, and shares its state with Python."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

import attnscope
from attnscope import InputError
from attnscope.hosts.widget import Widget
from attnscope.wire.encode import GZIP


@pytest.fixture
def widget() -> Widget:
    weights = np.full((3, 2, 4, 4), 0.25, np.float32)
    return attnscope.from_attention(weights, list("abcd")).head_view(layer=1, heads=[1]).widget()


@pytest.fixture
def sent(widget: Widget, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, list]]:
    messages: list[tuple[dict, list]] = []
    monkeypatch.setattr(
        widget, "send", lambda content, buffers=(): messages.append((content, list(buffers)))
    )
    return messages


def test_state_starts_as_the_view_says(widget: Widget) -> None:
    assert (widget.layer, widget.heads, widget.stream, widget.filter) == (1, [1], "self", "all")
    assert widget.pinned is None


def test_a_request_is_answered_with_bytes(widget: Widget, sent: list) -> None:
    request = {"kind": "layer", "stream": "self", "layer": 2}
    widget._handle_custom_msg({"id": "7", "request": request}, [])
    (content, buffers) = sent[0]
    assert content["id"] == "7"
    assert content["meta"]["shape"] == [2, 4, 4]
    assert len(zlib.decompress(buffers[0], GZIP)) == 2 * 2 * 4 * 4


@pytest.mark.parametrize(
    "message", [{"id": "1"}, "text", None, {"id": "1", "request": {"kind": 3}}]
)
def test_a_broken_request_is_answered_with_a_text(
    widget: Widget, sent: list, message: object
) -> None:
    widget._handle_custom_msg(message, [])
    assert "the page" in sent[0][0]["error"]


def test_state_is_checked_when_set(widget: Widget) -> None:
    widget.layer = 2
    widget.pinned = {"side": "key", "index": np.int64(3)}
    assert widget.pinned == {"side": "key", "index": 3}
    with pytest.raises(InputError, match="layer 5 is not shown: this view has layers 0 to 2"):
        widget.layer = 5
    with pytest.raises(InputError, match="no key token 4: this stream has tokens 0 to 3"):
        widget.pinned = {"side": "key", "index": 4}
    with pytest.raises(InputError, match="pinned must be"):
        widget.pinned = {"side": "left", "index": 1}
    with pytest.raises(InputError, match="stream must be one of"):
        widget.stream = "cross"
    assert (widget.layer, widget.stream) == (2, "self")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("heads", [0, 99], "head 99 is not shown: this view has heads 0 to 1"),
        ("head", 7, "head 7 is not shown"),
        ("filter", "nonsense", "filter must be one of ['all'], got 'nonsense'"),
        ("opened", {"layer": 99, "head": 1}, "layer 99 is not shown"),
        ("opened", {"x": 1}, "opened must be None or {'layer': ..., 'head': ...}"),
    ],
)
def test_state_that_no_page_could_show_is_refused(
    widget: Widget, name: str, value: object, text: str
) -> None:
    before = getattr(widget, name)
    with pytest.raises(InputError) as caught:
        setattr(widget, name, value)
    assert text in str(caught.value)
    assert getattr(widget, name) == before


def test_filters_are_named_by_their_segments() -> None:
    weights = np.full((1, 1, 4, 4), 0.25, np.float32)
    widget = attnscope.from_attention(weights, list("abcd"), segments=[2]).head_view().widget()
    widget.filter = "A -> B"
    assert widget.filter == "A→B"


def test_an_unexpected_failure_reaches_the_page_too(
    widget: Widget, sent: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("attnscope.hosts.widget.answer", failing)
    request = {"kind": "layer", "stream": "self", "layer": 0}
    with pytest.raises(ZeroDivisionError):
        widget._serve(widget, {"id": "1", "request": request}, [])
    assert "Python failed: ZeroDivisionError('surprise')" in sent[0][0]["error"]


def test_what_a_widget_has_not_cannot_be_set(widget: Widget) -> None:
    with pytest.raises(AttributeError, match="a widget has no 'theme' to set: its state"):
        widget.theme = "zz"
    widget.threshold = 0.5
    assert widget.view().spec["state"]["threshold"] == 0.5
