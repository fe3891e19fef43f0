// What pointer, wheel and keyboard do on a heat map: point at a cell, draw a rectangle to zoom
// into it, move and zoom like a map. Nothing is taken from the page that the page may need: a
// plain wheel zooms only after a click into the map.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Shown } from "../data/filter";
import type { PairSpec } from "../types";
import { moved, revealing, spanned, zoomed } from "./mapLayout";

export interface MapActions {
  world: Shown;
  window: Shown;
  cursor: PairSpec | null;
  show(window: Shown): void;
  setCursor(cell: PairSpec): void;
  /** Enter, or a click on a cell, which then has the cursor. */
  enter(cell: PairSpec): void;
  /** Escape; false when there was nothing to leave. */
  leave(): boolean;
  /** To the next strong cell, or the one before. */
  next(by: number): void;
}

export interface Brush {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

interface Drag {
  kind: "brush" | "pan";
  x: number;
  y: number;
  window: Shown;
  moved: boolean;
}

const STILL = 4;

export function useMapPointing(el: { current: HTMLElement | null }, actions: MapActions) {
  const [hover, setHover] = useState<PairSpec | null>(null);
  const [brush, setBrush] = useState<Brush | null>(null);
  const latest = useRef(actions);
  latest.current = actions;
  const drag = useRef<Drag | null>(null);
  const touches = useRef(new Map<number, { x: number; y: number }>());
  useWheel(el, latest);
  const place = (event: PointerEvent | MouseEvent) => {
    const box = el.current!.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, width: box.width, height: box.height };
  };
  const cellAt = (event: PointerEvent | MouseEvent): PairSpec | null => {
    const { x, y, width, height } = place(event);
    const { window: { query, key } } = latest.current;
    if (x < 0 || y < 0 || x >= width || y >= height) return null;
    return { query: Math.floor(query.start + (y / height) * (query.stop - query.start)), key: Math.floor(key.start + (x / width) * (key.stop - key.start)) };
  };
  const handlers = {
    onPointerDown(event: PointerEvent) {
      if (event.button) return;
      el.current!.setPointerCapture(event.pointerId);
      const { x, y } = place(event);
      touches.current.set(event.pointerId, { x, y });
      const { window, world } = latest.current;
      const whole = window.query.stop - window.query.start >= world.query.stop - world.query.start && window.key.stop - window.key.start >= world.key.stop - world.key.start;
      const kind = event.pointerType === "touch" || (!whole && !event.shiftKey) ? "pan" : "brush";
      drag.current = { kind, x, y, window, moved: touches.current.size > 1 };
    },
    onPointerMove(event: PointerEvent) {
      const now = drag.current;
      if (!now) return setHover((old) => (same(old, cellAt(event)) ? old : cellAt(event)));
      const { x, y, width, height } = place(event);
      if (touches.current.size > 1) return pinch(event.pointerId, { x, y }, { width, height });
      now.moved ||= Math.hypot(x - now.x, y - now.y) > STILL;
      if (!now.moved) return;
      setHover(null);
      if (now.kind === "brush") return setBrush({ x0: now.x, y0: now.y, x1: clamp(x, width), y1: clamp(y, height) });
      const { query, key } = now.window;
      const { show, world } = latest.current;
      show(moved(now.window, world, ((now.y - y) / height) * (query.stop - query.start), ((now.x - x) / width) * (key.stop - key.start)));
    },
    onPointerUp(event: PointerEvent) {
      touches.current.delete(event.pointerId);
      const now = drag.current;
      if (touches.current.size || !now) return;
      drag.current = null;
      setBrush(null);
      const { window: { query, key }, world, show } = latest.current;
      if (!now.moved) {
        const cell = cellAt(event);
        return cell && latest.current.enter(cell);
      }
      if (now.kind === "pan") return show(latest.current.window);
      const { x, y, width, height } = place(event);
      const at = (from: number, to: number, all: number, { start, stop }: { start: number; stop: number }) =>
        [from, clamp(to, all)].map((pixel) => start + (pixel / all) * (stop - start)) as [number, number];
      show({ query: spanned(...at(now.y, y, height, query), world.query), key: spanned(...at(now.x, x, width, key), world.key) });
    },
    onPointerCancel(event: PointerEvent) {
      touches.current.delete(event.pointerId);
      drag.current = null;
      setBrush(null);
    },
    onPointerLeave: () => setHover(null),
    onDblClick: () => latest.current.show(latest.current.world),
    onKeyDown(event: KeyboardEvent) {
      if (event.ctrlKey || event.metaKey || event.altKey || !keyed(event, latest.current)) return;
      setHover(null);
      event.preventDefault();
      event.stopPropagation();
    },
  };
  const pinch = (id: number, to: { x: number; y: number }, { width, height }: { width: number; height: number }) => {
    const from = touches.current.get(id);
    const other = [...touches.current].find(([one]) => one !== id)?.[1];
    if (!from || !other) return;
    touches.current.set(id, to);
    const apart = (a: { x: number; y: number }) => Math.max(8, Math.hypot(a.x - other.x, a.y - other.y));
    const middle = { x: (to.x + other.x) / 2 / width, y: (to.y + other.y) / 2 / height };
    const { window, world, show } = latest.current;
    show(zoomed(window, world, apart(from) / apart(to), middle));
  };
  return { hover, brush, handlers };
}

