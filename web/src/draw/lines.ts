// The marks of a head view: one line a head, query and key, and the boxes that show the weights
// of one token on the other side. Weights below half a step of the screen are never drawn.
import { codeAt, leastCode, missingCode, weightTable, type Weights } from "../data/decode";
import { sizeOf, type Range, type Shown } from "../data/filter";
import type { PinnedSpec } from "../types";

export interface DrawnHead {
  /** The head's place in the layer's data. */
  place: number;
  color: string;
}

export interface Frame {
  /** Rows of tokens: height of one, and how far the window is scrolled. */
  row: number;
  top: number;
  height: number;
  /** Where the lines start and end. */
  x0: number;
  x1: number;
  /** Screen pixels in a CSS pixel. */
  ratio: number;
}

const LEAST_ALPHA = 1 / 510;
const BUCKETS = 24;
/** Fainter lines are one screen pixel wide with as much ink: a tenth of the time (measured). */
const FAINT = 0.3;
/** Faint lines share a path in groups; wide ones cost least alone (measured). */
const GROUP = 48;

interface Lines {
  count: number;
  query: Uint32Array;
  key: Uint32Array;
  bucket: Uint8Array;
}

export function drawLines(
  context: CanvasRenderingContext2D, weights: Weights, heads: DrawnHead[], shown: Shown,
  frame: Frame, only: PinnedSpec | null, threshold = 0,
): number {
  const share = only ? 1 : shareOf(heads.length, shown);
  let total = 0;
  heads.forEach((head, i) => {
    const lines = collect(weights, head.place, Math.max(LEAST_ALPHA / share, threshold), shown, frame, only);
    context.strokeStyle = head.color;
    const lane = laneOf(i, heads.length, frame.row);
    strokeAll(context, lines, shown, { ...frame, top: frame.top - lane }, share, heads.length);
    total += lines.count;
  });
  context.globalAlpha = 1;
  return total;
}

/**
 * What a weight is multiplied by to give its line's opacity when all lines are shown: 1 for a few
 * tokens and heads, where each line is seen by itself; down to 1 / heads where they pile up.
 */
export function shareOf(heads: number, shown: Shown): number {
  const tokens = Math.max(sizeOf(shown.query), sizeOf(shown.key));
  return Math.min(1, Math.max(1 / heads, 40 / (tokens * Math.sqrt(heads))));
}

/** Each head keeps to its own lane of a row, so that lines between the same tokens lie side by side. */
export function laneOf(place: number, heads: number, row: number): number {
  return (place - (heads - 1) / 2) * Math.min(2.5, (row * 0.68) / heads);
}

/** The lines of one head that are seen in the window, each with its bucket of opacity. */
function collect(
  weights: Weights, place: number, threshold: number, shown: Shown, frame: Frame, only: PinnedSpec | null,
): Lines {
  const [, queries, keys] = weights.shape;
  const queryRange = narrowed(shown.query, only, "query");
  const keyRange = narrowed(shown.key, only, "key");
  const least = Math.max(1, leastCode(weights.encoding, threshold));
  const missing = missingCode(weights.encoding);
  const buckets = bucketTable(weights.encoding);
  const window = rowsIn(frame);
  const lines = room(4096);
  for (let query = queryRange.start; query < queryRange.stop; query++) {
    const range = seenFrom(query - shown.query.start, keyRange, shown.key.start, window);
    const row = (place * queries + query) * keys;
    for (let key = range.start; key < range.stop; key++) {
      const code = weights.codes[row + key]!;
      if (code < least || code === missing) continue;
      if (lines.count === lines.query.length) grow(lines);
      lines.query[lines.count] = query;
      lines.key[lines.count] = key;
      lines.bucket[lines.count++] = buckets[code]!;
    }
  }
  return lines;
}

function narrowed(range: Range, only: PinnedSpec | null, side: "query" | "key"): Range {
  if (only?.side !== side) return range;
  return only.index < range.start || only.index >= range.stop
    ? { start: 0, stop: 0 }
    : { start: only.index, stop: only.index + 1 };
}

/** First and last row of the window. */
function rowsIn(frame: Frame): Range {
  return { start: Math.floor(frame.top / frame.row), stop: Math.ceil((frame.top + frame.height) / frame.row) };
}

/** The keys whose line to this row passes through the window. */
export function seenFrom(row: number, keys: Range, origin: number, window: Range): Range {
  if (row >= window.stop) return { start: keys.start, stop: Math.min(keys.stop, origin + window.stop) };
  if (row < window.start) return { start: Math.max(keys.start, origin + window.start), stop: keys.stop };
  return keys;
}

function room(size: number): Lines {
  return { count: 0, query: new Uint32Array(size), key: new Uint32Array(size), bucket: new Uint8Array(size) };
}

function grow(lines: Lines): void {
  const next = room(lines.query.length * 4);
  next.query.set(lines.query);
  next.key.set(lines.key);
  next.bucket.set(lines.bucket);
  Object.assign(lines, { query: next.query, key: next.key, bucket: next.bucket });
}

const bucketTables = new Map<string, Uint8Array>();

