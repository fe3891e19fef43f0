// Where a heat map lies, and which part of it is shown: all pure.
import { sizeOf, type Range, type Shown } from "../data/filter";
import type { PairSpec, WindowSpec } from "../types";

export interface MapBox {
  width: number;
  height: number;
}

const MOST = 720;
const MOST_CELL = 40;
/** Rows of a list of tokens are read from so many pixels on. */
export const READABLE = 14;

/** Cells are square where that leaves either side readable; a map is never higher than a screen. */
export function boxOf(room: number, { query, key }: Shown): MapBox {
  const [rows, columns] = [sizeOf(query), sizeOf(key)];
  const most = [Math.min(MOST / rows, MOST_CELL), Math.min(room / columns, MOST_CELL)] as const;
  const square = Math.min(...most);
  const [high, wide] = most.map((size) => Math.max(square, rows === columns ? 0 : Math.min(size, READABLE))) as [number, number];
  return { width: Math.max(40, Math.round(columns * wide)), height: Math.max(24, Math.round(rows * high)) };
}

/** The part to show, within what there is: all of it for null. */
export function windowOf(state: WindowSpec | null, world: Shown): Shown {
  if (!state) return world;
  const range = ([start, stop]: number[], all: Range) => fitted({ start: start ?? 0, stop: stop ?? 0 }, all);
  return { query: range(state.query, world.query), key: range(state.key, world.key) };
}

/** As a state: null for all, hundredths of tokens otherwise. */
export function stateOf({ query, key }: Shown, world: Shown): WindowSpec | null {
  if (same(query, world.query) && same(key, world.key)) return null;
  const ends = ({ start, stop }: Range) => [start, stop].map((end) => Math.round(end * 100) / 100);
  return { query: ends(query), key: ends(key) };
}

function same(a: Range, b: Range): boolean {
  return Math.abs(a.start - b.start) < 0.01 && Math.abs(a.stop - b.stop) < 0.01;
}

const LEAST = 2;

/** A range moved, and if need be cut, so that it lies within all. */
function fitted({ start, stop }: Range, all: Range): Range {
  const size = Math.min(Math.max(stop - start, Math.min(LEAST, sizeOf(all))), sizeOf(all));
  const from = Math.min(Math.max(start, all.start), all.stop - size);
  return { start: from, stop: from + size };
}

/** `factor` times as many tokens, with those at `at` (shares of the box) staying where they are. */
export function zoomed({ query, key }: Shown, world: Shown, factor: number, at: { x: number; y: number }): Shown {
  const range = ({ start, stop }: Range, share: number, all: Range) => {
    const size = Math.min(Math.max((stop - start) * factor, Math.min(LEAST, sizeOf(all))), sizeOf(all));
    const fixed = start + (stop - start) * share;
    return fitted({ start: fixed - size * share, stop: fixed + size * (1 - share) }, all);
  };
  return { query: range(query, at.y, world.query), key: range(key, at.x, world.key) };
}

export function moved({ query, key }: Shown, world: Shown, queries: number, keys: number): Shown {
  const range = ({ start, stop }: Range, by: number, all: Range) => fitted({ start: start + by, stop: stop + by }, all);
  return { query: range(query, queries, world.query), key: range(key, keys, world.key) };
}

/** The same part, moved as little as it takes to show a cell. */
export function revealing({ query, key }: Shown, world: Shown, cell: PairSpec): Shown {
  const by = ({ start, stop }: Range, index: number) => Math.min(0, index - start) + Math.max(0, index + 1 - stop);
  return moved({ query, key }, world, by(query, cell.query), by(key, cell.key));
}

/** A part with a cell in its middle, so many tokens a side at most. */
export function around(cell: PairSpec, tokens: number, window: Shown, world: Shown): Shown {
  const range = (index: number, now: Range, all: Range) => {
    const size = Math.min(tokens, sizeOf(now));
    return fitted({ start: index + 0.5 - size / 2, stop: index + 0.5 + size / 2 }, all);
  };
  return { query: range(cell.query, window.query, world.query), key: range(cell.key, window.key, world.key) };
}

/** A range of whole tokens between two places, for a rectangle that was drawn. */
export function spanned(a: number, b: number, all: Range): Range {
  return { start: Math.max(all.start, Math.floor(Math.min(a, b))), stop: Math.min(all.stop, Math.ceil(Math.max(a, b))) };
}

/** Places of the labels on an axis: each token where there is room, else round numbers. */
export function ticks({ start, stop }: Range, pixels: number): number[] {
  const each = pixels / (stop - start);
  const step = each >= READABLE - 1 ? 1 : niceStep(30 / each);
  const found: number[] = [];
  for (let index = Math.max(0, Math.ceil((start - 0.5) / step)) * step; index < stop - 0.3; index += step) found.push(index);
  return found;
}

/** 1, 2, 5, 10, ...: the least that is at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((lead) => lead * power).find((step) => step >= least && step >= 1) ?? 10 * power;
}
