// What differs between the places a view is shown in. Each rule names its host.
import type { Mode } from "../draw/color";

/** Light or dark as the page around the element says. */
export function pageMode(el: HTMLElement): Mode {
  const doc = el.ownerDocument;
  return jupyterLab(doc) ?? vsCode(doc) ?? rootAttribute(doc) ?? background(el) ?? system(doc);
}

/** JupyterLab and Notebook 7: `<body data-jp-theme-light="true">`. */
function jupyterLab(doc: Document): Mode | null {
  const light = doc.body?.getAttribute("data-jp-theme-light");
  return light ? (light === "true" ? "light" : "dark") : null;
}

/** VS Code notebooks: classes on the body of the output's frame. */
function vsCode(doc: Document): Mode | null {
  const classes = doc.body?.classList;
  if (classes?.contains("vscode-light") || classes?.contains("vscode-high-contrast-light")) return "light";
  return classes?.contains("vscode-dark") || classes?.contains("vscode-high-contrast") ? "dark" : null;
}

/** Colab, Sphinx themes, many sites: `<html theme>` or `<html data-theme>`. */
function rootAttribute(doc: Document): Mode | null {
  const root = doc.documentElement;
  const theme = root.getAttribute("data-theme") ?? root.getAttribute("theme") ?? "";
  return /dark/.test(theme) ? "dark" : /light/.test(theme) ? "light" : null;
}

/** Any other page that paints its background; our own page follows the system instead. */
function background(el: HTMLElement): Mode | null {
  if (el.hasAttribute("data-attnscope-page")) return null;
  for (let node: Element | null = el.parentElement; node; node = parentOf(node)) {
    const match = getComputedStyle(node).backgroundColor.match(/[\d.]+/g)?.map(Number);
    if (!match || match.length < 3 || (match[3] ?? 1) < 0.5) continue;
    return 0.2126 * match[0]! + 0.7152 * match[1]! + 0.0722 * match[2]! < 128 ? "dark" : "light";
  }
  return null;
}

function parentOf(node: Element): Element | null {
  return node.parentElement ?? (node.getRootNode() as ShadowRoot).host ?? null;
}

function system(doc: Document): Mode {
  const root = getComputedStyle(doc.documentElement).colorScheme;
  if (/dark/.test(root) && !/light/.test(root)) return "dark";
  if (/light/.test(root) && !/dark/.test(root)) return "light";
  const follows = /dark/.test(root) || doc.querySelector("[data-attnscope-page]") !== null;
  return follows && matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Calls back when the page may have changed between light and dark. */
export function watchPage(el: HTMLElement, changed: () => void, signal: AbortSignal): void {
  const doc = el.ownerDocument;
  const observer = new MutationObserver(changed);
  const attributes = ["class", "style", "data-theme", "theme", "data-jp-theme-light", "data-jp-theme-name"];
  for (const node of [doc.documentElement, doc.body])
    if (node) observer.observe(node, { attributes: true, attributeFilter: attributes });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed, { signal });
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });
}

/** Our own saved page: its margins take the view's colour. */
export function paintPage(el: HTMLElement, mode: Mode, forced: boolean): void {
  if (!el.hasAttribute("data-attnscope-page")) return;
  const { style } = el.ownerDocument.documentElement;
  el.ownerDocument.body.style.background = "none";
  style.background = mode === "dark" ? "#131519" : "#ffffff";
  if (forced) style.colorScheme = mode;
}

/** Notebooks take keys for commands (Jupyter) and wheels for the page (VS Code): keep ours. */
export function keepKeys(root: HTMLElement, signal: AbortSignal): void {
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.addEventListener("keydown", (event) => event.stopPropagation(), { signal });
}
