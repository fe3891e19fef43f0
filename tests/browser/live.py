"""A view connected to Python in a page of its own: the widget's front end, without a notebook."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from attnscope.assets import bundle
from attnscope.view import View
from attnscope.wire.replies import answer

HOME = "http://127.0.0.1:9/"
PAGE = """<!doctype html><meta charset="utf-8"><div id="view"></div><script type="module">
import widget from "./attnscope.js";
const [spec, state] = __START__;
const heard = {};
const model = window.model = {
  state: {_spec: spec, ...state}, saved: 0,
  get: name => model.state[name],
  set: (name, value) => { model.state[name] = value; },
  save_changes: () => { model.saved++; },
  on: (event, call) => { heard[event] = call; },
  off: event => { delete heard[event]; },
  put: (name, value) => { model.state[name] = value; heard["change:" + name]?.(); },
  send: async ({id, request}) => {
    if (!request) return;
    const reply = await window.answered(JSON.stringify(request));
    const bytes = reply.data && Uint8Array.from(atob(reply.data), c => c.charCodeAt(0));
    heard["msg:custom"]?.({id, meta: reply.meta, error: reply.error}, bytes ? [bytes.buffer] : []);
  },
};
widget.render({model, el: document.getElementById("view")});
</script>"""


def open_live(
    page: Page,
    view: View,
    width: int = 1000,
    height: int = 800,
    before: Callable[[dict[str, Any]], None] = lambda request: None,
) -> Locator:
    """Opens a view whose requests Python answers; `before` sees each one, and may raise."""

    def answered(asked: str) -> dict[str, Any]:
        request = json.loads(asked)
        try:
            before(request)
            reply = answer(view.trace, view.spec, request)
        except Exception as error:
            return {"error": str(error)}
        return {"meta": reply.meta, "data": base64.b64encode(reply.data).decode()}

    def serve(route: Route) -> None:
        if route.request.url.endswith("attnscope.js"):
            return route.fulfill(body=bundle(view.spec["view"]), content_type="text/javascript")
        start = json.dumps([view.spec, view.spec["state"]]).replace("<", "\\u003c")
        return route.fulfill(body=PAGE.replace("__START__", start), content_type="text/html")

    page.expose_function("answered", answered)
    page.route(HOME + "**", serve)
    page.set_viewport_size({"width": width, "height": height})
    page.goto(HOME)
    found = page.locator("[data-attnscope-view]").first
    expect(found).to_have_attribute("data-attnscope-state", "drawn", timeout=30_000)
    return found
