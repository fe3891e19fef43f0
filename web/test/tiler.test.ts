import { afterEach, describe, expect, it, vi } from "vitest";
import { fromDense } from "../src/data/decode";
import { boundsOff, Feed, type Plane } from "../src/data/planes";
import { cellText } from "../src/draw/map";
import { answerTiles, tilerFor, vectorPlane, type VectorMap, type WorkerScope } from "../src/data/tiler";
import type { TileAt } from "../src/data/tiles";
import { unpackArrays, headVectors, type HeadVectors } from "../src/data/vectors";
import { Source } from "../src/source/cache";
import { RULES } from "./vectors.test";

const [QUERIES, KEYS, DIM] = [600, 300, 2];
let seed = 7;
const noise = (count: number) => Float32Array.from({ length: count }, () => ((seed = (seed * 16807) % 2147483647) / 2147483647) * 4 - 2);

function map(heads = 1, over: "mean" | "max" | null = null, id = "map"): VectorMap {
  const shared = noise(heads * QUERIES * DIM);
  const head = (place: number): HeadVectors => ({
    rules: { ...RULES, causal: true, offset: 3 }, dim: DIM, nQuery: QUERIES, nKey: KEYS, first: 0, bias: null, mask: null, seen: null, sink: 0.5,
    queries: shared.subarray(place * QUERIES * DIM, (place + 1) * QUERIES * DIM), keys: noise(KEYS * DIM),
  });
  return { id, size: { queries: QUERIES, keys: KEYS }, heads: Array.from({ length: heads }, (_, place) => head(place)), over, scored: false };
}

const pageWith = (code: string | null) => new Source({ live: false, fetch: () => Promise.reject(new Error("nothing is asked for")), code: () => code });
const CODE = "run();export{a as default};";
const LARGE = 2 ** 21;

/** A worker that runs `answerTiles` here; its messages are cloned as a browser clones them. */
class FakeWorker {
  static blobs: Blob[] = [];
  static made: FakeWorker[] = [];
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  posted: object[] = [];
  bytes = 0;
  #scope: WorkerScope = { onmessage: null, postMessage: (told, moved) => this.onmessage?.({ data: structuredClone(told, { transfer: moved }) }) };
  constructor(readonly url: string) {
    FakeWorker.made.push(this);
    answerTiles(this.#scope);
  }
  postMessage(message: object): void {
    this.posted.push(message);
    const data = structuredClone(message);
    if ("map" in data) for (const { queries } of (data as { map: VectorMap }).map.heads) this.bytes += queries.buffer.byteLength;
    queueMicrotask(() => this.#scope.onmessage?.({ data: data as never }));
  }
}

function withWorkers(worker: unknown): void {
  vi.stubGlobal("Worker", worker);
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => (FakeWorker.blobs.push(blob as Blob), "blob:here"));
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  FakeWorker.made = [];
  FakeWorker.blobs = [];
});

const tiles: TileAt[] = [{ step: 4, row: 0, column: 0 }, { step: 1, row: 2, column: 1 }, { step: 2, row: 1, column: 0 }];
const fresh = () => new AbortController().signal;

async function expectSame(plane: Plane, here: Plane, at: TileAt): Promise<void> {
  const [got, wanted] = [await plane.make(at, () => true, fresh()), await here.make(at, () => true, fresh())];
  expect([got!.rows, got!.columns]).toEqual([wanted!.rows, wanted!.columns]);
  for (const part of ["mean", "max"] as const) expect(got![part].every((value, i) => Object.is(value, wanted![part][i]))).toBe(true);
}

describe("tiles made in a worker", () => {
  it.each([["one head", 1, null], ["the mean of three", 3, "mean"], ["the largest of three", 3, "max"]] as const)("are those made in the page: %s", async (_, heads, over) => {
    withWorkers(FakeWorker);
    const [source, asked] = [pageWith(CODE), map(heads, over)];
    const here = vectorPlane(source, asked);
    const plane = tilerFor(source, LARGE)!.plane(asked, here);
    for (const at of tiles) await expectSame(plane, here, at);
    expect(FakeWorker.made.length).toBe(1);
    expect(FakeWorker.made[0]!.bytes).toBe(heads * QUERIES * DIM * 4);
  });

  it("run the page's script without its export, once for a page and only for large maps", async () => {
    withWorkers(FakeWorker);
    const source = pageWith(CODE);
    expect(tilerFor(source, LARGE - 1)).toBe(null);
    expect(FakeWorker.made.length).toBe(0);
    expect(tilerFor(source, LARGE)).toBe(tilerFor(source, 2 * LARGE));
    expect(await FakeWorker.blobs[0]!.text()).toBe('"use strict";run();');
  });

  it("are stopped, and made when they are wanted again", async () => {
    withWorkers(FakeWorker);
    const [source, asked] = [pageWith(CODE), map()];
    const plane = tilerFor(source, LARGE)!.plane(asked, vectorPlane(source, asked));
    const stopping = new AbortController();
    const stopped = plane.make(tiles[0]!, () => false, stopping.signal);
    stopping.abort();
    expect(await stopped).toBe(null);
    expect(await plane.make(tiles[0]!, () => true, fresh())).not.toBe(null);
  });

  it("come for the map that is shown, also after another", async () => {
    withWorkers(FakeWorker);
    const source = pageWith(CODE);
    const planes = ["a", "b", "c"].map((id) => {
      const asked = map(1, null, id);
      const here = vectorPlane(source, asked);
      return [tilerFor(source, LARGE)!.plane(asked, here), here] as const;
    });
    const [plane, here] = planes[2]!;
    await expectSame(plane, here, tiles[1]!);
  });
});

