// One trace's weights over a picture, or the difference of two: large, and small for every head.
import type { Signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Weights } from "../data/decode";
import { numberAt } from "../data/difference";
import { formatBounds, formatSigned, meanOfPresent } from "../data/numbers";
import { pairBounds, sentence, shownText, strongest } from "../data/tokens";
import { sized } from "../draw/canvas";
import { paintFrame, paintPatches, patchBox } from "../draw/patches";
import { soloHead } from "../store";
import type { ImageSpec, PinnedSpec, SideSpec } from "../types";
import type { Columns } from "../ui/body";
import type { ViewProps } from "./frame";

const LARGE = 440;
const SMALL = 84;

export interface PartProps {
  view: ViewProps;
  grid: ImageSpec;
  picture: ImageBitmap | null;
  weights: Weights;
  /** All that have the same colour for the same number: these, and those beside them. */
  alike: Weights[];
  /** Of a comparison: what is printed of each pair. */
  columns?: Columns | undefined;
  token: PinnedSpec;
  hovered: Signal<number | null>;
  pin(index: number | null): void;
  /** Tells how a weight comes about. */
  explain: ((query: number, key: number) => void) | undefined;
  painted(): void;
}

/** Mean numbers between the token and every patch over some heads; NaN where all are missing. */
export function patchNumbers({ rows, columns, first }: ImageSpec, weights: Weights, places: number[], token: PinnedSpec): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, patch) => {
    const other = first + patch;
    const [query, key] = token.side === "query" ? [token.index, other] : [other, token.index];
    const values = places.map((place) => numberAt(weights, place, query, key)).filter((value) => !Number.isNaN(value));
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;
  });
}

/** The heads put together: all where only their mean is on. */
export function placesOf({ store }: ViewProps): number[] {
  const { heads } = store.layer.value;
  const active = store.heads.value;
  return (active.length ? active : heads).map((head) => heads.indexOf(head));
}

/** The number farthest from 0, of all that are to be compared by eye. */
export function topOf({ grid, alike, token }: Pick<PartProps, "grid" | "alike" | "token">, places: number[]): number {
  const farthest = (values: Float32Array) => values.reduce((top, value) => (Math.abs(value) > top ? Math.abs(value) : top), 0);
  return Math.max(...alike.map((weights) => farthest(patchNumbers(grid, weights, places, token))));
}

export function Large(props: PartProps) {
  const { view, grid, picture, weights, token, hovered, pin, painted } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const height = Math.round((LARGE * grid.height) / grid.width);
  const places = placesOf(view);
  const asked = view.store.state.pinned.value;
  const at = hovered.value;
  useLayoutEffect(() => {
    if (!picture) return;
    const context = sized(canvas.current!, LARGE, height);
    paintPatches(context, LARGE, height, { picture, grid, values: patchNumbers(grid, weights, places, token), top: topOf(props, places), signed: weights.signed });
    const frame = (index: number | null, color: string) => index !== null && index >= grid.first && paintFrame(context, patchBox(index - grid.first, grid, LARGE, height), color);
    if (asked) frame(at, "#fff");
    frame(token.index, "#4fd1ff");
    painted();
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

/** In words: the strongest partners, or the number of the pair that is pointed at. */
function Said({ view, weights, columns, token, hovered, explain }: PartProps) {
  const { query, key } = view.store.sides.value;
  const [own, other] = token.side === "query" ? [query, key] : [key, query];
  const places = placesOf(view);
  const heads = places.length > 1 ? `mean of ${places.length} heads` : `head ${view.store.layer.value.heads[places[0]!]}`;
  const at = hovered.value;
  const pair = view.store.state.pinned.value && at !== null && at !== token.index;
  const partners = strongest(weights, places, token, { start: 0, stop: other.text.length }, 3, 0);
  const words = pair ? pairWords(weights, columns, places, token, at, own, other) : sentence(token, own, other, partners);
  return (
    <p class="said">
      <span aria-live="polite">{words} <span class="quiet">({heads})</span></span>
      {explain && <Asked partners={partners.map(({ index }) => index)} text={other.text} ask={(index) => (token.side === "query" ? explain(token.index, index) : explain(index, token.index))} />}
    </p>
  );
}

/** The sums behind these weights can be asked for. */
function Asked({ partners, text, ask }: { partners: number[]; text: string[]; ask(index: number): void }) {
  return (
    <span class="quiet">
      {" "}Why?{" "}
      {partners.map((index) => <button key={index} type="button" class="ask" title="Why this number?" onClick={() => ask(index)}>{shownText(text[index]!)}</button>)}
    </span>
  );
}

function pairWords(weights: Weights, columns: Columns | undefined, places: number[], token: PinnedSpec, at: number, own: SideSpec, other: SideSpec): string {
  const number = (of: Weights) => (of.signed ? formatSigned : formatBounds)(meanOfPresent(pairBounds(of, places, token, at)));
  const numbers = columns ? columns.of.map((one) => `${one.name} ${number(one.weights)}`).join(" · ") : number(weights);
  return `${shownText(own.text[token.index]!)} ${token.side === "query" ? "→" : "←"} ${shownText(other.text[at]!)}: ${numbers}`;
}

export function Small(props: PartProps) {
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
    const values = patchNumbers(grid, weights, [place], token);
    paintPatches(sized(canvas.current!, SMALL, height), SMALL, height, { picture, grid, values, top: topOf(props, [place]), signed: weights.signed });
  }, [weights, picture, place, token.side, token.index]);
  return <canvas ref={canvas} />;
}
