// The weights as they are shown: without hidden tokens, what is left of a row put back to a sum of
// 1, and the mean over the heads as one more head. A reshaped layer is a layer like any other, so
// nothing that draws or prints knows of it.
import type { PinnedSpec, SideName, SideSpec } from "../types";
import { boundsAt, codeAt, edgeTable, leastCode, missingCode, nearestCode, weightTable, type Bounds, type Outside, type Weights } from "./decode";
import type { Shown } from "./filter";
import { meanOfPresent } from "./numbers";

/** A side of which only some tokens are shown: `at` is where each stands in the trace. */
export interface ShownSide extends SideSpec {
  at?: number[];
}

/** What is done to a layer's weights; `null` keeps every token of a side. */
export interface Plan {
  query: number[] | null;
  key: number[] | null;
  renormalise: boolean;
  mean: boolean;
}

export function isPlain({ query, key, mean }: Plan): boolean {
  return !query && !key && !mean;
}

/** The places of tokens that are not special; null where that is all of them, or none. */
export function withoutSpecial({ text, special }: SideSpec): number[] | null {
  const hidden = new Set(special);
  const kept = text.map((_, i) => i).filter((i) => !hidden.has(i));
  return kept.length && kept.length < text.length ? kept : null;
}

/** The side with these tokens only, its segments cut to match. */
export function cutSide(side: SideSpec, at: number[] | null): ShownSide {
  if (!at) return side;
  const place = new Map(at.map((from, to) => [from, to]));
  const before = (stop: number) => at.filter((from) => from < stop).length;
  const segments = side.segments.map(({ name, start, stop }) => ({ name, start: before(start), stop: before(stop) }));
  return {
    text: at.map((i) => side.text[i]!),
    raw: at.map((i) => side.raw[i]!),
    special: side.special.flatMap((i) => place.get(i) ?? []),
    words: side.words.length ? at.map((i) => side.words[i]!) : [],
    segments: segments.filter(({ start, stop }) => stop > start),
    ...(side.numbers && { numbers: at.map((i) => side.numbers![i]!) }),
    ...(side.spaced && { spaced: at.flatMap((from, to) => (side.spaced!.some((i) => i <= from && i > (at[to - 1] ?? -1)) ? to : [])) }),
    ...(side.marked && { marked: side.marked.flatMap((i) => place.get(i) ?? []) }),
    ...(side.kinds && { kinds: at.map((i) => side.kinds![i]!) }),
    at: at.map((i) => placeOf(side, i)),
  };
}

/** A token's place in the trace. */
export function placeOf(side: SideSpec, index: number): number {
  return (side as ShownSide).at?.[index] ?? index;
}

/** A token's number in the whole text, which is the one that people read. */
export function numberOf(side: SideSpec, index: number): number {
  return side.numbers?.[index] ?? placeOf(side, index);
}

/** The pinned token in places of the shown sides; null while it is hidden. */
export function shownPin(pinned: { value: PinnedSpec | null }, sides: Record<SideName, SideSpec>): { value: PinnedSpec | null } {
  return {
    get value() {
      const token = pinned.value;
      const { at } = token ? (sides[token.side] as ShownSide) : {};
      const index = token && at ? at.indexOf(token.index) : 0;
      return token && at ? (index < 0 ? null : { side: token.side, index }) : token;
    },
    set value(token) {
      pinned.value = token && { side: token.side, index: placeOf(sides[token.side], token.index) };
    },
  };
}

/** [head, query, key] with the mean over the heads last, where the plan asks for it. */
export function reshaped(weights: Weights, plan: Plan): Weights {
  if (isPlain(plan)) return weights;
  const [heads, allQueries, allKeys] = weights.shape;
  const query = plan.query ?? range(allQueries);
  const key = plan.key ?? range(allKeys);
  const scale = plan.renormalise ? scales(weights, query, key) : null;
  const one = (head: number, i: number, j: number): Bounds => {
    const bounds = boundsAt(weights, head, query[i]!, key[j]!);
    return bounds && scale ? scaledBounds(bounds, scale, head * query.length + i) : bounds;
  };
  const all = (i: number, j: number) => meanOfPresent(range(heads).map((head) => one(head, i, j)));
  const made: Weights = {
    ...weights,
    shape: [heads + Number(plan.mean), query.length, key.length],
    codes: codesOf(weights, plan, query, key, scale),
  };
  const { outside } = weights;
  if (outside) {
    const one = (head: number, i: number) => {
      const [before, after, factor] = outside(head, query[i]!);
      const sum = scale?.drawn[head * query.length + i] || 1;
      return [before / sum, after / sum, factor] as const;
    };
    made.outside = (head, i) => (head < heads ? one(head, i) : meanOutside(range(heads).map((place) => one(place, i))));
  }
  if (scale || plan.mean) made.bounds = (head, i, j) => (head < heads ? one(head, i, j) : all(i, j));
  return made;
}

