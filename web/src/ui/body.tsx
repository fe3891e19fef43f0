// The heart of the head view and of the model view's detail: query tokens, lines, key tokens.
// Owns what the pointer and the keyboard do there; what is pinned belongs to the store.
import { effect } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Weights } from "../data/decode";
import { contains, sizeOf, type Shown } from "../data/filter";
import { otherSide, sentence, strongest, type Partner } from "../data/tokens";
import { pixelRatio, widest } from "../draw/canvas";
import type { Mode } from "../draw/color";
import type { Frame } from "../draw/lines";
import type { Link } from "../store";
import type { PinnedSpec, SideName, SideSpec } from "../types";
import type { Guesses } from "./guesses";
import { layoutOf, rowsToShow, tooltipPlace, type Layout, type Place } from "./layout";
import { useMarks } from "./marks";
import { pointed, useHandlers, visible, type Pointed, type Stops } from "./pointing";
import { FONT } from "./style";
import { Column } from "./tokens";
import { useTold } from "./told";
import { Tooltip } from "./tooltip";

export interface BodyHead {
  /** Null: the mean over all heads of the layer. */
  number: number | null;
  name: string;
  place: number;
  css: string;
}

export interface BodyProps {
  /** Null while they are loading: the last picture stays, unless the tokens have moved since. */
  weights: Weights | null;
  moved?: boolean;
  heads: BodyHead[];
  sides: Record<SideName, SideSpec>;
  shown: Shown;
  pinned: { value: PinnedSpec | null };
  sinks: boolean;
  /** Weights below this are not drawn. */
  threshold?: number;
  /** What was done to the weights, for the tooltip. */
  about?: string;
  mode: Mode;
  compact: boolean;
  painted(): void;
  /** A new number asks for a new painting. */
  turn: number;
  /** Neuron view: shows a query token's neurons. */
  expand?: ((token: PinnedSpec) => void) | undefined;
  /** Of a comparison: what is printed of a pair of tokens, whose names are those of both texts. */
  columns?: Columns | undefined;
  /** The colours of a difference: of what was gained, and of what was lost. */
  signed?: [string, string] | undefined;
  link?: Link | null;
  /** What was predicted at a token; null where nothing was. */
  guess?: ((token: PinnedSpec) => Guesses | null) | undefined;
  /** Tells how the weight between two tokens comes about. */
  explain?: ((query: number, key: number) => void) | undefined;
}

export interface Columns {
  sides: Record<SideName, SideSpec>;
  of: { name: string; weights: Weights }[];
}

export interface View {
  width: number;
  height: number;
  top: number;
}

/** Up to this height a list is shown whole; a longer one scrolls in a window of its own. */
const WHOLE = 860;

export function Body(props: BodyProps) {
  const { sides, shown, compact, heads } = props;
  const row = compact ? 22 : 24;
  const rows = Math.max(sizeOf(shown.query), sizeOf(shown.key));
  const scroll = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const view = useView(scroll, props.link);
  useStart(scroll, props, row, view.height);
  const [stops, setStops] = useState<Stops>({ query: 0, key: 0 });
  const { at, pinned, aimed, spoken, setHover, setFocus } = useToken(props);
  const layout = useLayout(sides, shown, view.width, compact, props.expand !== undefined);
  const told = useMemo(() => toldOf(heads), [heads]);
  const places = useMemo(() => told.map((head) => head.place), [told]);
  const partners = usePartners(props, at.token, places);
  const frame = frameOf(row, view, layout, scroll.current);
  useMarks(props, { canvas, width: view.width, layout, frame, token: at.token });
  const handlers = useHandlers({ scroll, shown, frame, pinned: props.pinned, stops, setHover, setFocus, setStops, expand: props.expand, explain: explaining(props, at) });
  const columns = { at, pinned, row, view, layout, stops, numbers: numbersOf(props, at, places, partners) };
  return (
    <div class={`body${compact ? " compact" : ""}${props.explain ? " explains" : ""}`}>
      <Titles layout={layout} />
      <div class={rows * row <= WHOLE ? "scroll whole" : "scroll"} ref={scroll} {...handlers}>
        <div class="plane" style={{ height: `${rows * row}px` }}>
          <canvas ref={canvas} class="marks" aria-hidden="true" />
          <SideColumn side="query" body={props} {...columns} />
          <SideColumn side="key" body={props} {...columns} />
        </div>
      </div>
      <Said body={props} told={told} at={at} partners={partners} aimed={aimed} spoken={spoken} place={{ ...view, row }} layout={layout} />
    </div>
  );
}

/** How a click on the number beside a token is understood. */
function explaining({ explain }: BodyProps, { token }: Pointed): ((index: number) => void) | undefined {
  if (!explain || !token) return undefined;
  return (index) => (token.side === "query" ? explain(token.index, index) : explain(index, token.index));
}

/** The heads that one number is printed for: their mean, or the layer's mean where it is shown. */
function toldOf(heads: BodyHead[]): BodyHead[] {
  const mean = heads.find(({ number }) => number === null);
  return mean ? [mean] : heads;
}

/** The token that the picture is about: hovered, else focused, else pinned. */
function useToken({ pinned, shown, link }: BodyProps) {
  const [hover, setHover] = useState<PinnedSpec | null>(null);
  const [focus, setFocus] = useState<PinnedSpec | null>(null);
  const held = visible(pinned.value, shown);
  const own = visible(hover, shown) ?? visible(focus, shown);
  useTold(link?.token, own);
  const at = pointed(own ?? visible(link?.token.value ?? null, shown), held);
  const aimed = own !== null;
  return { at, pinned: held, aimed, spoken: Boolean(focus ?? held), setHover, setFocus };
}

