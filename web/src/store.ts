// What the reader changes, one signal a key, and what follows from it. The raw signals are what
// the widget synchronises; the computed ones are always valid for the spec.
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { filterOptions, findFilter, type FilterOption } from "./data/filter";
import type { LayerSpec, SideName, SideSpec, Spec, StateSpec, StreamSpec } from "./types";

export type StateSignals = { [Key in keyof StateSpec]: Signal<StateSpec[Key]> };

export const STATE_KEYS = ["stream", "filter", "layer", "heads", "head", "expanded", "pinned", "opened", "cells"] as const;

export interface Store {
  state: StateSignals;
  stream: ReadonlySignal<StreamSpec>;
  sides: ReadonlySignal<Record<SideName, SideSpec>>;
  filters: ReadonlySignal<FilterOption[]>;
  filter: ReadonlySignal<FilterOption>;
  layer: ReadonlySignal<LayerSpec>;
  /** Numbers of the active heads, in the layer's order; never empty. */
  heads: ReadonlySignal<number[]>;
  /** The one head that a view of a single head shows. */
  head: ReadonlySignal<number>;
}

export function createStore(spec: Spec): Store {
  const state = signalsOf(spec.state);
  const stream = computed(() => spec.streams.find((s) => s.name === state.stream.value) ?? spec.streams[0]!);
  const sides = computed(() => ({
    query: spec.sides[stream.value.query]!,
    key: spec.sides[stream.value.key]!,
  }));
  const filters = computed(() => filterOptions(sides.value.query, sides.value.key));
  const filter = computed(() => findFilter(filters.value, state.filter.value));
  const layer = computed(() => {
    const { layers } = stream.value;
    return layers.find((l) => l.layer === state.layer.value) ?? layers[0]!;
  });
  const heads = computed(() => activeHeads(layer.value.heads, state.heads.value));
  const head = computed(() => {
    const { heads: all } = layer.value;
    return all.find((number) => number === state.head.value) ?? all[0]!;
  });
  return { state, stream, sides, filters, filter, layer, heads, head };
}

function signalsOf(state: StateSpec): StateSignals {
  return {
    stream: signal(state.stream),
    filter: signal(state.filter),
    layer: signal(state.layer),
    heads: signal(state.heads),
    head: signal(state.head),
    expanded: signal(state.expanded),
    pinned: signal(state.pinned),
    opened: signal(state.opened),
    cells: signal(state.cells),
  };
}

export function activeHeads(all: number[], chosen: number[] | null): number[] {
  const active = chosen ? all.filter((head) => chosen.includes(head)) : all;
  return active.length ? active : all;
}

/** Click on a head: switch it; the only active one stays on. */
export function toggleHead(all: number[], active: number[], head: number): number[] | null {
  if (active.length === 1 && active[0] === head) return active;
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
