// Moves the part of a long input that is shown: by its bar, by scrolling or walking past its ends, to
// a token that is searched for, or to a strong key far away.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Weights } from "../data/decode";
import { contains, sizeOf } from "../data/filter";
import { farthest, outsideOf } from "../data/part";
import { meanOutside, numberOf } from "../data/reshape";
import { shownText } from "../data/tokens";
import { stackOf, type Store } from "../store";
import { keyOf, type Request, type SideName } from "../types";
import { FarKeys, PartBar } from "../ui/partBar";
import type { ViewProps } from "./frame";
import { loadPart, partRequest } from "./part";

const SIDES = ["query", "key"] as const;

/** Shows this key: beside the pinned query where that is shown, else near the beginning. */
export function showKey({ state, part, sides }: Store, index: number): void {
  const { query, key } = part.value!;
  const pinned = state.pinned.value?.index ?? -1;
  const row = contains(query, pinned) ? Math.min(pinned - query.start, sizeOf(key) - 1) : AHEAD;
  const start = Math.min(Math.max(0, index - row), sides.value.key.text.length - sizeOf(key));
  state.window.value = { query: [query.start, query.stop], key: [start, start + sizeOf(key)] };
}

/** Tokens before one that was looked for. */
const AHEAD = 16;

/** Moves what is shown by so many tokens; by how many it was moved in the end. */
export function shiftPart({ state, part, sides }: Store, by: number): number {
  const now = part.value!;
  const room = (side: SideName) => Math.min(Math.max(by, -now[side].start), sides.value[side].text.length - now[side].stop);
  const moved = (side: SideName) => [now[side].start + room(side), now[side].stop + room(side)];
  state.window.value = { query: moved("query"), key: moved("key") };
  const [queries, keys] = [room("query"), room("key")];
  return Math.abs(queries) > Math.abs(keys) ? queries : keys;
}

/** The bar of what is shown; `one`: queries and keys are shown as one text. */
export function PartPlace({ store, one = false }: { store: Store; one?: boolean }) {
  const { state, part, sides, stream } = store;
  const same = stream.value.query === stream.value.key;
  const now = part.value!;
  const [wanted, setFollow] = useState(true);
  const follow = wanted && now.query.start === now.key.start;
  const bar = useRef<HTMLDivElement>(null);
  const sought = useRef(false);
  useEffect(() => {
    if (sought.current) (bar.current!.getRootNode() as ShadowRoot).querySelector(".token.pinned, .tok.pinned")?.scrollIntoView({ block: "nearest" });
    sought.current = false;
  });
  const both = same && (one || follow);
  const run = (side: SideName, start: number) => [start, start + sizeOf(now[side])];
  const move = (side: SideName, start: number) => {
    const other = side === "query" ? "key" : "query";
    const moves = both && (one || side === "query");
    state.window.value = { ...{ query: run("query", now.query.start), key: run("key", now.key.start) }, [side]: run(side, start), ...(moves && { [other]: run(other, start) }) };
  };
  const setBoth = (on: boolean) => (setFollow(on), on && (state.window.value = { query: run("query", now.query.start), key: run("key", now.query.start) }));
  const found = useRef(-1);
  const find = (text: string, back: boolean) => {
    const side: SideName = one ? "key" : SIDES.find((name) => nextWith(sides.value[name].text, text, -1, 1) !== null) ?? "query";
    const index = nextWith(sides.value[side].text, text, contains(now[side], found.current) ? found.current : now[side].start - 1, back ? -1 : 1);
    if (index === null) return false;
    found.current = index;
    move(side, Math.min(Math.max(0, index - AHEAD), sides.value[side].text.length - sizeOf(now[side])));
    sought.current = true;
    state.stream.value = stackOf(stream.value);
    state.pinned.value = { side: one ? "query" : side, index };
    return true;
  };
  return <PartBar bar={bar} sides={sides.value} part={now} one={one} follow={same && !one ? { value: follow, set: setBoth } : null} move={move} find={find} />;
}

/** Under a text: on to the tokens that follow, or back. */
export function PartSteps({ store }: { store: Store }) {
  const { start, stop } = store.part.value!.key;
  const count = store.sides.value.key.text.length;
  const step = (name: string, by: number, off: boolean) => <button type="button" class="plain" disabled={off} onClick={() => shiftPart(store, by)}>{name}</button>;
  return <div class="bar">{step("‹ Earlier tokens", start - stop, start === 0)}{step("Later tokens ›", stop - start, stop === count)}</div>;
}

/** The next token that contains a text, around the end; null where none does. */
export function nextWith(tokens: string[], text: string, from: number, step: 1 | -1): number | null {
  const needle = text.trim().toLowerCase();
  if (!needle) return null;
  for (let i = 1; i <= tokens.length; i++) {
    const at = (((from + step * i) % tokens.length) + tokens.length) % tokens.length;
    if (tokens[at]!.toLowerCase().includes(needle)) return at;
  }
  return null;
}

const FAR = 6;

