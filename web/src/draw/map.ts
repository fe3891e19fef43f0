// Paints a heat map from tiles: coarse ones first, sharper ones over them. Hidden cells let the
// hatch behind them through, so that they are never taken for zeros.
import { boundsOff, type Feed } from "../data/planes";
import { blockOf, cellsOf, SIDE, tilesOf, topStep, type Tile, type TileAt } from "../data/tiles";
import type { Shown } from "../data/filter";
import type { Blocks } from "../types";
import { FONT } from "../ui/style";
import { inkOn, type Mode, type Rgb } from "./color";
import { pixelOfMissing, rampOf, shareOf, type Scale } from "./scale";

/** How numbers look. */
export interface Look {
  scale: Scale;
  blocks: Blocks;
  mode: Mode;
}

/** Where the part shown lies on the canvas, in its pixels. */
export interface Placed {
  shown: Shown;
  width: number;
  height: number;
}

export function xOf(key: number, { shown: { key: range }, width }: Placed): number {
  return ((key - range.start) / (range.stop - range.start)) * width;
}

export function yOf(query: number, { shown: { query: range }, height }: Placed): number {
  return ((query - range.start) / (range.stop - range.start)) * height;
}

type Placing = [TileAt, Tile];

/** The tiles of a part that are there, coarse ones first. */
export function tilesAtHand(feed: Feed, shown: Shown, step: number): Placing[] {
  const found: Placing[] = [];
  for (let level = topStep(feed.plane.size); level >= step; level /= 2)
    for (const at of tilesOf(shown, level, feed.plane.size)) {
      const tile = feed.peek(at);
      if (tile) found.push([at, tile]);
    }
  return found;
}

export function paintMap(context: CanvasRenderingContext2D, feed: Feed, tiles: Placing[], placed: Placed, look: Look): void {
  const { width, height } = placed;
  const hatch = context.createPattern(hatchOf(look.mode, context.canvas.ownerDocument), "repeat")!;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = look.mode === "dark" ? "#1a1d23" : "#f4f5f8";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  for (const [at, tile] of tiles) paintTile(context, tile, at, feed, placed, look, hatch);
}

function paintTile(
  context: CanvasRenderingContext2D, tile: Tile, at: TileAt, feed: Feed, placed: Placed, look: Look, hatch: CanvasPattern,
): void {
  const { query, key } = cellsOf(at, feed.plane.size);
  const [x0, x1, y0, y1] = [xOf(key.start, placed), xOf(key.stop, placed), yOf(query.start, placed), yOf(query.stop, placed)].map(Math.round) as [number, number, number, number];
  context.fillStyle = hatch;
  context.fillRect(x0, y0, x1 - x0, y1 - y0);
  // The last block may stand for fewer cells than the others.
  const [wide, high] = [((key.stop - key.start) / at.step / tile.columns), ((query.stop - query.start) / at.step / tile.rows)];
  context.drawImage(imageOf(tile, look, context.canvas.ownerDocument), 0, 0, tile.columns * wide, tile.rows * high, x0, y0, x1 - x0, y1 - y0);
}

const GAP_FROM = 12;
const NUMBER_FROM = 33;

