// What the pointer and the keyboard do in the expanded neuron view. The query pointed at stays
// while the pointer is in the picture, so that its neurons can be reached.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { contains, type Shown } from "../data/filter";
import type { Frame } from "../draw/lines";
import type { Link } from "../store";
import type { PinnedSpec, SideName } from "../types";
import { nextToken } from "./keys";
import type { NeuronsProps } from "./neurons";
import { bringIntoView, find, tokenOf, type Stops } from "./pointing";
import { neuronAt, type StripLayout, type StripName } from "./stripLayout";
import { useTold } from "./told";

export interface AimedCell {
  strip: StripName;
  /** The token whose vector it is: a query for q, else a key. */
  index: number;
  neuron: number;
}

export interface Aimed {
  /** The query whose sums are shown, and the key pointed at or focused. */
  query: number | null;
  key: number | null;
  cell: AimedCell | null;
  focused: PinnedSpec | null;
  stops: Stops;
  leave(): void;
  handlers: Record<string, (event: never) => void>;
}

interface Pointing {
  scroll: { current: HTMLDivElement | null };
  shown: Shown;
  layout: StripLayout;
  frame: Frame;
  props: NeuronsProps;
  dim: number;
}

interface Hovered {
  key: number | null;
  cell: AimedCell | null;
}

const NOTHING: Hovered = { key: null, cell: null };

export function useStripPointing(pointing: Pointing): Aimed {
  const { shown, props } = pointing;
  const [hovered, setHovered] = useState<Hovered>(NOTHING);
  const [hoverQuery, setHoverQuery] = useState<number | null>(null);
  const [focused, setFocused] = useState<PinnedSpec | null>(null);
  const [walked, setWalked] = useState<number | null>(null);
  const [stops, setStops] = useState<Stops>(() => startStops(props));
  const focus = useFocusAfter(pointing.scroll);
  const inside = (index: number | null) => (index !== null && contains(shown.query, index) ? index : null);
  const pinned = props.pinned.value?.side === "query" ? props.pinned.value.index : null;
  const linked = useLinked(props.link, { query: hoverQuery ?? walked, key: hovered.key }, inside(hoverQuery) ?? inside(walked) ?? inside(pinned));
  const query = inside(hoverQuery) ?? inside(walked) ?? inside(linked.query) ?? inside(pinned);
  const hover = (next: Hovered) => setHovered((old) => (JSON.stringify(old) === JSON.stringify(next) ? old : next));
  const handlers = handlersOf(pointing, { query, stops, setStops, focus, hover, setHoverQuery, setFocused, setWalked });
  const leave = () => (setHovered(NOTHING), setHoverQuery(null));
  const key = hovered.key !== null && contains(shown.key, hovered.key) ? hovered.key : focused?.side === "key" ? focused.index : linked.key;
  return { query, key, cell: hovered.cell, focused, stops, leave, handlers };
}

/** What is pointed at here is told to the pictures beside this one, and theirs are shown here. */
function useLinked(link: Link | null | undefined, { query, key }: Record<SideName, number | null>, at: number | null): Record<SideName, number | null> {
  useTold(link?.token, query === null ? null : { side: "query", index: query });
  useTold(link?.cell, at === null || key === null ? null : { query: at, key });
  const [token, cell] = [link?.token.value, link?.cell.value];
  return { query: cell?.query ?? (token?.side === "query" ? token.index : null), key: cell?.key ?? null };
}

/** Focuses a token once it is in the page. */
function useFocusAfter(scroll: Pointing["scroll"]): (token: PinnedSpec) => void {
  const wanted = useRef<PinnedSpec | null>(null);
  useLayoutEffect(() => {
    if (wanted.current) find(scroll.current!, wanted.current)?.focus({ preventScroll: true });
    wanted.current = null;
  });
  return (token) => (wanted.current = token);
}

