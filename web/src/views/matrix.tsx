// The matrix view: one head, or a layer's heads put together, as a heat map that is read, zoomed
// and moved like a map.
import { useComputed, useSignal, type ReadonlySignal } from "@preact/signals";
import { render } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { contains, type Shown } from "../data/filter";
import { rowOf } from "../data/steps";
import { topStep } from "../data/tiles";
import { widest } from "../draw/canvas";
import type { Look } from "../draw/map";
import type { Blocks, ColorScale, Over, PairSpec, SideName, SideSpec } from "../types";
import { ColorBar } from "../ui/colorBar";
import { FilterSelect, LayerSelect, optionOf, stepHead, stepLayer, Stepper, StreamSelect, Switch, type Option } from "../ui/controls";
import { ACCURACY, MapFoot } from "../ui/legend";
import { HeatMap } from "../ui/map";
import { boxOf, stateOf, windowOf, zoomed } from "../ui/mapLayout";
import { Problem, Waiting } from "../ui/note";
import { FONT } from "../ui/style";
import { useWidth } from "../ui/width";
import { Why } from "../ui/why";
import type { View, ViewProps } from "./frame";
import { useNow } from "./load";
import { useFeed, type Fed, type MapOf } from "./plane";
import { useHead } from "./vectors";

export const matrixView: View = (el, spec, source, store, around) => {
  render(<MatrixView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function MatrixView(props: ViewProps) {
  const { spec, source, store, status } = props;
  const { state } = store;
  const mode = props.mode.value;
  const map = useComputed<MapOf>(() => ({ stream: store.stream.value, layer: store.layer.value, head: store.head.value, over: state.over.value }));
  const fed = useFeed(source, spec, map).value;
  const window = useWindow(props);
  const [why, setWhy] = useState(false);
  const room = useRef<HTMLDivElement>(null);
  const width = useWidth(room);
  useTurns(props, window);
  if (fed.problem) status.failed();
  const look = lookOf(props, fed);
  const what = whatOf(map.value);
  const cursor = state.cursor.value;
  const explains = why && cursor && map.value.over === "head" && map.value.layer.rules !== undefined;
  return (
    <div class="root" data-mode={mode} onKeyDown={(event) => viewKeys(event, props)}>
      {spec.title && <h2>{spec.title}</h2>}
      <Bar {...props} window={window} />
      <div class="neuron">
        <div class="picture" ref={room}>
          {fed.problem ? <Problem message={fed.problem} /> : (
            <Picture view={props} fed={fed} look={look} window={window} width={width} what={what} why={why} setWhy={setWhy} />
          )}
        </div>
        {explains && <WhyPanel view={props} cursor={cursor} close={() => setWhy(false)} />}
      </div>
      <MapFoot mode={mode} notes={spec.notes} help={HELP} accuracy={accuracyOf(props, map.value)} />
    </div>
  );
}

const HELP = "Drag to select a part · click into the map, then the wheel zooms and, zoomed in, dragging moves it (Shift+drag selects) · Escape: all of it";

const COLORS: Option[] = [{ value: "root", label: "Root" }, { value: "linear", label: "Linear" }, { value: "log", label: "Log" }];
const RANGES: Option[] = [{ value: "", label: "0–1" }, { value: "fit", label: "Fit" }];
const BLOCKS: Option[] = [{ value: "max", label: "Max" }, { value: "mean", label: "Mean" }];

function Bar({ spec, store, window }: ViewProps & { window: MapWindow }) {
  const { state } = store;
  const heads = store.layer.value.heads;
  const all = heads.length > 1 ? [{ value: "mean", label: `mean of ${heads.length}` }, { value: "max", label: `max of ${heads.length}` }] : [];
  const setHead = (value: string) => {
    state.over.value = (all.some((option) => option.value === value) ? value : "head") as Over;
    if (state.over.value === "head") state.head.value = Number(value);
  };
  const zoom = (factor: number) => window.show(zoomed(window.at.value, store.filter.value, factor, { x: 0.5, y: 0.5 }));
  const pooled = topStep({ queries: store.sides.value.query.text.length, keys: store.sides.value.key.text.length }) > 1;
  return (
    <div class="bar">
      <StreamSelect store={store} streams={spec.streams} />
      <LayerSelect store={store} />
      <Stepper name="head" label="Head" options={[...heads.map(optionOf), ...all]} value={state.over.value === "head" ? String(store.head.value) : state.over.value} set={setHead} />
      <FilterSelect store={store} />
      <Switch name="color" label="Colours" options={COLORS} value={state.color.value} set={(v) => (state.color.value = v as ColorScale)} />
      <Switch name="fit" label="up to" options={RANGES} value={state.fit.value ? "fit" : ""} set={(v) => (state.fit.value = v === "fit")} />
      {pooled && <Switch name="blocks" label="Blocks" options={BLOCKS} value={state.blocks.value} set={(v) => (state.blocks.value = v as Blocks)} />}
      <span class="stepper">
        <button type="button" class="plain" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoom(1 / 2)}>+</button>
        <button type="button" class="plain" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoom(2)}>−</button>
        <button type="button" class="plain" aria-label="Show all" title="Show all (0)" onClick={() => window.show(store.filter.value)}>⤢</button>
      </span>
    </div>
  );
}

