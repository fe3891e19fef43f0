// The picture behind the expanded neuron view: lines from the query, strips of neurons, a square
// a step, bars of weights. Only rows in the window are painted.
import { lastStep, type Row, type StepName } from "../data/steps";
import type { Weights } from "../data/decode";
import type { Range, Shown } from "../data/filter";
import { halfOf } from "../data/difference";
import { productAt, type HeadVectors } from "../data/vectors";
import { SQUARE, type StripLayout, type StripName } from "../ui/stripLayout";
import { css, rgb, type Mode } from "./color";
import { signedColors } from "./scale";
import { drawBoxes, drawLines, type Frame } from "./lines";
import { cellColor, type StripPainter } from "./strips";

export interface Scales {
  vector: number;
  product: number;
  score: number;
}

export interface NeuronPicture {
  head: HeadVectors;
  weights: Weights;
  layout: StripLayout;
  shown: Shown;
  frame: Frame;
  row: Row | null;
  /** The key row under the pointer, and the one that is explained. */
  pointed: number | null;
  explained: number | null;
  neuron: number | null;
  scales: Scales;
  mode: Mode;
}

export const WEIGHT_COLOR: Record<Mode, string> = {
  light: css(rgb({ l: 0.54, c: 0.14, h: 165 })), dark: css(rgb({ l: 0.78, c: 0.14, h: 168 })),
};
const WASH: Record<Mode, string> = { light: "rgba(30,60,120,.065)", dark: "rgba(150,185,255,.1)" };
const GROUND: Record<Mode, string> = { light: "#ffffff", dark: "#131519" };
const MARK: Record<Mode, string> = { light: "#14181f", dark: "#ffffff" };
const NUMBER_ROOM = 50;

export function paintNeurons(context: CanvasRenderingContext2D, painter: StripPainter, picture: NeuronPicture): void {
  const { weights, shown, frame, layout, row, mode } = picture;
  const drawn = weights.signed ? signedColors(mode).map((color, half) => [{ place: half * halfOf(weights), color: css(color) }]) : [[{ place: 0, color: WEIGHT_COLOR[mode] }]];
  const token = row && ({ side: "query", index: row.query } as const);
  paintWash(context, picture);
  for (const one of drawn) {
    if (token) drawBoxes(context, weights, one, token, shown.key, { ...frame, ...layout.key }, "#888");
    drawLines(context, weights, one, row ? linesFrom(row.query, shown, frame) : shown, frame, token);
  }
  const queries = rowsSeen(shown.query, frame);
  const keys = rowsSeen(shown.key, frame);
  strip(context, painter, picture, "q", queries, (query) => (row && query !== row.query ? 0.28 : 1));
  if (row) floatQuery(context, painter, picture, row.query);
  strip(context, painter, picture, "k", keys, (key) => (row && !row.visible[key] ? 0.2 : 1));
  if (row) {
    const visible = keys.filter((key) => row.visible[key]);
    strip(context, painter, picture, "product", visible, () => 1);
    paintSteps(context, picture, row, visible);
  }
  paintMarks(context, picture);
}

function rowsSeen(range: Range, frame: Frame): number[] {
  const first = Math.max(range.start, range.start + Math.floor(frame.top / frame.row));
  const last = Math.min(range.stop, range.start + Math.ceil((frame.top + frame.height) / frame.row));
  return Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
}

/** Where the selected query is seen: in its row, or at the edge of the window that it has left. */
export function seenRow(query: number, range: Range, frame: Frame): number {
  const [first, last] = [frame.top / frame.row, (frame.top + frame.height) / frame.row - 1];
  return Math.max(first, Math.min(query - range.start, last));
}

/** Ranges in which the query's lines start where it is seen. */
function linesFrom(query: number, shown: Shown, frame: Frame): Shown {
  return { ...shown, query: { start: query - seenRow(query, shown.query, frame), stop: shown.query.stop } };
}

/** The selected query's strip at the edge of a window that it has left. */
function floatQuery(context: CanvasRenderingContext2D, painter: StripPainter, picture: NeuronPicture, query: number): void {
  const { layout, shown, frame, mode } = picture;
  const seen = seenRow(query, shown.query, frame);
  if (seen === query - shown.query.start) return;
  const { left, width } = layout.strips.q;
  context.fillStyle = GROUND[mode];
  context.fillRect(0, seen * frame.row - frame.top, left + width + 4, layout.row);
  strip(context, painter, { ...picture, shown: linesFrom(query, shown, frame) }, "q", [query], () => 1);
}

function topOf(index: number, range: Range, frame: Frame): number {
  return (index - range.start) * frame.row - frame.top;
}

/** Where the first line of a strip begins in its row. */
function inset({ layout }: NeuronPicture): number {
  const { lines, pitch, height } = layout.cell;
  return Math.round((layout.row - ((lines - 1) * pitch + height)) / 2);
}