/** The rows that are put together for the pinned query: a request a layer, and the places that count. */
export interface RowsOf {
  layers: number[];
  places: number[];
  over?: Pick<Request, "head" | "over">;
  about: string;
}

/** What the pinned query gives to keys that are not shown. */
export function PinnedFar({ view, of }: { view: ViewProps; of: RowsOf }) {
  const { store } = view;
  const { state, part, sides } = store;
  const pinned = state.pinned.value;
  const query = pinned?.side === "query" ? pinned.index : null;
  const rows = useRows(view, of, query);
  const { key } = part.value!;
  const told = useMemo(() => {
    if (!rows) return null;
    const hidden = new Set(state.hide_special.value ? sides.value.key.special : []);
    const outside = meanOutside(rows.flatMap((row) => of.places.map((place) => outsideOf(row, place, key, hidden))));
    return { outside, far: farthest(rows, of.places, key, hidden, FAR) };
  }, [rows, key, String(of.places)]);
  if (query === null || !told) return null;
  const name = `${shownText(sides.value.query.text[query]!)}, query ${numberOf(sides.value.query, query)},`;
  return <FarKeys side={sides.value.key} name={name} {...told} about={of.about} go={(index) => showKey(store, index)} />;
}

/** Whole rows of a query, once all are here. */
function useRows({ source, spec, store }: ViewProps, { layers, over }: RowsOf, query: number | null): Weights[] | null {
  const { stream, sides, state } = store;
  const whole = { start: 0, stop: sides.value.key.text.length };
  const requests = query === null ? [] : layers.map((layer) => ({ ...partRequest(stream.value.name, layer, { query: { start: query, stop: query + 1 }, key: whole }, state.hide_special.value), ...over }));
  const name = requests.map(keyOf).join(" ");
  const [loaded, set] = useState<{ name: string; rows: Weights[] | null }>({ name: "", rows: null });
  useEffect(() => {
    const stop = new AbortController();
    if (name) Promise.all(requests.map((request) => loadPart(source, spec, request, stop.signal))).then((rows) => stop.signal.aborted || set({ name, rows }), () => stop.signal.aborted || set({ name, rows: null }));
    return () => stop.abort();
  }, [name]);
  return loaded.name === name ? loaded.rows : null;
}

/** Scrolling or walking past an end of the tokens shown brings those that follow; `.` and `,` go on and back. */
export function usePartMoves(store: Store) {
  const moved = useRef<{ by: number; box: Element; focus: string | null } | null>(null);
  useLayoutEffect(() => {
    if (!moved.current) return;
    const { by, box, focus } = moved.current;
    moved.current = null;
    const rows = box.querySelector<HTMLElement>(".token")?.offsetHeight ?? 0;
    box.scrollTop -= by * rows;
    if (focus) box.querySelector<HTMLElement>(focus)?.focus();
  });
  const shift = (box: Element | null, share: number, token?: HTMLElement) => {
    const size = Math.max(sizeOf(store.part.value!.query), sizeOf(store.part.value!.key));
    const by = shiftPart(store, Math.round(size * share));
    if (by && box) moved.current = { by, box, focus: token ? `${token.dataset.side ? `[data-side="${token.dataset.side}"]` : ""}[data-index="${Number(token.dataset.index) - by + Math.sign(share)}"]` : null };
    return by !== 0;
  };
  return {
    onWheel(event: WheelEvent) {
      const box = (event.target as Element).closest(".scroll");
      if (!box || !store.part.value || !event.deltaY || event.ctrlKey || event.shiftKey) return;
      const end = event.deltaY > 0 ? box.scrollTop + box.clientHeight >= box.scrollHeight - 1 : box.scrollTop <= 0;
      if (end && shift(box, event.deltaY > 0 ? 0.5 : -0.5)) event.preventDefault();
    },
    onKeyDownCapture(event: KeyboardEvent) {
      if (!store.part.value || event.ctrlKey || event.metaKey || event.altKey || /SELECT|INPUT/.test((event.target as Element).tagName)) return;
      const token = (event.target as Element).closest<HTMLElement>(".token, .tok");
      const share = { ".": 1, ",": -1 }[event.key];
      const handled = share ? shift(null, share) : token && walked(event.key, token);
      if (handled) event.preventDefault(), event.stopPropagation();
    },
  };

  /** Whether an arrow key leads past the last token, or the first. */
  function walked(key: string, token: HTMLElement): boolean {
    const box = token.closest(".scroll, .prose")!;
    const listed = token.matches(".token");
    const step = { ArrowDown: 1, ArrowUp: -1, ...(!listed && { ArrowRight: 1, ArrowLeft: -1 }) }[key];
    const [place, count] = listed ? [Number(token.ariaPosInSet), Number(token.ariaSetSize)] : [Number(token.dataset.index) + 1, box.querySelectorAll(".tok").length];
    if (!step || place !== (step > 0 ? count : 1)) return false;
    return shift(box, step / 2, token);
  }
}
