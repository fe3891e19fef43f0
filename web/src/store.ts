// What the reader changes, one signal a key, and what follows from it. The raw signals are what
// the widget synchronises; the computed ones are always valid for the spec.
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { filterOptions, findFilter, type FilterOption, type Range, type Shown } from "./data/filter";
import { sortedHeads } from "./data/order";
import { cutSide, withoutSpecial, type Plan } from "./data/reshape";
import type { LayerSpec, PairSpec, PinnedSpec, SideName, SideSpec, Spec, StateSpec, StreamSpec, WindowSpec } from "./types";

export type StateSignals = { [Key in keyof StateSpec]: Signal<StateSpec[Key]> };

export const STATE_KEYS = [
  "stream", "filter", "layer", "heads", "head", "expanded", "pinned", "opened", "cells",
  "mean", "sort", "hide_special", "renormalise", "threshold",
  "over", "quantity", "words", "window", "cursor", "color", "fit", "blocks", "measure",
  "all_layers", "column", "search", "outcome", "step", "hide_first", "show",
] as const satisfies (keyof StateSpec)[];

/** What is left of a stream when some tokens are hidden. */
export interface Cut {
  plan: Plan;
  sides: Record<SideName, SideSpec>;
  filters: FilterOption[];
  filter: FilterOption;
}

/** What is pointed at, shared by pictures of the same tokens: all of them show it. */
export interface Link {
  token: Signal<PinnedSpec | null>;
  cell: Signal<PairSpec | null>;
  /** How far their lists are scrolled. */
  top: Signal<number>;
}

export interface Store {
  /** Of a comparison: the two that are compared. They share the state of the whole. */
  parts: readonly [Store, Store] | null;
  link: Link | null;
  state: StateSignals;
  stream: ReadonlySignal<StreamSpec>;
  sides: ReadonlySignal<Record<SideName, SideSpec>>;
  filters: ReadonlySignal<FilterOption[]>;
  filter: ReadonlySignal<FilterOption>;
  layer: ReadonlySignal<LayerSpec>;
  /** Numbers of the active heads, in the layer's order; empty only where the mean is shown alone. */
  heads: ReadonlySignal<number[]>;
  /** All heads of the layer, as they are sorted. */
  sorted: ReadonlySignal<number[]>;
  /** Whether the mean over the heads is shown as one more. */
  mean: ReadonlySignal<boolean>;
  cut: ReadonlySignal<Cut>;
  /** The tokens that are shown of a long input, by their places in it; null where all are. */
  part: ReadonlySignal<Shown | null>;
  /** The one head that a view of a single head shows. */
  head: ReadonlySignal<number>;
}

export function createStore(spec: Spec): Store {
  const state = signalsOf(spec.state);
  const stream = computed(() => {
    const stack = methodsOf(spec, state.stream.value);
    return stack.find((s) => s.quantity?.name === state.quantity.value) ?? stack[0] ?? spec.streams[0]!;
  });
  const named = (name: string) => spec.streams.find((s) => s.name === name);
  if (!spec.streams.some((s) => s.pair)) return storeOf(spec, state, stream, null, null);
  const link: Link = { token: signal(null), cell: signal(null), top: signal(0) };
  const part = (side: number) => storeOf(spec, state, computed(() => named(stream.value.pair?.[side] ?? "") ?? stream.value), link, null);
  return storeOf(spec, state, stream, link, [part(0), part(1)]);
}

function storeOf(spec: Spec, state: StateSignals, stream: ReadonlySignal<StreamSpec>, link: Link | null, parts: Store["parts"]): Store {
  const sides = computed(() => {
    const { query, key } = (state.words.value && stream.value.words) || stream.value;
    return { query: spec.sides[query]!, key: spec.sides[key]! };
  });
  const filters = computed(() => filterOptions(sides.value.query, sides.value.key));
  const filter = computed(() => findFilter(filters.value, state.filter.value));
  const layer = computed(() => {
    const { layers } = stream.value;
    return layers.find((l) => l.layer === state.layer.value) ?? layers[0]!;
  });
  const mean = computed(() => state.mean.value && layer.value.heads.length > 1);
  const heads = computed(() => activeHeads(layer.value.heads, state.heads.value, mean.value));
  const sorted = computed(() => sortedHeads(stream.value, layer.value, state.sort.value));
  const { pinned } = spec.state;
  const part = computed(() => partShown(stream.value, sides.value, state.window.value, pinned));
  const cut = computed(() => cutOf(sides.value, state, mean.value, isShare(stream.value), part.value));
  const head = computed(() => {
    const { heads: all } = layer.value;
    return all.find((number) => number === state.head.value) ?? all[0]!;
  });
  return { parts, link, state, stream, sides, filters, filter, layer, heads, sorted, mean, cut, part, head };
}

