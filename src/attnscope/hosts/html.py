"""One offline HTML file, or a fragment of one for a notebook cell.

The page holds the spec, the bundle and every reply that the view can ask for, as base64 (queries
and keys in eight bits: as denser text) in data blocks that no browser runs. The bundle comes before
them, and what the first picture needs before the rest: it is drawn while a long page is still being
read. A strict Content-Security-Policy names the one script by its hash and forbids everything else:
no network, no style from outside, no evaluation. Heat maps may run that script once more, as a
worker that computes their tiles.

Everything from a model, tokenizer or user is text here: `<` never appears in a data block.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from attnscope._files import replacing
from attnscope.assets import bundle
from attnscope.errors import AttnscopeWarning, InputError
from attnscope.hosts.dense import dense_text
from attnscope.trace import Trace
from attnscope.wire.replies import Reply, carried, is_early, size_estimate
from attnscope.wire.spec import Request, Spec, key_of

WARN_BYTES = 200_000_000
SCRIPT_LIMIT = 536_870_888
"""Chromium drops a longer script element without a word (measured, research/browser.md)."""

PROGRESS_FROM = 2_000_000
"""Bytes from which packing takes long enough for a progress bar."""

NOT_YET = (
    "attnscope is loading this view. If this text stays, the file is not whole or its script was "
    "not allowed to run: save the view again."
)
"""Hidden by the view's shadow root as soon as there is one."""

WITH_WORKERS = ("matrix", "heads", "head", "text")

STYLE = (
    "html{color-scheme:light dark;background:Canvas;color:CanvasText}body{margin:0;padding:16px}"
)


def page_text(trace: Trace, spec: Spec) -> str:
    """A whole page as a string."""
    out = io.StringIO()
    write_page(out, trace, spec)
    return out.getvalue()


def fragment_text(trace: Trace, spec: Spec) -> str:
    """The view as an element and its scripts, for the output of a notebook cell."""
    return "".join(_parts(trace, spec, bundle(spec["view"]), page=False))


def save_page(trace: Trace, spec: Spec, path: Path) -> Path:
    """Write a page beside its place, then move it there: an existing file is kept until then."""
    with replacing(path) as out:
        text = io.TextIOWrapper(out, encoding="utf-8", newline="\n")
        write_page(text, trace, spec)
        text.flush()
        size = out.tell()
        text.detach()
    path = path.resolve()
    _warn_of_size(size, path)
    return path


def _warn_of_size(size: int, path: Path) -> None:
    if size > WARN_BYTES:
        warnings.warn(
            f"{path} has {size / 1e6:,.0f} MB: browsers open it slowly or not at all. Show fewer "
            "layers (layers=[...]; in the model view fewer heads, heads=[...], too), or show the "
            "view in a notebook with .widget(), which sends one layer at a time.",
            AttnscopeWarning,
            stacklevel=4,
        )


def write_page(out: TextIO, trace: Trace, spec: Spec) -> None:
    """Write a whole page."""
    script = bundle(spec["view"])
    workers = "worker-src blob:; " if spec["view"] in WITH_WORKERS else ""
    out.write(page_head(spec, policy_of(script, STYLE, workers), STYLE))
    for part in _parts(trace, spec, script, page=True):
        out.write(part)
    out.write("</body>\n</html>\n")


def policy_of(script: str, style: str, more: str = "") -> str:
    """A Content-Security-Policy that allows this script and style, `more`, and nothing else."""
    hashes = (hashlib.sha256(text.encode()).digest() for text in (script, style))
    allowed = [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes]
    return (
        f"default-src 'none'; script-src {allowed[0]}; style-src {allowed[1]}; {more}"
        "base-uri 'none'; form-action 'none'"
    )


def page_head(spec: Spec, policy: str, style: str) -> str:
    """A page up to the first element of its body."""
    title = html.escape(spec["title"] or "attention")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="attnscope">\n'
        f"<title>{title} · {spec['view']} view</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def element(spec: Spec, identity: str, mark: str) -> str:
    """The element that a view is drawn in, and the spec beside it."""
    return (
        f'<div data-attnscope-view="{spec["view"]}" data-attnscope-id="{identity}"{mark}>'
        f"{NOT_YET}</div>\n"
        "<noscript>attnscope draws this view with JavaScript, which is switched off.</noscript>\n"
        f'<script type="application/json" data-attnscope-spec="{identity}">{_json(spec)}</script>\n'
    )


def _parts(trace: Trace, spec: Spec, script: str, *, page: bool) -> Iterator[str]:
    identity = uuid.uuid4().hex
    mark = " data-attnscope-page" if page else ""
    spec, replies = carried(trace, spec, progress=size_estimate(spec) > PROGRESS_FROM)
    yield element(spec, identity, mark)
    yield f'<script type="module" async data-attnscope-code="{identity}">{script}</script>\n'
    for request, reply in sorted(replies, key=lambda kept: not is_early(spec, kept[0])):
        yield _data_block(identity, request, reply, page)


def _data_block(identity: str, request: Request, reply: Reply, page: bool) -> str:
    if page and request["kind"] == "rounded":
        mark, data = f' data-dense="{len(reply.data)}"', dense_text(reply.data)
    else:
        mark, data = "", base64.b64encode(reply.data).decode()
    if len(data) >= SCRIPT_LIMIT:
        raise InputError(
            f"{key_of(request)} takes {len(data):,} characters, and browsers drop a block over "
            f"{SCRIPT_LIMIT:,} without a word: show fewer tokens, or use .widget()."
        )
    meta = html.escape(json.dumps(reply.meta))
    return (
        f'<script type="text/plain" data-attnscope-data="{identity}"{mark} '
        f'data-key="{html.escape(key_of(request))}" data-meta="{meta}">{data}</script>\n'
    )


def _json(value: object) -> str:
    """JSON that can stand inside a script element: no `<`, `>`, `&` and no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
