// The data of a heat map, from whatever the host can give: tiles from Python, queries and keys, or
// weights.
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { askedPlane, Feed, madePlane, type Plane } from "../data/planes";
import { boundsOfCodes, rowsOfCodes, rowsOfVectors, together } from "../data/rows";
import type { Size } from "../data/tiles";
import type { Source } from "../source/cache";
import type { LayerSpec, Over, Spec, StreamSpec } from "../types";
import { messageOf } from "../ui/note";
import { checked, useNow } from "./load";
import { headOf, loadLayer } from "./vectors";

/** Which heat map is meant. */
export interface MapOf {
  stream: StreamSpec;
  layer: LayerSpec;
  head: number;
  over: Over;
}

export async function planeOf(source: Source, spec: Spec, map: MapOf): Promise<Plane> {
  const { stream, layer, head, over } = map;
  const size: Size = { queries: spec.sides[stream.query]!.text.length, keys: spec.sides[stream.key]!.text.length };
  const which = over === "head" ? { head } : { over };
  if (source.live) return askedPlane(source, { kind: "tile", stream: stream.name, layer: layer.layer, ...which }, size);
  const places = over === "head" ? [layer.heads.indexOf(head)] : layer.heads.map((_, place) => place);
  const fusion = over === "max" ? "max" : "mean";
  const id = `map/${stream.name}/${layer.layer}/${over === "head" ? head : over}`;
  if (layer.rules) {
    const arrays = await loadLayer(source, stream, layer);
    const rows = places.map((place) => rowsOfVectors(headOf(arrays, { stream, layer, place }, spec)));
    return madePlane(source, id, size, rows.length > 1 ? together(rows, fusion) : rows[0]!);
  }
  const request = { kind: "layer", stream: stream.name, layer: layer.layer } as const;
  const { weights, problem } = checked(await source.get(request), request, spec);
  if (!weights) throw new Error(problem!);
  const rows = places.map((place) => rowsOfCodes(weights, place, stream.causal));
  const plane = madePlane(source, id, size, rows.length > 1 ? together(rows, fusion) : rows[0]!);
  return { ...plane, bounds: (query, key) => boundsOfCodes(weights, places, fusion, query, key) };
}

export interface Fed {
  /** The map asked for; null while it is on its way. */
  feed: Feed | null;
  problem: string | null;
  /** Counts tiles that arrived. */
  turn: number;
}

/** The tiles of a heat map for a component. */
export function useFeed(source: Source, spec: Spec, map: ReadonlySignal<MapOf>): ReadonlySignal<Fed> {
  const fed = useSignal<Fed>({ feed: null, problem: null, turn: 0 });
  useNow(() => {
    const wanted = map.value;
    const current = () => map.peek() === wanted;
    const fail = (error: unknown) => current() && (fed.value = { feed: null, problem: messageOf(error), turn: 0 });
    const arrived = () => current() && (fed.value = { ...fed.peek(), turn: fed.peek().turn + 1 });
    fed.peek().feed?.want([]);
    fed.value = { feed: null, problem: null, turn: 0 };
    planeOf(source, spec, wanted).then((plane) => current() && (fed.value = { feed: new Feed(plane, source, arrived, fail), problem: null, turn: 0 }), fail);
  });
  return fed;
}