/** Opacity in steps of equal ratio of their root: fine steps where lines are faint. */
function bucketTable(encoding: Weights["encoding"]): Uint8Array {
  let table = bucketTables.get(encoding);
  if (!table) {
    const weights = weightTable(encoding);
    table = Uint8Array.from(weights, (w) => Math.min(BUCKETS - 1, Math.floor(Math.sqrt(w || 0) * BUCKETS)));
    bucketTables.set(encoding, table);
  }
  return table;
}

/** The middle weight of a bucket. */
function bucketWeight(bucket: number): number {
  const [low, high] = [bucket / BUCKETS, (bucket + 1) / BUCKETS];
  return (low * low + high * high) / 2;
}

function strokeAll(
  context: CanvasRenderingContext2D, lines: Lines, shown: Shown, frame: Frame, share: number, active: number,
): void {
  const starts = new Uint32Array(BUCKETS + 1);
  for (let i = 0; i < lines.count; i++) starts[lines.bucket[i]! + 1]!++;
  for (let b = 0; b < BUCKETS; b++) starts[b + 1]! += starts[b]!;
  const order = new Uint32Array(lines.count);
  const next = starts.slice();
  for (let i = 0; i < lines.count; i++) order[next[lines.bucket[i]!]!++] = i;
  const width = Math.max(1, Math.min(2, laneOf(1, active, frame.row) - laneOf(0, active, frame.row)));
  for (let b = 0; b < BUCKETS; b++) {
    const ink = bucketWeight(b) * share * width * frame.ratio;
    const faint = ink < FAINT;
    context.globalAlpha = faint ? ink : bucketWeight(b) * share;
    context.lineWidth = faint ? 1 / frame.ratio : width;
    const group = faint ? GROUP : 1;
    for (let i = starts[b]!; i < starts[b + 1]!; i += group) {
      context.beginPath();
      for (let j = i; j < Math.min(i + group, starts[b + 1]!); j++)
        addLine(context, lines.query[order[j]!]! - shown.query.start, lines.key[order[j]!]! - shown.key.start, frame);
      context.stroke();
    }
  }
}

/** Two parabolas that meet in the middle: level at both ends, and cheaper to stroke than a cubic. */
function addLine(context: CanvasRenderingContext2D, queryRow: number, keyRow: number, frame: Frame): void {
  const { x0, x1 } = frame;
  const [y0, y1] = [rowMiddle(queryRow, frame), rowMiddle(keyRow, frame)];
  const quarter = (x1 - x0) / 4;
  context.moveTo(x0, y0);
  if (y0 === y1) return context.lineTo(x1, y1);
  context.quadraticCurveTo(x0 + quarter, y0, x0 + 2 * quarter, (y0 + y1) / 2);
  context.quadraticCurveTo(x1 - quarter, y1, x1, y1);
}

function rowMiddle(row: number, frame: Frame): number {
  return (row + 0.5) * frame.row - frame.top;
}

/**
 * The row on the far side whose curve from `row` passes nearest to the point; x runs from 0 at
 * the near side to 1. Null too close to the near side, where all curves meet.
 */
export function rowUnder(x: number, y: number, row: number, frame: Frame): number | null {
  const share = riseAt(x);
  if (share < 0.15) return null;
  const y0 = rowMiddle(row, frame);
  return Math.round((y0 + (y - y0) / share + frame.top) / frame.row - 0.5);
}

/** How much of its rise a line has made at `x`, both 0..1. */
export function riseAt(x: number): number {
  return x < 0.5 ? 2 * x * x : 1 - 2 * (1 - x) * (1 - x);
}

export interface BoxFrame extends Frame {
  /** Where the boxes of the other side lie. */
  left: number;
  width: number;
}

/** One box a token of the other side, one segment a head, opacity = weight; hatched = missing. */
export function drawBoxes(
  context: CanvasRenderingContext2D, weights: Weights, heads: DrawnHead[], token: PinnedSpec,
  others: Range, frame: BoxFrame, hatch: string, threshold = 0,
): void {
  const table = weightTable(weights.encoding);
  const least = leastCode(weights.encoding, Math.max(LEAST_ALPHA, threshold));
  const window = rowsIn(frame);
  const segment = frame.width / heads.length;
  const stop = Math.min(others.stop, others.start + window.stop);
  for (let other = Math.max(others.start, others.start + window.start); other < stop; other++) {
    const [query, key] = token.side === "query" ? [token.index, other] : [other, token.index];
    const y = (other - others.start) * frame.row - frame.top;
    heads.forEach((head, i) => {
      const code = codeAt(weights, head.place, query, key);
      const weight = table[code]!;
      const x = frame.left + i * segment;
      if (Number.isNaN(weight)) hatchBox(context, x, y + 1, segment, frame.row - 2, hatch);
      else if (code >= least) {
        context.globalAlpha = weight;
        context.fillStyle = head.color;
        context.fillRect(x, y + 1, segment, frame.row - 2);
      }
    });
  }
  context.globalAlpha = 1;
}

function hatchBox(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number, color: string): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.beginPath();
  for (let at = -height; at < width; at += 5) {
    context.moveTo(x + at, y + height);
    context.lineTo(x + at + height, y);
  }
  context.globalAlpha = 0.55;
  context.strokeStyle = color;
  context.lineWidth = 1;
  context.stroke();
  context.restore();
}