/** Of heads, or queries: the sums beside the tokens shown, put together. */
export function meanOutside(all: Outside[]): Outside {
  const mean = (end: 0 | 1) => all.reduce((sum, one) => sum + one[end], 0) / all.length;
  return [mean(0), mean(1), Math.max(...all.map(([, , factor]) => factor))];
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

const NOTHING = [0, 0, 1] as const;

/** The sum of what is kept of each row: at least, at most, and as drawn. */
interface Scales {
  low: Float64Array;
  high: Float64Array;
  drawn: Float64Array;
}

function scales(weights: Weights, query: number[], key: number[]): Scales {
  const { encoding, spread, shape } = weights;
  const made = (table: ArrayLike<number>, end: 0 | 1 | null) => {
    const known = end === null ? undefined : weights.bounds;
    const sums = new Float64Array(shape[0] * query.length);
    for (let head = 0, row = 0; head < shape[0]; head++)
      for (const from of query) {
        const [before, after, factor] = weights.outside?.(head, from) ?? NOTHING;
        sums[row] = (before + after) * factor ** (end === null ? 0 : 2 * end - 1);
        for (const to of key) sums[row]! += known ? known(head, from, to)?.[end!] ?? 0 : table[codeAt(weights, head, from, to)] || 0;
        row++;
      }
    return sums;
  };
  return { low: made(edgeTable(encoding, -spread), 0), high: made(edgeTable(encoding, spread), 1), drawn: made(weightTable(encoding), null) };
}

/** A part of a sum whose other parts are known between bounds. */
function scaledBounds([low, high]: readonly [number, number], sums: Scales, row: number): Bounds {
  const least = low ? low / (low + Math.max(sums.high[row]! - high, 0)) : 0;
  const most = high ? high / (high + Math.max(sums.low[row]! - low, 0)) : 0;
  return [Math.min(least, most), Math.min(most, 1)];
}

function codesOf(weights: Weights, { mean }: Plan, query: number[], key: number[], scale: Scales | null): Weights["codes"] {
  const { encoding, shape: [heads] } = weights;
  const [table, missing] = [weightTable(encoding), missingCode(encoding)];
  const cells = query.length * key.length;
  const codes = new (weights.codes.constructor as typeof Uint16Array)((heads + Number(mean)) * cells);
  const [sums, present] = [new Float64Array(mean ? cells : 0), new Uint16Array(mean ? cells : 0)];
  for (let head = 0, to = 0; head < heads; head++)
    for (let i = 0, cell = 0; i < query.length; i++) {
      const sum = scale ? scale.drawn[head * query.length + i]! : 1;
      for (const column of key) {
        const code = codeAt(weights, head, query[i]!, column);
        const weight = sum ? table[code]! / sum : 0;
        codes[to++] = code === missing || !scale ? code : nearestCode(encoding, weight);
        if (mean && code !== missing) (sums[cell]! += weight), present[cell]!++;
        cell++;
      }
    }
  sums.forEach((sum, cell) => (codes[heads * cells + cell] = present[cell] ? nearestCode(encoding, sum / present[cell]!) : missing));
  return codes;
}

/** How much weight is shown, and how much of it lies in weights below the threshold. */
export function sumBelow(weights: Weights, places: number[], shown: Shown, threshold: number): { below: number; all: number } {
  const [, queries, keys] = weights.shape;
  const [table, least] = [weightTable(weights.encoding), leastCode(weights.encoding, threshold)];
  const sum = { below: 0, all: 0 };
  for (const place of places)
    for (let query = shown.query.start; query < shown.query.stop; query++)
      for (let key = shown.key.start; key < shown.key.stop; key++) {
        const code = weights.codes[(place * queries + query) * keys + key]!;
        const weight = table[code] || 0;
        sum.all += weight;
        if (code < least) sum.below += weight;
      }
  return sum;
}
