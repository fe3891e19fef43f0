"""A trace in the browser, served by this machine to itself.

The pages are those that are saved, without their data: what they show they ask for, so that a trace
of any length opens at once. `attnscope view x.safetensors` starts it.

Nobody else must get at it. The server listens on 127.0.0.1 only; every path starts with a random
token; Host and Origin must be this server's own, or a page elsewhere could reach it through the
user's browser; requests are short JSON objects, which `wire.replies` checks as it does any page's;
what waits and what is computed at a time is bounded; replies forbid every script but ours, frames,
and connections to anywhere else.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from inspect import signature
from threading import Event
from typing import Any

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.requests import Request as Asked
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from attnscope._row_bar import is_much
from attnscope.assets import bundle
from attnscope.errors import AttnscopeError, InputError
from attnscope.hosts.html import STYLE, element, page_head, policy_of
from attnscope.measures.compare import Comparison
from attnscope.scores import QKLayer
from attnscope.stopping import Stopped, stopping_when
from attnscope.trace import Trace
from attnscope.view import View
from attnscope.views.base import suited_view
from attnscope.wire.parts import is_windowed
from attnscope.wire.replies import answer
from attnscope.wire.spec import Spec

ADDRESS = "127.0.0.1"
VIEWS = ("generation", "head", "model", "matrix", "text", "heads", "neuron")
LONGEST_REQUEST = 4096
"""Bytes."""
FIRST_SHOWN = ("layer", "query", "stream")
"""Options that not every view takes."""
MOST_WAITING = 64
LOOKS = 0.1
"""Seconds between two looks at whether a browser still waits."""
HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
LINKS = STYLE + (
    "nav{font:14px system-ui,sans-serif;margin:0 18px 12px;display:flex;gap:16px}"
    "a{color:inherit}a[aria-current]{font-weight:600;text-decoration:none}"
)
BUSY = "attnscope's server is busy: too many requests wait. Try again in a moment."


class Server:
    """The views of one trace, or of a comparison, as an ASGI application.

    Attributes:
        url: where the first view is; only who knows it gets in.
        app: the application.
    """

    def __init__(
        self,
        shown: Trace | Comparison,
        port: int,
        first: str | None = None,
        **options: Any,
    ) -> None:
        """An application for 127.0.0.1 and this port; `first` names the view shown first.

        `options` are those that every view takes: `layers`, `heads`, `theme`; and `layer`, `query`,
        `stream`, which some do.

        Raises:
            InputError: when this trace has no such view.
        """
        self._views = views_of(shown, options, first)
        self._first = first or next(iter(self._views))
        if self._first not in self._views:
            raise InputError(f"this trace has no {first!r} view; it has {', '.join(self._views)}.")
        self._limit = anyio.CapacityLimiter(min(4, os.cpu_count() or 1))
        self._waiting = 0
        token = secrets.token_urlsafe(24)
        own = [f"{name}:{port}" for name in (ADDRESS, "localhost")]
        routes = [
            Route("/{token}/", self._start),
            Route("/{token}/{view}", self._page),
            Route("/{token}/{view}/data", self._data, methods=["POST"]),
        ]
        views = Starlette(routes=routes)
        views.router.redirect_slashes = False
        self.app: ASGIApp = Guard(views, own, token)
        self.url = f"http://{own[0]}/{token}/"

    async def _start(self, _: Asked) -> Response:
        return RedirectResponse(self._first)

    async def _page(self, asked: Asked) -> Response:
        name = asked.path_params["view"]
        if name not in self._views:
            return PlainTextResponse("There is no such view.", 404)
        return HTMLResponse(page(self._views[name].spec, list(self._views)))

    async def _data(self, asked: Asked) -> Response:
        name = asked.path_params["view"]
        if name not in self._views:
            return _problem(404, "There is no such view.")
        if self._waiting >= MOST_WAITING:
            return _problem(503, BUSY)
        self._waiting += 1
        try:
            request = await _request_of(asked)
            async with self._limit:
                if await asked.is_disconnected():
                    return Response(status_code=499)
                return await self._computed(asked, self._views[name], request)
        except InputError as error:
            return _problem(400, str(error))
        except ClientDisconnect:
            return Response(status_code=499)
        finally:
            self._waiting -= 1

    async def _computed(self, asked: Asked, view: View, request: Any) -> Response:
        """A reply, whose making ends when whoever asked for it is gone."""
        gone = Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_watch, asked, gone)
            reply = await run_sync(self._answered, view, request, gone)
            group.cancel_scope.cancel()
        return reply

    def _answered(self, view: View, request: Any, gone: Event) -> Response:
        """A reply's JSON, after four bytes with its length, and then its bytes."""
        try:
            with stopping_when(gone.is_set):
                reply = answer(view.trace, view.spec, request)
        except Stopped:
            return Response(status_code=499)
        except AttnscopeError as error:
            return _problem(400, str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            return _problem(500, f"Python failed: {error!r}.")
        meta = json.dumps(reply.meta).encode()
        body = len(meta).to_bytes(4, "little") + meta + reply.data
        return Response(body, media_type="application/octet-stream")


async def _watch(asked: Asked, gone: Event) -> None:
    """Set when the browser has closed the connection: it moved on, or was closed itself."""
    while not await asked.is_disconnected():
        await anyio.sleep(LOOKS)
    gone.set()


def _problem(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def _request_of(asked: Asked) -> dict[str, Any]:
    """The JSON object that was sent, if it is short and one."""
    body = b""
    async for part in asked.stream():
        body += part
        if len(body) > LONGEST_REQUEST:
            raise InputError(f"the page sent more than {LONGEST_REQUEST} bytes.")
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise InputError("the page sent something that is no request.")
    return request


def views_of(
    shown: Trace | Comparison, options: Mapping[str, Any], asked: str | None = None
) -> dict[str, View]:
    """The views that a trace or a comparison has, those that suit it first.

    Those that go through all weights before they show any are left out where that takes long,
    unless asked for.
    """
    trace = shown.difference if isinstance(shown, Comparison) else shown
    best = suited_view(trace)
    order = sorted(VIEWS, key=lambda name: name != best)
    given = {name: value for name, value in options.items() if value is not None}
    first = asked if asked and given.keys() & set(FIRST_SHOWN) else best
    getattr(shown, f"{first}_view")(**given)  # raises what is wrong with the options
    found = {}
    for name in order:
        if (name != asked and _takes_long(name, shown)) or not hasattr(shown, f"{name}_view"):
            continue
        view = getattr(shown, f"{name}_view")
        taken = signature(view).parameters
        fitting = {k: v for k, v in given.items() if k not in FIRST_SHOWN or k in taken}
        with suppress(InputError):  # weights alone have no neuron view
            found[name] = view(**fitting)
    return found


def _takes_long(name: str, shown: Trace | Comparison) -> bool:
    """Whether a view goes through so many weights first that a page would wait for it."""
    if name not in ("heads", "text"):
        return False
    trace = shown.difference if isinstance(shown, Comparison) else shown
    streams = trace.streams.values()
    layers = [layer for stream in streams for layer in stream.layers]
    computed = all(isinstance(layer, QKLayer) for layer in layers)
    parts = computed and all(is_windowed(stream, stream.numbers) for stream in streams)
    return is_much(layers) and not (name == "text" and parts)


def page(spec: Spec, names: list[str]) -> str:
    """A view's page, which asks for its data, with links to the others."""
    script, name = bundle(spec["view"]), spec["view"]
    policy = policy_of(script, LINKS, "connect-src 'self'; ")
    links = "".join(
        f'<a href="{other}"{" aria-current=page" if other == name else ""}>{other.capitalize()}</a>'
        for other in names
    )
    mark = f' data-attnscope-page data-attnscope-served="{name}/data"'
    return (
        f"{page_head(spec, policy, LINKS)}<nav>{links}</nav>\n{element(spec, name, mark)}"
        f'<script type="module">{script}</script>\n</body>\n</html>\n'
    )


class Guard:
    """Lets only this machine's own pages through, and says in every reply what it may do."""

    def __init__(self, app: ASGIApp, own: list[str], token: str) -> None:
        """`own` are the names of the server with its port, as browsers send them."""
        self._app, self._hosts, self._token = app, own, token.encode()
        self._origins = [f"http://{name}" for name in own]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        said, token = Headers(scope=scope), scope["path"].split("/")[1].encode()
        origin = said.get("origin", self._origins[0] if scope["method"] in ("GET", "HEAD") else "")
        app: ASGIApp = self._app
        if said.get("host") not in self._hosts or origin not in self._origins:
            app = PlainTextResponse("This server serves its own pages only.", 403)
        elif not secrets.compare_digest(token, self._token):
            app = PlainTextResponse("Not found.", 404)
        await app(scope, receive, send_guarded)


def serve(
    shown: Trace | Comparison,
    *,
    view: str | None = None,
    port: int = 0,
    tell: Any = print,
    **options: Any,
) -> None:
    """Serve a trace, or a comparison of two, until Ctrl-C.

    Args:
        shown: what to show.
        view: the view shown first; None: the one that suits the length.
        port: 0 takes any that is free.
        tell: called with the address once the server listens.
        **options: `layers`, `heads` and `theme` of all views; `layer`, `query` and `stream` of
            those that take them.

    Raises:
        InputError: when the port is in use, or the trace has no such view.
    """
    import uvicorn

    with socket.socket() as listening:
        try:
            listening.bind((ADDRESS, port))
            listening.listen()
        except (OSError, OverflowError) as cause:
            said = getattr(cause, "strerror", None) or cause
            raise InputError(
                f"cannot listen on port {port}: {said}. Give another --port, or none for any."
            ) from None
        made = Server(shown, listening.getsockname()[1], view, **options)
        config = uvicorn.Config(
            made.app,
            access_log=False,
            lifespan="off",
            limit_concurrency=2 * MOST_WAITING,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=2,
            ws="none",
        )
        tell(made.url)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