function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}

export function same(a: PairSpec | null, b: PairSpec | null): boolean {
  return a?.query === b?.query && a?.key === b?.key;
}

/** A wheel listener may not be passive, so it is not one of Preact's. */
function useWheel(el: { current: HTMLElement | null }, latest: { current: MapActions }): void {
  useEffect(() => {
    const abort = new AbortController();
    const node = el.current!;
    const wheel = (event: WheelEvent) => {
      const { window, world, show } = latest.current;
      const inside = (node.getRootNode() as Document | ShadowRoot).activeElement === node;
      if (!event.ctrlKey && !event.metaKey && !inside) return;
      const box = node.getBoundingClientRect();
      const amount = event.deltaMode ? event.deltaY * 24 : event.deltaY;
      const factor = Math.exp(Math.max(-1, Math.min(1, amount * (event.ctrlKey ? 0.01 : 0.002))));
      const next = zoomed(window, world, factor, { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height });
      if (next.query.start === window.query.start && next.query.stop === window.query.stop && next.key.start === window.key.start && next.key.stop === window.key.stop && !event.ctrlKey) return;
      event.preventDefault();
      show(next);
    };
    node.addEventListener("wheel", wheel, { passive: false, signal: abort.signal });
    return () => abort.abort();
  }, []);
}

const STEPS: Record<string, [number, number]> = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Home: [0, -Infinity], End: [0, Infinity],
};
const ZOOMS: Record<string, number> = { "+": 1 / 1.5, "=": 1 / 1.5, "-": 1.5, _: 1.5 };

function keyed(event: KeyboardEvent, actions: MapActions): boolean {
  const { window, world, cursor, show } = actions;
  const step = STEPS[event.key];
  if (step) return stepped(step, event.shiftKey, actions), true;
  const zoom = ZOOMS[event.key];
  if (zoom) show(zoomed(window, world, zoom, middleOf(cursor, window)));
  else if (event.key === "0") show(world);
  else if ((event.key === "Enter" || event.key === " ") && cursor) actions.enter(cursor);
  else if (event.key === "s" || event.key === "S") actions.next(event.key === "s" ? 1 : -1);
  else if (event.key === "Escape") return actions.leave();
  else return false;
  return true;
}

/** The cursor by a cell, with Shift by a tenth of what is shown; it starts in the middle. */
function stepped([down, right]: [number, number], far: boolean, { window, world, cursor, show, setCursor }: MapActions): void {
  const { query, key } = window;
  const by = (direction: number, { start, stop }: { start: number; stop: number }) =>
    direction * (far ? Math.max(1, Math.round((stop - start) / 10)) : 1);
  const within = (index: number, { start, stop }: { start: number; stop: number }) => Math.min(Math.max(index, start), stop - 1);
  const from = cursor ?? { query: Math.floor((query.start + query.stop) / 2), key: Math.floor((key.start + key.stop) / 2) };
  const next = cursor
    ? { query: within(from.query + by(down, query), world.query), key: within(from.key + by(right, key), world.key) }
    : from;
  setCursor(next);
  const shown = revealing(window, world, next);
  if (shown.query.start !== query.start || shown.key.start !== key.start) show(shown);
}

/** Zooming by keys keeps the cursor where it is, or the middle. */
function middleOf(cursor: PairSpec | null, { query, key }: Shown): { x: number; y: number } {
  const x = cursor ? (cursor.key + 0.5 - key.start) / (key.stop - key.start) : 0.5;
  const y = cursor ? (cursor.query + 0.5 - query.start) / (query.stop - query.start) : 0.5;
  return x < 0 || x > 1 || y < 0 || y > 1 ? { x: 0.5, y: 0.5 } : { x, y };
}
