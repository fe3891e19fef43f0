// A heat map with all that belongs to it: its data, the part shown, its colours, and why a number
// is what it is. The matrix view is one, the heads view opens one.
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { useMemo, useRef, useState } from "preact/hooks";
import { contains, sizeOf, type Shown } from "../data/filter";
import { rowOf } from "../data/steps";
import { cellIn } from "../data/strongest";
import { topStep, type Size } from "../data/tiles";
import { widest } from "../draw/canvas";
import type { Look } from "../draw/map";
import type { Store } from "../store";
import type { PairSpec, SideName, SideSpec } from "../types";
import { ColorBar } from "../ui/colorBar";
import { HeatMap, shownStep, type Linked } from "../ui/map";
import { FinderBar, StrongestList, tilesFor, useFinder, useStrongest } from "../ui/mapFinder";
import { around, boxOf, revealing, stateOf, windowOf } from "../ui/mapLayout";
import { Problem, Waiting } from "../ui/note";
import { FONT } from "../ui/style";
import { Why, WhyBox } from "../ui/why";
import { useWidth } from "../ui/width";
import { useRow } from "./explain";
import type { ViewProps } from "./frame";
import { useNow } from "./load";
import { wholeLayer, type Fed, type MapOf } from "./plane";

export interface MapPanelProps {
  view: ViewProps;
  map: ReadonlySignal<MapOf>;
  fed: Fed;
  window: MapWindow;
  linked?: Linked | undefined;
}

export function MapPanel({ view, map, fed, window, linked }: MapPanelProps) {
  const { store, status, mode } = view;
  const [why, setWhy] = useState(false);
  const room = useRef<HTMLDivElement>(null);
  const width = useWidth(room);
  const cursor = store.state.cursor.value;
  useNow(() => {
    const { filter, state } = store;
    void [map.value, filter.value, state.color.value, state.fit.value, state.blocks.value, state.cursor.value, window.at.value, mode.value];
    status.begin();
  });
  if (fed.problem) status.failed();
  const rounded = view.spec.precision !== undefined && !view.source.live;
  const explains = why && cursor && !rounded && hasWhy(map.value);
  return (
    <div class="neuron">
      <div class="picture" ref={room}>
        {fed.problem ? <Problem message={fed.problem} /> : width ? <Picture view={view} map={map.value} fed={fed} window={window} linked={linked} width={width} why={why} setWhy={setWhy} /> : <Waiting />}
      </div>
      {explains && <WhyPanel view={view} map={map.value} cursor={cursor} close={() => setWhy(false)} />}
    </div>
  );
}

/** Weights and scores of one head are explained where its queries and keys are, exactly. */
function hasWhy({ over, quantity, layer }: MapOf): boolean {
  return over === "head" && layer.rules !== undefined && (quantity.name === "weight" || quantity.name === "score");
}

interface PictureProps {
  view: ViewProps;
  map: MapOf;
  fed: Fed;
  window: MapWindow;
  linked: Linked | undefined;
  width: number;
  why: boolean;
  setWhy(open: boolean): void;
}

const COLORBAR = 64;
/** Cells smaller than this are not seen when something is looked for. */
const SEEN = 6;
const NEAR = 40;

function Picture({ view, map, fed, window, linked, width, why, setWhy }: PictureProps) {
  const { store, status } = view;
  const { state } = store;
  const [sides, world, at, cursor] = [store.sides.value, store.filter.value, window.at.value, state.cursor.value];
  const [listed, setListed] = useState(false);
  const margins = useMargins(map.names ?? sides, width);
  const box = useMemo(() => boxOf(Math.max(60, width - margins.query - COLORBAR), world), [width, margins, world]);
  const step = fed.feed ? shownStep(box, at, fed.feed.plane.size) : 1;
  const list = useStrongest(fed.feed, at, step, listed, fed.turn);
  const finder = useFinder(sides, world, cursor);
  const [look, what] = [lookOf(view, map, fed), whatOf(map)];
  const go = (cell: PairSpec) => {
    state.cursor.value = cell;
    const small = Math.min(box.width / sizeOf(at.key), box.height / sizeOf(at.query)) < SEEN;
    window.show(small ? around(cell, NEAR, at, world) : revealing(at, world, cell));
  };
  const leave = () => {
    const part = stateOf(window.at.value, world) !== null;
    const left = why || listed || part || cursor !== null;
    if (why) setWhy(false);
    else if (listed) setListed(false);
    else if (part) window.show(world);
    else state.cursor.value = null;
    return left;
  };
  const next = (by: number) => {
    if (!listed) return setListed(true);
    const cells = list.flatMap(({ block }) => cellIn(fed.feed!, block) ?? []);
    const place = cells.findIndex((cell) => cell.query === cursor?.query && cell.key === cursor.key);
    const cell = cells[(place + by + cells.length) % cells.length];
    if (cell) go(cell);
  };
  return (
    <>
      <FinderBar finder={finder} window={at} world={world} listed={listed} setListed={setListed} show={window.show} go={go} />
      <div class="mapbox">
        <HeatMap
          feed={fed.feed} sides={sides} world={world} window={at} box={box} step={step} margins={margins} look={look} cursor={cursor} what={what} linked={linked}
          more={fed.feed ? tilesFor(list, fed.feed) : []} found={(side, index) => finder.matches[side].has(index)} show={window.show}
          setCursor={(cell) => (state.cursor.value = cell)} enter={(cell) => ((state.cursor.value = cell), setWhy(true))} leave={leave} next={next}
          painted={status.painted}
        />
        {look && <div style={{ paddingTop: `${margins.key}px` }}><ColorBar look={look} height={Math.min(Math.max(box.height, 60), 320)} label={what} /></div>}
        {listed && fed.feed && <StrongestList list={list} feed={fed.feed} sides={sides} cursor={cursor} go={go} close={() => setListed(false)} />}
      </div>
    </>
  );
}

