// The view's colour mode as a signal: forced by the spec, or following the page.
import { signal, type ReadonlySignal } from "@preact/signals";
import type { Mode } from "../draw/color";
import type { Theme } from "../types";
import { paintPage, pageMode, watchPage } from "./host";

export function followTheme(el: HTMLElement, theme: Theme, abort: AbortSignal): ReadonlySignal<Mode> {
  const read = (): Mode => (theme === "auto" ? pageMode(el) : theme);
  const mode = signal<Mode>(read());
  paintPage(el, mode.value, theme !== "auto");
  if (theme !== "auto") return mode;
  const update = () => {
    const next = read();
    if (next === mode.value) return;
    mode.value = next;
    paintPage(el, next, false);
  };
  watchPage(el, update, abort);
  return mode;
}
