// Tiles of a heat map from queries and keys, made in a worker where that pays, so that the page
// stays at hand meanwhile. The worker runs the page's own script, from a blob: nothing is loaded.
import { Source } from "../source/cache";
import { madePlane, type Plane } from "./planes";
import { rowsOfVectors, together } from "./rows";
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

type Asked = { map: VectorMap } | { make: number; id: string; at: TileAt } | { stop: number };

interface Told {
  made: number;
  /** Null when it was stopped, undefined when it cannot be made. */
  tile: Tile | null | undefined;
}

/** Tiles made where this is called. */
export function vectorPlane(source: Source, { id, size, heads, over, scored }: VectorMap): Plane {
  const rows = heads.map((head) => rowsOfVectors(head, scored));
  return madePlane(source, id, size, over ? together(rows, over) : rows[0]!, !scored);
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
  resolve(tile: Tile | null): void;
  reject(error: Error): void;
}

export class Tiler {
  #worker: Worker;
  #waiting = new Map<number, Waiting>();
  #asked = 0;
  #fails = false;

  constructor(code: string) {
    // From a file, Chromium starts classic workers only; these cannot export.
    const classic = code.replace(/export\s*\{[^{}]*\};?\s*$/, "");
    const url = URL.createObjectURL(new Blob(['"use strict";', classic], { type: "text/javascript" }));
    this.#worker = new Worker(url);
    this.#worker.onmessage = ({ data: { made, tile } }: MessageEvent<Told>) => {
      const waiting = this.#waiting.get(made);
      this.#waiting.delete(made);
      if (tile === undefined) waiting?.reject(new Error("the worker has failed"));
      else waiting?.resolve(tile);
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
    const make: Plane["make"] = (at, wanted, stop) =>
      this.#fails ? here.make(at, wanted, stop) : this.#ask(map.id, at, stop).catch(() => here.make(at, wanted, stop));
    return { ...here, make };
  }

  #ask(id: string, at: TileAt, stop: AbortSignal): Promise<Tile | null> {
    const make = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(make, { resolve, reject });
      stop.addEventListener("abort", () => this.#post({ stop: make }), { once: true });
      this.#post({ make, id, at });
    });
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
    const { make, id, at } = data;
    const making = planes.get(id)?.make(at, () => !stopped.has(make), never);
    const tile = await making?.catch(() => undefined);
    stopped.delete(make);
    scope.postMessage({ made: make, tile }, tile ? [...new Set([tile.mean.buffer, tile.max.buffer])] : []);
  };
}
