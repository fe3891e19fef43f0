// The softmax formula of `scores.py`, step by step, so that each step can be shown:
// weights = softmax( softcap(scaling · q·k) + bias + mask [, sink] ).
import type { RulesSpec } from "../types";
import type { Weights } from "./decode";
import { differenceOf } from "./difference";
import type { HeadVectors } from "./vectors";

/** What a column of the expanded view shows. */
export type StepName = "dot" | "scaled" | "capped" | "bias" | "score" | "mask" | "weight";

/** One query of one head: every step for every key, and the sums of the softmax. */
export interface Row {
  query: number;
  visible: Uint8Array;
  dot: Float64Array;
  scaled: Float64Array;
  capped: Float64Array;
  bias: Float64Array;
  /** What enters the softmax; also where the mask hides the key. */
  score: Float64Array;
  /** The largest score, e^(score − top), and the sum of these, sink included. */
  top: number;
  exp: Float64Array;
  total: number;
  weight: Float64Array;
  /** e^(sink − top) and its share; null without a sink. */
  sinkExp: number | null;
  sinkWeight: number | null;
  /** Every number is a difference. */
  signed?: boolean;
}

/** The columns that a layer's formula has. */
export function stepsOf(rules: RulesSpec, masked: boolean): StepName[] {
  const steps: StepName[] = ["dot"];
  if (rules.scaling !== 1) steps.push("scaled");
  if (rules.softcap !== null) steps.push("capped");
  if (rules.bias !== null) steps.push("bias", "score");
  if (masked) steps.push("mask");
  return [...steps, "weight"];
}

/** Whether anything may be hidden from a query. */
export function isMasked({ rules, seen }: HeadVectors): boolean {
  return rules.causal || rules.window !== null || rules.mask !== null || seen !== null;
}

/** The step before the mask: what its last number is called. */
export function lastStep(steps: StepName[]): StepName {
  return steps.filter((step) => step !== "mask" && step !== "weight").at(-1)!;
}

export function isVisible(head: HeadVectors, query: number, key: number): boolean {
  const { rules, seen, mask, bias } = head;
  const at = query + rules.offset;
  const place = (query - head.first) * head.nKey + key;
  if (rules.causal && key > at) return false;
  if (rules.window !== null && key <= at - rules.window) return false;
  if (seen && !seen[key]) return false;
  if (mask && !mask[place]) return false;
  return bias?.[place] !== -Infinity;
}

export function rowOf(head: HeadVectors, query: number): Row {
  if (head.of) return rowBetween(rowOf(head.of[0], query), rowOf(head.of[1], query));
  const { nKey, rules, sink, lacks } = head;
  const made = () => new Float64Array(nKey);
  const row: Row = {
    query, visible: new Uint8Array(nKey), dot: made(), scaled: made(), capped: made(), bias: made(), score: made(),
    top: -Infinity, exp: made(), total: 0, weight: made(), sinkExp: null, sinkWeight: null,
  };
  for (let key = 0; key < nKey; key++) {
    const scaled = (row.dot[key] = dotOf(head, query, key)) * rules.scaling;
    const capped = rules.softcap === null ? scaled : rules.softcap * Math.tanh(scaled / rules.softcap);
    row.scaled[key] = scaled;
    row.capped[key] = capped;
    row.bias[key] = head.bias ? head.bias[(query - head.first) * nKey + key]! : 0;
    row.score[key] = capped + row.bias[key]!;
    row.visible[key] = isVisible(head, query, key) ? 1 : 0;
    if (row.visible[key]) row.top = Math.max(row.top, row.score[key]!);
  }
  normalise(row, sink);
  if (lacks) row.weight.forEach((_, key) => (lacks.query[query] || lacks.key[key]) && ((row.weight[key] = NaN), (row.visible[key] = 0)));
  return row;
}

/** Every step of the second less that of the first; a key is visible where both see it. */
function rowBetween(first: Row, second: Row): Row {
  const row = { ...second, signed: true, visible: second.visible.map((seen, key) => seen & first.visible[key]!) };
  for (const name of ["dot", "scaled", "capped", "bias", "score", "weight"] as const) row[name] = second[name].map((value, key) => value - first[name][key]!);
  return { ...row, sinkWeight: first.sinkWeight === null || second.sinkWeight === null ? null : second.sinkWeight - first.sinkWeight };
}

/** Softmax over the visible keys and the sink; a row with every key hidden is 0. */
function normalise(row: Row, sink: number | null): void {
  if (sink !== null) row.top = Math.max(row.top, sink);
  for (let key = 0; key < row.score.length; key++) {
    if (row.visible[key]) row.exp[key] = Math.exp(row.score[key]! - row.top);
    row.total += row.exp[key]!;
  }
  if (sink !== null) row.total += row.sinkExp = Math.exp(sink - row.top);
  for (let key = 0; key < row.exp.length; key++) row.weight[key] = row.total > 0 ? row.exp[key]! / row.total : 0;
  if (row.sinkExp !== null) row.sinkWeight = row.sinkExp / row.total;
}

function dotOf({ queries, keys, dim, first }: HeadVectors, query: number, key: number): number {
  let sum = 0;
  for (let n = 0, q = (query - first) * dim, k = key * dim; n < dim; n++) sum += queries[q + n]! * keys[k + n]!;
  return sum;
}

const drawn = new WeakMap<HeadVectors, Weights>();

/** All weights of a head as codes, for lines and boxes. */
export function weightsOf(head: HeadVectors): Weights {
  let weights = drawn.get(head);
  if (!weights && head.of) drawn.set(head, (weights = differenceOf(weightsOf(head.of[0]), weightsOf(head.of[1]))));
  if (!weights) {
    const codes = new Uint16Array(head.nQuery * head.nKey);
    for (let query = 0; query < head.nQuery; query++) {
      const { weight } = rowOf(head, query);
      for (let key = 0; key < head.nKey; key++) {
        const value = weight[key]!;
        codes[query * head.nKey + key] = Number.isNaN(value) ? 65535 : Math.round(value * 65534);
      }
    }
    weights = { shape: [1, head.nQuery, head.nKey], codes, encoding: "linear16", spread: 0.5 };
    drawn.set(head, weights);
  }
  return weights;
}

/** One neuron's part in a score. */
export interface Term {
  neuron: number;
  q: number;
  k: number;
  /** q × k × scaling. */
  part: number;
}

/** Every neuron's part in the scaled score of a pair, the largest first whatever its sign. */
export function termsOf({ queries, keys, dim, rules, first }: HeadVectors, query: number, key: number): Term[] {
  const terms = Array.from({ length: dim }, (_, neuron) => {
    const [q, k] = [queries[(query - first) * dim + neuron]!, keys[key * dim + neuron]!];
    return { neuron, q, k, part: q * k * rules.scaling };
  });
  return terms.sort((a, b) => Math.abs(b.part) - Math.abs(a.part) || a.neuron - b.neuron);
}
