// The part of a long input that is shown: its weights for a component, from whatever the host can
// give (Python, queries and keys, or a layer's weights), and where it can be moved.
import type { Weights } from "../data/decode";
import type { Shown } from "../data/filter";
import { cutPart, weightsOfPart } from "../data/part";
import type { Off } from "../data/planes";
import { tilerFor, vectorPart } from "../data/tiler";
import type { Source } from "../source/cache";
import type { Store } from "../store";
import { keyOf, type LayerSpec, type Request, type Spec, type StreamSpec } from "../types";
import { offOf } from "./plane";
import { carriedHeads } from "./vectors";

/** What is asked for of a layer: all of it, or the part that is shown. */
export function layerRequest({ stream, part, state }: Store, layer: number): Request {
  const { name } = stream.value;
  return part.value ? partRequest(name, layer, part.value, state.hide_special.value) : { kind: "layer", stream: name, layer };
}

export function partRequest(stream: string, layer: number, { query, key }: Shown, hide: boolean): Request {
  return { kind: "part", stream, layer, query: [query.start, query.stop], key: [key.start, key.stop], ...(hide && { hide }) };
}

/** Milliseconds that a part must be wanted for before it is asked for: what is scrolled past is not. */
const STEADY = 50;

/** The weights of a part; rejects when it was stopped. */
export async function loadPart(source: Source, spec: Spec, request: Request, stop: AbortSignal): Promise<Weights> {
  const name = keyOf(request);
  const kept = source.recall<Weights>(name);
  if (kept) return kept;
  await new Promise((resolve) => setTimeout(resolve, STEADY));
  stop.throwIfAborted();
  const stream = spec.streams.find((one) => one.name === request.stream)!;
  const layer = stream.layers.find((one) => one.layer === request.layer)!;
  const shown = { query: rangeOf(request.query!), key: rangeOf(request.key!) };
  const weights = await (source.live ? asked : layer.rules ? computed : cut)(source, spec, { stream, layer, shown }, request, stop);
  source.keep(name, weights, 6 * weights.codes.length);
  return weights;
}

function rangeOf([start, stop]: number[]) {
  return { start: start!, stop: stop! };
}

interface PartOf {
  stream: StreamSpec;
  layer: LayerSpec;
  shown: Shown;
}

/** A part that Python computes. */
async function asked(source: Source, _: Spec, { shown }: PartOf, request: Request, stop: AbortSignal): Promise<Weights> {
  const { named } = await source.ask(request, stop);
  const [value, before, after] = ["value", "before", "after"].map((name) => named.get(name)?.data as Float32Array | undefined);
  if (!value || !before || !after) throw new Error("Python sent other data than were asked for. Run the cell again.");
  return weightsOfPart({ value, before, after }, shown, null);
}

/** A part of the weights that the page carries. */
async function cut(source: Source, spec: Spec, { stream, layer, shown }: PartOf, { hide }: Request): Promise<Weights> {
  const whole = await source.get({ kind: "layer", stream: stream.name, layer: layer.layer });
  return cutPart(whole, shown, new Set(hide ? spec.sides[stream.key]!.special : []));
}

/** A part made of the queries and keys that the page carries. */
async function computed(source: Source, spec: Spec, { stream, layer, shown }: PartOf, { head, over, hide }: Request, stop: AbortSignal): Promise<Weights> {
  const side = spec.sides[stream.key]!;
  const hidden = new Set(hide ? side.special : []);
  const places = head === undefined ? layer.heads.map((_, place) => place) : [layer.heads.indexOf(head)];
  const heads = await carriedHeads(source, spec, { stream, layer }, places);
  const wanted = { heads, over: over ?? null, shown, hidden };
  const tiler = tilerFor(source, (shown.query.stop - shown.query.start) * side.text.length * places.length);
  const off = over ? [offOf(heads, false, over === "mean")] : heads.map((one) => offOf([one], false, false));
  const part = await (tiler ? tiler.part(wanted, stop) : vectorPart(wanted, () => !stop.aborted));
  if (!part) throw new DOMException("it is no longer wanted", "AbortError");
  return weightsOfPart(part, shown, off[0] ? (off as Off[]) : null);
}