/** The attention stack that a stream shows, as weights or as another quantity. */
export function stackOf({ stack, name }: StreamSpec): string {
  return stack ?? name;
}

/** The streams that show one stack: one a quantity. */
export function methodsOf(spec: Spec, stack: string): StreamSpec[] {
  return spec.streams.filter((stream) => stackOf(stream) === stack);
}

/** Whether a stream's numbers are shares from 0 to 1, as weights are. */
export function isShare({ quantity }: StreamSpec): boolean {
  return !quantity || (quantity.high === 1 && !quantity.signed);
}

/** The sides as the state wants them: also for a stream that is not the store's. */
export function cutOf(sides: Record<SideName, SideSpec>, state: StateSignals, mean: boolean, shares = true, part: Shown | null = null): Cut {
  const own = { query: partOfSide(sides.query, part?.query), key: partOfSide(sides.key, part?.key) };
  const kept = (side: SideName) => (state.hide_special.value ? withoutSpecial(own[side]) : null);
  const [query, key] = [kept("query"), kept("key")];
  const cut = { query: cutSide(own.query, query), key: cutSide(own.key, key) };
  const filters = filterOptions(cut.query, cut.key);
  const plan = { query, key, renormalise: shares && state.renormalise.value && Boolean(query ?? key), mean };
  return { plan, sides: cut, filters, filter: findFilter(filters, state.filter.value) };
}

function partOfSide(side: SideSpec, range: Range | undefined): SideSpec {
  return range ? cutSide(side, Array.from({ length: range.stop - range.start }, (_, i) => range.start + i)) : side;
}

/** The part of a long input that a state's window names; without one its beginning, or what is around the token pinned first. */
export function partShown({ part: most }: StreamSpec, sides: Record<SideName, SideSpec>, window: WindowSpec | null, pinned: PinnedSpec | null): Shown | null {
  if (most === undefined) return null;
  const range = (side: SideName): Range => {
    const count = sides[side].text.length;
    const around = (pinned?.index ?? 0) - Math.floor(most / 2);
    const [start, stop] = (window?.[side].map(Math.round) ?? [around, around + most]) as [number, number];
    const size = Math.min(Math.max(stop - start, 1), most, count);
    const first = Math.min(Math.max(start, 0), count - size);
    return { start: first, stop: first + size };
  };
  return { query: range("query"), key: range("key") };
}

function signalsOf(state: StateSpec): StateSignals {
  return Object.fromEntries(STATE_KEYS.map((key) => [key, signal(state[key])])) as unknown as StateSignals;
}

export function activeHeads(all: number[], chosen: number[] | null, mean = false): number[] {
  const active = chosen ? all.filter((head) => chosen.includes(head)) : all;
  return active.length || mean ? active : all;
}

/** Click on a head: switch it; the only active one stays on, unless the mean is. */
export function toggleHead(all: number[], active: number[], head: number, mean = false): number[] | null {
  if (!mean && active.length === 1 && active[0] === head) return active;
  const next = active.includes(head) ? active.filter((h) => h !== head) : [...active, head];
  return asState(all, next);
}

/** Double click on a head: it alone; all again if it already was alone. */
export function soloHead(all: number[], active: number[], head: number): number[] | null {
  return active.length === 1 && active[0] === head ? null : asState(all, [head]);
}

function asState(all: number[], active: number[]): number[] | null {
  return active.length === all.length ? null : all.filter((head) => active.includes(head));
}
