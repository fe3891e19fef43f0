// The strongest cells of a part of a heat map, by the largest numbers of the blocks that are shown.
import type { PairSpec } from "../types";
import { contains, type Shown } from "./filter";
import type { Feed } from "./planes";
import { blockOf, cellsOf, tilesOf } from "./tiles";

/** Of one key, or one block of keys: else a sink would take the whole list. */
const PER_KEY = 2;

export interface Strong {
  /** The block in which it lies; one cell where cells are shown. */
  block: Shown;
  value: number;
}

/** The strongest blocks, each with its number, from tiles at hand. */
export function strongest(feed: Feed, shown: Shown, step: number, count: number): Strong[] {
  const columns = new Map<number, Strong[]>();
  for (const at of tilesOf(shown, step, feed.plane.size)) {
    const tile = feed.peek(at);
    if (!tile) continue;
    const cells = cellsOf(at, feed.plane.size);
    for (let i = 0; i < tile.max.length; i++) {
      const value = tile.max[i]!;
      if (!Number.isFinite(value)) continue;
      const [row, column] = [Math.floor(i / tile.columns), i % tile.columns];
      const best = columns.get(column + at.column * 256);
      if (best && best.length >= PER_KEY && Math.abs(best.at(-1)!.value) >= Math.abs(value)) continue;
      const block = { query: run(cells.query, row, step), key: run(cells.key, column, step) };
      if (!contains(shown.query, (block.query.start + block.query.stop) / 2) || !contains(shown.key, (block.key.start + block.key.stop) / 2)) continue;
      columns.set(column + at.column * 256, [...(best ?? []), { block, value }].sort(byStrength).slice(0, PER_KEY));
    }
  }
  return [...columns.values()].flat().sort(byStrength).slice(0, count);
}

function byStrength(a: Strong, b: Strong): number {
  return Math.abs(b.value) - Math.abs(a.value);
}

function run({ start, stop }: { start: number; stop: number }, place: number, step: number) {
  return { start: start + place * step, stop: Math.min(stop, start + (place + 1) * step) };
}

/** The strongest cell of a block; undefined until its cells are here. */
export function cellIn(feed: Feed, { query, key }: Shown): PairSpec | undefined {
  const tiles = tilesOf({ query, key }, 1, feed.plane.size);
  let best: { cell: PairSpec; size: number } | undefined;
  for (const at of tiles) {
    const tile = feed.peek(at);
    if (!tile) return undefined;
    const cells = cellsOf(at, feed.plane.size);
    for (let q = Math.max(query.start, cells.query.start); q < Math.min(query.stop, cells.query.stop); q++)
      for (let k = Math.max(key.start, cells.key.start); k < Math.min(key.stop, cells.key.stop); k++) {
        const value = tile.max[blockOf(q, k, at, tile)]!;
        const size = Number.isFinite(value) ? Math.abs(value) : -1;
        if (!best || size > best.size) best = { cell: { query: q, key: k }, size };
      }
  }
  return best?.cell;
}
