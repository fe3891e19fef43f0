// Entry of the bundle: mounts the views written into a page, and exports anywidget's `render`.
import { mount } from "./mount";
import { inlineSource, inlineSpec, parsed } from "./source/inline";
import { syncState, widgetSource, type WidgetModel } from "./source/widget";

function mountInline(host: HTMLElement): void {
  const id = host.dataset.attnscopeId!;
  const signal = new AbortController().signal;
  void mount(host, { spec: () => inlineSpec(host, id), transport: inlineSource(host, id), signal });
}

function mountAll(doc: Document): void {
  doc.querySelectorAll<HTMLElement>("[data-attnscope-id]:not([data-attnscope-state])").forEach(mountInline);
}

if (typeof document !== "undefined") {
  mountAll(document);
  if (document.readyState === "loading") void parsed(document).then(() => mountAll(document));
}

interface RenderProps {
  model: WidgetModel;
  el: HTMLElement;
  signal?: AbortSignal;
}

async function renderWidget({ model, el, signal }: RenderProps): Promise<() => void> {
  const controller = new AbortController();
  signal?.addEventListener("abort", () => controller.abort(), { once: true });
  const host = el.ownerDocument.createElement("div");
  el.replaceChildren(host);
  void mount(host, {
    spec: async () => model.get("_spec"),
    transport: widgetSource(model, controller.signal),
    signal: controller.signal,
    bind: (store) => syncState(model, store, controller.signal),
  });
  return () => controller.abort();
}

export default { render: renderWidget };
