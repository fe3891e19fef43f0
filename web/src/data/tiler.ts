// Tiles of a heat map, and parts of long inputs, from queries and keys, made in a worker where that pays, so that the page
// stays at hand meanwhile. The worker runs the page's own script, from a blob: nothing is loaded.
import { Source } from "../source/cache";
import type { Shown } from "./filter";
import { partOf, type Part } from "./part";
import { madePlane, type Plane } from "./planes";
import { rowsOfVectors, together, type Rows } from "./rows";
import type { Size, Tile, TileAt } from "./tiles";
import type { HeadVectors } from "./vectors";

/** A heat map of weights or scores: of one head, or of several put together. */
export interface VectorMap {
  id: string;
  size: Size;
  heads: HeadVectors[];
  over: "mean" | "max" | null;
  scored: boolean;
}

/** A part of a layer's weights: of each head, or of all put together. */
export interface VectorPart {
  heads: HeadVectors[];
  over: "mean" | "max" | null;
  shown: Shown;
  /** Keys that count for nothing in the sums. */
  hidden: ReadonlySet<number>;
}

type Asked = { map: VectorMap } | { make: number; id: string; at: TileAt } | { make: number; part: VectorPart } | { stop: number };

interface Told {
  made: number;
  /** Null when it was stopped, undefined when it cannot be made. */
  result: Tile | Part | null | undefined;
}

/** Tiles made where this is called. */
export function vectorPlane(source: Source, { id, size, heads, over, scored }: VectorMap): Plane {
  return madePlane(source, id, size, rowsOf(heads, over, scored)[0]!, !scored);
}

/** A part made where this is called. */
export function vectorPart({ heads, over, shown, hidden }: VectorPart, wanted: () => boolean): Promise<Part | null> {
  return partOf(rowsOf(heads, over), shown, hidden, wanted);
}

/** Rows of each head, or of all put together. */
function rowsOf(heads: HeadVectors[], over: "mean" | "max" | null, scored = false): Rows[] {
  const rows = heads.map((head) => rowsOfVectors(head, scored));
  return over ? [together(rows, over)] : rows;
}

/** Numbers a map from which a worker pays. */
const LARGE = 2 ** 21;

const tilers = new WeakMap<Source, Tiler | null>();

/** Who makes the tiles of a map of so many numbers, if not this page itself; started at once. */
export function tilerFor(source: Source, numbers: number): Tiler | null {
  if (numbers < LARGE) return null;
  if (!tilers.has(source)) tilers.set(source, started(source.code()));
  return tilers.get(source)!;
}

function started(code: string | null): Tiler | null {
  try {
    return code ? new Tiler(code) : null;
  } catch {
    return null;
  }
}

interface Waiting {
  resolve(result: Tile | Part | null): void;
  reject(error: Error): void;
}

export class Tiler {
  #worker: Worker;
  #waiting = new Map<number, Waiting>();
  #count = 0;
  #fails = false;

  constructor(code: string) {
    // From a file, Chromium starts classic workers only; these cannot export.
    const classic = code.replace(/export\s*\{[^{}]*\};?\s*$/, "");
    const url = URL.createObjectURL(new Blob(['"use strict";', classic], { type: "text/javascript" }));
    this.#worker = new Worker(url);
    this.#worker.onmessage = ({ data: { made, result } }: MessageEvent<Told>) => {
      const waiting = this.#waiting.get(made);
      this.#waiting.delete(made);
      if (result === undefined) waiting?.reject(new Error("the worker has failed"));
      else waiting?.resolve(result);
    };
    this.#worker.onerror = () => {
      this.#fails = true;
      for (const { reject } of this.#waiting.values()) reject(new Error("the worker does not run"));
      this.#waiting.clear();
    };
  }

  /** The same tiles; where the worker fails, they are made here. */
  plane(map: VectorMap, here: Plane): Plane {
    this.#post({ map: { ...map, heads: map.heads.map(copied) } });
    const make: Plane["make"] = (at, wanted, stop) => this.#asked({ id: map.id, at }, stop, () => here.make(at, wanted, stop));
    return { ...here, make };
  }

  /** A part of a layer's weights; null when it was stopped. */
  part(part: VectorPart, stop: AbortSignal): Promise<Part | null> {
    return this.#asked({ part: { ...part, heads: part.heads.map(copied) } }, stop, () => vectorPart(part, () => !stop.aborted));
  }

  /** What the worker makes of this, or where it fails, what is made here. */
  #asked<T extends Tile | Part>(what: { id: string; at: TileAt } | { part: VectorPart }, stop: AbortSignal, here: () => Promise<T | null>): Promise<T | null> {
    if (this.#fails) return here();
    const make = ++this.#count;
    const told = new Promise<Tile | Part | null>((resolve, reject) => {
      this.#waiting.set(make, { resolve, reject });
      stop.addEventListener("abort", () => this.#post({ stop: make }), { once: true });
      this.#post({ make, ...what });
    });
    return (told as Promise<T | null>).catch(here);
  }

  #post(message: Asked): void {
    this.#worker.postMessage(message);
  }
}

/** A head's own numbers: a message takes along whatever shares their memory. */
function copied(head: HeadVectors): HeadVectors {
  const { queries, keys, bias, mask, seen } = head;
  return { ...head, queries: queries.slice(), keys: keys.slice(), bias: bias && bias.slice(), mask: mask && mask.slice(), seen: seen && seen.slice() };
}

/** What a worker is to this file; TypeScript's own types are either for pages or for workers. */
export interface WorkerScope {
  onmessage: ((event: { data: Asked }) => void) | null;
  postMessage(told: Told, moved: Transferable[]): void;
}

/** Maps that a worker keeps: the one shown, and the one before, which may be stopping. */
const KEPT = 2;

/** Answers in a worker what a `Tiler` asks. */
export function answerTiles(scope: WorkerScope): void {
  const source = new Source({ live: false, fetch: () => Promise.reject(new Error("a worker has no data of its own")) });
  const planes = new Map<string, Plane>();
  const stopped = new Set<number>();
  const never = new AbortController().signal;
  scope.onmessage = async ({ data }) => {
    if ("stop" in data) return void stopped.add(data.stop);
    if ("map" in data) {
      planes.delete(data.map.id);
      planes.set(data.map.id, vectorPlane(source, data.map));
      for (const id of planes.keys()) if (planes.size > KEPT) planes.delete(id);
      return;
    }
    const { make } = data;
    const wanted = () => !stopped.has(make);
    const making = "part" in data ? vectorPart(data.part, wanted) : planes.get(data.id)?.make(data.at, wanted, never);
    const result = await making?.catch(() => undefined);
    stopped.delete(make);
    const arrays = Object.values(result ?? {}).filter((value) => value instanceof Float32Array);
    scope.postMessage({ made: make, result }, [...new Set(arrays.map(({ buffer }) => buffer))]);
  };
}
