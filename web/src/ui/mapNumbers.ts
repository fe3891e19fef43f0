// What is known about a cell of a heat map, or about the block that stands for it.
import type { Bounds } from "../data/decode";
import { formatBounds } from "../data/numbers";
import { boundsOff, type Feed } from "../data/planes";
import { blockOf, SIDE } from "../data/tiles";
import type { Range, Shown } from "../data/filter";
import type { PairSpec } from "../types";

/** `undefined`: not here yet. */
export type Known = { hidden: true } | { bounds: Bounds } | { block: Shown; mean: Bounds; max: Bounds; rough: boolean } | undefined;

/** The number of a cell; where blocks are shown and it takes a tile to know more, of its block. */
export function knownOf(feed: Feed, { query, key }: PairSpec, step: number): Known {
  for (let level = 1; level <= step; level *= 2) {
    const at = { step: level, row: Math.floor(query / SIDE / level), column: Math.floor(key / SIDE / level) };
    const tile = feed.peek(at);
    if (!tile) continue;
    const place = blockOf(query, key, at, tile);
    const [mean, max] = [tile.mean[place]!, tile.max[place]!];
    if (max === -Infinity) return { hidden: true };
    if (level === 1) return { bounds: feed.plane.bounds ? feed.plane.bounds(query, key) : boundsOf(feed, max, { start: query, stop: query + 1 }, feed.plane.error ?? 0) };
    const block = blockCells(query, key, level, feed);
    return { block, mean: boundsOf(feed, mean, block.query), max: boundsOf(feed, max, block.query), rough: tile.rough === true };
  }
  return undefined;
}

/** How exact half precision is, in which the numbers of blocks travel. */
const HALF = 0.0005;

/** Between which values a number of these rows lies, or a block's mean or largest. */
export function boundsOf({ plane: { off } }: Feed, value: number, rows: Range, error = HALF): Bounds {
  return off && !Number.isNaN(value) ? boundsOff(off, value, rows) : within(value, error);
}

/** A number that may be off by a part of itself. */
function within(value: number, error = 0): Bounds {
  const off = Math.abs(value) * error;
  return Number.isNaN(value) ? null : [value - off, value + off];
}

function blockCells(query: number, key: number, step: number, feed: Feed): Shown {
  const range = (index: number, count: number): Range => {
    const start = Math.floor(index / step) * step;
    return { start, stop: Math.min(start + step, count) };
  };
  return { query: range(query, feed.plane.size.queries), key: range(key, feed.plane.size.keys) };
}

/** A number with the digits that are known; small ones with two that count. */
export function numberText(bounds: Bounds): string {
  if (bounds === null) return "missing";
  const [low, high] = bounds;
  if (low < 0 || high > 2) return signedText(bounds);
  if (low > 0 && high < 0.001) {
    for (const digits of [3, 2, 1]) {
      const text = low.toPrecision(digits);
      if (text === high.toPrecision(digits)) return scientific(Number(text).toExponential(digits - 1));
    }
  }
  return formatBounds(bounds);
}

function signedText([low, high]: readonly [number, number]): string {
  if (low < 0 && high > 0) return `${minus(low.toFixed(2))} to ${minus(high.toFixed(2))}`;
  if (low >= 0) return formatBounds([low, high], 3);
  const text = formatBounds([-high, -low], 3);
  return text.includes("–") ? text.split("–").reverse().map((end) => `−${end}`).join(" to ") : `−${text}`;
}

function minus(text: string): string {
  return text.replace(/^-(?=.*[1-9])/, "−").replace("-", "");
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** `3.1e-5` → `3.1·10⁻⁵`. */
function scientific(text: string): string {
  const [lead, power] = text.split("e") as [string, string];
  return `${lead}·10⁻${[...power.slice(1)].map((digit) => RAISED[Number(digit)]).join("")}`;
}
