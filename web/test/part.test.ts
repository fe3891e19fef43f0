import { describe, expect, it } from "vitest";
import { boundsAt } from "../src/data/decode";
import { cutPart, farthest, partOf, weightsOfPart, type Part } from "../src/data/part";
import { sinkBounds } from "../src/data/numbers";
import { reshaped } from "../src/data/reshape";
import type { Rows } from "../src/data/rows";
import { cutOf, createStore, partShown } from "../src/store";
import type { SideSpec, StreamSpec } from "../src/types";
import { nextWith } from "../src/views/partPlace";
import { spec } from "./store.test";

const KEYS = 6;
/** Query q gives (k + 1 + q) / total to keys up to its own; the rest is hidden. */
const causal = (scale: number): Rows => (from, to) =>
  Float32Array.from({ length: (to - from) * KEYS }, (_, i) => {
    const [query, key] = [from + Math.floor(i / KEYS), i % KEYS];
    return key > query ? -Infinity : scale / (query + 1);
  });
const shown = { query: { start: 2, stop: 4 }, key: { start: 1, stop: 3 } };
const always = () => true;
const made = async (hidden = new Set<number>()) => (await partOf([causal(1), causal(0.5)], shown, hidden, always))!;

describe("a part", () => {
  it("has its cells, and sums of what lies before and after them", async () => {
    const { value, before, after } = await made();
    const third = Math.fround(1 / 3);
    expect([...value]).toEqual([third, third, 0.25, 0.25, third / 2, third / 2, 0.125, 0.125]);
    expect([...before]).toEqual([third, 0.25, third / 2, 0.125]);
    expect([...after]).toEqual([0, 0.25, 0, 0.125]);
  });

  it("counts hidden keys for nothing in the sums", async () => {
    const { before, after } = await made(new Set([0]));
    expect([...before]).toEqual([0, 0, 0, 0]);
    expect(after[1]).toBe(0.25);
  });

  it("is given up when it is no longer wanted", async () => {
    const slow: Rows = (from, to) => {
      const end = performance.now() + 20;
      while (performance.now() < end);
      return causal(1)(from, to);
    };
    expect(await partOf([slow, slow], shown, new Set(), () => false)).toBeNull();
  });

  it("is weights like any other, known as well as its numbers", async () => {
    const weights = weightsOfPart(await made(), shown, null);
    expect(weights.shape).toEqual([2, 2, 2]);
    expect(boundsAt(weights, 1, 1, 0)).toEqual([0.125, 0.125]);
    expect(weights.outside!(0, 1)).toEqual([0.25, 0.25, 1]);
    const off = [{ most: new Float32Array([0, 0, 0, 0.1]), share: null }, { most: new Float32Array([0, 0, 0, 0.2]), share: null }];
    const [low, high] = boundsAt(weightsOfPart(await made(), shown, off), 1, 1, 0)!;
    expect([low, high]).toEqual([expect.closeTo(0.125 - 0.2, 6), expect.closeTo(0.325, 6)]);
  });

  it("leaves what is missing missing", () => {
    const part: Part = { value: new Float32Array([NaN, 0.5, 1, 2, 0, 0, 0, 0]), before: new Float32Array(4), after: new Float32Array(4) };
    const weights = weightsOfPart(part, shown, null);
    expect(boundsAt(weights, 0, 0, 0)).toBeNull();
    expect([...weights.codes.slice(0, 4)]).toEqual([65535, 32767, 65534, 65534]);
    expect(() => weightsOfPart({ ...part, value: new Float32Array(7) }, shown, null)).toThrow("another size");
  });

  it("is renormalised with what lies beside it, and so is that", async () => {
    const weights = weightsOfPart(await made(), shown, null);
    const put = reshaped(weights, { query: null, key: [1], renormalise: true, mean: true });
    const [low, high] = boundsAt(put, 0, 1, 0)!;
    expect([low, high]).toEqual([expect.closeTo(1 / 3, 4), expect.closeTo(1 / 3, 4)]);
    expect(put.outside!(1, 1)).toEqual([expect.closeTo(1 / 3, 4), expect.closeTo(1 / 3, 4), 1]);
    expect(put.outside!(2, 1)).toEqual([expect.closeTo(1 / 3, 4), expect.closeTo(1 / 3, 4), 1]);
  });

  it("leaves to a sink what no key gets, here or beside it", async () => {
    const weights = weightsOfPart(await made(), shown, null);
    expect(sinkBounds(weights, 1, 1)).toEqual([0.5, 0.5]);
  });
});

