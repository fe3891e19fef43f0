// Where the columns of the expanded neuron view lie: query tokens, q, lines, key tokens, k, q × k,
// and one column a step of the sum. A vector that is too long for one line of cells gets more.
import type { StepName } from "../data/steps";

export interface Span {
  left: number;
  width: number;
}

/** How the cells of one vector lie in a row. */
export interface CellSize {
  lines: number;
  perLine: number;
  width: number;
  height: number;
  /** From one line to the next. */
  pitch: number;
}

export type StripName = "q" | "k" | "product";

export interface StripLayout {
  /** Of everything; wider than the window where that is very narrow. */
  width: number;
  row: number;
  query: Span;
  key: Span;
  /** Where the lines from query to keys start and end. */
  x0: number;
  x1: number;
  strips: Record<StripName, Span>;
  steps: (Span & { name: StepName })[];
  cell: CellSize;
  /** No room for squares beside the numbers. */
  tight: boolean;
}

export interface StripInput {
  width: number;
  queryText: number;
  keyText: number;
  dim: number;
  steps: StepName[];
  ratio: number;
  segments: boolean;
  /** Digits before the point: of dot products, and of scores. */
  digits: { dot: number; score: number };
}

const TIGHT = 760;
const LEAST_CELL = 2;
const LEAST_STRIP = 42;

/** Without squares and bars where all would not fit beside them. */
export function stripLayout(input: StripInput): StripLayout {
  const layout = layoutFor(input, input.width < TIGHT);
  return layout.tight || layout.width <= input.width ? layout : layoutFor(input, true);
}

function layoutFor(input: StripInput, tight: boolean): StripLayout {
  const { width, steps, segments } = input;
  const space = tight ? 8 : width < 1100 ? 10 : 18;
  const segment = segments ? 18 : 0;
  const query = clamp(input.queryText + 36, 58, tight ? 88 : 170);
  const key = clamp(input.keyText + 17, 44, tight ? 68 : 170);
  const sums = steps.map((name) => ({ name, width: stepWidth(name, input, tight) }));
  const fixed = query + key + 2 * segment + sums.reduce((sum, { width }) => sum + width + space, 0) + 3 * space;
  const least = tight ? 24 : clamp(width * 0.045, 34, 90);
  const cell = cellSize(input, (width - fixed - least) / 3);
  const strip = cell.perLine * cell.width;
  const gap = clamp(width - fixed - 3 * strip, least, 190);
  return { ...placed({ query, key, segment, space, gap, strip, sums, cell }), tight };
}

/** The square beside a number, where there is room. */
export const SQUARE = 11;

function stepWidth(name: StepName, { width, digits }: StripInput, tight: boolean): number {
  if (name === "mask") return 36;
  if (name === "weight") return tight ? 60 : width < 1100 ? 108 : 136;
  const number = 39 + 7 * digits[name === "dot" ? "dot" : "score"];
  return tight ? number - 3 : number + SQUARE + 3;
}

/** As few lines as fill the room with cells of two pixels or more, all a whole number of screen pixels wide. */
function cellSize({ dim, ratio }: StripInput, room: number): CellSize {
  const strip = Math.max(room, LEAST_STRIP);
  const whole = (size: number) => Math.floor(size * ratio) / ratio;
  let lines = 1;
  const wastes = () => {
    const [count, size] = [Math.ceil(dim / lines), whole(strip / Math.ceil(dim / lines))];
    return size < LEAST_CELL || (size < 4 && size * count < 0.72 * strip);
  };
  while (lines < 8 && lines < dim && wastes()) lines *= 2;
  const perLine = Math.ceil(dim / lines);
  const width = clamp(whole(strip / perLine), LEAST_CELL, Math.max(8, Math.min(14, whole(360 / perLine))));
  const row = rowHeight(lines);
  const between = lines > 1 ? 1 : 0;
  const height = whole((row - 8 - between * (lines - 1)) / lines);
  return { lines, perLine, width, height, pitch: height + between };
}

function rowHeight(lines: number): number {
  return lines <= 2 ? 28 : lines <= 4 ? 34 : 44;
}

interface Sizes {
  query: number;
  key: number;
  segment: number;
  space: number;
  gap: number;
  strip: number;
  sums: { name: StepName; width: number }[];
  cell: CellSize;
}

function placed({ query, key, segment, space, gap, strip, sums, cell }: Sizes): Omit<StripLayout, "tight"> {
  let x = segment;
  const next = (width: number, after: number): Span => {
    const span = { left: Math.floor(x), width: Math.floor(width) };
    x = span.left + width + after;
    return span;
  };
  const querySpan = next(query, space);
  const q = next(strip, gap + segment);
  const keySpan = next(key, space);
  const k = next(strip, space);
  const product = next(strip, space);
  const steps = sums.map(({ name, width }) => ({ name, ...next(width, space) }));
  return {
    width: Math.ceil(x - space), row: rowHeight(cell.lines), query: querySpan, key: keySpan,
    x0: q.left + q.width, x1: keySpan.left - segment, strips: { q, k, product }, steps, cell,
  };
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), Math.max(least, most));
}

/** The neuron whose cell lies at a place inside a strip, from the strip's left and the row's top. */
export function neuronAt(x: number, y: number, { cell, row }: StripLayout, dim: number): number | null {
  const column = Math.floor(x / cell.width);
  const used = cell.lines * cell.pitch;
  const line = clamp(Math.floor((y - (row - used) / 2) / cell.pitch), 0, cell.lines - 1);
  const neuron = line * cell.perLine + column;
  return column >= 0 && column < cell.perLine && neuron < dim ? neuron : null;
}
