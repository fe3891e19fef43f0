// Weights of one layer for a component: kept while the next are on their way, checked against
// the spec, and a problem as text.
import { effect, useSignal, type ReadonlySignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Weights } from "../data/decode";
import type { Source } from "../source/cache";
import { keyOf, type Request, type Spec, type StreamSpec } from "../types";
import { messageOf } from "../ui/note";
import { loadPart } from "./part";

/** Like useSignalEffect, which waits for the next frame, but at once. */
export function useNow(run: () => void): void {
  useLayoutEffect(() => effect(run), []);
}

export interface Loaded {
  key: string;
  weights: Weights | null;
  problem: string | null;
}

export function useWeights(source: Source, request: ReadonlySignal<Request | null>, spec: Spec): ReadonlySignal<Loaded> {
  const loaded = useSignal<Loaded>({ key: "", weights: null, problem: null });
  const stop = useRef(new AbortController());
  useNow(() => {
    const wanted = request.value;
    stop.current.abort();
    stop.current = new AbortController();
    if (!wanted) return void (loaded.value = { key: "", weights: null, problem: null });
    const key = keyOf(wanted);
    const settle = (weights: Weights) => {
      if (request.peek() === wanted) loaded.value = { key, ...checked(weights, wanted, spec) };
    };
    const kept = source.peek(wanted);
    if (kept) return settle(kept);
    const got = wanted.kind === "part" ? loadPart(source, spec, wanted, stop.current.signal) : source.get(wanted);
    got.then(settle, (error: unknown) => {
      if (request.peek() === wanted) loaded.value = { key, weights: null, problem: messageOf(error) };
    });
  });
  return loaded;
}

export function checked(weights: Weights, request: Request, spec: Spec): { weights: Weights | null; problem: string | null } {
  if (request.kind === "part") return { weights, problem: null };
  const stream = spec.streams.find((s) => s.name === request.stream)!;
  const { query, key } = (request.words && stream.words) || stream;
  const expected = [headsOf(stream, request), spec.sides[query]!.text.length, spec.sides[key]!.text.length];
  if (request.kind === "thumbnails" || String(expected) === String(weights.shape)) return { weights, problem: null };
  return {
    weights: null,
    problem: `The data for "${keyOf(request)}" has shape [${weights.shape}], but the tokens and heads need [${expected}]. Save or run the view again.`,
  };
}

function headsOf(stream: StreamSpec, request: Request): number {
  return stream.layers.find((l) => l.layer === request.layer)?.heads.length ?? 0;
}

/** Calls back when the browser has nothing better to do. */
export function whenIdle(work: () => void, signal: AbortSignal): void {
  const run = () => signal.aborted || work();
  if (typeof requestIdleCallback === "function") requestIdleCallback(run, { timeout: 1500 });
  else setTimeout(run, 300);
}
