// Queries and keys of the head that is shown: loaded with what its rules name, checked against
// the spec, kept while the next are on their way.
import { useComputed, useSignal, type ReadonlySignal } from "@preact/signals";
import { headVectors, rowVectors, type Arrays, type HeadVectors, type LayerArrays } from "../data/vectors";
import type { Source } from "../source/cache";
import type { LayerSpec, Spec, StreamSpec } from "../types";
import { messageOf } from "../ui/note";
import { useNow } from "./load";

export interface LoadedHead {
  key: string;
  head: HeadVectors | null;
  problem: string | null;
}

/** One head, by its place among those shown of a layer. */
export interface HeadPlace {
  stream: StreamSpec;
  layer: LayerSpec;
  place: number;
}

interface Wanted extends HeadPlace {
  key: string;
}

/** Which head is meant, by the model's numbers. */
export interface HeadOf {
  stream: StreamSpec;
  layer: LayerSpec;
  head: number;
}

export function useHead(source: Source, spec: Spec, of: ReadonlySignal<HeadOf>): { wanted: ReadonlySignal<Wanted>; loaded: ReadonlySignal<LoadedHead> } {
  const loaded = useSignal<LoadedHead>({ key: "", head: null, problem: null });
  const wanted = useComputed<Wanted>(() => {
    const { stream, layer, head } = of.value;
    return { key: `${stream.name}/${layer.layer}/${head}`, stream, layer, place: layer.heads.indexOf(head) };
  });
  useNow(() => {
    const now = wanted.value;
    loadLayer(source, now.stream, now.layer)
      .then((arrays) => headOf(arrays, now, spec))
      .then(
        (head) => wanted.peek() === now && (loaded.value = { key: now.key, head, problem: null }),
        (error: unknown) => wanted.peek() === now && (loaded.value = { key: now.key, head: null, problem: messageOf(error) }),
      );
  });
  return { wanted, loaded };
}

/** Everything that a layer's heads need; also called ahead of time. Maps may have that of one key head, in eight bits a number. */
export async function loadLayer(source: Source, stream: StreamSpec, { layer, rules }: LayerSpec, keyHead?: number): Promise<LayerArrays> {
  if (!rules) throw new Error("The view holds no queries and keys. Record the model with attnscope.capture and make the view again.");
  const shared = (kind: "bias" | "mask") => {
    const owner = rules[kind];
    return owner === null ? null : source.arrays({ kind, stream: stream.name, layer: owner });
  };
  const asked = { stream: stream.name, layer };
  const vectors = source.arrays(keyHead === undefined ? { kind: "vectors", ...asked } : { kind: "rounded", ...asked, key_head: keyHead });
  const [own, bias, mask] = await Promise.all([vectors, shared("bias"), shared("mask")]);
  return { vectors: own, keyHead, bias, mask };
}

/** What heads of a layer multiply, as a saved page carries it: exactly, or in eight bits a number. */
export function carriedHeads(source: Source, spec: Spec, { stream, layer }: Pick<HeadOf, "stream" | "layer">, places: number[]): Promise<HeadVectors[]> {
  const load = (place: number) => loadLayer(source, stream, layer, spec.precision && layer.rules!.key_head[place]);
  return Promise.all(places.map(async (place) => headOf(await load(place), { stream, layer, place }, spec)));
}

/** Numbers of a layer's keys from which one row is asked for instead of all. */
const LARGE = 2_000_000;

/** What makes a query's row: the whole head where that is at hand or small, else the row alone. */
export async function loadRow(source: Source, spec: Spec, { stream, layer, head }: HeadOf, query: number): Promise<HeadVectors> {
  const place = layer.heads.indexOf(head);
  const keys = spec.sides[stream.key]!.text.length;
  if (!source.live || !layer.rules || layer.rules.dim * keys * layer.heads.length < LARGE)
    return headOf(await loadLayer(source, stream, layer), { stream, layer, place }, spec);
  const arrays = await source.arrays({ kind: "vectors", stream: stream.name, layer: layer.layer, head, query: [query, query + 1] });
  return { ...rowVectors(arrays, layer.rules, query), ...lacksOf(spec, stream) };
}

/** Of merged tokens, which the text of this stream has not. */
function lacksOf(spec: Spec, stream: StreamSpec): Pick<HeadVectors, "lacks"> {
  const [{ kinds }, { kinds: others }] = [spec.sides[stream.query]!, spec.sides[stream.key]!];
  if (!kinds || !others) return {};
  return { lacks: { query: kinds.map((kind) => kind === "gap"), key: others.map((kind) => kind === "gap") } };
}

const made = new WeakMap<Arrays, Map<number, HeadVectors>>();

export function headOf(arrays: LayerArrays, { stream, layer, place }: HeadPlace, spec: Spec): HeadVectors {
  const heads = made.get(arrays.vectors) ?? new Map<number, HeadVectors>();
  made.set(arrays.vectors, heads);
  let head = heads.get(place);
  if (!head) {
    head = headVectors(arrays, layer.rules!, place);
    const expected = [spec.sides[stream.query]!.text.length, spec.sides[stream.key]!.text.length];
    const [queries, keys] = [head.queries.length / head.dim, head.keys.length / head.dim];
    if (queries !== expected[0] || keys !== expected[1])
      throw new Error(`The data have ${queries} queries and ${keys} keys, but the tokens need ${expected[0]} and ${expected[1]}. Save or run the view again.`);
    heads.set(place, Object.assign(head, lacksOf(spec, stream)));
  }
  return head;
}
