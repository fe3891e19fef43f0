// Paints the model view's rows from thumbnails, or from the layers themselves where inputs are
// short; in slices, so that the page stays responsive.
import type { Weights } from "../data/decode";
import { differenceOf, halfOf, STRONG } from "../data/difference";
import { sizeOf, type Shown } from "../data/filter";
import { pause } from "../data/pause";
import { isPlain, reshaped, sumBelow } from "../data/reshape";
import { dim, paintLines, pool, scaled, strong, type Box } from "../draw/cells";
import { heatRamp, layerColor, NEUTRAL, rgb, type Mode, type Rgb } from "../draw/color";
import { paintHeat } from "../draw/heat";
import { signedColors, signedRamp } from "../draw/scale";
import type { Source } from "../source/cache";
import type { Cut } from "../store";
import type { CellStyle, StreamSpec } from "../types";
import type { GridRow } from "../ui/grid";
import type { GridSize } from "./geometry";

export interface Picture {
  stream: StreamSpec;
  /** Of a comparison: the streams whose difference is painted. */
  pair?: StreamSpec[] | undefined;
  /** The layers and heads in the order shown. */
  rows: GridRow[];
  cut: Cut;
  threshold: number;
  style: "lines" | "heat";
  mode: Mode;
  size: GridSize;
  ratio: number;
}

const SLICE = 24;
export const GROUND: Record<Mode, Rgb> = { light: [246, 247, 250], dark: [25, 28, 34] };

export function styleOf(cells: CellStyle, shown: Shown): "lines" | "heat" {
  if (cells !== "auto") return cells;
  return Math.max(sizeOf(shown.query), sizeOf(shown.key)) <= 64 ? "lines" : "heat";
}

/** How much weight there is, and how much of it is below the threshold; null where nobody added it up. */
export type Below = { below: number; all: number } | null;

/**
 * Resolves when every row is painted, to null when `current()` no longer holds. Thumbnails serve as
 * long as the weights are shown as they are.
 */
export async function paintGrid(
  picture: Picture, source: Source, canvases: Map<number, HTMLCanvasElement>, current: () => boolean,
): Promise<{ below: Below } | null> {
  const { stream, rows, cut, threshold } = picture;
  const thumbnails = stream.thumbnail && isPlain(cut.plan) ? await source.get({ kind: "thumbnails", stream: stream.name }) : null;
  let place = 0;
  let since = performance.now();
  let below: Below = null;
  for (const [i, { layer, heads }] of stream.layers.entries()) {
    const weights = thumbnails ?? (await weightsOf(picture, source, layer));
    if (!current()) return null;
    const canvas = canvases.get(layer);
    const places = rows[i]!.heads.map((head) => (thumbnails ? place : 0) + (head === null ? heads.length : heads.indexOf(head)));
    const half = thumbnails ? heads.length : halfOf(weights);
    if (canvas) paintRow(canvas, picture, rows[i]!, weights, places, half);
    place += (picture.pair ? 2 : 1) * heads.length;
    if (threshold && !thumbnails && !picture.pair) below = added(below, sumBelow(weights, heads.map((_, at) => at), cut.filter, threshold));
    if (performance.now() - since < SLICE) continue;
    await pause();
    if (!current()) return null;
    since = performance.now();
  }
  return { below };
}

async function weightsOf({ stream, pair, cut }: Picture, source: Source, layer: number): Promise<Weights> {
  const all = await Promise.all((pair ?? [stream]).map(({ name }) => source.get({ kind: "layer", stream: name, layer })));
  const [first, second] = all.map((one) => reshaped(one, cut.plan));
  return second ? differenceOf(first!, second) : first!;
}

function added(sum: Below, more: { below: number; all: number }): Below {
  return { below: (sum?.below ?? 0) + more.below, all: (sum?.all ?? 0) + more.all };
}

function paintRow(canvas: HTMLCanvasElement, picture: Picture, { layer, heads }: GridRow, weights: Weights, places: number[], half: number): void {
  const { size, ratio, mode, style, pair } = picture;
  const side = Math.round(size.cell * ratio);
  const step = (size.cell + size.gap) * ratio;
  const width = Math.round((heads.length - 1) * step) + side;
  const image = new ImageData(width, side);
  const shown = shownIn(picture, weights);
  const ramp = style === "heat" ? (pair ? signedRamp(mode) : heatRamp(layer, mode)) : null;
  const color = rgb(layerColor(layer, mode));
  const [more, less] = signedColors(mode);
  heads.forEach((head, i) => {
    const pooled = (place: number, most: number) => dim(strong(pool(weights, place, shown, most), Boolean(pair) && !weights.signed), picture.threshold * (pair ? STRONG : 1));
    const cell = (most: number) => pooled(places[i]!, most);
    const lost = (most: number) => pooled(places[i]! + half, most);
    const box: Box = { x: Math.round(i * step), y: 0, width: side, height: side };
    if (ramp) return paintHeat(image, box, cell(side), ramp, pair && lost(side));
    fill(image, box, GROUND[mode]);
    const inset = Math.round(Math.min(4 * ratio, side * 0.06));
    const inner = { x: box.x + inset, y: inset, width: side - 2 * inset, height: side - 2 * inset };
    paintLines(image, inner, cell(inner.height), pair ? more : head === null ? NEUTRAL[mode] : color, GROUND[mode]);
    if (pair) paintLines(image, inner, lost(inner.height), less);
  });
  show(canvas, image, picture);
}

function show(canvas: HTMLCanvasElement, image: ImageData, { ratio }: Picture): void {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.style.width = `${image.width / ratio}px`;
  canvas.style.height = `${image.height / ratio}px`;
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

function shownIn({ cut: { filter, sides } }: Picture, weights: Weights): Shown {
  return {
    query: scaled(filter.query, sides.query.text.length, weights.shape[1]),
    key: scaled(filter.key, sides.key.text.length, weights.shape[2]),
  };
}

function fill(image: ImageData, box: Box, [r, g, b]: Rgb): void {
  const pixels = new Uint32Array(image.data.buffer);
  const color = (255 << 24) | (b << 16) | (g << 8) | r;
  for (let y = box.y; y < box.y + box.height; y++)
    pixels.fill(color, y * image.width + box.x, y * image.width + box.x + box.width);
}
