// Turns a reply's bytes into weights. Codes stay codes (1 or 2 bytes a weight): tables map them
// to weights when drawing, and `boundsAt` says between which values the true weight lies.
import type { EncodingName, Reply, ReplyMeta } from "../types";

export interface Weights {
  /** [head, query, key], or [cell, query, key] for thumbnails. */
  shape: [number, number, number];
  codes: Uint8Array | Uint16Array;
  encoding: EncodingName;
  spread: number;
  /** Where numbers are no shares: the signed roots of those that codes for 0 and 1 stand for. */
  range?: readonly [number, number];
  /** How far a weight is known, where it does not follow from its code (see `reshape`). */
  bounds?(place: number, query: number, key: number): Bounds;
  /** Of a part of a long input. */
  outside?(place: number, query: number): Outside;
  /** A difference: twice as many heads, see `difference`. */
  signed?: boolean;
}

/** What a query gives to keys before and after those that are here, and by what factor at most these sums are off. */
export type Outside = readonly [before: number, after: number, factor: number];

/** Between which values a number lies; null when it is missing. */
export type Bounds = readonly [number, number] | null;

const TOP: Record<EncodingName, number> = { sqrt8: 254, linear16: 65534 };

export function missingCode(encoding: EncodingName): number {
  return TOP[encoding] + 1;
}

function valueOf(encoding: EncodingName, code: number): number {
  const share = Math.min(Math.max(code / TOP[encoding], 0), 1);
  return encoding === "sqrt8" ? share * share : share;
}

const tables = new Map<EncodingName, Float32Array>();

/** Code → weight; NaN for the missing code. */
export function weightTable(encoding: EncodingName): Float32Array {
  let table = tables.get(encoding);
  if (!table) {
    table = new Float32Array(TOP[encoding] + 2);
    for (let code = 0; code <= TOP[encoding]; code++) table[code] = valueOf(encoding, code);
    table[TOP[encoding] + 1] = NaN;
    tables.set(encoding, table);
  }
  return table;
}

let narrow: Uint8Array | null = null;

/** linear16 code → the nearest sqrt8 code, for drawing at thumbnail size. */
export function narrowTable(): Uint8Array {
  if (!narrow) {
    narrow = new Uint8Array(65536);
    for (let code = 0; code <= 65534; code++) narrow[code] = Math.round(Math.sqrt(code / 65534) * 254);
    narrow[65535] = 255;
  }
  return narrow;
}

/** The smallest code whose weight is at least `weight`. */
export function leastCode(encoding: EncodingName, weight: number): number {
  const share = encoding === "sqrt8" ? Math.sqrt(weight) : weight;
  return Math.ceil(share * TOP[encoding] - 1e-9);
}

/** The code that is drawn for a weight. */
export function nearestCode(encoding: EncodingName, weight: number): number {
  return Math.round((encoding === "sqrt8" ? Math.sqrt(weight) : weight) * TOP[encoding]);
}

/** Code → the lowest (-spread) or the highest (+spread) weight that it may stand for. */
export function edgeTable(encoding: EncodingName, shift: number): Float64Array {
  return Float64Array.from({ length: TOP[encoding] + 1 }, (_, code) => valueOf(encoding, code + shift));
}

export function codeAt(weights: Weights, place: number, query: number, key: number): number {
  const [, queries, keys] = weights.shape;
  return weights.codes[(place * queries + query) * keys + key]!;
}

export function boundsAt(weights: Weights, place: number, query: number, key: number): Bounds {
  if (weights.bounds) return weights.bounds(place, query, key);
  const code = codeAt(weights, place, query, key);
  const { encoding, spread } = weights;
  if (code === missingCode(encoding)) return null;
  const [low, high] = [valueOf(encoding, code - spread), valueOf(encoding, code + spread)];
  return weights.range ? [inRange(weights.range, low), inRange(weights.range, high)] : [low, high];
}

function inRange([low, high]: readonly [number, number], share: number): number {
  const root = low + (high - low) * share;
  return root * Math.abs(root);
}

const ranged = new WeakMap<readonly number[], Float32Array>();

/** Code → number, of these weights. */
export function tableOf({ encoding, range }: Weights): Float32Array {
  if (!range) return weightTable(encoding);
  const table = ranged.get(range) ?? weightTable(encoding).map((share) => inRange(range, share));
  ranged.set(range, table);
  return table;
}

/** Already inflated bytes → weights. */
export function unpack(bytes: Uint8Array, meta: ReplyMeta): Weights {
  const [cells, queries, keys] = meta.shape;
  if (meta.shape.length !== 3 || cells === undefined || queries === undefined || keys === undefined)
    throw new Error(`The data has shape [${meta.shape}], expected [head, query, key].`);
  const count = cells * queries * keys;
  const expected = meta.encoding === "linear16" ? 2 * count : count;
  if (bytes.length !== expected)
    throw new Error(`The data has ${bytes.length} bytes, expected ${expected} for shape [${meta.shape}].`);
  const codes = meta.encoding === "linear16" ? joinPlanes(bytes, count) : bytes;
  return { shape: [cells, queries, keys], codes, encoding: meta.encoding, spread: meta.spread, ...(meta.range && { range: [meta.range[0]!, meta.range[1]!] }) };
}

function joinPlanes(bytes: Uint8Array, count: number): Uint16Array {
  const codes = new Uint16Array(count);
  for (let i = 0; i < count; i++) codes[i] = (bytes[i]! << 8) | bytes[count + i]!;
  return codes;
}

export async function decode(reply: Reply): Promise<Weights> {
  if ("arrays" in reply.meta) throw new Error("it holds other data than weights");
  return unpack(await inflated(reply), reply.meta);
}

export async function inflated(reply: Reply): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Response(reply.bytes).body!.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Symbols that never stand alone: a longer character holds one of them, and the next symbol. */
const KEPT_OUT = [0x00, 0x0d, 0x3c];

/** So many bytes from text with seven bits a symbol (see `hosts/dense.py`). */
export function fromDense(text: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let [at, held, bits] = [0, 0, 0];
  const put = (symbol: number) => {
    held = ((held << 7) | symbol) & 0x3fff;
    bits += 7;
    if (bits >= 8) bytes[at++] = held >> (bits -= 8);
  };
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) put(KEPT_OUT[(code >> 7) - 1]!);
    put(code & 127);
  }
  if (at < size) throw new Error("some of it is missing");
  return bytes;
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (native) return native.call(Uint8Array, text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
