import { expect, test } from "vitest";
import { boundsOf, largest, planeOf, rowOf, sharesOf, withoutFirst } from "../src/data/written";

// 2 planes, 2 steps, 4 keys
const array = { shape: [2, 2, 4], data: Float32Array.of(0.5, 0.25, 0.25, 0, 0.4, 0.1, 0.2, 0.3, 0.1, 0.2, 0.7, 0, 0, 0, 1, 0) };
const segments = [{ name: "a", start: 0, stop: 2 }, { name: "b", start: 2, stop: 5 }];
const near = (numbers: Iterable<number>) => [...numbers].map((number) => Number(number.toFixed(6)));

test("one plane, or the mean over all of them", () => {
  expect(near(planeOf(array, 1).values)).toEqual([0.1, 0.2, 0.7, 0, 0, 0, 1, 0]);
  expect(near(planeOf(array, null).values)).toEqual([0.3, 0.225, 0.475, 0, 0.2, 0.05, 0.6, 0.15]);
});

test("the first token has a part of its own, and segments sum to the row", () => {
  const [first, second] = sharesOf(planeOf(array, 0), segments);
  expect(near(first!)).toEqual([0.5, 0.25, 0.25]);
  expect(near(second!)).toEqual([0.4, 0.1, 0.5]);
});

test("without the first token, divided by what is left or not", () => {
  const rows = planeOf(array, 0);
  expect(near(rowOf(withoutFirst(rows, false), 0))).toEqual([0, 0.25, 0.25, 0]);
  expect(near(rowOf(withoutFirst(rows, true), 0))).toEqual([0, 0.5, 0.5, 0]);
  expect(near(rowOf(rows, 0))).toEqual([0.5, 0.25, 0.25, 0]);
  const all = { steps: 1, keys: 2, values: Float32Array.of(1, 0) };
  expect([...withoutFirst(all, true).values]).toEqual([0, 0]);
});

test("missing numbers have no share and no bounds", () => {
  const rows = { steps: 1, keys: 3, values: Float32Array.of(NaN, 0.5, NaN) };
  expect(sharesOf(rows, segments)).toEqual([[0, 0.5, 0]]);
  expect(boundsOf(NaN)).toBeNull();
  const [low, high] = boundsOf(0.25)!;
  expect(low).toBeLessThan(0.25);
  expect(high - low).toBeCloseTo(0.25 / 1024);
});

test("the strongest keys, ties in order, zeros left out", () => {
  expect(largest(Float32Array.of(0, 0.2, 0.5, 0.2, NaN), 3)).toEqual([2, 1, 3]);
  expect(largest(Float32Array.of(0, 0), 3)).toEqual([]);
});
