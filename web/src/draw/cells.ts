// Small images of heads: the weights of one cell pooled by maximum to sqrt8 codes, then painted
// into the pixels of a grid row, as a heat map (heat.ts) or as lines (here).
import { leastCode, narrowTable, weightTable, type Weights } from "../data/decode";
import { STRONG } from "../data/difference";
import type { Range, Shown } from "../data/filter";
import type { Rgb } from "./color";

/** Codes (sqrt8, 255 = missing) of a pooled cell, row-major. */
export interface Pooled {
  rows: number;
  columns: number;
  codes: Uint8Array;
}

/** A rectangle of an image to paint into, in its pixels. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The part of `shown` tokens in an image of `size` rows that stands for `tokens` tokens. */
export function scaled(range: Range, tokens: number, size: number): Range {
  if (tokens === size) return range;
  const start = Math.min(Math.floor((range.start * size) / tokens), size - 1);
  return { start, stop: Math.max(start + 1, Math.min(size, Math.ceil((range.stop * size) / tokens))) };
}

export function pool(weights: Weights, place: number, shown: Shown, most: number): Pooled {
  const [, queries, keys] = weights.shape;
  const [inRows, inColumns] = [shown.query.stop - shown.query.start, shown.key.stop - shown.key.start];
  const rows = Math.min(inRows, most);
  const columns = Math.min(inColumns, most);
  const out = new Uint8Array(rows * columns).fill(rows < inRows || columns < inColumns ? 255 : 0);
  const narrow = weights.encoding === "linear16" ? narrowTable() : null;
  const bins = Uint16Array.from({ length: inColumns }, (_, i) => Math.floor((i * columns) / inColumns));
  for (let i = 0; i < inRows; i++) {
    const from = (place * queries + shown.query.start + i) * keys + shown.key.start;
    const to = Math.floor((i * rows) / inRows) * columns;
    for (let j = 0; j < inColumns; j++) {
      const raw = weights.codes[from + j]!;
      const code = narrow ? narrow[raw]! : raw;
      const at = to + bins[j]!;
      const old = out[at]!;
      if (old === 255 || (code !== 255 && code > old)) out[at] = code;
      else if (code === 255 && inRows === rows && inColumns === columns) out[at] = 255;
    }
  }
  return { rows, columns, codes: out };
}

function mixed(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}

/** Differences as strong as they are drawn. */
export function strong(cell: Pooled, weak: boolean): Pooled {
  if (weak) cell.codes.forEach((code, at) => code < 255 && (cell.codes[at] = Math.min(254, Math.round(code * Math.sqrt(STRONG)))));
  return cell;
}

/** The cell without weights below the threshold. */
export function dim(cell: Pooled, threshold: number): Pooled {
  const least = leastCode("sqrt8", threshold);
  if (threshold) cell.codes.forEach((code, at) => code < least && (cell.codes[at] = 0));
  return cell;
}

/** −log(1 − opacity) of each code: crossing lines add up, and 1 − exp(−sum) is how much they cover. */
function depthTable(width: number): Float32Array {
  return weightTable("sqrt8").map((weight) => -Math.log(1 - Math.min((weight || 0) * width, 0.985)));
}

const coverTable = Float32Array.from({ length: 4097 }, (_, i) => 1 - Math.exp(-i / 512));
const LEAST_DEPTH = 0.002;

let depth = new Float32Array(0);

/** Every line of a cell, by adding optical depth in each pixel column that it crosses. */
export function paintLines(image: ImageData, box: Box, cell: Pooled, color: Rgb, ground?: Rgb): void {
  const size = box.width * (box.height + 2);
  if (depth.length < size) depth = new Float32Array(size);
  else depth.fill(0, 0, size);
  const pitch = box.height / Math.max(cell.rows, cell.columns);
  const depths = depthTable(Math.min(1, 0.25 + 0.35 * pitch));
  const passes = Math.max(1, Math.min(3, Math.round(pitch / 5)));
  for (let row = 0; row < cell.rows; row++)
    for (let column = 0; column < cell.columns; column++) {
      const amount = depths[cell.codes[row * cell.columns + column]!]!;
      if (amount < LEAST_DEPTH) continue;
      const rise = ((column - row) * pitch) / box.width;
      for (let pass = 0; pass < passes; pass++)
        addDepth((row + 0.5) * pitch - 0.5 + rise / 2 + pass - (passes - 1) / 2, rise, amount, box);
    }
  shade(image, box, color, ground);
}

function addDepth(start: number, rise: number, amount: number, box: Box): void {
  const { width, height } = box;
  let y = start;
  for (let x = 0; x < width; x++, y += rise) {
    const inside = y < 0 ? 0 : y > height - 1 ? height - 1 : y;
    const row = inside | 0;
    const part = inside - row;
    const at = row * width + x;
    depth[at]! += amount * (1 - part);
    depth[at + width]! += amount * part;
  }
}

/** Over the ground, or over what is there. */
function shade(image: ImageData, box: Box, color: Rgb, ground?: Rgb): void {
  const { data, width } = image;
  for (let y = 0; y < box.height; y++)
    for (let x = 0; x < box.width; x++) {
      const cover = coverTable[Math.min(4096, (depth[y * box.width + x]! * 512) | 0)]!;
      const at = ((box.y + y) * width + box.x + x) * 4;
      for (let channel = 0; channel < 3; channel++)
        data[at + channel] = mixed(ground?.[channel] ?? data[at + channel]!, color[channel]!, cover);
      data[at + 3] = 255;
    }
}
