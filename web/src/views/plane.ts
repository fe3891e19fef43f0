// The data of a heat map, from whatever the host can give: tiles from Python, queries and keys, or
// weights.
import { useSignal, type ReadonlySignal } from "@preact/signals";
import { askedPlane, Feed, madePlane, type Off, type Plane } from "../data/planes";
import type { Weights } from "../data/decode";
import { differenceOf } from "../data/difference";
import { boundsOfCodes, minus, rowsOfCodes, rowsOfNumbers, together as togetherRows, type Rows } from "../data/rows";
import { tilerFor, vectorPlane } from "../data/tiler";
import type { Size } from "../data/tiles";
import type { HeadVectors } from "../data/vectors";
import type { Source } from "../source/cache";
import type { LayerSpec, Over, QuantitySpec, Request, SideName, SideSpec, Spec, StreamSpec } from "../types";
import { messageOf } from "../ui/note";
import { checked, useNow } from "./load";
import { carriedHeads, type HeadOf } from "./vectors";

/** Which heat map is meant. */
export interface MapOf extends HeadOf {
  over: Over;
  quantity: QuantitySpec;
  /** Between words: the stream then has their sides, and the layer no rules. */
  words?: boolean;
  /** The two maps that this one is the difference of. */
  pair?: [MapOf, MapOf];
  /** The tokens that have to fit beside it, where maps are to lie alike. */
  names?: Record<SideName, SideSpec>;
}

/** Whether this page can show a stream over words. */
export function hasWords(source: Source, { words }: StreamSpec): boolean {
  return words !== undefined && (source.live || words.carried);
}

/** The same map, between words. */
export function overWords({ stream, layer, head, over, quantity }: MapOf): MapOf {
  const { query, key } = stream.words!;
  return { stream: { ...stream, query, key }, layer: { layer: layer.layer, heads: layer.heads }, head, over, quantity, words: true };
}

/** What this page can show of a layer: a saved one has less than one that is connected to Python. */
export function quantitiesOf(source: Source, stream: StreamSpec, layer: LayerSpec): QuantitySpec[] {
  const own = stream.quantities!;
  return source.live ? own : own.filter(({ name, carried }) => carried || name === "weight" || (name === "score" && layer.rules));
}

/** Numbers of a layer as a whole have no heads to choose from. */
export function wholeLayer({ quantity }: MapOf): boolean {
  return quantity.per === "layer";
}

export async function planeOf(source: Source, spec: Spec, map: MapOf): Promise<Plane> {
  const { stream, layer, head, over, quantity, words } = map;
  const size: Size = { queries: spec.sides[stream.query]!.text.length, keys: spec.sides[stream.key]!.text.length };
  const together = over !== "head" && !wholeLayer(map);
  const request = { stream: stream.name, layer: layer.layer, ...(quantity.name !== "weight" && { quantity: quantity.name }), ...(words && { words }) };
  if (source.live) return askedPlane(source, { kind: "tile", ...request, ...(together ? { over } : { head }) }, size);
  const places = together ? layer.heads.map((_, place) => place) : [wholeLayer(map) ? 0 : layer.heads.indexOf(head)];
  const id = `map/${Object.values(request).join("/")}/${together ? over : places[0]}`;
  if (layer.rules && !quantity.carried && !map.pair) {
    const tiler = tilerFor(source, size.queries * size.keys * places.length);
    const heads = await carriedHeads(source, spec, map, places);
    const made = { id, size, heads, over: together ? over : null, scored: quantity.name === "score" };
    const [plane, off] = [vectorPlane(source, made), offOf(heads, made.scored, over === "mean")];
    return { ...(tiler?.plane(made, plane) ?? plane), ...(off && { off }) };
  }
  const { rows, bounds } = map.pair ? await differenceRows(source, spec, map.pair, places, over) : await rowsOf(source, spec, map, request, places);
  const plane = madePlane(source, id, size, together ? togetherRows(rows, over) : rows[0]!, quantity.name === "weight");
  return { ...plane, ...(bounds && { bounds }), error: quantity.carried ? 0.0005 : 0 };
}

/** How far off rows of these heads are together: a mean is off by the mean at most, the largest by the most. */
export function offOf(heads: HeadVectors[], scored: boolean, mean: boolean): Off | null {
  const all = heads.flatMap(({ off }) => (off ? [off] : []));
  if (!all.length) return null;
  const rows = (put: (values: number[]) => number, of: "weight" | "ratio" | "score") => all[0]![of].map((_, query) => put(all.map((off) => off[of][query]!)));
  const largest = (values: number[]) => Math.max(...values);
  const most = mean ? (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length : largest;
  return { most: rows(most, scored ? "score" : "weight"), share: scored ? null : rows(largest, "ratio") };
}

interface Made {
  /** Of each head. */
  rows: Rows[];
  bounds?: Plane["bounds"];
}

/** Rows of the heads at these places, from what the page carries. */
async function rowsOf(source: Source, spec: Spec, { stream, quantity, over }: MapOf, request: { stream: string; layer: number }, places: number[]): Promise<Made> {
  if (quantity.carried) {
    const value = (await source.arrays({ kind: "quantity", ...request })).named.get("value")!;
    return { rows: places.map((place) => rowsOfNumbers(value, place)) };
  }
  const weights = await layerOf(source, spec, { kind: "layer", ...request });
  return {
    rows: places.map((place) => rowsOfCodes(weights, place, stream.causal)),
    bounds: (query, key) => boundsOfCodes(weights, places, over === "max" ? "max" : "mean", query, key),
  };
}

/** Of the weights of two traces: hidden where they are. */
async function differenceRows(source: Source, spec: Spec, pair: [MapOf, MapOf], places: number[], over: Over): Promise<Made> {
  const [first, second] = await Promise.all(pair.map(({ stream, layer }) => layerOf(source, spec, { kind: "layer", stream: stream.name, layer: layer.layer })));
  const difference = differenceOf(first!, second!);
  const { causal } = pair[0].stream;
  return {
    rows: places.map((place) => minus(rowsOfCodes(second!, place, causal), rowsOfCodes(first!, place, causal))),
    bounds: (query, key) => boundsOfCodes(difference, places, over === "max" ? "max" : "mean", query, key),
  };
}

async function layerOf(source: Source, spec: Spec, wanted: Request): Promise<Weights> {
  const { weights, problem } = checked(await source.get(wanted), wanted, spec);
  if (!weights) throw new Error(problem!);
  return weights;
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
