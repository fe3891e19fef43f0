// Spec and data written into the page as script elements. The bundle runs while the page is still
// being parsed: what is not there yet is looked for again whenever there is more of the page.
import { fromBase64, fromDense } from "../data/decode";
import { keyOf, type Reply, type Request, type Transport } from "../types";

type Root = Document | ShadowRoot;

export async function inlineSpec(el: HTMLElement, id: string): Promise<unknown> {
  const script = await find(el, `script[data-attnscope-spec="${CSS.escape(id)}"]`);
  if (!script)
    throw new Error("The page has no description of this view. Save the view again and open the whole file.");
  try {
    return JSON.parse(script.textContent ?? "");
  } catch {
    throw new Error("The page's description of this view is damaged. Save the view again and open the whole file.");
  }
}

export function inlineSource(el: HTMLElement, id: string): Transport {
  return {
    live: false,
    code: () => look(el, `script[data-attnscope-code="${CSS.escape(id)}"]`)?.textContent ?? null,
    async fetch(request: Request): Promise<Reply> {
      const key = keyOf(request);
      const script = await find(el, `script[data-attnscope-data="${CSS.escape(id)}"][data-key="${CSS.escape(key)}"]`);
      if (!script)
        throw new Error(`The page has no data for "${key}". It was not saved whole: save the view again.`);
      const meta = JSON.parse(script.getAttribute("data-meta") ?? "{}") as Reply["meta"];
      return { meta, bytes: bytesOf(script, key) };
    },
  };
}

function bytesOf(script: Element, key: string): Uint8Array<ArrayBuffer> {
  const [text, size] = [script.textContent ?? "", script.getAttribute("data-dense")];
  try {
    return size === null ? fromBase64(text.trim()) : fromDense(text, Number(size));
  } catch {
    throw new Error(`The data for "${key}" are damaged. Save the view again.`);
  }
}

function look(el: HTMLElement, selector: string): Element | null {
  return (el.getRootNode() as Root).querySelector?.(selector) ?? el.ownerDocument.querySelector(selector);
}

async function find(el: HTMLElement, selector: string): Promise<Element | null> {
  for (;;) {
    const found = look(el, selector);
    // While parsing, an element may be there with only part of its text.
    const whole = found?.nextSibling ?? found?.parentNode?.nextSibling;
    if (whole || el.ownerDocument.readyState !== "loading") return found;
    await grown(el);
  }
}

/** Resolves when the page has got another element, or has been parsed. */
function grown(el: HTMLElement): Promise<void> {
  return new Promise((resolve) => {
    const observer = new MutationObserver(() => done());
    const done = () => (observer.disconnect(), resolve());
    observer.observe(el.getRootNode(), { childList: true, subtree: true });
    void parsed(el.ownerDocument).then(done);
  });
}

export function parsed(doc: Document): Promise<void> {
  if (doc.readyState !== "loading") return Promise.resolve();
  return new Promise((resolve) => doc.addEventListener("DOMContentLoaded", () => resolve(), { once: true }));
}
