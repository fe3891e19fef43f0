// The contract with Python, mirrored from src/attnscope/wire/spec.py, and the few types
// that every part of the front end shares.

export const VERSION = 1;

export type ViewName = "head" | "model" | "neuron" | "image";
export type Theme = "auto" | "light" | "dark";
export type EncodingName = "linear16" | "sqrt8";
export type DtypeName = "float32" | "float16" | "bfloat16" | "uint8";
export type SideName = "query" | "key";
export type CellStyle = "auto" | "lines" | "heat";

export interface SegmentSpec {
  name: string;
  start: number;
  stop: number;
}

export interface SideSpec {
  text: string[];
  raw: string[];
  special: number[];
  words: number[];
  segments: SegmentSpec[];
}

/** How a layer makes weights from queries and keys. */
export interface RulesSpec {
  dim: number;
  dtype: DtypeName;
  scaling: number;
  causal: boolean;
  offset: number;
  window: number | null;
  softcap: number | null;
  sinks: boolean;
  key_place: number[];
  key_head: number[];
  bias: number | null;
  mask: number | null;
}

export interface LayerSpec {
  layer: number;
  heads: number[];
  rules?: RulesSpec;
}

/** One measure of every head shown: a list a layer, in the order of `layers` and their `heads`. */
export interface MeasureSpec {
  name: string;
  values: (number | null)[][];
}

export interface StreamSpec {
  name: string;
  label: string;
  query: number;
  key: number;
  layers: LayerSpec[];
  causal: boolean;
  sinks: boolean;
  thumbnail: number[] | null;
  measures: MeasureSpec[];
}

export interface PinnedSpec {
  side: SideName;
  index: number;
}

/** One head of one layer, or the mean over the layer's heads. */
export interface CellSpec {
  layer: number;
  head: number | null;
}

export interface StateSpec {
  stream: string;
  filter: string;
  layer: number;
  heads: number[] | null;
  head: number | null;
  expanded: boolean;
  pinned: PinnedSpec | null;
  opened: CellSpec | null;
  cells: CellStyle;
  mean: boolean;
  sort: string;
  hide_special: boolean;
  renormalise: boolean;
  threshold: number;
}

/** A picture, and how its patches lie: row by row, from token `first` on. `png` is base64. */
export interface ImageSpec {
  width: number;
  height: number;
  png: string;
  rows: number;
  columns: number;
  first: number;
}

export interface Spec {
  version: number;
  view: ViewName;
  theme: Theme;
  title: string;
  /** What is unusual about these data, in sentences. */
  notes: string[];
  encoding: EncodingName;
  sides: SideSpec[];
  streams: StreamSpec[];
  state: StateSpec;
  image?: ImageSpec;
}

export interface Request {
  kind: "layer" | "thumbnails" | "vectors" | "bias" | "mask";
  stream: string;
  layer?: number;
}

export interface ReplyMeta {
  shape: number[];
  encoding: EncodingName;
  codec: "gzip";
  spread: number;
}

export interface ArraySpec {
  name: string;
  dtype: DtypeName;
  shape: number[];
}

export interface ArraysMeta {
  codec: "gzip";
  arrays: ArraySpec[];
}

export interface Reply {
  meta: ReplyMeta | ArraysMeta;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Where replies come from: the page itself or a notebook kernel. */
export interface Transport {
  fetch(request: Request): Promise<Reply>;
}

/** The request as a path: `layer/self/3`, `thumbnails/self`. */
export function keyOf(request: Request): string {
  const parts: (string | number)[] = [request.kind, request.stream];
  if (request.layer !== undefined) parts.push(request.layer);
  return parts.join("/");
}