interface Aims {
  query: number | null;
  stops: Stops;
  setStops(stops: Stops): void;
  focus(token: PinnedSpec): void;
  hover(next: Hovered): void;
  setHoverQuery(index: number | null): void;
  setFocused(token: PinnedSpec | null): void;
  /** The query that the keyboard was on last. */
  setWalked(index: number | null): void;
}

function handlersOf(pointing: Pointing, aims: Aims): Aimed["handlers"] {
  const { setHoverQuery, setFocused, setWalked } = aims;
  return {
    onPointerMove: (event: PointerEvent) => {
      const token = tokenOf(event.target);
      if (token?.side === "query") setHoverQuery(token.index);
      aims.hover(hoveredAt(event, pointing));
    },
    onClick: (event: MouseEvent) => clicked(event, pointing, aims),
    onFocusIn: (event: FocusEvent) => {
      const token = (event.target as Element).matches(":focus-visible") ? tokenOf(event.target) : null;
      setFocused(token);
      if (token?.side === "query") setWalked(token.index), setHoverQuery(null);
    },
    onFocusOut: (event: FocusEvent) => {
      setFocused(null);
      if (event.relatedTarget && !pointing.scroll.current!.contains(event.relatedTarget as Node)) setWalked(null);
    },
    onKeyDown: (event: KeyboardEvent) => {
      if (keyed(event, pointing, aims)) event.preventDefault(), event.stopPropagation(), setHoverQuery(null);
    },
  };
}

function startStops({ pinned, shown }: NeuronsProps): Stops {
  const { value } = pinned;
  return { query: value?.side === "query" ? value.index : shown.query.start, key: shown.key.start };
}

/** The row, and maybe the cell, under the pointer. */
function hoveredAt(event: MouseEvent, { scroll, shown, layout, frame, dim }: Pointing): Hovered {
  const box = scroll.current!.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top + frame.top];
  const place = Math.floor(y / layout.row);
  const strip = (Object.keys(layout.strips) as StripName[]).find((name) => {
    const { left, width } = layout.strips[name];
    return x >= left && x < left + width;
  });
  const range = strip === "q" || x < layout.x1 ? shown.query : shown.key;
  const index = range.start + place;
  if (!contains(range, index)) return NOTHING;
  const neuron = strip ? neuronAt(x - layout.strips[strip].left, y - place * layout.row, layout, dim) : null;
  const cell = strip && neuron !== null ? { strip, index, neuron } : null;
  return { key: range === shown.key && x >= layout.x1 ? index : null, cell };
}

function clicked(event: MouseEvent, pointing: Pointing, { query, stops, setStops }: Aims): void {
  const { props } = pointing;
  const target = event.target as Element;
  const token = tokenOf(target);
  if (target.closest(".sign")) return props.collapse();
  if (token?.side === "query") {
    setStops({ ...stops, query: token.index });
    return pin(token.index, props);
  }
  const { key } = hoveredAt(event, pointing);
  if (key === null || query === null) return;
  setStops({ ...stops, key });
  props.explain(query, key);
}

function pin(index: number, { pinned }: NeuronsProps): void {
  const { value } = pinned;
  pinned.value = value?.side === "query" && value.index === index ? null : { side: "query", index };
}

function keyed(event: KeyboardEvent, { scroll, shown, frame, props }: Pointing, { query, stops, setStops, focus }: Aims): boolean {
  const token = tokenOf(event.target);
  if (!token || event.ctrlKey || event.metaKey || event.altKey) return false;
  const enter = event.key === "Enter";
  if (enter || event.key === " ") {
    if (token.side === "key") query !== null && props.explain(query, token.index);
    else if (enter) props.collapse();
    else pin(token.index, props);
    return true;
  }
  const next = nextToken(event.key, token, shown, stops);
  if (!next) return false;
  focus(next);
  bringIntoView(scroll.current!, next.index - shown[next.side].start, frame.row);
  setStops({ ...stops, [next.side]: next.index });
  return true;
}
