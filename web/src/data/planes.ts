// The data of one heat map as tiles, wherever they come from: asked of Python, or made here from
// rows.
import type { Source } from "../source/cache";
import { keyOf, type Request } from "../types";
import type { Bounds } from "./decode";
import type { Range } from "./filter";
import { pause } from "./pause";
import type { Rows } from "./rows";
import { cellsOf, Pool, SIDE, topStep, type Size, type Tile, type TileAt } from "./tiles";

export interface Plane {
  /** Equal for equal data. */
  id: string;
  size: Size;
  /** How many tiles are made at a time. */
  parallel: number;
  /** Null when it is no longer wanted; `stop` says so, too. */
  make(at: TileAt, wanted: () => boolean, stop: AbortSignal): Promise<Tile | null>;
  /** A quick picture to begin with, for a tile that takes long. */
  rough?(at: TileAt, stop: AbortSignal): Promise<Tile> | null;
  /** By what part of itself a number may be off. */
  error?: number;
  /** Between which values a cell's number lies, where that does not follow from its tile. */
  bounds?(query: number, key: number): Bounds;
  /** How far off the numbers of rows are, where their queries and keys came in eight bits. */
  off?: Off;
}

/** By row: the most that a number is off, and by what factor e^share. */
export interface Off {
  most: Float32Array;
  share: Float32Array | null;
}

/** Between which values a number of some rows lies, or their mean, or the largest of them. */
export function boundsOff({ most, share }: Off, value: number, { start, stop }: Range): [number, number] {
  const largest = (rows: Float32Array) => rows.subarray(start, stop).reduce((top, one) => Math.max(top, one), 0);
  const [off, factor] = [largest(most), share ? Math.exp(largest(share)) : Infinity];
  if (factor === Infinity) return [share ? Math.max(value - off, 0) : value - off, value + off];
  return [Math.max(value - off, value / factor), Math.min(value + off, value * factor, 1)];
}

/** From so many cells a block on, a tile may take seconds, and a rough one is asked for first. */
const SLOW = 32;

/** Tiles asked of Python. */
export function askedPlane(source: Source, request: Request, size: Size): Plane {
  const ask = async (at: TileAt, stop: AbortSignal, rough?: true): Promise<Tile> => {
    const { query, key } = cellsOf(at, size);
    const asked = { ...request, query: [query.start, query.stop], key: [key.start, key.stop], step: at.step };
    const { named } = await source.ask(rough ? { ...asked, rough } : asked, stop);
    const numbers = (name: string) => named.get(name)?.data as Float32Array | undefined;
    const max = numbers("value") ?? numbers("max");
    const [rows, columns] = [query, key].map(({ start, stop }) => Math.ceil((stop - start) / at.step)) as [number, number];
    if (max?.length !== rows * columns) throw new Error("The kernel sent a tile of another size. Run the cell again.");
    return { rows, columns, mean: numbers("mean") ?? max, max, ...(named.has("rough") && { rough: true }) };
  };
  const slow = (at: TileAt) => at.step >= SLOW && at.step === topStep(size) && (request.quantity ?? "weight") === "weight";
  return { id: keyOf(request), size, parallel: 4, make: (at, _, stop) => ask(at, stop), rough: (at, stop) => (slow(at) ? ask(at, stop, true) : null) };
}

/** Milliseconds of work after which the browser has its turn. */
export const SLICE = 12;

/** Tiles made here: rows are computed strip by strip, and kept for other tiles. */
export function madePlane(source: Source, id: string, size: Size, rows: Rows, zero = true): Plane {
  let since = 0;
  return {
    id, size, parallel: 1,
    async make(at, wanted) {
      const pool = new Pool(at, size, zero);
      const { query } = cellsOf(at, size);
      for (let start = query.start; start < query.stop; start += SIDE) {
        if (performance.now() - since > SLICE) {
          await pause();
          since = performance.now();
          if (!wanted()) return null;
        }
        pool.add(strip(start, Math.min(start + SIDE, size.queries)), start, size.keys);
      }
      return pool.tile();
    },
  };

  function strip(start: number, stop: number): Float32Array {
    const key = `${id}/rows/${start}`;
    let made = source.recall<Float32Array>(key);
    if (!made) source.keep(key, (made = rows(start, stop)), made.byteLength);
    return made;
  }
}

/** The tiles of a plane: those that a picture wants are made, the most urgent first. */
export class Feed {
  readonly plane: Plane;
  #source: Source;
  #arrived: () => void;
  #failed: (error: unknown) => void;
  #wanted: TileAt[] = [];
  #making = new Map<string, AbortController>();
  #rough = new Map<string, Tile>();

  constructor(plane: Plane, source: Source, arrived: () => void, failed: (error: unknown) => void) {
    [this.plane, this.#source, this.#arrived, this.#failed] = [plane, source, arrived, failed];
  }

  peek(at: TileAt): Tile | undefined {
    const name = this.#nameOf(at);
    return this.#source.recall(name) ?? this.#rough.get(name);
  }

  /** What was wanted before and is not made yet is forgotten; what is roughly there comes last. */
  want(tiles: TileAt[]): void {
    const lacking = tiles.filter((at) => !this.#source.recall(this.#nameOf(at)));
    const isRough = (at: TileAt) => Number(this.#rough.has(this.#nameOf(at)));
    this.#wanted = lacking.sort((a, b) => isRough(a) - isRough(b));
    for (const [name, making] of this.#making) if (!this.#isWanted(name)) making.abort();
    this.#next();
  }

  get complete(): boolean {
    return this.#wanted.length === 0;
  }

  #nameOf({ step, row, column }: TileAt): string {
    return `${this.plane.id}/${step}/${row}/${column}`;
  }

  #next(): void {
    for (const at of this.#wanted) {
      if (this.#making.size >= this.plane.parallel) return;
      if (!this.#making.has(this.#nameOf(at))) void this.#make(at);
    }
  }

  async #make(at: TileAt): Promise<void> {
    const name = this.#nameOf(at);
    const making = new AbortController();
    this.#making.set(name, making);
    try {
      const rough = this.#rough.has(name) ? null : await this.plane.rough?.(at, making.signal);
      if (rough?.rough) this.#rough.set(name, rough);
      else if (rough) this.#keep(name, rough);
      else this.#keep(name, await this.plane.make(at, () => this.#isWanted(name), making.signal));
    } catch (error) {
      if (!making.signal.aborted) {
        this.#wanted = [];
        this.#failed(error);
      }
    }
    this.#making.delete(name);
    this.#arrived();
    this.#next();
  }

  #isWanted(name: string): boolean {
    return this.#wanted.some((one) => this.#nameOf(one) === name);
  }

  #keep(name: string, tile: Tile | null): void {
    if (!tile) return;
    this.#source.keep(name, tile, tile.max.byteLength * (tile.mean === tile.max ? 1 : 2));
    this.#rough.delete(name);
    this.#wanted = this.#wanted.filter((one) => this.#nameOf(one) !== name);
  }
}
