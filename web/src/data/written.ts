// The rows that made generated tokens: of one head, or put together over heads and layers, with or
// without the first token; and how each is shared out over the segments of the text.
import type { SegmentSpec } from "../types";
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

/** The same without the first key; what is left of each row is divided by its sum if asked for. */
export function withoutFirst({ steps, keys, values }: Rows, renormalise: boolean): Rows {
  const kept = values.slice();
  for (let step = 0; step < steps; step++) {
    const row = kept.subarray(step * keys, (step + 1) * keys);
    row[0] = 0;
    const left = renormalise ? sum(row, 0, keys) : 1;
    if (left > 0 && left !== 1) row.forEach((value, key) => (row[key] = value / left));
  }
  return { steps, keys, values: kept };
}

export function rowOf({ keys, values }: Rows, step: number): Float32Array {
  return values.subarray(step * keys, (step + 1) * keys);
}

/** [step][part]: what the first token gets, then each segment without it. */
export function sharesOf(rows: Rows, segments: SegmentSpec[]): number[][] {
  return Array.from({ length: rows.steps }, (_, step) => {
    const row = rowOf(rows, step);
    return [row[0] || 0, ...segments.map(({ start, stop }) => sum(row, Math.max(start, 1), Math.min(stop, rows.keys)))];
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

/** Places of the largest numbers above 0, largest first. */
export function largest(row: Float32Array, count: number): number[] {
  const places = [...row.keys()].filter((key) => row[key]! > 0);
  return places.sort((a, b) => row[b]! - row[a]! || a - b).slice(0, count);
}
