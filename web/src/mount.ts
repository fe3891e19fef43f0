// Puts a view into an element: checks the spec, makes shadow root, style, theme and store, waits
// until the element is near the screen, and shows what went wrong as a box in the view.
import { render } from "preact";
import { saveMenu } from "./export/menu";
import { createStore, type Store } from "./store";
import { Source } from "./source/cache";
import { VERSION, type Spec, type Transport, type ViewName } from "./types";
import { keepKeys } from "./ui/host";
import { messageOf } from "./ui/note";
import { problemBox } from "./ui/problem";
import { statusOf } from "./ui/status";
import { adoptStyle } from "./ui/style";
import { followTheme } from "./ui/theme";
import type { View } from "./views/frame";

export interface Mounting {
  spec(): Promise<unknown>;
  transport: Transport;
  signal: AbortSignal;
  /** Called with the store before anything is drawn. */
  bind?(store: Store): void;
}

export async function mount(host: HTMLElement, name: ViewName, view: View, mounting: Mounting): Promise<void> {
  host.setAttribute("data-attnscope-state", "loading");
  const { signal } = mounting;
  const status = statusOf(host, signal);
  const inside = insideOf(host);
  keepKeys(host, signal);
  try {
    const spec = checkedSpec(await mounting.spec(), name);
    host.setAttribute("data-attnscope-view", name);
    await nearScreen(host, signal);
    if (signal.aborted) return;
    const store = createStore(spec);
    mounting.bind?.(store);
    const mode = followTheme(host, spec.theme, signal);
    const clean = view(inside, spec, new Source(mounting.transport), store, { mode, status, signal });
    signal.addEventListener("abort", clean, { once: true });
    inside.after(saveMenu(inside, name));
  } catch (error) {
    render(problemBox(messageOf(error), followTheme(host, "auto", signal).value), inside);
    status.failed();
  }
}

function insideOf(host: HTMLElement): HTMLElement {
  const shadow = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  adoptStyle(shadow);
  const inside = host.ownerDocument.createElement("div");
  shadow.replaceChildren(inside);
  return inside;
}

function checkedSpec(value: unknown, name: ViewName): Spec {
  const spec = value as Spec;
  if (spec?.version !== VERSION)
    throw new Error(`The page was written for version ${spec?.version} of the view format, this script reads ${VERSION}. Make the view again with one version of attnscope.`);
  if (spec.view !== name)
    throw new Error(`This script draws the ${name} view, and the page describes the view "${spec.view}". Make the view again with one version of attnscope.`);
  const usable = spec.streams?.some((stream) => stream.layers.some((layer) => layer.heads.length));
  if (!usable) throw new Error("The view holds no heads. Choose at least one layer and one head.");
  return spec;
}

/** Resolves when the element comes near the screen; a page of its own view begins with it. */
function nearScreen(host: HTMLElement, signal: AbortSignal): Promise<void> {
  if (host.hasAttribute("data-attnscope-page")) return Promise.resolve();
  return new Promise((resolve) => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        observer.disconnect();
        resolve();
      },
      { rootMargin: "300px" },
    );
    host.style.minHeight ||= "48px";
    observer.observe(host);
    signal.addEventListener("abort", () => (observer.disconnect(), resolve()), { once: true });
  });
}
