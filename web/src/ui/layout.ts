// Where the two token columns, the lines between them, the numbers and the tooltip lie.
import type { PinnedSpec } from "../types";

export interface Layout {
  /** Left edge and width of each column of tokens, in CSS pixels. */
  query: { left: number; width: number };
  key: { left: number; width: number };
  /** Where the lines start and end. */
  x0: number;
  x1: number;
  /** Room for a number beside each column, and beyond it for the segments' names. */
  number: number;
  segment: number;
}

export interface LayoutInput {
  width: number;
  queryText: number;
  keyText: number;
  compact: boolean;
  segments: boolean;
}

const PADDING = 23;

export function layoutOf({ width, queryText, keyText, compact, segments }: LayoutInput): Layout {
  const number = compact ? 62 : 68;
  const segment = segments ? 16 : 0;
  const [least, most] = compact ? [110, 260] : [150, 440];
  const space = width - 2 * (number + segment);
  let query = clamp(queryText + PADDING, 52, 280);
  let key = clamp(keyText + PADDING, 52, 280);
  if (query + key + least > space) {
    const each = Math.max(40, (space - least) / 2);
    [query, key] = share(query, key, each);
  }
  const gap = clamp(space - query - key, 60, most);
  const left = Math.max(0, Math.floor((space - query - key - gap) / 2)) + number + segment;
  const x0 = left + Math.ceil(query);
  const x1 = x0 + Math.floor(gap);
  return { query: { left, width: x0 - left }, key: { left: x1, width: Math.ceil(key) }, x0, x1, number, segment };
}

/** Two widths into twice `each`: what a narrow one leaves, the wide one may use. */
function share(a: number, b: number, each: number): [number, number] {
  if (a <= each) return [a, Math.min(b, 2 * each - a)];
  if (b <= each) return [Math.min(a, 2 * each - b), b];
  return [each, each];
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}

/** Rows to put in the page: all of a short list, else those near the window. */
export function rowsToShow(count: number, row: number, top: number, height: number): [number, number] {
  if (count <= 300) return [0, count];
  return [Math.max(0, Math.floor(top / row) - 6), Math.min(count, Math.ceil((top + height) / row) + 6)];
}

const TITLES = 26;
const TOOLTIP = 252;
const INSIDE = 10;

/** The tokens' window, as far as placing needs it. */
export interface Place {
  row: number;
  top: number;
  width: number;
  height: number;
}

/** Outside the columns where there is room, else between them, under (or over) the token's row: no token is covered. */
export function tooltipPlace({ side }: PinnedSpec, rowIndex: number, layout: Layout, view: Place): Record<string, string> {
  const y = rowIndex * view.row - view.top;
  const low = y > view.height / 2;
  const outer = layout.number + layout.segment + 6;
  const { left, width } = layout[side];
  const beside = side === "query" ? left - outer >= TOOLTIP : view.width - left - width - outer >= TOOLTIP;
  const rise = beside ? (low ? view.row : 0) : low ? -4 : view.row + 4;
  const place: Record<string, string> = {
    top: `${Math.min(Math.max(y, 0), view.height) + TITLES + rise}px`,
    transform: low ? "translateY(-100%)" : "none",
  };
  if (beside) return { ...place, ...(side === "query" ? { right: `${view.width - left + outer}px` } : { left: `${left + width + outer}px` }) };
  const room = layout.x1 - layout.x0 - 2 * INSIDE;
  return { ...place, maxWidth: `${Math.max(room, 140)}px`, ...(side === "query" ? { left: `${layout.x0 + INSIDE}px` } : { right: `${view.width - layout.x1 + INSIDE}px` }) };
}