const MOST_TEXT = { query: 150, key: 100 };

/** Room for the tokens' texts beside and above the map. */
function useMargins(sides: Record<SideName, SideSpec>, width: number): Record<SideName, number> {
  return useMemo(() => {
    const room = (side: SideName) => {
      const { text, segments } = sides[side];
      const longest = text.length > 500 ? [...text].sort((a, b) => b.length - a.length).slice(0, 50) : text;
      const ruler = text.length > 40 ? 40 : 0;
      return Math.ceil(Math.min(widest(longest, `12px ${FONT}`) + ruler, MOST_TEXT[side], width * 0.3)) + 20 + (segments.length > 1 ? 18 : 0);
    };
    return { query: Math.max(56, room("query")), key: Math.max(40, room("key")) };
  }, [sides, width]);
}

/** What a number is: `weight`, `mean score of 12 heads`. */
function whatOf(map: MapOf): string {
  const { layer, over, quantity } = map;
  const name = quantity.name === "alti" ? "ALTI" : quantity.label.toLowerCase();
  return over === "head" || wholeLayer(map) ? name : `${over === "mean" ? "mean" : "largest"} ${name} of ${layer.heads.length} heads`;
}

export function sizeOfMap({ sides }: Store): Size {
  return { queries: sides.value.query.text.length, keys: sides.value.key.text.length };
}

/** How numbers become colours; null until the largest is known, where colours reach up to it. */
function lookOf({ store, mode }: ViewProps, { quantity }: MapOf, { feed }: Fed): Look | null {
  const { state } = store;
  const size = sizeOfMap(store);
  const decades = Math.max(3, Math.ceil(Math.log10(Math.max(size.queries, size.keys))) + 1);
  const top = state.fit.value || quantity.high === null ? feed?.peek({ step: topStep(size), row: 0, column: 0 }) : null;
  if (top === undefined) return null;
  const largest = top?.max.reduce((most, value) => (Math.abs(value) > most && value !== -Infinity ? Math.abs(value) : most), 0);
  const scale = { kind: state.color.value, high: largest ?? quantity.high!, signed: quantity.signed, decades };
  return { scale: { ...scale, high: scale.high || 1 }, blocks: state.blocks.value, mode: mode.value };
}

export interface MapWindow {
  at: ReadonlySignal<Shown>;
  show(window: Shown): void;
}

const REST = 150;

/** The part shown: at once here, and in the shared state when the hand has come to rest. */
export function useWindow({ store, signal }: ViewProps): MapWindow {
  const { state } = store;
  const at = useSignal<Shown>(windowOf(state.window.value, store.filter.value));
  const timer = useRef(0);
  const world = useRef(store.filter.value);
  useNow(() => {
    const [now, filter] = [state.window.value, store.filter.value];
    if (filter !== world.current) {
      world.current = filter;
      if (now) return void (state.window.value = null);
    }
    if (JSON.stringify(now) !== JSON.stringify(stateOf(at.peek(), filter))) at.value = windowOf(now, filter);
  });
  const commit = () => {
    const next = stateOf(at.peek(), store.filter.peek());
    if (!signal.aborted && JSON.stringify(next) !== JSON.stringify(state.window.peek())) state.window.value = next;
  };
  const show = (window: Shown) => {
    at.value = window;
    clearTimeout(timer.current);
    timer.current = setTimeout(commit, REST) as unknown as number;
  };
  return { at, show };
}

function WhyPanel({ view, map, cursor: { query, key }, close }: { view: ViewProps; map: MapOf; cursor: PairSpec; close(): void }) {
  const { store, mode } = view;
  const { layer, head } = map;
  const { head: own, problem } = useRow(view, map, query);
  const row = useMemo(() => own && rowOf(own, query), [own, query]);
  if (!own || !row || !contains({ start: 0, stop: own.nKey }, key))
    return <WhyBox title="Why this number?" close={close}>{problem ? <p>{problem}</p> : <Waiting />}</WhyBox>;
  return <Why head={own} row={row} at={key} sides={store.sides.value} shown={store.filter.value} mode={mode.value} where={`layer ${layer.layer}, head ${head}`} close={close} />;
}