interface PictureProps {
  view: ViewProps;
  fed: Fed;
  look: Look | null;
  window: MapWindow;
  width: number;
  what: string;
  why: boolean;
  setWhy(open: boolean): void;
}

const COLORBAR = 64;

function Picture({ view, fed, look, window, width, what, why, setWhy }: PictureProps) {
  const { store, status } = view;
  const { state } = store;
  const [sides, world] = [store.sides.value, store.filter.value];
  const margins = useMargins(sides, width);
  const box = useMemo(() => boxOf(Math.max(60, width - margins.query - COLORBAR), world), [width, margins, world]);
  const leave = () => {
    const left = why || state.window.value !== null || state.cursor.value !== null;
    if (why) setWhy(false);
    else if (state.window.value) window.show(world);
    else state.cursor.value = null;
    return left;
  };
  if (!width) return <Waiting />;
  return (
    <div class="mapbox">
      <HeatMap
        feed={fed.feed} sides={sides} world={world} window={window.at.value} box={box} margins={margins} look={look} cursor={state.cursor.value} what={what}
        found={() => false} show={window.show} setCursor={(cell) => (state.cursor.value = cell)} enter={(cell) => ((state.cursor.value = cell), setWhy(true))}
        leave={leave} painted={status.painted}
      />
      {look && <div style={{ paddingTop: `${margins.key}px` }}><ColorBar look={look} height={Math.min(Math.max(box.height, 60), 320)} label={what} /></div>}
    </div>
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

function whatOf({ layer, over }: MapOf): string {
  return over === "head" ? "weight" : `${over === "mean" ? "mean" : "largest"} weight of ${layer.heads.length} heads`;
}

/** How numbers become colours; null until the largest is known, where colours reach up to it. */
function lookOf({ store, mode }: ViewProps, { feed }: Fed): Look | null {
  const { state, sides } = store;
  const size = { queries: sides.value.query.text.length, keys: sides.value.key.text.length };
  const decades = Math.max(3, Math.ceil(Math.log10(Math.max(size.queries, size.keys))) + 1);
  const top = state.fit.value ? feed?.peek({ step: topStep(size), row: 0, column: 0 }) : null;
  if (top === undefined) return null;
  const high = top ? top.max.reduce((most, value) => (value > most && value < Infinity ? value : most), 0) || 1 : 1;
  return { scale: { kind: state.color.value, high, signed: false, decades }, blocks: state.blocks.value, mode: mode.value };
}

function accuracyOf({ spec, source }: ViewProps, { layer }: MapOf): string {
  if (source.live) return "Numbers of cells are exact; blocks within 0.05 %.";
  return layer.rules ? "Weights are computed here from the model's queries and keys." : ACCURACY[spec.encoding];
}

interface MapWindow {
  at: ReadonlySignal<Shown>;
  show(window: Shown): void;
}

const REST = 150;

/** The part shown: at once here, and in the shared state when the hand has come to rest. */
function useWindow({ store, signal }: ViewProps): MapWindow {
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

/** The host is "drawing" from a change of state until the map is painted. */
function useTurns({ store, status, mode }: ViewProps, window: MapWindow): void {
  useNow(() => {
    const { stream, filter, layer, head, state } = store;
    void [stream.value, filter.value, layer.value, head.value, state.over.value, state.color.value, state.fit.value, state.blocks.value, state.cursor.value, window.at.value, mode.value];
    status.begin();
  });
}

function WhyPanel({ view, cursor, close }: { view: ViewProps; cursor: PairSpec; close(): void }) {
  const { source, store, spec, mode } = view;
  const { wanted, loaded } = useHead(source, store, spec);
  const head = loaded.value.key === wanted.value.key ? loaded.value.head : null;
  const row = useMemo(() => head && rowOf(head, cursor.query), [head, cursor.query]);
  if (loaded.value.problem) return <Problem message={loaded.value.problem} />;
  if (!head || !row || !contains({ start: 0, stop: head.nKey }, cursor.key)) return <Waiting />;
  return (
    <Why
      head={head} row={row} at={cursor.key} sides={store.sides.value} shown={store.filter.value} mode={mode.value}
      where={`layer ${store.layer.value.layer}, head ${store.head.value}`} close={close}
    />
  );
}

function viewKeys(event: KeyboardEvent, { store }: ViewProps): void {
  if (event.ctrlKey || event.metaKey || event.altKey || /SELECT|INPUT/.test((event.target as Element).tagName)) return;
  const layer = { "[": -1, PageUp: -1, "]": 1, PageDown: 1 }[event.key];
  const head = { "{": -1, ",": -1, "}": 1, ".": 1 }[event.key];
  if (layer) stepLayer(store, layer);
  else if (head) (store.state.over.value = "head"), stepHead(store, head);
  else return;
  event.preventDefault();
}