/** Large cells are set apart, and the largest tell their numbers. */
export function paintCells(context: CanvasRenderingContext2D, feed: Feed, placed: Placed, look: Look, ratio: number): void {
  const { shown: { query, key }, width, height } = placed;
  const [wide, high] = [width / (key.stop - key.start) / ratio, height / (query.stop - query.start) / ratio];
  if (Math.min(wide, high) < GAP_FROM) return;
  context.fillStyle = look.mode === "dark" ? "#131519" : "#ffffff";
  for (let k = Math.ceil(key.start); k < key.stop; k++) context.fillRect(Math.round(xOf(k, placed)), 0, 1, height);
  for (let q = Math.ceil(query.start); q < query.stop; q++) context.fillRect(0, Math.round(yOf(q, placed)), width, 1);
  if (wide < NUMBER_FROM || high < 16) return;
  context.font = `${11 * ratio}px ${FONT}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let q = Math.floor(query.start); q < query.stop; q++)
    for (let k = Math.floor(key.start); k < key.stop; k++) {
      const value = numberAt(feed, q, k);
      if (!(Math.abs(value) >= 0.005) || value === -Infinity) continue;
      context.fillStyle = inkOn(colorOf(look, value));
      context.fillText(cellText(feed, value, q), xOf(k + 0.5, placed), yOf(q + 0.5, placed));
    }
}

/** Two digits where they are known; else as many as are about right, or none. */
export function cellText({ plane: { off } }: Pick<Feed, "plane">, value: number, query: number): string {
  const digits = Math.abs(value) < 10 ? 2 : 1;
  const [low, high] = off ? boundsOff(off, value, { start: query, stop: query + 1 }) : [value, value];
  if (low.toFixed(digits) === high.toFixed(digits)) return signed(low.toFixed(digits));
  const most = Math.max(high - value, value - low);
  const about = value.toFixed(most <= 10 ** -digits ? digits : digits - 1);
  return most <= 10 ** (1 - digits) && Number(about) ? `≈${signed(about)}` : "";
}

function signed(text: string): string {
  return text.replace("-", "−");
}

function numberAt(feed: Feed, query: number, key: number): number {
  const at = { step: 1, row: Math.floor(query / SIDE), column: Math.floor(key / SIDE) };
  const tile = feed.peek(at);
  return tile ? tile.max[blockOf(query, key, at, tile)]! : NaN;
}

/** The colour that a number has. */
export function colorOf({ scale, mode }: Look, value: number): Rgb {
  const pixel = rampOf(scale.signed, mode)[Math.round(255 * shareOf(scale, value))]!;
  return [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
}

interface Image {
  of: string;
  canvas: HTMLCanvasElement;
}

const images = new WeakMap<Tile, Image>();

/** A tile's blocks as pixels, kept while they look the same. */
function imageOf(tile: Tile, look: Look, doc: Document): HTMLCanvasElement {
  const { kind, high, signed, decades } = look.scale;
  const of = [kind, high, signed, decades, look.blocks, look.mode].join("/");
  let image = images.get(tile);
  if (image?.of === of) return image.canvas;
  image ??= { of, canvas: doc.createElement("canvas") };
  image.of = of;
  image.canvas.width = tile.columns;
  image.canvas.height = tile.rows;
  const data = new ImageData(tile.columns, tile.rows);
  fill(new Uint32Array(data.data.buffer), tile[look.blocks], look);
  image.canvas.getContext("2d")!.putImageData(data, 0, 0);
  images.set(tile, image);
  return image.canvas;
}

function fill(pixels: Uint32Array, values: Float32Array, { scale, mode }: Look): void {
  const ramp = rampOf(scale.signed, mode);
  const missing = pixelOfMissing(mode);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value === -Infinity) continue;
    pixels[i] = value === value ? ramp[Math.round(255 * shareOf(scale, value))]! : missing;
  }
}

const hatches = new Map<Mode, HTMLCanvasElement>();

/** Thin slanted lines on the ground. */
function hatchOf(mode: Mode, doc: Document): HTMLCanvasElement {
  let canvas = hatches.get(mode);
  if (!canvas) {
    canvas = doc.createElement("canvas");
    canvas.width = canvas.height = 8;
    const context = canvas.getContext("2d")!;
    context.fillStyle = mode === "dark" ? "#131519" : "#ffffff";
    context.fillRect(0, 0, 8, 8);
    context.strokeStyle = mode === "dark" ? "#2b2f37" : "#e3e5ea";
    context.beginPath();
    for (const x of [-4, 4, 12]) context.moveTo(x - 5, 9), context.lineTo(x + 5, -1);
    context.stroke();
    hatches.set(mode, canvas);
  }
  return canvas;
}