describe("without a worker", () => {
  it("there is none where the page has no text of its script, or may start none", () => {
    withWorkers(class { constructor() { throw new Error("SecurityError"); } });
    expect(tilerFor(pageWith(null), LARGE)).toBe(null);
    expect(tilerFor(pageWith(CODE), LARGE)).toBe(null);
  });

  it("tiles are made in the page when the worker turns out not to run", async () => {
    class Blocked { onerror: (() => void) | null = null; postMessage() {} constructor() { setTimeout(() => this.onerror?.()); } }
    withWorkers(Blocked);
    const [source, asked] = [pageWith(CODE), map()];
    const here = vectorPlane(source, asked);
    let done = () => {};
    const all = new Promise<void>((resolve) => (done = resolve));
    const feed: Feed = new Feed(tilerFor(source, LARGE)!.plane(asked, here), source, () => feed.complete && done(), (error) => { throw error; });
    feed.want(tiles);
    await all;
    for (const at of tiles) await expectSame({ ...here, make: async () => feed.peek(at)! }, here, at);
  });
});

describe("eight bits a number", () => {
  const arrays = unpackArrays(
    Uint8Array.from([127, 256 - 127, 0, 64, 0, 0x3f, /* 0.5 */ 10, 20, 30, 40, 0x80, 0x3f, 0, 0, 0x80, 0xbf, 0, 0, 0, 8, 64].flat()),
    { codec: "gzip", arrays: [{ name: "queries", dtype: "int8", shape: [1, 2, 2] }, { name: "queries_steps", dtype: "bfloat16", shape: [1, 1] }, { name: "keys", dtype: "int8", shape: [1, 2, 2] }, { name: "rest", dtype: "uint8", shape: [8] }, { name: "errors", dtype: "uint8", shape: [3, 1, 1] }] },
  );

  it("keep their sign, and are a mean and steps", () => {
    expect([...arrays.named.get("queries")!.data]).toEqual([127, -127, 0, 64]);
    const floats = (shape: number[], ...data: number[]) => ({ shape, data: Float32Array.from(data) });
    const named = new Map(arrays.named)
      .set("queries_steps", floats([1, 2], 0.5, 2)).set("queries_means", floats([1, 2], 1, -1))
      .set("keys_steps", floats([1, 2], 1, 1)).set("keys_means", floats([1, 2], 0, 100));
    const head = headVectors({ vectors: { named, bytes: 0 }, bias: null, mask: null }, { ...RULES, key_place: [0] }, 0);
    expect([...head.queries]).toEqual([64.5, -64.5, 1, 127]);
    expect([...head.keys]).toEqual([10, 120, 30, 140]);
    expect([...head.off!.weight, ...head.off!.ratio, ...head.off!.score].map((bound) => Number(bound.toPrecision(4)))).toEqual([Infinity, 8, 0.0625]);
  });

  it("say between which values a number lies: of a row, of a block, of scores", () => {
    const off = { most: Float32Array.of(0.25, 0.5, 0.125), share: Float32Array.of(Math.LN2, 0, Infinity) };
    const close = (got: [number, number], low: number, high: number) => (expect(got[0]).toBeCloseTo(low, 6), expect(got[1]).toBeCloseTo(high, 6));
    close(boundsOff(off, 0.375, { start: 0, stop: 1 }), 0.1875, 0.625);
    close(boundsOff(off, 0.01, { start: 0, stop: 2 }), 0.005, 0.02);
    close(boundsOff(off, 0.75, { start: 0, stop: 2 }), 0.375, 1);
    close(boundsOff(off, 0, { start: 0, stop: 3 }), 0, 0.5);
    close(boundsOff({ most: off.most, share: null }, -3, { start: 2, stop: 3 }), -3.125, -2.875);
  });

  it("leave in a cell the digits that are known, or about right", () => {
    const text = (value: number, most: number) => cellText({ plane: { off: { most: Float32Array.of(most), share: null } } as Plane }, value, 0);
    expect([text(0.751, 0.001), text(0.754, 0.004), text(0.754, 0.05), text(0.754, 0.2)]).toEqual(["0.75", "≈0.75", "≈0.8", ""]);
    expect([text(0.03, 0.02), text(-3.456, 0.006), text(-12.34, 0.2)]).toEqual(["", "≈−3.46", "≈−12"]);
    expect(cellText({ plane: {} as Plane }, -0.456, 3)).toBe("−0.46");
  });

  it("are damaged where some of their text is missing", () => {
    expect([...fromDense("\x40\x20", 1)]).toEqual([0x80 | (0x20 >> 6)]);
    expect(() => fromDense("\x40\x20", 2)).toThrow("missing");
  });
});
