// The rows that made generated tokens: of one head, or put together over heads and layers, with or
// without the first token; and how each is shared out over the segments of the text.
import type { SegmentSpec, SideSpec } from "../types";
import type { Bounds } from "./decode";
import type { NumberArray } from "./vectors";

/** Weights [step, key] of the tokens that were generated; NaN where missing. */
export interface Rows {
  steps: number;
  keys: number;
  values: Float32Array;
}

/** Half precision: how far a number may be from the true one, relative to it. */
const ROUNDING = 2 ** -11;

/** One plane of [plane, step, key], or the mean over all of them. */
export function planeOf({ shape, data }: NumberArray, place: number | null): Rows {
  const [planes, steps, keys] = shape as [number, number, number];
  const size = steps * keys;
  if (place !== null) return { steps, keys, values: data.subarray(place * size, (place + 1) * size) as Float32Array };
  const values = new Float32Array(size);
  for (let i = 0; i < planes * size; i++) values[i % size]! += data[i]! / planes;
  return { steps, keys, values };
}

/** The same without the first key, which is `first`; what is left of each row is divided by its sum if asked for. */
export function withoutFirst({ steps, keys, values }: Rows, renormalise: boolean, first = 0): Rows {
  const kept = values.slice();
  for (let step = 0; step < steps; step++) {
    const row = kept.subarray(step * keys, (step + 1) * keys);
    row[first] = 0;
    const left = renormalise ? sum(row, 0, keys) : 1;
    if (left > 0 && left !== 1) row.forEach((value, key) => (row[key] = value / left));
  }
  return { steps, keys, values: kept };
}

/** What the second has more than the first; NaN where either is missing. */
export function rowsBetween(first: Rows, second: Rows): Rows {
  return { ...second, values: second.values.map((value, i) => value - first.values[i]!) };
}

export function rowOf({ keys, values }: Rows, step: number): Float32Array {
  return values.subarray(step * keys, (step + 1) * keys);
}

/** The first token of a text; of merged tokens, the first that it has. */
export function firstOf({ kinds }: SideSpec): number {
  return Math.max(0, kinds?.findIndex((kind) => kind !== "gap") ?? 0);
}

/** [step][part]: what the first token gets, then each segment without it. */
export function sharesOf(rows: Rows, segments: SegmentSpec[], first = 0): number[][] {
  return Array.from({ length: rows.steps }, (_, step) => {
    const row = rowOf(rows, step);
    const own = row[first] || 0;
    return [own, ...segments.map(({ start, stop }) => sum(row, start, Math.min(stop, rows.keys)) - (start <= first && first < stop ? own : 0))];
  });
}

function sum(row: Float32Array, start: number, stop: number): number {
  let total = 0;
  for (let key = start; key < stop; key++) total += row[key] || 0;
  return total;
}

/** Where the true number is; null where it is missing. */
export function boundsOf(value: number): Bounds {
  return Number.isNaN(value) ? null : [value * (1 - ROUNDING), value * (1 + ROUNDING)];
}

/** Places of the numbers farthest from 0, of those that are not, farthest first. */
export function largest(row: Float32Array, count: number): number[] {
  const places = [...row.keys()].filter((key) => Math.abs(row[key]!) > 0);
  return places.sort((a, b) => Math.abs(row[b]!) - Math.abs(row[a]!) || a - b).slice(0, count);
}
