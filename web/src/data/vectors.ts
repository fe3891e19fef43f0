// Arrays of a reply, and of these what one head multiplies: queries, keys, and all else that
// enters its scores.
import type { ArraysMeta, DtypeName, Reply, RulesSpec, SideName } from "../types";
import { inflated } from "./decode";

export interface NumberArray {
  shape: number[];
  data: Float32Array | Uint8Array | Int8Array;
}

export interface Arrays {
  named: Map<string, NumberArray>;
  bytes: number;
}

/** One head of one layer, ready for `steps`. */
export interface HeadVectors {
  rules: RulesSpec;
  dim: number;
  nQuery: number;
  nKey: number;
  /** The number of the first query here. */
  first: number;
  /** [query, dim] and [key, dim], of this head and of the key head that serves it. */
  queries: Float32Array;
  keys: Float32Array;
  /** [query, key], added to the scores. */
  bias: Float32Array | null;
  /** 1 where a query [query, key], or any query [key], may see the key. */
  mask: Uint8Array | null;
  seen: Uint8Array | null;
  /** The logit of a learned sink. */
  sink: number | null;
  /** How far off each row is, where queries and keys came in eight bits a number. */
  off?: RowErrors;
  /** Of merged tokens: whether a text lacks the token. */
  lacks?: Record<SideName, boolean[]>;
  /** Of a difference: the first and the second. */
  of?: readonly [HeadVectors, HeadVectors];
}

/** Of each row of one head: the most that a weight is off, the logarithm of a weight, a score. */
export interface RowErrors {
  weight: Float32Array;
  ratio: Float32Array;
  score: Float32Array;
}

const SIZES: Record<DtypeName, number> = { float32: 4, float16: 2, bfloat16: 2, uint8: 1, int8: 1 };

export async function decodeArrays(reply: Reply): Promise<Arrays> {
  if (!("arrays" in reply.meta)) throw new Error("it holds weights instead of arrays");
  return unpackArrays(await inflated(reply), reply.meta);
}

/** Already inflated bytes → arrays; half precision is widened exactly. */
export function unpackArrays(bytes: Uint8Array, meta: ArraysMeta): Arrays {
  const named = new Map<string, NumberArray>();
  let [at, total] = [0, 0];
  for (const { name, dtype, shape } of meta.arrays) {
    const count = shape.reduce((product, size) => product * size, 1);
    const part = bytes.subarray(at, (at += count * SIZES[dtype]));
    if (part.length !== count * SIZES[dtype])
      throw new Error(`"${name}" has ${part.length} bytes, expected ${count * SIZES[dtype]} for ${dtype} [${shape}]`);
    const data = widened(part, dtype, count);
    total += data.byteLength;
    named.set(name, { shape, data });
  }
  if (at !== bytes.length) throw new Error(`there are ${bytes.length - at} bytes too many`);
  return { named, bytes: total };
}

function widened(bytes: Uint8Array, dtype: DtypeName, count: number): NumberArray["data"] {
  if (dtype === "uint8") return bytes.slice();
  if (dtype === "int8") return new Int8Array(bytes.slice().buffer);
  const plane = (place: number, i: number) => bytes[place * count + i]!;
  if (dtype === "float16") return Float32Array.from({ length: count }, (_, i) => halfOf(plane(0, i) | (plane(1, i) << 8)));
  const bits = new Uint32Array(count);
  for (let i = 0; i < count; i++)
    bits[i] = dtype === "bfloat16"
      ? (plane(0, i) << 16) | (plane(1, i) << 24)
      : plane(0, i) | (plane(1, i) << 8) | (plane(2, i) << 16) | (plane(3, i) << 24);
  return new Float32Array(bits.buffer);
}

/** IEEE half precision, from its bits. */
export function halfOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}

export interface LayerArrays {
  vectors: Arrays;
  /** The one key head that `vectors` have, with the heads that it serves, where they are not all. */
  keyHead?: number | undefined;
  bias: Arrays | null;
  mask: Arrays | null;
}

