import { describe, expect, it } from "vitest";
import { Feed, madePlane } from "../src/data/planes";
import { rowsOfCodes, rowsOfVectors, together } from "../src/data/rows";
import { rowOf } from "../src/data/steps";
import { blockOf, cellsOf, SIDE, stepFor, tilesOf, topStep, type Size, type TileAt } from "../src/data/tiles";
import type { HeadVectors } from "../src/data/vectors";
import { Source } from "../src/source/cache";
import type { RulesSpec } from "../src/types";

const RULES: RulesSpec = {
  dim: 6, dtype: "float32", scaling: 0.4, causal: false, offset: 0, window: null, softcap: null, sinks: false,
  key_place: [0], key_head: [0], bias: null, mask: null,
};

let seed = 1;
const noise = (count: number) => Float32Array.from({ length: count }, () => ((seed = (seed * 16807) % 2147483647) / 2147483647) * 4 - 2);

function head(nQuery: number, nKey: number, rules: Partial<RulesSpec> = {}, more: Partial<HeadVectors> = {}): HeadVectors {
  return {
    rules: { ...RULES, ...rules }, dim: 6, nQuery, nKey, queries: noise(nQuery * 6), keys: noise(nKey * 6),
    first: 0, bias: null, mask: null, seen: null, sink: null, ...more,
  };
}

const nowhere = () => new Source({ live: false, fetch: () => Promise.reject(new Error("nothing is asked for")) });

describe("rows computed for tiles", () => {
  it.each([
    ["plain", {}, {}], ["causal", { causal: true }, {}], ["window", { causal: true, window: 3 }, {}], ["offset", { causal: true, offset: 2 }, {}],
    ["softcap", { softcap: 1.5 }, {}], ["sink", { sinks: true }, { sink: 0.7 }], ["bias", {}, { bias: noise(81) }],
    ["padding", {}, { seen: Uint8Array.from([1, 1, 1, 0, 1, 1, 1, 1, 0]) }],
    ["mask", {}, { mask: Uint8Array.from({ length: 81 }, (_, i) => (i % 9 > 7 || i < 9 ? 0 : 1)) }],
  ])("are the weights of the step-by-step formula: %s", (_, rules, more) => {
    const one = head(9, 9, rules, more);
    const rows = rowsOfVectors(one)(2, 9);
    for (let query = 2; query < 9; query++) {
      const { weight, visible } = rowOf(one, query);
      for (let key = 0; key < 9; key++) {
        const got = rows[(query - 2) * 9 + key]!;
        if (visible[key]) expect(got).toBeCloseTo(weight[key]!, 6);
        else expect(got).toBe(-Infinity);
      }
    }
  });

  it("of codes: later keys are hidden where the model is causal, missing is not a number", () => {
    const codes = Uint8Array.from([254, 127, 255, 0]);
    const weights = { shape: [1, 2, 2] as [number, number, number], codes, encoding: "sqrt8" as const, spread: 0.5 };
    expect([...rowsOfCodes(weights, 0, true)(0, 2)]).toEqual([1, -Infinity, NaN, 0]);
    expect(rowsOfCodes(weights, 0, false)(0, 1)[1]).toBeCloseTo(0.25, 2);
  });

  it("of several heads: mean and largest of those present", () => {
    const rows = (...values: number[]) => () => Float32Array.from(values);
    const heads = [rows(0.5, NaN, NaN, -Infinity), rows(0.25, 0.75, NaN, -Infinity)];
    expect([...together(heads, "mean")(0, 1)]).toEqual([0.375, 0.75, NaN, -Infinity]);
    expect([...together(heads, "max")(0, 1)]).toEqual([0.5, 0.75, NaN, -Infinity]);
  });
});

function feedOf(size: Size, rows: (from: number, to: number) => Float32Array) {
  const arrived: TileAt[] = [];
  let called = 0;
  const plane = madePlane(nowhere(), "test", size, (from, to) => (called++, rows(from, to)));
  const make = plane.make;
  plane.make = (at, ...rest) => (arrived.push(at), make(at, ...rest));
  let done = () => {};
  const all = new Promise<void>((resolve) => (done = resolve));
  const feed: Feed = new Feed(plane, nowhere(), () => feed.complete && done(), (error) => { throw error; });
  return { feed, all, arrived, calls: () => called };
}

