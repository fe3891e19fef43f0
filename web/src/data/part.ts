// A part of a long input: the weights between some queries and some keys, and what these queries
// give to keys before and after them, which must not vanish with the tokens that are not shown.
import { boundsAt, codeAt, missingCode, nearestCode, tableOf, type Bounds, type Outside, type Weights } from "./decode";
import { contains, type Range, type Shown } from "./filter";
import { meanOfPresent } from "./numbers";
import { pause } from "./pause";
import { boundsOff, SLICE, type Off } from "./planes";
import { reshaped } from "./reshape";
import type { Rows } from "./rows";

/** Row-major: [head, query, key], and for each [head, query] the sums over the keys not shown. */
export interface Part {
  value: Float32Array;
  before: Float32Array;
  after: Float32Array;
}

/** A part made here, from rows of all keys, one `Rows` a head; special keys may count for nothing in the sums. */
export async function partOf(heads: Rows[], { query, key }: Shown, hidden: ReadonlySet<number>, wanted: () => boolean): Promise<Part | null> {
  const [queries, keys] = [query.stop - query.start, key.stop - key.start];
  const [value, before, after] = [new Float32Array(heads.length * queries * keys), new Float32Array(heads.length * queries), new Float32Array(heads.length * queries)];
  let since = performance.now();
  for (let head = 0, at = 0; head < heads.length; head++)
    for (let from = query.start; from < query.stop; from++, at++) {
      if (performance.now() - since > SLICE) {
        await pause();
        since = performance.now();
        if (!wanted()) return null;
      }
      const row = heads[head]!(from, from + 1);
      for (let i = 0; i < row.length; i++) {
        const number = row[i] === -Infinity ? 0 : row[i]!;
        if (i >= key.start && i < key.stop) value[at * keys + i - key.start] = number;
        else if (number === number && !hidden.has(i)) (i < key.start ? before : after)[at]! += number;
      }
    }
  return { value, before, after };
}

/** The part as weights like those of a whole layer; `off` says how far off each head's rows are. */
export function weightsOfPart({ value, before, after }: Part, { query, key }: Shown, off: Off[] | null): Weights {
  const [queries, keys] = [query.stop - query.start, key.stop - key.start];
  const heads = before.length / queries;
  if (value.length !== heads * queries * keys) throw new Error("The data of the part shown have another size than its tokens. Save or run the view again.");
  const codes = Uint16Array.from(value, (weight) => (weight === weight ? nearestCode("linear16", Math.min(Math.max(weight, 0), 1)) : missingCode("linear16")));
  const bounds = (place: number, i: number, j: number): Bounds => {
    const weight = value[(place * queries + i) * keys + j]!;
    if (weight !== weight) return null;
    return off ? boundsOff(off[place]!, weight, { start: query.start + i, stop: query.start + i + 1 }) : [weight, weight];
  };
  const factor = (place: number, i: number) => (off ? Math.exp(off[place]!.share?.[query.start + i] ?? Infinity) : 1);
  const outside = (place: number, i: number) => [before[place * queries + i]!, after[place * queries + i]!, factor(place, i)] as const;
  return { shape: [heads, queries, keys], codes, encoding: "linear16", spread: 0.5, bounds, outside };
}

/** How far off sums over codes may be, each of which stands for a range: `≈` is right, digits are not. */
const CODES_OFF = 1.05;

/** A part of weights that are all here, known as well as they are. */
export function cutPart(whole: Weights, { query, key }: Shown, hidden: ReadonlySet<number>): Weights {
  const run = ({ start, stop }: Range) => Array.from({ length: stop - start }, (_, i) => start + i);
  const table = tableOf(whole);
  const sum = (place: number, from: number, start: number, stop: number) => {
    let total = 0;
    for (let to = start; to < stop; to++) if (!hidden.has(to)) total += table[codeAt(whole, place, from, to)] || 0;
    return total;
  };
  const outside = (place: number, i: number): Outside => [sum(place, query.start + i, 0, key.start), sum(place, query.start + i, key.stop, whole.shape[2]), CODES_OFF];
  return { ...reshaped(whole, { query: run(query), key: run(key), renormalise: false, mean: false }), outside };
}

/** A key that is not shown: its place among all, and the mean of its numbers. */
export interface Far {
  key: number;
  bounds: Bounds;
}

/** Of whole rows of a query put together, the strongest keys that are not shown. */
export function farthest(rows: Weights[], places: number[], shown: Range, hidden: ReadonlySet<number>, count: number): Far[] {
  const found: { key: number; sum: number }[] = [];
  for (let key = 0; key < rows[0]!.shape[2]; key++) {
    if (contains(shown, key) || hidden.has(key)) continue;
    let sum = 0;
    for (const row of rows) for (const place of places) sum += numberIn(row, place, key);
    if (sum <= 0 || (found.length === count && found.at(-1)!.sum >= sum)) continue;
    found.push({ key, sum });
    found.sort((a, b) => b.sum - a.sum);
    found.length = Math.min(found.length, count);
  }
  return found.map(({ key }) => ({ key, bounds: meanOfPresent(rows.flatMap((row) => places.map((place) => boundsAt(row, place, 0, key)))) }));
}

/** What a whole row of one query has before and after a range of keys. */
export function outsideOf(row: Weights, place: number, shown: Range, hidden: ReadonlySet<number>): Outside {
  const sums: [number, number] = [0, 0];
  for (let key = 0; key < row.shape[2]; key++)
    if (!contains(shown, key) && !hidden.has(key)) sums[key < shown.start ? 0 : 1] += numberIn(row, place, key);
  return [...sums, row.outside!(place, 0)[2]];
}

/** A number of a row: the middle of what is known of it; what is missing counts as 0. */
function numberIn(row: Weights, place: number, key: number): number {
  const bounds = boundsAt(row, place, 0, key);
  return bounds ? (bounds[0] + bounds[1]) / 2 : 0;
}
