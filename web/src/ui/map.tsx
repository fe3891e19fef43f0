// A heat map with its axes: the canvas, the tokens beside it, what is pointed at. Which part is
// shown and where the cursor is belong to the view.
import type { Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Bounds } from "../data/decode";
import { between } from "../data/difference";
import { contains, sizeOf, type Shown } from "../data/filter";
import { formatSigned } from "../data/numbers";
import type { Feed } from "../data/planes";
import { stepFor, tilesOf, topStep, type Size, type TileAt } from "../data/tiles";
import { shownText } from "../data/tokens";
import { framed, pixelRatio } from "../draw/canvas";
import { paintCells, paintMap, tilesAtHand, xOf, yOf, type Look } from "../draw/map";
import type { PairSpec, SideName, SideSpec } from "../types";
import { Axis } from "./axis";
import { knownOf, numberText } from "./mapNumbers";
import type { MapBox } from "./mapLayout";
import { useMapPointing, type Brush } from "./mapPointing";
import { useTold } from "./told";
import { Name } from "./tooltip";

export interface MapProps {
  feed: Feed | null;
  sides: Record<SideName, SideSpec>;
  world: Shown;
  window: Shown;
  box: MapBox;
  /** Cells a block, of those that the screen can show. */
  step: number;
  margins: Record<SideName, number>;
  /** Null until it is known how large the numbers are. */
  look: Look | null;
  cursor: PairSpec | null;
  /** What a number is: `weight`, `mean weight of 12 heads`. */
  what: string;
  /** The other maps of a comparison. */
  linked?: Linked | undefined;
  /** Tiles that are wanted beside those shown. */
  more: TileAt[];
  found(side: SideName, index: number): boolean;
  show(window: Shown): void;
  setCursor(cell: PairSpec): void;
  enter(cell: PairSpec): void;
  leave(): boolean;
  /** To the next strong cell, or the one before. */
  next(by: number): void;
  painted(): void;
}

/** Maps of the same cells: what is pointed at in one is in all; two numbers have a difference. */
export interface Linked {
  cell: Signal<PairSpec | null>;
  /** Their tokens, each with the texts of both. */
  sides: Record<SideName, SideSpec>;
  of: { name: string; feed: Feed | null }[];
}

export function HeatMap(props: MapProps) {
  const { box, margins, sides, window, cursor, feed, step, linked } = props;
  const el = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const { hover, brush, handlers } = useMapPointing(el, props);
  useMapPainting(props, canvas);
  useTold(linked?.cell, hover);
  const aimed = hover ?? linked?.cell.value ?? null;
  const at = aimed ?? (cursor && inside(cursor, window) ? cursor : null);
  const axes = { window, box, at, cursor };
  return (
    <div class="heatmap" style={{ marginLeft: `${margins.query}px`, marginTop: `${margins.key}px` }}>
      <Axis side="query" spec={sides.query} room={margins.query} found={(index) => props.found("query", index)} {...axes} />
      <Axis side="key" spec={sides.key} room={margins.key} found={(index) => props.found("key", index)} {...axes} />
      <div
        class={isWhole(props) ? "plot" : "plot moves"} ref={el} tabIndex={0} role="application" aria-roledescription="heat map"
        aria-label={`${props.what}: ${sizeOf(props.world.query)} queries as rows, ${sizeOf(props.world.key)} keys as columns. Arrow keys move between cells.`}
        data-step={step} data-window={`${range(window.query)}/${range(window.key)}`} style={{ width: `${box.width}px`, height: `${box.height}px` }} {...handlers}
      >
        <canvas ref={canvas} aria-hidden="true" />
        {at && <Cross {...props} at={at} step={aimed ? step : 1} pinned={!aimed} />}
        {cursor && inside(cursor, window) && <CellBox {...props} at={cursor} step={1} name="cursor" />}
        {brush && <Brushed {...brush} />}
      </div>
      {hover && feed && <MapTip {...props} feed={feed} at={hover} step={step} />}
      <div class="sr" aria-live="polite">{cursor && feed ? spoken(props, feed, cursor) : ""}</div>
    </div>
  );
}

