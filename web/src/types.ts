// The contract with Python, mirrored from src/attnscope/wire/spec.py, and the few types
// that every part of the front end shares.

export const VERSION = 1;

export type ViewName = "head" | "model" | "neuron" | "image" | "matrix" | "heads" | "text" | "generation";
export type Theme = "auto" | "light" | "dark";
export type EncodingName = "linear16" | "sqrt8";
export type DtypeName = "float32" | "float16" | "bfloat16" | "uint8" | "int8";
export type SideName = "query" | "key";
export type Outcome = "all" | "right" | "wrong";
export type CellStyle = "auto" | "lines" | "heat";
export type Over = "head" | "mean" | "max";
export type ColorScale = "root" | "linear" | "log";
export type Blocks = "max" | "mean";
export type QuantityScope = "head" | "layer";
export type Kind = "same" | "replaced" | "alone" | "gap";
export type Show = "both" | "difference";

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
  spaced?: number[];
  /** The tokens' numbers in the whole text, where only some were kept. */
  numbers?: number[];
  /** Of merged lists: what each token is in this one. */
  kinds?: Kind[];
  marked?: number[];
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

/** What a heat map can show. */
export interface QuantitySpec {
  name: string;
  label: string;
  about: string;
  per: QuantityScope;
  high: number | null;
  signed: boolean;
  across: boolean;
  carried: boolean;
}

/** A stream over words: places of its sides. */
export interface WordsSpec {
  query: number;
  key: number;
  carried: boolean;
}

export interface ClassSpec {
  name: string;
  value: number;
}

/** What is known of a text beside its attention. */
export interface DocumentSpec {
  id: string;
  label: string[];
  prediction: string[];
  right: boolean | null;
  posterior: ClassSpec[];
}

/** Of a stream whose queries are generated tokens: the text that their keys are in. */
export interface StepsSpec {
  /** A place in `sides`: all keys, and behind them the last token, made and not read. */
  text: number;
  /** The place in it of the first token that was generated; null where it is another text. */
  first: number | null;
}

/** What a language model predicted at each query: what comes next, or what stands there. */
export interface PredictedSpec {
  following: boolean;
  tokens: string[][];
  probabilities: number[][];
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
  patterns?: string[][];
  quantities?: QuantitySpec[];
  words?: WordsSpec;
  document?: DocumentSpec;
  steps?: StepsSpec;
  quantity?: QuantitySpec;
  stack?: string;
  /** The streams that this one is the difference of. */
  pair?: string[];
  predicted?: PredictedSpec;
  /** So many tokens of a side are shown at a time: all are too many. */
  part?: number;
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

export interface PairSpec {
  query: number;
  key: number;
}

/** The part of a long input that is shown: [start, stop] in tokens, in a heat map with fractions. */
export interface WindowSpec {
  query: number[];
  key: number[];
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
  over: Over;
  quantity: string;
  words: boolean;
  window: WindowSpec | null;
  cursor: PairSpec | null;
  color: ColorScale;
  fit: boolean;
  blocks: Blocks;
  measure: string;
  all_layers: boolean;
  column: boolean;
  search: string;
  outcome: Outcome;
  step: number;
  hide_first: boolean;
  show: Show;
}

/** A picture, and how its patches lie: row by row, from token `first` on. `png` is base64. */
export interface ImageSpec {
  width: number;
  height: number;
  png: string;
  rows: number;
  columns: number;
  first: number;
  /** Of a comparison: the picture of the second trace, where it is another one. */
  other?: string;
}

/** A small table beside a view; the first column names the rows. */
export interface TableSpec {
  title: string;
  columns: string[];
  rows: string[][];
  about: string;
}

/** How far off weights are whose queries and keys are in eight bits: none more than `largest`, in half of the rows none more than `typical`. */
export interface ErrorSpec {
  largest: number;
  typical: number;
}

export interface Spec {
  version: number;
  view: ViewName;
  theme: Theme;
  title: string;
  /** What is unusual about these data, in sentences. */
  notes: string[];
  encoding: EncodingName;
  /** What the page brings along of layers with rules; whoever is connected to Python may ask for vectors. */
  carries: "weights" | "vectors" | "both" | "means";
  sides: SideSpec[];
  streams: StreamSpec[];
  state: StateSpec;
  image?: ImageSpec;
  tables?: TableSpec[];
  /** Where a page carries queries and keys in eight bits a number. */
  precision?: "int8";
  error?: ErrorSpec;
}

export interface Request {
  kind: "layer" | "thumbnails" | "vectors" | "rounded" | "bias" | "mask" | "rows" | "quantity" | "tile" | "part";
  stream: string;
  layer?: number;
  head?: number;
  key_head?: number;
  over?: "mean" | "max";
  quantity?: string;
  words?: boolean;
  rough?: boolean;
  hide?: boolean;
  query?: number[];
  key?: number[];
  step?: number;
}

export interface ReplyMeta {
  shape: number[];
  encoding: EncodingName;
  codec: "gzip";
  spread: number;
  range?: number[];
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

/** Where replies come from: the page itself, a notebook kernel or a server. */
export interface Transport {
  /** Rejects with an AbortError where it was stopped, if it can be. */
  fetch(request: Request, stop?: AbortSignal): Promise<Reply>;
  /** Whether tiles can be asked for: Python is there to compute them. */
  live: boolean;
  /** The script that runs here, where the page has it as text. */
  code?(): string | null;
}

/** The request as a path: `layer/self/3`, `thumbnails/self`, `tile/self/3/mean/0-9/0-9/1`. */
export function keyOf({ kind, stream, layer, head, key_head, over, quantity, words, rough, hide, query, key, step }: Request): string {
  const parts = [kind, stream, layer, head, key_head, over, quantity, words ? "words" : undefined, rough ? "rough" : undefined, hide ? "hide" : undefined, query?.join("-"), key?.join("-"), step];
  return parts.filter((part) => part !== undefined).join("/");
}
