// The numbers of a text: its layers, or the part of them that is shown, put together as the state
// says.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Weights } from "../data/decode";
import { fieldOf, grouped, groupsOf, type Field } from "../data/field";
import { contains, type Shown } from "../data/filter";
import { reshaped, type Plan } from "../data/reshape";
import { cutOf, isShare, type Store } from "../store";
import { keyOf, type LayerSpec, type Request, type StreamSpec } from "../types";
import { messageOf } from "../ui/note";
import type { ViewProps } from "./frame";
import { checked } from "./load";
import { loadPart, partRequest } from "./part";
import type { BySide } from "./textAim";

/** A text as it is shown: without hidden tokens, in words or tokens. */
export function useCut({ store, spec }: ViewProps, stream: StreamSpec) {
  const { state } = store;
  const part = usePart(store, stream);
  const cut = useMemo(() => cutOf({ query: spec.sides[stream.query]!, key: spec.sides[stream.key]! }, state, false, isShare(stream), part), [stream, state.hide_special.value, state.renormalise.value, part]);
  const words = state.words.value;
  const groups = useMemo(() => ({ query: groupsOf(cut.sides.query, words), key: groupsOf(cut.sides.key, words) }), [cut, words]);
  return { cut, groups, part };
}

/** The part of a long text: its keys, and as queries the same tokens, or the pinned one alone while it is elsewhere. */
function usePart({ part, state }: Store, stream: StreamSpec): Shown | null {
  const [now, pinned] = [part.value, state.pinned.value];
  const far = now && stream.query === stream.key && pinned?.side === "query" && !contains(now.key, pinned.index) ? pinned.index : null;
  return useMemo(() => now && (stream.query !== stream.key ? now : { key: now.key, query: far === null ? now.key : { start: far, stop: far + 1 } }), [now, far, stream]);
}

export function useText(view: ViewProps, stream: StreamSpec) {
  const { cut, groups, part } = useCut(view, stream);
  const { weights, problem } = useLayers(view, stream, part);
  return { cut, groups, problem, field: useField(view, stream, weights, cut.plan, groups) };
}

/** The layers that are shown, once all are there. */
function useLayers({ source, spec, store }: ViewProps, stream: StreamSpec, part: Shown | null): { weights: Weights[] | null; problem: string | null } {
  const { state } = store;
  const layers = shownLayers(stream, state.all_layers.value, state.layer.value);
  const requests = layers.map(({ layer }): Request => (part ? { ...partRequest(stream.name, layer, part, state.hide_special.value), ...headsOf(store) } : { kind: "layer", stream: stream.name, layer }));
  const key = requests.map(keyOf).join(" ");
  const [loaded, set] = useState<{ key: string; weights: Weights[] | null; problem: string | null }>({ key: "", weights: null, problem: null });
  useEffect(() => {
    const stop = new AbortController();
    const get = async (request: Request) => {
      const got = request.kind === "part" ? loadPart(source, spec, request, stop.signal) : source.get(request);
      const { weights, problem } = checked(await got, request, spec);
      if (!weights) throw new Error(problem!);
      return weights;
    };
    Promise.all(requests.map(get)).then(
      (weights) => stop.signal.aborted || set({ key, weights, problem: null }),
      (error: unknown) => stop.signal.aborted || set({ key, weights: null, problem: messageOf(error) }),
    );
    return () => stop.abort();
  }, [key]);
  return loaded.key === key ? loaded : { weights: null, problem: null };
}

/** Numbers of everything up to a layer are all in the last. */
export function shownLayers({ layers, quantity }: StreamSpec, all: boolean, layer: number): LayerSpec[] {
  return all ? (quantity?.across ? layers.slice(-1) : layers) : [layers.find((one) => one.layer === layer) ?? layers[0]!];
}

function useField({ store: { state } }: ViewProps, stream: StreamSpec, weights: Weights[] | null, plan: Plan, groups: BySide<number[][]>): Field | null {
  const [over, head] = [state.over.value, state.head.value];
  return useMemo(() => {
    if (!weights) return null;
    const layers = shownLayers(stream, state.all_layers.value, state.layer.value).map(({ heads }, i) => ({
      weights: reshaped(weights[i]!, plan),
      places: stream.part !== undefined ? ONE : over === "head" ? [Math.max(0, heads.indexOf(head!))] : heads.map((_, place) => place),
    }));
    return grouped(fieldOf(layers, over), groups.query, groups.key);
  }, [weights, plan, groups, over, head]);
}

/** Of a part: whoever makes it puts the heads together. */
export const ONE = [0];

/** Which heads are put together. */
export function headsOf({ state, head }: Store): Pick<Request, "head" | "over"> {
  return state.over.value === "head" ? { head: head.value } : { over: state.over.value };
}