function range({ start, stop }: { start: number; stop: number }): string {
  return `${Math.round(start)}-${Math.round(stop)}`;
}

function isWhole({ window, world }: MapProps): boolean {
  return sizeOf(window.query) >= sizeOf(world.query) && sizeOf(window.key) >= sizeOf(world.key);
}

function inside(cell: PairSpec, { query, key }: Shown): boolean {
  return contains(query, cell.query + 0.5) && contains(key, cell.key + 0.5);
}

/** Paints after every rendering, once a frame, with the tiles at hand; asks for those that lack. */
function useMapPainting(props: MapProps, canvas: { current: HTMLCanvasElement | null }): void {
  const paint = useRef(() => {});
  const painter = useMemo(() => framed(() => paint.current()), []);
  const { box, window, feed, look, step } = props;
  paint.current = () => {
    if (!feed || !canvas.current) return;
    const { size } = feed.plane;
    feed.want([...tilesOf(props.world, topStep(size), size), ...tilesOf(window, step, size), ...props.more]);
    const tiles = tilesAtHand(feed, window, step);
    if (!look || !tiles.length) return;
    const ratio = pixelRatio(canvas.current);
    const context = fitted(canvas.current, box, ratio);
    const placed = { shown: window, width: context.canvas.width, height: context.canvas.height };
    paintMap(context, feed, tiles, placed, look);
    if (step === 1) paintCells(context, feed, placed, look, ratio);
    if (feed.complete) props.painted();
  };
  useLayoutEffect(() => painter.request());
  useEffect(() => () => painter.cancel(), []);
}

/** The finest step that the screen can show of a window. */
export function shownStep(box: MapBox, { query, key }: Shown, size: Size): number {
  return stepFor(Math.max(box.width / sizeOf(key), box.height / sizeOf(query)) * (globalThis.devicePixelRatio || 1), size);
}

function fitted(canvas: HTMLCanvasElement, { width, height }: MapBox, ratio: number): CanvasRenderingContext2D {
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  return canvas.getContext("2d")!;
}

/** Where a cell, or the block that stands for it, lies on the screen. */
function rectOf({ window, box }: MapProps, { query, key }: PairSpec, step: number) {
  const placed = { shown: window, ...box };
  const start = (index: number) => Math.floor(index / step) * step;
  const [left, top] = [xOf(start(key), placed), yOf(start(query), placed)];
  return { left, top, width: xOf(start(key) + step, placed) - left, height: yOf(start(query) + step, placed) - top };
}

interface AtProps extends MapProps {
  at: PairSpec;
  step: number;
}

/** The row and the column pointed at. */
function Cross(props: AtProps & { pinned: boolean }) {
  const { left, top, width, height } = rectOf(props, props.at, props.step);
  return (
    <>
      <i class="band" style={{ left: 0, right: 0, top: `${top}px`, height: `${Math.max(height, 1)}px` }} />
      <i class="band" style={{ top: 0, bottom: 0, left: `${left}px`, width: `${Math.max(width, 1)}px` }} />
      {!props.pinned && <CellBox {...props} name="pointed" />}
    </>
  );
}

function CellBox({ name, ...props }: AtProps & { name: string }) {
  const { left, top, width, height } = rectOf(props, props.at, props.step);
  const grow = Math.max(0, (6 - Math.min(width, height)) / 2);
  const style = { left: `${left - grow}px`, top: `${top - grow}px`, width: `${width + 2 * grow}px`, height: `${height + 2 * grow}px` };
  return <i class={`cellbox ${name}`} data-cell={`${props.at.query}/${props.at.key}`} style={style} />;
}

function Brushed({ x0, y0, x1, y1 }: Brush) {
  const style = { left: `${Math.min(x0, x1)}px`, top: `${Math.min(y0, y1)}px`, width: `${Math.abs(x1 - x0)}px`, height: `${Math.abs(y1 - y0)}px` };
  return <i class="brush" style={style} />;
}

