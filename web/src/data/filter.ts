// The segment filter: which run of queries and which run of keys is shown.
import type { SegmentSpec, SideSpec } from "../types";

export interface Range {
  start: number;
  stop: number;
}

export interface Shown {
  query: Range;
  key: Range;
}

export interface FilterOption extends Shown {
  value: string;
  label: string;
}

const ARROW = " → ";

/** "All" alone, or with every pair of segments: same segment first, then across. */
export function filterOptions(query: SideSpec, key: SideSpec): FilterOption[] {
  const all: FilterOption = { value: "all", label: "All", query: whole(query), key: whole(key) };
  if (query.segments.length < 2 || key.segments.length < 2) return [all];
  const pairs = query.segments.flatMap((from, i) => key.segments.map((to, j) => ({ from, to, i, j })));
  const same = pairs.filter((pair) => pair.i === pair.j);
  const across = pairs.filter((pair) => pair.i !== pair.j);
  return [all, ...[...same, ...across].map(({ from, to }) => pairOption(from, to))];
}

/** The option that a state's `filter` names, "All" if none does. `A -> B` means `A → B`. */
export function findFilter(options: FilterOption[], value: string): FilterOption {
  const wanted = normal(value);
  return options.find((option) => normal(option.value) === wanted) ?? options[0]!;
}

export function sizeOf(range: Range): number {
  return range.stop - range.start;
}

export function contains(range: Range, index: number): boolean {
  return index >= range.start && index < range.stop;
}

function whole(side: SideSpec): Range {
  return { start: 0, stop: side.text.length };
}

function pairOption(from: SegmentSpec, to: SegmentSpec): FilterOption {
  return { value: `${from.name}→${to.name}`, label: from.name + ARROW + to.name, query: from, key: to };
}

function normal(value: string): string {
  return value.replace(/\s*(→|->)\s*/g, ARROW).trim().toLowerCase();
}
