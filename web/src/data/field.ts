// The numbers that shade a text: layers and heads put together as the state says, one row (what a
// query attends to), one column (who attends to a key) or the mean of all rows at a time.
import type { Over, SideSpec } from "../types";
import { boundsAt, tableOf, type Bounds, type Outside, type Weights } from "./decode";
import { between } from "./difference";
import { meanOfPresent } from "./numbers";
import { meanOutside } from "./reshape";

export interface Field {
  row(query: number): Float64Array;
  column(key: number): Float64Array;
  /** What each key gets: the mean over all queries. */
  received(): Float64Array;
  bounds(query: number, key: number): Bounds;
  /** How far a received number is known. */
  receivedBounds(key: number): Bounds;
  /** What a query, or the mean query, gives to keys before and after those that are here. */
  outside?: ((query: number | null) => Outside) | undefined;
}

/** The heads of one layer that are put together, by their places. */
export interface LayerHeads {
  weights: Weights;
  places: number[];
}

export function fieldOf(layers: LayerHeads[], over: Over): Field {
  const [, queries, keys] = layers[0]!.weights.shape;
  const row = (query: number) => line(layers, over, keys, (i) => query * keys + i);
  const bounds = (query: number, key: number) =>
    meanOfPresent(layers.map(({ weights, places }) => fused(places.map((place) => boundsAt(weights, place, query, key)), over)));
  const rows = () => Array.from({ length: queries }, (_, query) => query);
  return {
    row, bounds,
    column: (key) => line(layers, over, queries, (i) => i * keys + key),
    received: () => meanRow(rows().map(row)),
    receivedBounds: (key) => meanOfPresent(rows().map((query) => bounds(query, key))),
    ...(layers[0]!.weights.outside && {
      outside: (query) => meanOutside((query === null ? rows() : [query]).flatMap((one) => layers.flatMap(({ weights, places }) => places.map((place) => weights.outside!(place, one))))),
    }),
  };
}

function fused(values: Bounds[], over: Over): Bounds {
  const present = values.filter((value) => value !== null);
  if (over !== "max" || !present.length) return meanOfPresent(values);
  return [Math.max(...present.map(([low]) => low)), Math.max(...present.map(([, high]) => high))];
}

/** Cells along a row or a column; NaN where all heads of all layers are missing. */
function line(layers: LayerHeads[], over: Over, count: number, at: (i: number) => number): Float64Array {
  const [total, present] = [new Float64Array(count), new Float64Array(count)];
  for (const { weights, places } of layers) {
    const { codes, shape } = weights;
    const table = tableOf(weights);
    for (let i = 0; i < count; i++) {
      let [sum, heads, top] = [0, 0, -Infinity];
      for (const place of places) {
        const weight = table[codes[place * shape[1] * shape[2] + at(i)]!]!;
        if (!Number.isNaN(weight)) (sum += weight), heads++, (top = Math.max(top, weight));
      }
      if (heads) (total[i]! += over === "max" ? top : sum / heads), present[i]!++;
    }
  }
  return total.map((sum, i) => sum / present[i]!);
}

function meanRow(rows: Float64Array[]): Float64Array {
  const count = rows[0]!.length;
  const [total, present] = [new Float64Array(count), new Float64Array(count)];
  for (const row of rows) row.forEach((value, i) => !Number.isNaN(value) && ((total[i]! += value), present[i]!++));
  return total.map((sum, i) => sum / present[i]!);
}

/** What the second has more than the first. */
export function fieldBetween(first: Field, second: Field): Field {
  const less = (a: Float64Array, b: Float64Array) => b.map((value, i) => value - a[i]!);
  return {
    row: (query) => less(first.row(query), second.row(query)),
    column: (key) => less(first.column(key), second.column(key)),
    received: () => less(first.received(), second.received()),
    bounds: (query, key) => between(first.bounds(query, key), second.bounds(query, key)),
    receivedBounds: (key) => between(first.receivedBounds(key), second.receivedBounds(key)),
  };
}

/** Tokens that are shown as one: those of a word, or each alone. */
export function groupsOf({ text, words }: SideSpec, together: boolean): number[][] {
  const groups: number[][] = [];
  text.forEach((_, i) => {
    const joins = together && i > 0 && words[i]! >= 0 && words[i] === words[i - 1];
    if (joins) groups.at(-1)!.push(i);
    else groups.push([i]);
  });
  return groups;
}

/** The same for groups of tokens: keys are summed, queries averaged. */
export function grouped(field: Field, query: number[][], key: number[][]): Field {
  const sums = (values: Float64Array) => Float64Array.from(key, (group) => group.reduce((sum, i) => sum + values[i]!, 0));
  const added = (group: number[], of: (key: number) => Bounds): Bounds =>
    group.reduce<Bounds>((sum, i) => { const more = of(i); return sum && more && [sum[0] + more[0], sum[1] + more[1]]; }, [0, 0]);
  const means = (values: Float64Array) => Float64Array.from(query, (group) => group.reduce((sum, i) => sum + values[i]!, 0) / group.length);
  return {
    row: (group) => sums(meanRow(query[group]!.map(field.row))),
    column: (group) => means(key[group]!.map(field.column).reduce((sum, more) => sum.map((value, i) => value + more[i]!))),
    received: () => sums(field.received()),
    bounds: (from, to) => meanOfPresent(query[from]!.map((i) => added(key[to]!, (j) => field.bounds(i, j)))),
    receivedBounds: (group) => added(key[group]!, field.receivedBounds),
    outside: field.outside && ((group) => (group === null ? field.outside!(null) : meanOutside(query[group]!.map(field.outside!)))),
  };
}