/** What is known about the cell under the pointer, beside it. */
function MapTip(props: AtProps & { feed: Feed }) {
  const { at, feed, step, box, what } = props;
  const sides = props.linked?.sides ?? props.sides;
  const { left, top, width, height } = rectOf(props, at, step);
  const [over, low] = [left > box.width / 2, top > box.height / 2];
  const style: Record<string, string> = {
    left: `${over ? left - 10 : left + width + 10}px`,
    top: `${low ? top - 4 : top + height + 4}px`,
    transform: `translate(${over ? "-100%" : "0"}, ${low ? "-100%" : "0"})`,
  };
  const known = knownOf(feed, at, step);
  return (
    <div role="tooltip" class="tooltip" style={style}>
      {known && "block" in known ? <BlockFacts block={known.block} sides={sides} /> : (
        <>
          <Name side="query" index={at.query} spec={sides.query} />
          <Name side="key" index={at.key} spec={sides.key} />
        </>
      )}
      <table>
        {!known ? <tr><td class="quiet">loading…</td></tr> : "hidden" in known ? <tr><td class="quiet">hidden by the mask</td></tr> : "block" in known ? (
          <>
            <Line label={`${known.rough ? "preview: " : ""}largest ${what}`} value={numberText(known.max)} />
            <Line label="mean" value={numberText(known.mean)} />
          </>
        ) : props.linked ? <LinkedLines {...props.linked} at={at} /> : <Line label={what} value={numberText(known.bounds)} />}
      </table>
    </div>
  );
}

/** The numbers of a cell in either map, and their difference. */
function LinkedLines({ of, at }: Pick<Linked, "of"> & { at: PairSpec }) {
  const bounds = boundsIn(of, at);
  return (
    <>
      {of.map(({ name }, i) => <Line key={name} label={name} value={numberText(bounds[i]!)} />)}
      <Line label="difference" value={formatSigned(between(bounds[0]!, bounds[1]!))} />
    </>
  );
}

function boundsIn(of: Linked["of"], { query, key }: PairSpec): Bounds[] {
  return of.map(({ feed }) => {
    if (!feed) return null;
    if (feed.plane.bounds) return feed.plane.bounds(query, key);
    const known = knownOf(feed, { query, key }, 1);
    if (!known) feed.want(tilesOf({ query: { start: query, stop: query + 1 }, key: { start: key, stop: key + 1 } }, 1, feed.plane.size));
    return known && "bounds" in known ? known.bounds : null;
  });
}

function Line({ label, value }: { label: string; value: string }) {
  return <tr><td class="label">{label}</td><td class="value">{value}</td></tr>;
}

function BlockFacts({ block, sides }: { block: Shown; sides: Record<SideName, SideSpec> }) {
  const text = (side: SideName) => {
    const { start, stop } = block[side];
    return `${shownText(sides[side].text[start]!)} … ${shownText(sides[side].text[stop - 1]!)}`;
  };
  return (
    <>
      {(["query", "key"] as const).map((side) => (
        <div class="name" key={side}>
          <b>{text(side)}</b>
          <span class="quiet">{side === "query" ? "queries" : "keys"} {block[side].start}–{block[side].stop - 1}</span>
        </div>
      ))}
    </>
  );
}

function spoken({ sides: own, what, linked }: MapProps, feed: Feed, { query, key }: PairSpec): string {
  const sides = linked?.sides ?? own;
  const known = knownOf(feed, { query, key }, 1);
  const names = `query '${shownText(sides.query.text[query] ?? "")}', key '${shownText(sides.key.text[key] ?? "")}'`;
  if (!known || "block" in known) return names;
  if (linked && "bounds" in known) {
    const [first, second] = boundsIn(linked.of, { query, key }) as [Bounds, Bounds];
    return `${names}: ${linked.of[0]!.name} ${numberText(first)}, ${linked.of[1]!.name} ${numberText(second)}, difference ${formatSigned(between(first, second))}`;
  }
  return "hidden" in known ? `${names}: hidden by the mask` : `${names}: ${what} ${numberText(known.bounds)}`;
}