/** What one head of a layer multiplies; `place` is the head's place among those shown. */
export function headVectors({ vectors, keyHead, bias, mask }: LayerArrays, rules: RulesSpec, place: number): HeadVectors {
  const whole = keyHead === undefined;
  const own = whole ? place : rules.key_head.slice(0, place).filter((one) => one === keyHead).length;
  const [nQuery, nKey] = (["queries", "keys"] as const).map((name) => vectors.named.get(name)?.shape[1] ?? 0) as [number, number];
  const added = bias && floats(bias, "bias");
  return {
    rules, dim: rules.dim, nQuery, nKey, first: 0,
    queries: numbersOf(vectors, "queries", own),
    keys: numbersOf(vectors, "keys", whole ? rules.key_place[place]! : 0),
    bias: added && cut(added, added.shape[0] === 1 ? 0 : place),
    mask: (mask?.named.get("mask")?.data as Uint8Array | undefined) ?? null,
    seen: (vectors.named.get("seen")?.data as Uint8Array | undefined) ?? null,
    sink: vectors.named.has("sinks") ? floats(vectors, "sinks").data[own]! : null,
    ...(vectors.named.has("errors") && { off: errorsOf(vectors.named.get("errors")!, own) }),
  };
}

/** What the second has more than the first, number by number. */
export function headBetween(first: HeadVectors, second: HeadVectors): HeadVectors {
  const less = (a: Float32Array, b: Float32Array) => b.map((value, i) => value - a[i]!);
  return { ...second, queries: less(first.queries, second.queries), keys: less(first.keys, second.keys), of: [first, second] };
}

/** What a neuron brings to q · k, before scaling. */
export function productAt({ queries, keys, dim, first, of }: HeadVectors, query: number, key: number, neuron: number): number {
  if (of) return productAt(of[1], query, key, neuron) - productAt(of[0], query, key, neuron);
  return queries[(query - first) * dim + neuron]! * keys[key * dim + neuron]!;
}

/** A head's queries or keys: as they came, or mean + step × code. */
function numbersOf(arrays: Arrays, name: "queries" | "keys", place: number): Float32Array {
  const codes = arrays.named.get(name);
  if (!(codes?.data instanceof Int8Array)) return cut(floats(arrays, name), place);
  const [, tokens, dim] = codes.shape as [number, number, number];
  const [steps, means] = [cut(floats(arrays, `${name}_steps`), place), cut(floats(arrays, `${name}_means`), place)];
  const numbers = new Float32Array(tokens * dim);
  for (let token = 0, at = 0, from = place * tokens * dim; token < tokens; token++)
    for (let n = 0; n < dim; n++, at++) numbers[at] = means[n]! + steps[token]! * codes.data[from + at]!;
  return numbers;
}

/** Bounds by their codes: eight steps an octave, down from 16; 0 is for what is larger. */
const BOUNDS = Float32Array.from({ length: 256 }, (_, code) => (code ? 16 * 2 ** (-code / 8) * (1 + 1e-6) : Infinity));

function errorsOf({ data, shape: [, heads, queries] }: NumberArray, place: number): RowErrors {
  const row = (kind: number) => {
    const start = (kind * heads! + place) * queries!;
    return Float32Array.from(data.subarray(start, start + queries!), (code) => BOUNDS[code]!);
  };
  return { weight: row(0), ratio: row(1), score: row(2) };
}

/** The same of one query alone, from a reply about that. */
export function rowVectors(arrays: Arrays, rules: RulesSpec, first: number): HeadVectors {
  const own = arrays.named.has("bias") ? arrays : null;
  return { ...headVectors({ vectors: arrays, bias: own, mask: arrays }, { ...rules, key_place: [0] }, 0), first };
}

interface Floats extends NumberArray {
  data: Float32Array;
}

function floats(arrays: Arrays, name: string): Floats {
  const found = arrays.named.get(name);
  if (!(found?.data instanceof Float32Array)) throw new Error(`the data have no "${name}"`);
  return found as Floats;
}

function cut({ data, shape }: Floats, place: number): Float32Array {
  const size = shape.slice(1).reduce((product, length) => product * length, 1);
  return data.subarray(place * size, (place + 1) * size);
}
