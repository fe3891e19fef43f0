// Rows of a heat map, where the page has what it takes: weights of a layer's codes, or weights
// computed from queries and keys. NaN is missing, minus infinity hidden by the mask.
import { boundsAt, weightTable, type Bounds, type Weights } from "./decode";
import { meanOfPresent } from "./numbers";
import { isVisible } from "./steps";
import type { HeadVectors, NumberArray } from "./vectors";

/** Rows `from` to `to`, [query, key], of one head. */
export type Rows = (from: number, to: number) => Float32Array;

/** Weights as they came; where no query sees a later key, those are hidden. */
export function rowsOfCodes(weights: Weights, place: number, causal: boolean): Rows {
  const [, queries, keys] = weights.shape;
  const table = weightTable(weights.encoding);
  return (from, to) => {
    const rows = new Float32Array((to - from) * keys);
    const start = (place * queries + from) * keys;
    for (let i = 0; i < rows.length; i++) rows[i] = table[weights.codes[start + i]!]!;
    if (causal) for (let query = from; query < to; query++) rows.fill(-Infinity, (query - from) * keys + query + 1, (query - from + 1) * keys);
    return rows;
  };
}

/** Numbers as they came, [head, query, key]. */
export function rowsOfNumbers({ data, shape: [, queries, keys] }: NumberArray, place: number): Rows {
  return (from, to) => (data as Float32Array).slice((place * queries! + from) * keys!, (place * queries! + to) * keys!);
}

/** Weights (or scores) from queries and keys: the formula of `steps.ts`, for many rows at once. */
export function rowsOfVectors(head: HeadVectors, scored = false): Rows {
  const scores = new Float64Array(head.nKey);
  return (from, to) => {
    const rows = new Float32Array((to - from) * head.nKey).fill(-Infinity);
    for (let query = from; query < to; query++) fillRow(head, query, scores, rows, (query - from) * head.nKey, scored);
    return rows;
  };
}

function fillRow(head: HeadVectors, query: number, scores: Float64Array, rows: Float32Array, at: number, scored: boolean): void {
  const { rules, nKey, bias, sink } = head;
  const [start, stop] = reachOf(head, query);
  let top = sink ?? -Infinity;
  dotRow(head, query, scores, start, stop);
  for (let key = start; key < stop; key++) {
    let score = scores[key]! * rules.scaling;
    if (rules.softcap !== null) score = rules.softcap * Math.tanh(score / rules.softcap);
    if (bias) score += bias[query * nKey + key]!;
    scores[key] = isVisible(head, query, key) ? score : -Infinity;
    if (scores[key]! > top) top = scores[key]!;
  }
  if (scored) return rows.set(scores.subarray(start, stop), at + start);
  let total = sink === null ? 0 : Math.exp(sink - top);
  for (let key = start; key < stop; key++) if (scores[key] !== -Infinity) total += scores[key] = Math.exp(scores[key]! - top);
  for (let key = start; key < stop; key++) if (scores[key] !== -Infinity) rows[at + key] = scores[key]! / total;
}

/** The run of keys outside of which all are hidden. */
function reachOf({ rules, nKey }: HeadVectors, query: number): [number, number] {
  const at = query + rules.offset;
  const stop = rules.causal ? Math.max(0, Math.min(nKey, at + 1)) : nKey;
  return [rules.window === null ? 0 : Math.min(stop, Math.max(0, at - rules.window + 1)), stop];
}

/** q · k for a run of keys, four at a time: each number of q is read once for all four. */
function dotRow({ queries, keys, dim }: HeadVectors, query: number, row: Float64Array, start: number, stop: number): void {
  const q = queries.subarray(query * dim, (query + 1) * dim);
  let key = start;
  for (; key + 4 <= stop; key += 4) {
    let [a, b, c, d] = [0, 0, 0, 0];
    for (let n = 0, k = key * dim; n < dim; n++, k++) {
      const value = q[n]!;
      a += value * keys[k]!;
      b += value * keys[k + dim]!;
      c += value * keys[k + 2 * dim]!;
      d += value * keys[k + 3 * dim]!;
    }
    row[key] = a;
    row[key + 1] = b;
    row[key + 2] = c;
    row[key + 3] = d;
  }
  for (; key < stop; key++) {
    let sum = 0;
    for (let n = 0, k = key * dim; n < dim; n++, k++) sum += q[n]! * keys[k]!;
    row[key] = sum;
  }
}

/** Rows less other rows, hidden where they are. */
export function minus(rows: Rows, others: Rows): Rows {
  return (from, to) => {
    const less = others(from, to);
    return rows(from, to).map((value, i) => (value === -Infinity ? value : value - less[i]!));
  };
}

/** Several heads put together, cell by cell; missing where all are, hidden where one is. */
export function together(heads: Rows[], over: "mean" | "max"): Rows {
  return (from, to) => {
    const all = heads.map((rows) => rows(from, to));
    const out = all[0]!.slice();
    for (let i = 0; i < out.length; i++) {
      let [sum, count, top] = [0, 0, NaN];
      for (const rows of all) {
        const value = rows[i]!;
        if (value !== value) continue;
        count++;
        sum += value;
        if (!(value <= top)) top = value;
      }
      out[i] = over === "max" ? top : sum / count;
    }
    return out;
  };
}

/** Between which values a cell's number lies, for weights that came as codes. */
export function boundsOfCodes(weights: Weights, places: number[], over: "mean" | "max", query: number, key: number): Bounds {
  const all = places.map((place) => boundsAt(weights, place, query, key));
  if (over === "mean") return meanOfPresent(all);
  const present = all.filter((bounds) => bounds !== null);
  return present.length ? [Math.max(...present.map(([low]) => low)), Math.max(...present.map(([, high]) => high))] : null;
}
