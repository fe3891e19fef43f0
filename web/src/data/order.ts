// Heads in the order of their numbers, or of a measure.
import type { LayerSpec, StreamSpec } from "../types";

/** The measure's number of each head of a layer; null where the stream has no such measure. */
export function valuesOf(stream: StreamSpec, layer: LayerSpec, name: string): (number | null)[] | null {
  const measure = stream.measures.find((one) => one.name === name);
  return measure?.values[stream.layers.indexOf(layer)] ?? null;
}

/** Largest first; heads without a number last. */
export function sortedHeads(stream: StreamSpec, layer: LayerSpec, sort: string): number[] {
  const values = valuesOf(stream, layer, sort);
  if (!values) return layer.heads;
  const rank = (head: number) => values[layer.heads.indexOf(head)] ?? -Infinity;
  return [...layer.heads].sort((a, b) => rank(b) - rank(a) || 0);
}

/** ` · entropy 1.23`: what the heads are sorted by, for one of them. */
export function measureText(stream: StreamSpec, layer: LayerSpec, head: number | null, sort: string): string {
  const value = head === null ? null : valuesOf(stream, layer, sort)?.[layer.heads.indexOf(head)];
  return value === null || value === undefined ? "" : ` · ${measureName(sort)} ${Number(value.toPrecision(3))}`;
}

export function measureName(name: string): string {
  return name.replaceAll("_", " ");
}

/** Of the mean's `head`, which is null, or of a head's number. */
export function headName(head: number | null, layer: LayerSpec): string {
  return head === null ? `mean of ${layer.heads.length} heads` : `head ${head}`;
}
