// The image view: a picture, and over it how much weight a token gives to each patch, or gets
// from it; beside it the same for every head of the layer.
import { useComputed, useSignal, type Signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { codeAt, fromBase64, weightTable, type Weights } from "../data/decode";
import { formatBounds, meanOfPresent } from "../data/numbers";
import { pairBounds, sentence, shownText, strongest } from "../data/tokens";
import { sized } from "../draw/canvas";
import { paintFrame, paintPatches, patchBox, patchColor } from "../draw/patches";
import { soloHead } from "../store";
import { keyOf, type ImageSpec, type PinnedSpec, type Request, type SideName } from "../types";
import { HeadChips, LayerSelect, stepLayer, StreamSelect } from "../ui/controls";
import { Legend } from "../ui/legend";
import { Problem, Waiting } from "../ui/note";
import type { View, ViewProps } from "./frame";
import { useNow, useWeights } from "./load";
import "../ui/patchStyle";

const LARGE = 440;
const SMALL = 84;

export const imageView: View = (el, spec, source, store, around) => {
  render(<ImageView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

function ImageView(props: ViewProps) {
  const { spec, source, store } = props;
  const grid = spec.image!;
  const request = useComputed<Request>(() => ({ kind: "layer", stream: store.stream.value.name, layer: store.layer.value.layer }));
  const loaded = useWeights(source, request, spec).value;
  const picture = usePicture(grid);
  const hovered = useSignal<number | null>(null);
  const side = useSignal<SideName>(spec.state.pinned?.side ?? "query");
  useTurns(props, side);
  const weights = loaded.key === keyOf(request.value) ? loaded.weights : null;
  if (loaded.problem) props.status.failed();
  const pinned = store.state.pinned.value;
  const token: PinnedSpec = { side: side.value, index: pinned?.index ?? hovered.value ?? 0 };
  const pin = (index: number | null) => (store.state.pinned.value = index === null ? null : { side: side.value, index });
  const common = { grid, picture, weights, token, hovered, pin, view: props };
  return (
    <div class="root" data-mode={props.mode.value} onKeyDown={(event) => layerKeys(event, props)}>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <LayerSelect store={store} />
        <HeadChips store={store} mode={props.mode.value} />
        <Direction side={side} pinned={store.state.pinned} />
      </div>
      {loaded.problem ? <Problem message={loaded.problem} /> : !loaded.weights ? <Waiting /> : (
        <div class="image">
          <Large {...common} />
          <Small {...common} />
        </div>
      )}
      <Foot {...common} />
    </div>
  );
}

interface PartProps {
  view: ViewProps;
  grid: ImageSpec;
  picture: ImageBitmap | null;
  weights: Weights | null;
  token: PinnedSpec;
  hovered: Signal<number | null>;
  pin(index: number | null): void;
}

/** The picture; null until it is decoded. */
function usePicture(grid: ImageSpec): ImageBitmap | null {
  const [picture, set] = useState<ImageBitmap | null>(null);
  useEffect(() => {
    let live = true;
    createImageBitmap(new Blob([fromBase64(grid.png)], { type: "image/png" })).then((made) => live && set(made), () => {});
    return () => void (live = false);
  }, [grid]);
  return picture;
}

const WAYS: [SideName, string][] = [["query", "looks at"], ["key", "is looked at by"]];

function Direction({ side, pinned }: { side: Signal<SideName>; pinned: Signal<PinnedSpec | null> }) {
  const choose = (way: SideName) => {
    side.value = way;
    if (pinned.value) pinned.value = { ...pinned.value, side: way };
  };
  return (
    <span class="field">
      <span class="switch" role="radiogroup" aria-label="Direction" onKeyDown={(event) => event.key.startsWith("Arrow") && choose(side.value === "query" ? "key" : "query")}>
        {WAYS.map(([way, label]) => (
          <button key={way} type="button" role="radio" data-way={way} aria-checked={side.value === way} tabIndex={side.value === way ? 0 : -1} onClick={() => choose(way)}>{label}</button>
        ))}
      </span>
    </span>
  );
}

/** Mean weights between the token and every patch over some heads; NaN where all are missing. */
function patchWeights({ grid, weights, token }: PartProps, places: number[]): Float32Array {
  const table = weightTable(weights!.encoding);
  return Float32Array.from({ length: grid.rows * grid.columns }, (_, patch) => {
    const other = grid.first + patch;
    const [query, key] = token.side === "query" ? [token.index, other] : [other, token.index];
    const values = places.map((place) => table[codeAt(weights!, place, query, key)]!).filter((value) => !Number.isNaN(value));
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;
  });
}

function placesOf({ store }: ViewProps): number[] {
  const { heads } = store.layer.value;
  return store.heads.value.map((head) => heads.indexOf(head));
}

const topOf = (values: Float32Array) => values.reduce((top, value) => (value > top ? value : top), 0);

function Large(props: PartProps) {
  const { view, grid, picture, weights, token, hovered, pin } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const height = Math.round((LARGE * grid.height) / grid.width);
  const places = placesOf(view);
  const asked = view.store.state.pinned.value;
  const at = hovered.value;
  useLayoutEffect(() => {
    if (!weights || !picture) return;
    const context = sized(canvas.current!, LARGE, height);
    const values = patchWeights(props, places);
    paintPatches(context, LARGE, height, picture, grid, values, topOf(values));
    const frame = (index: number | null, color: string) => index !== null && index >= grid.first && paintFrame(context, patchBox(index - grid.first, grid, LARGE, height), color);
    if (asked) frame(at, "#fff");
    frame(token.index, "#4fd1ff");
    view.status.painted();
  });
  const patchAt = (event: MouseEvent) => {
    const box = canvas.current!.getBoundingClientRect();
    const place = (share: number, of: number) => Math.min(Math.max(Math.floor(share * of), 0), of - 1);
    return grid.first + place((event.clientY - box.top) / box.height, grid.rows) * grid.columns + place((event.clientX - box.left) / box.width, grid.columns);
  };
  const keydown = (event: KeyboardEvent) => {
    const next = nextPatch(event.key, token.index, grid);
    if (event.key === "Escape") pin(null);
    else if (next !== null) pin(next);
    else return;
    event.preventDefault();
  };
  return (
    <div class="large">
      <Extras {...props} />
      <canvas
        ref={canvas} class="patches" tabIndex={0} role="application" aria-label={`Picture of ${grid.rows} by ${grid.columns} patches. Arrow keys choose a patch, Escape lets go.`}
        onMouseMove={(event) => (hovered.value = patchAt(event))} onMouseLeave={() => (hovered.value = null)}
        onClick={(event) => pin(asked?.index === patchAt(event) ? null : patchAt(event))} onKeyDown={keydown}
      />
      <Said {...props} />
    </div>
  );
}

/** The patch that an arrow key leads to; from a token that is no patch to the first one. */
function nextPatch(key: string, index: number, { first, rows, columns }: ImageSpec): number | null {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  if (!step) return null;
  if (index < first) return first;
  const next = index - first + step;
  const wraps = Math.abs(step) === 1 && Math.floor(next / columns) !== Math.floor((index - first) / columns);
  return wraps || next < 0 || next >= rows * columns ? index : first + next;
}

/** Tokens that are no patches: [CLS], registers. */
function Extras({ view, grid, token, pin }: PartProps) {
  if (!grid.first) return null;
  const { text } = view.store.sides.value.query;
  return (
    <div class="bar extras" role="group" aria-label="Tokens beside the patches">
      {text.slice(0, grid.first).map((name, index) => (
        <button key={index} type="button" class="plain" data-index={index} aria-pressed={token.index === index} onClick={() => pin(index)}>{shownText(name)}</button>
      ))}
    </div>
  );
}

/** In words: the strongest partners, or the weight of the pair that is pointed at. */
function Said({ view, weights, token, hovered }: PartProps) {
  if (!weights) return null;
  const { query, key } = view.store.sides.value;
  const [own, other] = token.side === "query" ? [query, key] : [key, query];
  const places = placesOf(view);
  const heads = places.length > 1 ? `mean of ${places.length} heads` : `head ${view.store.heads.value[0]}`;
  const at = hovered.value;
  const pair = view.store.state.pinned.value && at !== null && at !== token.index;
  const words = pair
    ? `${shownText(own.text[token.index]!)} ${token.side === "query" ? "→" : "←"} ${shownText(other.text[at]!)}: ${formatBounds(meanOfPresent(pairBounds(weights, places, token, at)))}`
    : sentence(token, own, other, strongest(weights, places, token, { start: 0, stop: other.text.length }, 3, 0));
  return <p class="said" aria-live="polite">{words} <span class="quiet">({heads})</span></p>;
}

function Small(props: PartProps) {
  const { store } = props.view;
  const { heads } = store.layer.value;
  const active = store.heads.value;
  return (
    <div class="small-maps" role="group" aria-label="Every head of the layer">
      <span class="map"><Picture {...props} /><span>picture</span></span>
      {heads.length > 1 && heads.map((head, place) => (
        <button key={head} type="button" class="map" data-map={head} aria-pressed={active.includes(head)} title={`Head ${head}: click for it alone, again for all`} onClick={() => (store.state.heads.value = soloHead(heads, active, head))}>
          <HeadMap {...props} place={place} />
          <span>head {head}</span>
        </button>
      ))}
    </div>
  );
}

function Picture({ picture, grid }: PartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const height = Math.round((SMALL * grid.height) / grid.width);
  useLayoutEffect(() => {
    if (picture) sized(canvas.current!, SMALL, height).drawImage(picture, 0, 0, SMALL, height);
  }, [picture]);
  return <canvas ref={canvas} />;
}

function HeadMap(props: PartProps & { place: number }) {
  const { grid, picture, weights, place, token } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const height = Math.round((SMALL * grid.height) / grid.width);
  useLayoutEffect(() => {
    if (!weights) return;
    const values = patchWeights(props, [place]);
    paintPatches(sized(canvas.current!, SMALL, height), SMALL, height, picture, grid, values, topOf(values));
  }, [weights, picture, place, token.side, token.index]);
  return <canvas ref={canvas} />;
}

function Foot(props: PartProps) {
  const { view, weights, grid } = props;
  const [top, rest] = useMemo(() => {
    if (!weights) return [0, 0];
    const values = patchWeights(props, placesOf(view)).filter((value) => !Number.isNaN(value));
    return [topOf(values), 1 - values.reduce((sum, value) => sum + value, 0)];
  }, [weights, props.token.index, props.token.side, view.store.heads.value]);
  const beside = grid.first && props.token.side === "query" && weights ? ` · ${Math.round(Math.max(rest, 0) * 100)} % goes to tokens beside the patches` : "";
  return (
    <Legend
      mode={view.mode.value} encoding={view.spec.encoding} notes={view.spec.notes} scale={(share) => patchColor(share)} scaleLabel="weight" scaleTop={top.toPrecision(2)}
      help="Hover a patch to select it · click to pin · then hover for the weight between two" note={`Each map has a colour scale of its own, up to its strongest patch${beside}`}
    />
  );
}

function useTurns({ store, status }: ViewProps, side: Signal<SideName>): void {
  useNow(() => {
    const { stream, layer, heads, state } = store;
    void [stream.value, layer.value, heads.value, state.pinned.value, side.value];
    status.begin();
  });
}

function layerKeys(event: KeyboardEvent, { store }: ViewProps): void {
  const step = { "[": -1, PageUp: -1, "]": 1, PageDown: 1 }[event.key];
  if (!step || event.ctrlKey || event.metaKey || (event.target as Element).tagName === "SELECT") return;
  stepLayer(store, step);
  event.preventDefault();
}