function usePartners({ weights, shown, threshold = 0 }: BodyProps, token: PinnedSpec | null, places: number[]): Partner[] {
  return useMemo(
    () => (weights && token ? strongest(weights, places, token, shown[otherSide(token.side)], 12, Math.max(0.005, threshold)) : []),
    [weights, places, token?.side, token?.index, shown, threshold],
  );
}

/** Numbers beside the strongest partners, and beside the one under the pointer. */
function numbersOf({ weights }: BodyProps, { token, partner }: Pointed, places: number[], partners: Partner[]): Map<number, Partner> {
  const numbers = new Map(partners.map((p) => [p.index, p]));
  if (token && weights && partner !== null && !numbers.has(partner)) {
    const [one] = strongest(weights, places, token, { start: partner, stop: partner + 1 }, 1, -1);
    if (one) numbers.set(partner, one);
  }
  return numbers;
}

function frameOf(row: number, view: View, { x0, x1 }: Layout, el: HTMLElement | null): Frame {
  return { row, top: view.top, height: view.height, x0: x0 + 4, x1: x1 - 4, ratio: el ? pixelRatio(el) : 1 };
}

interface SideColumnProps {
  side: SideName;
  body: BodyProps;
  at: Pointed;
  pinned: PinnedSpec | null;
  row: number;
  view: View;
  layout: Layout;
  stops: Stops;
  numbers: Map<number, Partner>;
}

const NONE = new Map<number, Partner>();

function SideColumn({ side, body, at, pinned, row, view, layout, stops, numbers }: SideColumnProps) {
  const shown = body.shown[side];
  return (
    <Column
      side={side} spec={body.sides[side]} shown={shown} row={row} {...layout[side]}
      stop={contains(shown, stops[side]) ? stops[side] : shown.start}
      rows={rowsToShow(sizeOf(shown), row, view.top, view.height)} active={at.token} pinned={pinned} partner={at.partner}
      numbers={at.token && at.token.side !== side ? numbers : NONE}
      sign={body.expand && side === "query" ? () => "expand" : undefined}
    />
  );
}

interface SaidProps {
  body: BodyProps;
  told: BodyHead[];
  at: Pointed;
  partners: Partner[];
  /** The pointer or the focus is on it: a token that is only pinned needs no tooltip. */
  aimed: boolean;
  spoken: boolean;
  place: Place;
  layout: Layout;
}

/** The tooltip for the eye, and a sentence for screen readers on focus and pin. */
function Said({ body, told, at: { token, partner }, partners, aimed, spoken, place, layout }: SaidProps) {
  const { weights, shown, heads, sinks } = body;
  const sides = body.columns?.sides ?? body.sides;
  const live = token && weights && spoken ? sentence(token, sides[token.side], sides[otherSide(token.side)], partners) : "";
  const where = token && partner !== null ? { side: otherSide(token.side), index: partner } : token;
  return (
    <>
      {aimed && token && where && weights && (
        <Tooltip
          token={token} partner={partner} sides={sides} shown={shown} weights={weights} heads={heads} told={told} sinks={sinks}
          about={body.about ? `, ${body.about}` : ""} explains={body.explain !== undefined} columns={body.columns?.of} strongest={partners} guesses={partner === null ? body.guess?.(token) ?? null : null} place={tooltipPlace(where, where.index - shown[where.side].start, layout, place)}
        />
      )}
      <div class="sr" aria-live="polite">{live}</div>
    </>
  );
}

function useLayout(sides: Record<SideName, SideSpec>, shown: Shown, width: number, compact: boolean, signs: boolean): Layout {
  return useMemo(() => {
    const font = `${compact ? 12.5 : 14}px ${FONT}`;
    const text = (side: SideName) => widest(sides[side].text.slice(shown[side].start, shown[side].stop), font);
    const segments = sides.query.segments.length > 1 || sides.key.segments.length > 1;
    return layoutOf({ width, queryText: text("query") + (signs ? 22 : 0), keyText: text("key"), compact, segments });
  }, [sides, shown, width, compact, signs]);
}

export function useView(scroll: { current: HTMLDivElement | null }, link?: Link | null): View {
  const [view, setView] = useState<View>({ width: 0, height: 0, top: 0 });
  useLayoutEffect(() => {
    const el = scroll.current!;
    const abort = new AbortController();
    const read = () => {
      const next = { width: el.clientWidth, height: el.clientHeight, top: el.scrollTop };
      setView((old) => (old.width === next.width && old.height === next.height && old.top === next.top ? old : next));
      if (link) link.top.value = next.top;
    };
    const stop = link && effect(() => void (el.scrollTop !== link.top.value && (el.scrollTop = link.top.value)));
    const observer = new ResizeObserver(read);
    observer.observe(el);
    el.addEventListener("scroll", read, { passive: true, signal: abort.signal });
    read();
    return () => (observer.disconnect(), abort.abort(), stop?.());
  }, []);
  return view;
}

/** A token that is pinned from the start is in the middle of the window. */
export function useStart(scroll: { current: HTMLDivElement | null }, { pinned: { value: pinned }, shown }: Pick<BodyProps, "pinned" | "shown">, row: number, height: number): void {
  useLayoutEffect(() => {
    const at = pinned && contains(shown[pinned.side], pinned.index) ? pinned.index - shown[pinned.side].start : 0;
    if (height && at * row > height - row) scroll.current!.scrollTop = (at + 0.5) * row - height / 2;
  }, [row, height > 0]);
}

function Titles({ layout }: { layout: Layout }) {
  return (
    <div class="titles">
      <div class="title query" style={{ width: `${layout.x0}px` }}><b>query</b> attends</div>
      <div class="title key" style={{ left: `${layout.x1}px` }}><b>key</b> attended to</div>
    </div>
  );
}

