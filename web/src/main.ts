// Starts a view: mounts those of its kind that are written into a page, and gives anywidget its
// `render`. Every file in pages/ starts one view, and becomes one bundle. A view may run it once
// more, as a worker.
import type { WorkerScope } from "./data/tiler";
import { mount } from "./mount";
import type { ViewName } from "./types";
import type { View } from "./views/frame";
import { httpSource } from "./source/http";
import { inlineSource, inlineSpec, parsed } from "./source/inline";
import { syncState, widgetSource, type WidgetModel } from "./source/widget";

export function start(name: ViewName, view: View, work?: (scope: WorkerScope) => void): { render: Render } {
  if ("WorkerGlobalScope" in globalThis) work?.(globalThis as unknown as WorkerScope);
  if (typeof document !== "undefined") {
    mountAll(document, name, view);
    if (document.readyState === "loading") void parsed(document).then(() => mountAll(document, name, view));
  }
  return { render: (props) => renderWidget(props, name, view) };
}

function mountAll(doc: Document, name: ViewName, view: View): void {
  const hosts = doc.querySelectorAll<HTMLElement>(`[data-attnscope-id][data-attnscope-view=${name}]:not([data-attnscope-state])`);
  for (const host of hosts) mountInline(host, name, view);
}

function mountInline(host: HTMLElement, name: ViewName, view: View): void {
  const id = host.dataset.attnscopeId!;
  const signal = new AbortController().signal;
  const served = host.dataset.attnscopeServed;
  const transport = served ? httpSource(served, signal) : inlineSource(host, id);
  void mount(host, name, view, { spec: () => inlineSpec(host, id), transport, signal });
}

interface RenderProps {
  model: WidgetModel;
  el: HTMLElement;
  signal?: AbortSignal;
}

type Render = (props: RenderProps) => Promise<() => void>;

async function renderWidget({ model, el, signal }: RenderProps, name: ViewName, view: View): Promise<() => void> {
  const controller = new AbortController();
  signal?.addEventListener("abort", () => controller.abort(), { once: true });
  const host = el.ownerDocument.createElement("div");
  el.replaceChildren(host);
  void mount(host, name, view, {
    spec: async () => model.get("_spec"),
    transport: widgetSource(model, controller.signal),
    signal: controller.signal,
    bind: (store) => syncState(model, store, controller.signal),
  });
  return () => controller.abort();
}