it("cut from weights is known as well as they are", () => {
  const codes = Uint8Array.of(254, 0, 0, 127, 127, 0, 100, 50, 255);
  const whole = { shape: [1, 3, 3] as [number, number, number], codes, encoding: "sqrt8" as const, spread: 0.5 };
  const part = cutPart(whole, { query: { start: 1, stop: 3 }, key: { start: 1, stop: 2 } }, new Set());
  expect([part.shape, [...part.codes]]).toEqual([[1, 2, 1], [127, 50]]);
  expect(boundsAt(part, 0, 0, 0)).toEqual(boundsAt(whole, 0, 1, 1));
  expect(part.outside!(0, 0)).toEqual([expect.closeTo(0.25, 6), 0, 1.05]);
  expect(part.outside!(0, 1)).toEqual([expect.closeTo((100 / 254) ** 2, 6), 0, 1.05]);
  expect(cutPart(whole, { query: { start: 1, stop: 3 }, key: { start: 1, stop: 2 } }, new Set([0])).outside!(0, 0)[0]).toBe(0);
});

it("finds the strongest keys that are not shown", () => {
  const row = (values: number[]) => weightsOfPart({ value: Float32Array.from(values), before: new Float32Array(1), after: new Float32Array(1) }, { query: { start: 0, stop: 1 }, key: { start: 0, stop: KEYS } }, null);
  const rows = [row([0.5, 0.1, 0.2, 0, 0.125, 0.25]), row([0.5, 0.9, 0.2, 0, 0.375, 0])];
  const keys = (hidden: number[], count = 9) => farthest(rows, [0], { start: 1, stop: 3 }, new Set(hidden), count);
  expect(keys([])).toEqual([{ key: 0, bounds: [0.5, 0.5] }, { key: 4, bounds: [0.25, 0.25] }, { key: 5, bounds: [0.125, 0.125] }]);
  expect(keys([0]).map(({ key }) => key)).toEqual([4, 5]);
  expect(keys([], 1)).toEqual([{ key: 0, bounds: [0.5, 0.5] }]);
});

describe("the part shown", () => {
  const stream = { part: 4 } as StreamSpec;
  const side = (count: number) => ({ text: Array.from({ length: count }, () => "a") }) as SideSpec;
  const sides = { query: side(3), key: side(10) };
  const at = (query: number[], key: number[]) => partShown(stream, sides, { query, key }, null)!.key;

  it("lies within the text, and is no longer than it may be", () => {
    expect(partShown(stream, sides, null, null)).toEqual({ query: { start: 0, stop: 3 }, key: { start: 0, stop: 4 } });
    expect(at([0, 3], [2.4, 5.4])).toEqual({ start: 2, stop: 5 });
    expect(at([0, 3], [8, 10])).toEqual({ start: 8, stop: 10 });
    expect(at([0, 3], [9, 30])).toEqual({ start: 6, stop: 10 });
    expect(partShown(stream, sides, null, { side: "key", index: 9 })!.key).toEqual({ start: 6, stop: 10 });
    expect(partShown({} as StreamSpec, sides, null, null)).toBeNull();
  });

  it("cuts the sides, and what is special in them", () => {
    const { state } = createStore(spec());
    state.hide_special.value = true;
    const text = Array.from({ length: 10 }, (_, i) => `t${i}`);
    const own: SideSpec = { text, raw: text, special: [0, 5], words: [], segments: [{ name: "a", start: 0, stop: 5 }, { name: "b", start: 5, stop: 10 }] };
    const cut = cutOf({ query: own, key: own }, state, false, true, { query: { start: 3, stop: 7 }, key: { start: 6, stop: 9 } });
    expect(cut.sides.query).toMatchObject({ text: ["t3", "t4", "t6"], at: [3, 4, 6], segments: [{ name: "a", start: 0, stop: 2 }, { name: "b", start: 2, stop: 3 }] });
    expect(cut.sides.key).toMatchObject({ text: ["t6", "t7", "t8"], at: [6, 7, 8] });
    expect(cut.plan).toEqual({ query: [0, 1, 3], key: null, renormalise: false, mean: false });
  });
});

it("finds the next token with a text, around the end", () => {
  const text = ["The", "cat", "the", "mat"];
  expect([nextWith(text, "the", -1, 1), nextWith(text, " THE", 0, 1), nextWith(text, "the", 2, 1), nextWith(text, "the", 2, -1)]).toEqual([0, 2, 0, 0]);
  expect([nextWith(text, "dog", 0, 1), nextWith(text, " ", 0, 1)]).toEqual([null, null]);
});