function strip(
  context: CanvasRenderingContext2D, painter: StripPainter, picture: NeuronPicture, name: StripName, indices: number[],
  alpha: (index: number) => number,
): void {
  const { head, layout, shown, frame, scales, row, mode } = picture;
  const range = name === "q" ? shown.query : shown.key;
  const rows = indices.map((index) => ({ y: topOf(index, range, frame) + inset(picture), alpha: alpha(index) }));
  const { dim, queries, keys } = head;
  const value = name === "q"
    ? (i: number, neuron: number) => queries[indices[i]! * dim + neuron]!
    : name === "k"
      ? (i: number, neuron: number) => keys[indices[i]! * dim + neuron]!
      : (i: number, neuron: number) => productAt(head, row!.query, indices[i]!, neuron);
  painter.paint(context, rows, layout.strips[name].left, layout.cell, dim, name === "product" ? scales.product : scales.vector, mode, value);
}

function paintSteps(context: CanvasRenderingContext2D, picture: NeuronPicture, row: Row, keys: number[]): void {
  const { layout, shown, frame, scales, mode, head } = picture;
  const last = lastStep(layout.steps.map(({ name }) => name));
  for (const { name, left, width } of layout.steps) {
    if (name === "mask") continue;
    for (const key of keys) {
      const middle = topOf(key, shown.key, frame) + layout.row / 2;
      if (name === "weight") bar(context, left, middle, width, row.weight[key]!, mode, row.signed);
      else if (!layout.tight) square(context, left, middle, row[name][key]!, scaleOf(name, scales, head), mode, name === last);
    }
    const middle = topOf(shown.key.stop, shown.key, frame) + layout.row / 2;
    if (name === "weight" && row.sinkWeight !== null) bar(context, left, middle, width, row.sinkWeight, mode, row.signed);
  }
}

/** Before scaling, numbers are larger by just that. */
function scaleOf(step: StepName, { score }: Scales, { rules }: HeadVectors): number {
  return step === "dot" ? score / rules.scaling : score;
}

function square(context: CanvasRenderingContext2D, left: number, middle: number, value: number, scale: number, mode: Mode, strong: boolean): void {
  context.fillStyle = cellColor(value, scale, mode);
  const y = Math.round(middle - SQUARE / 2);
  context.fillRect(left, y, SQUARE, SQUARE);
  if (!strong) return;
  context.globalAlpha = Math.max(0.35, Math.abs(Math.tanh((2 * value) / scale)));
  context.strokeStyle = cellColor(value < 0 ? -1e9 : 1e9, 1, mode);
  context.lineWidth = 1;
  context.strokeRect(left + 0.5, y + 0.5, SQUARE - 1, SQUARE - 1);
  context.globalAlpha = 1;
}

/** From the left, 0 to 1; of a difference from the middle, to the right what was gained. */
function bar(context: CanvasRenderingContext2D, left: number, middle: number, width: number, weight: number, mode: Mode, isSigned = false): void {
  const room = width - NUMBER_ROOM;
  if (room < 12 || Number.isNaN(weight)) return;
  const y = Math.round(middle) - 6;
  context.fillStyle = mode === "dark" ? "#23272e" : "#eef0f3";
  context.fillRect(left, y, room, 12);
  const [more, less] = signedColors(mode);
  context.fillStyle = isSigned ? css(weight < 0 ? less : more) : WEIGHT_COLOR[mode];
  const size = Math.abs(weight);
  const long = Math.max((size * room) / (isSigned ? 2 : 1), size > 0.0005 ? 1 : 0);
  context.fillRect(isSigned ? left + room / 2 - (weight < 0 ? long : 0) : left, y, long, 12);
}

/** The row pointed at, and the one explained, from its token to its weight. */
function paintWash(context: CanvasRenderingContext2D, { layout, shown, frame, pointed, explained, mode }: NeuronPicture): void {
  context.fillStyle = WASH[mode];
  for (const key of new Set([pointed, explained])) {
    if (key === null) continue;
    const y = topOf(key, shown.key, frame);
    context.fillRect(layout.key.left, y + 1, layout.width - layout.key.left, layout.row - 2);
  }
}

/** A frame around the selected query's strip, and around one neuron in all strips. */
function paintMarks(context: CanvasRenderingContext2D, picture: NeuronPicture): void {
  const { layout, shown, frame, row, neuron, mode } = picture;
  const { cell, strips } = layout;
  context.strokeStyle = MARK[mode];
  context.lineWidth = 1;
  if (row) {
    const y = seenRow(row.query, shown.query, frame) * frame.row - frame.top + inset(picture);
    const { left, width } = strips.q;
    context.strokeRect(left - 1.5, y - 1.5, width + 3, (cell.lines - 1) * cell.pitch + cell.height + 3);
  }
  if (neuron === null) return;
  const [column, line] = [neuron % cell.perLine, Math.floor(neuron / cell.perLine)];
  const frameOne = (name: StripName, range: Range, index: number) => {
    const y = topOf(index, range, frame) + inset(picture) + line * cell.pitch;
    context.strokeRect(strips[name].left + column * cell.width - 0.5, y - 0.5, cell.width + 1, cell.height + 1);
  };
  for (const query of rowsSeen(shown.query, frame)) frameOne("q", shown.query, query);
  for (const key of rowsSeen(shown.key, frame)) {
    frameOne("k", shown.key, key);
    if (row?.visible[key]) frameOne("product", shown.key, key);
  }
}
