// A heat map in tiles: 256 × 256 blocks, a block being 1, 2, 4, ... cells a side. What a screen
// cannot show is never made, and a coarse picture is there before a sharp one.
import type { Shown } from "./filter";

/** Blocks a side. */
export const SIDE = 256;

/** Numbers, row-major: NaN is missing, minus infinity hidden by the mask. Single cells have one array. */
export interface Tile {
  rows: number;
  columns: number;
  mean: Float32Array;
  max: Float32Array;
  /** Made from some of the rows only. */
  rough?: boolean;
}

export interface TileAt {
  step: number;
  row: number;
  column: number;
}

export interface Size {
  queries: number;
  keys: number;
}

/** The step at which one tile holds all. */
export function topStep({ queries, keys }: Size): number {
  let step = 1;
  while (Math.max(queries, keys) > SIDE * step) step *= 2;
  return step;
}

/** The finest step whose blocks are no smaller than a screen pixel. */
export function stepFor(pixels: number, size: Size): number {
  let step = 1;
  for (const top = topStep(size); step < top && step * pixels < 0.99; ) step *= 2;
  return step;
}

/** The cells of a tile. */
export function cellsOf({ step, row, column }: TileAt, { queries, keys }: Size): Shown {
  const range = (at: number, count: number) => ({ start: at * SIDE * step, stop: Math.min(count, (at + 1) * SIDE * step) });
  return { query: range(row, queries), key: range(column, keys) };
}

/** The tiles that show a part, those in its middle first. */
export function tilesOf({ query, key }: Shown, step: number, size: Size): TileAt[] {
  const side = SIDE * step;
  const last = (stop: number, count: number) => Math.min(Math.ceil(stop / side), Math.ceil(count / side));
  const tiles: TileAt[] = [];
  for (let row = Math.max(0, Math.floor(query.start / side)); row < last(query.stop, size.queries); row++)
    for (let column = Math.max(0, Math.floor(key.start / side)); column < last(key.stop, size.keys); column++)
      tiles.push({ step, row, column });
  const [y, x] = [(query.start + query.stop) / 2 / side - 0.5, (key.start + key.stop) / 2 / side - 0.5];
  const away = (tile: TileAt) => Math.hypot(tile.row - y, tile.column - x);
  return tiles.sort((a, b) => away(a) - away(b));
}

/** The block of a tile that holds a cell: its place in the tile's arrays. */
export function blockOf(query: number, key: number, at: TileAt, tile: Tile): number {
  const { step, row, column } = at;
  return (Math.floor(query / step) - row * SIDE) * tile.columns + Math.floor(key / step) - column * SIDE;
}

/** Makes a tile from rows of cells; a block's largest number is the one farthest from 0. */
export class Pool {
  #at: TileAt;
  #cells: Shown;
  #columns: number;
  #rows: number;
  #sum: Float64Array;
  #count: Uint32Array;
  #max: Float32Array;
  #zero: boolean;

  /** `zero`: hidden cells count as 0 in a mean, as weights do. */
  constructor(at: TileAt, size: Size, zero: boolean) {
    this.#zero = zero;
    this.#at = at;
    this.#cells = cellsOf(at, size);
    const { query, key } = this.#cells;
    this.#rows = Math.ceil((query.stop - query.start) / at.step);
    this.#columns = Math.ceil((key.stop - key.start) / at.step);
    const blocks = this.#rows * this.#columns;
    this.#sum = new Float64Array(blocks);
    this.#count = new Uint32Array(blocks);
    this.#max = new Float32Array(blocks).fill(NaN);
  }

  /** Rows [query, all keys] that start at query `from`. */
  add(rows: Float32Array, from: number, keys: number): void {
    const { query, key } = this.#cells;
    const { step } = this.#at;
    for (let q = Math.max(from, query.start); q < Math.min(from + rows.length / keys, query.stop); q++) {
      const line = (q - from) * keys;
      const base = Math.floor((q - query.start) / step) * this.#columns;
      if (step === 1) this.#max.set(rows.subarray(line + key.start, line + key.stop), base);
      else this.#pool(rows, line + key.start, line + key.stop, base);
    }
  }

  /** The cells of one row, from `at` to `end`; their first block is the one at `block`. */
  #pool(rows: Float32Array, at: number, end: number, block: number): void {
    const { step } = this.#at;
    const [sums, counts, most, hides] = [this.#sum, this.#count, this.#max, this.#zero ? 1 : 0];
    for (; at < end; block++) {
      const stop = at + step < end ? at + step : end;
      let sum = 0;
      let count = 0;
      let top = most[block]!;
      for (; at < stop; at++) {
        const value = rows[at]!;
        if (value === -Infinity) {
          count += hides;
          if (top !== top) top = value;
        } else if (value === value) {
          count++;
          sum += value;
          if (top === -Infinity || !(Math.abs(value) <= Math.abs(top))) top = value;
        }
      }
      sums[block]! += sum;
      counts[block]! += count;
      most[block] = top;
    }
  }

  tile(): Tile {
    const [rows, columns, max] = [this.#rows, this.#columns, this.#max];
    if (this.#at.step === 1) return { rows, columns, mean: max, max };
    const mean = max.map((largest, i) => (largest === -Infinity ? largest : this.#sum[i]! / this.#count[i]!));
    return { rows, columns, mean, max };
  }
}