describe("tiles", () => {
  it("one holds all at the top, blocks are no smaller than a pixel", () => {
    expect([topStep({ queries: 256, keys: 9 }), topStep({ queries: 9, keys: 257 }), topStep({ queries: 32768, keys: 32768 })]).toEqual([1, 2, 128]);
    const size = { queries: 32768, keys: 32768 };
    expect([stepFor(3, size), stepFor(1, size), stepFor(0.6, size), stepFor(0.02, size), stepFor(0.0001, size)]).toEqual([1, 1, 2, 64, 128]);
  });

  it("cover what is shown, its middle first, and nothing else", () => {
    const size = { queries: 3000, keys: 2000 };
    const shown = { query: { start: 700, stop: 1400 }, key: { start: 100, stop: 300 } };
    const tiles = tilesOf(shown, 1, size);
    expect(tiles.length).toBe(4 * 2);
    expect([3, 4]).toContain(tiles[0]!.row);
    expect(tilesOf({ query: { start: 0, stop: 3000 }, key: { start: 0, stop: 2000 } }, 16, size)).toEqual([{ step: 16, row: 0, column: 0 }]);
    expect(cellsOf({ step: 4, row: 2, column: 1 }, size)).toEqual({ query: { start: 2048, stop: 3000 }, key: { start: 1024, stop: 2000 } });
  });

  it("hold mean and largest of their blocks, whatever the sizes", async () => {
    const size = { queries: 600, keys: 530 };
    const value = (q: number, k: number) => (k > q ? -Infinity : (q * 7 + k * 13) % 101);
    const { feed, all } = feedOf(size, (from, to) => Float32Array.from({ length: (to - from) * size.keys }, (_, i) => value(from + Math.floor(i / size.keys), i % size.keys)));
    feed.want([{ step: 4, row: 0, column: 0 }, { step: 1, row: 2, column: 2 }]);
    await all;
    const at = { step: 4, row: 0, column: 0 };
    const tile = feed.peek(at)!;
    expect([tile.rows, tile.columns]).toEqual([150, 133]);
    for (const [q, k] of [[0, 0], [599, 529], [300, 40], [64, 60], [10, 400]] as const) {
      const cells: number[] = [];
      for (let i = Math.floor(q / 4) * 4; i < Math.min(600, Math.floor(q / 4) * 4 + 4); i++)
        for (let j = Math.floor(k / 4) * 4; j < Math.min(530, Math.floor(k / 4) * 4 + 4); j++) cells.push(value(i, j));
      const block = blockOf(q, k, at, tile);
      const top = Math.max(...cells);
      expect(tile.max[block]).toBe(top);
      const mean = cells.reduce((sum, cell) => sum + Math.max(cell, 0), 0) / cells.length;
      expect(tile.mean[block]).toBeCloseTo(top === -Infinity ? -Infinity : mean, 4);
    }
    const single = { step: 1, row: 2, column: 2 };
    expect(feed.peek(single)!.max[blockOf(599, 529, single, feed.peek(single)!)]).toBe(value(599, 529));
  });

  it("a rough one comes first, then what is shown, then the exact one", async () => {
    const size = { queries: 2 * SIDE, keys: 2 * SIDE };
    const { feed, all } = feedOf(size, (from, to) => new Float32Array((to - from) * size.keys));
    const order: string[] = [];
    const [top, near] = [{ step: 2, row: 0, column: 0 }, { step: 1, row: 0, column: 0 }];
    const make = feed.plane.make;
    feed.plane.make = (at, ...rest) => (order.push(`exact ${at.step}`), make(at, ...rest));
    feed.plane.rough = (at) => (at.step === 2 ? (order.push("rough"), Promise.resolve({ rows: 1, columns: 1, mean: new Float32Array(1), max: new Float32Array(1), rough: true })) : null);
    feed.want([top]);
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    expect(feed.peek(top)?.rough).toBe(true);
    feed.want([top, near]);
    await all;
    expect(order).toEqual(["rough", "exact 2", "exact 1"]);
    expect(feed.peek(top)!.rough).toBe(undefined);
  });

  it("rows are computed once for all tiles, and a tile no longer wanted is not made", async () => {
    const size = { queries: 2 * SIDE, keys: 2 * SIDE };
    const { feed, all, arrived, calls } = feedOf(size, (from, to) => new Float32Array((to - from) * size.keys));
    feed.want([{ step: 1, row: 1, column: 1 }]);
    feed.want([{ step: 2, row: 0, column: 0 }, { step: 1, row: 0, column: 0 }, { step: 1, row: 0, column: 1 }]);
    await all;
    expect(calls()).toBe(2);
    expect(arrived.length).toBe(4);
    feed.want([{ step: 1, row: 0, column: 1 }]);
    expect(feed.complete).toBe(true);
  });
});
