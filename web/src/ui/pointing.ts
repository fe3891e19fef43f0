// What the pointer and the keyboard do in a body: hover, pin, walk from token to token.
import { useLayoutEffect, useRef } from "preact/hooks";
import { contains, type Shown } from "../data/filter";
import { otherSide } from "../data/tokens";
import { rowUnder, type Frame } from "../draw/lines";
import type { PinnedSpec, SideName } from "../types";
import { nextToken } from "./keys";

/** What the picture is about: a token, and maybe a partner while one is pinned. */
export interface Pointed {
  token: PinnedSpec | null;
  partner: number | null;
}

export type Stops = Record<SideName, number>;

export interface Pointing {
  scroll: { current: HTMLDivElement | null };
  shown: Shown;
  frame: Frame;
  pinned: { value: PinnedSpec | null };
  stops: Stops;
  setHover(token: PinnedSpec | null): void;
  setFocus(token: PinnedSpec | null): void;
  setStops(stops: Stops): void;
  /** Shows the neurons of a query token: its sign is clicked, or Enter pressed on it. */
  expand?: ((token: PinnedSpec) => void) | undefined;
  /** Tells how a weight comes about: its number or line is clicked, or Enter pressed on its token. */
  explain?: ((index: number) => void) | undefined;
}

export function visible(token: PinnedSpec | null, shown: Shown): PinnedSpec | null {
  return token && contains(shown[token.side], token.index) ? token : null;
}

/** While a token is pinned, a token of the other side is its partner; one of its own side takes over. */
export function pointed(hover: PinnedSpec | null, pinned: PinnedSpec | null): Pointed {
  if (hover && pinned && hover.side !== pinned.side) return { token: pinned, partner: hover.index };
  return { token: hover ?? pinned, partner: null };
}

/** Event handlers for the scrolling box around the tokens. */
export function useHandlers(pointing: Pointing) {
  const { scroll, setHover, setFocus } = pointing;
  const wanted = useRef<PinnedSpec | null>(null);
  useLayoutEffect(() => {
    if (wanted.current) find(scroll.current!, wanted.current)?.focus({ preventScroll: true });
    wanted.current = null;
  });
  return {
    onPointerMove: (event: PointerEvent) => setHover(tokenOf(event.target) ?? lineEnd(event, pointing)),
    onPointerLeave: () => setHover(null),
    onClick: (event: MouseEvent) => {
      const token = tokenOf(event.target);
      if (token) clicked(event.target as Element, token, pointing);
      else explainLine(event, pointing);
    },
    onFocusIn: (event: FocusEvent) => {
      if ((event.target as Element).matches(":focus-visible")) setFocus(tokenOf(event.target));
    },
    onFocusOut: () => setFocus(null),
    onKeyDown: (event: KeyboardEvent) => {
      const handled = keyed(event, pointing, (token) => (wanted.current = token));
      if (handled) event.preventDefault();
    },
  };
}

function clicked(target: Element, token: PinnedSpec, pointing: Pointing): void {
  if (pointing.expand && target.closest(".sign")) pointing.expand(token);
  else if (pointing.explain && target.closest(".number")) pointing.explain(token.index);
  else pin(token, pointing);
}

function pin(token: PinnedSpec, { pinned, stops, setStops }: Pointing): void {
  const { value } = pinned;
  pinned.value = value?.side === token.side && value.index === token.index ? null : token;
  setStops({ ...stops, [token.side]: token.index });
}

function keyed(event: KeyboardEvent, pointing: Pointing, focus: (token: PinnedSpec) => void): boolean {
  const { pinned, shown, stops, scroll, frame } = pointing;
  const token = tokenOf(event.target);
  if (event.key === "Escape" && pinned.value) {
    pinned.value = null;
    event.stopPropagation();
    return true;
  }
  if (!token || event.ctrlKey || event.metaKey || event.altKey) return false;
  if (event.key === "Enter" && pointing.expand && token.side === "query") return pointing.expand(token), true;
  const { explain } = pointing;
  if (event.key === "Enter" && explain && visible(pinned.value, shown)?.side === otherSide(token.side)) return explain(token.index), true;
  if (event.key === "Enter" || event.key === " ") return pin(token, pointing), true;
  const next = nextToken(event.key, token, shown, stops);
  if (!next) return false;
  focus(next);
  bringIntoView(scroll.current!, next.index - shown[next.side].start, frame.row);
  pointing.setStops({ ...stops, [next.side]: next.index });
  pointing.setHover(null);
  return true;
}

function explainLine(event: MouseEvent, pointing: Pointing): void {
  const end = pointing.explain && lineEnd(event, pointing);
  if (end) pointing.explain!(end.index);
}

export function tokenOf(target: EventTarget | null): PinnedSpec | null {
  const el = (target as Element | null)?.closest?.<HTMLElement>("[data-index]");
  return el ? { side: el.dataset.side as SideName, index: Number(el.dataset.index) } : null;
}

export function find(scroll: HTMLElement, token: PinnedSpec): HTMLElement | null {
  return scroll.querySelector(`[data-index="${token.index}"][data-side="${token.side}"]`);
}

export function bringIntoView(scroll: HTMLElement, at: number, row: number): void {
  const [top, bottom] = [at * row, (at + 1) * row];
  if (top < scroll.scrollTop) scroll.scrollTop = top - row;
  else if (bottom > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = bottom + row - scroll.clientHeight;
}

/** The far end of the pinned token's line under the pointer. */
function lineEnd(event: MouseEvent, { scroll, frame, shown, pinned: { value } }: Pointing): PinnedSpec | null {
  const pinned = visible(value, shown);
  if (!pinned) return null;
  const box = scroll.current!.getBoundingClientRect();
  const along = (event.clientX - box.left - frame.x0) / (frame.x1 - frame.x0);
  if (along < 0 || along > 1) return null;
  const row = pinned.index - shown[pinned.side].start;
  const x = pinned.side === "query" ? along : 1 - along;
  const under = rowUnder(x, event.clientY - box.top, row, frame);
  const side = otherSide(pinned.side);
  const index = under === null ? -1 : under + shown[side].start;
  return contains(shown[side], index) ? { side, index } : null;
}

