import { describe, expect, it } from "vitest";
import { missingCode, nearestCode, type Weights } from "../src/data/decode";
import { fieldOf, grouped, groupsOf, type LayerHeads } from "../src/data/field";
import { cutSide } from "../src/data/reshape";

const LAYERS = 2, HEADS = 3, QUERIES = 4, KEYS = 5;

/** [layer][head][query][key], rows summing to 1, and how a page holds them. */
function made() {
  let seed = 11;
  const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const list = <T>(count: number, of: (i: number) => T) => Array.from({ length: count }, (_, i) => of(i));
  const truth = list(LAYERS, () => list(HEADS, () => list(QUERIES, () => {
    const row = list(KEYS, () => next() ** 4);
    const sum = row.reduce((a, b) => a + b);
    return row.map((value) => value / sum);
  })));
  const layers: Weights[] = truth.map((layer) => ({
    shape: [HEADS, QUERIES, KEYS], codes: Uint16Array.from(layer.flat(2), (weight) => nearestCode("linear16", weight)), encoding: "linear16", spread: 0.5,
  }));
  return { truth, layers };
}

const { truth, layers } = made();
const every = layers.map<LayerHeads>((weights) => ({ weights, places: [0, 1, 2] }));
const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
const meanOf = (query: number, key: number) => mean(truth.map((layer) => mean(layer.map((head) => head[query]![key]!))));
const near = (shown: Float64Array, right: number[]) => shown.forEach((value, i) => expect(Math.abs(value - right[i]!)).toBeLessThan(2e-5));
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

describe("a field", () => {
  const field = fieldOf(every, "mean");

  it("is the mean over layers of the mean over heads, along rows and columns", () => {
    for (const query of range(QUERIES)) near(field.row(query), range(KEYS).map((key) => meanOf(query, key)));
    for (const key of range(KEYS)) near(field.column(key), range(QUERIES).map((query) => meanOf(query, key)));
    near(field.received(), range(KEYS).map((key) => mean(range(QUERIES).map((query) => meanOf(query, key)))));
  });

  it("knows how far its numbers are known", () => {
    for (const query of range(QUERIES))
      for (const key of range(KEYS)) {
        const [low, high] = field.bounds(query, key)!;
        expect(low <= meanOf(query, key) && meanOf(query, key) <= high && high - low < 4e-5).toBe(true);
      }
    const [low, high] = field.receivedBounds(3)!;
    const right = mean(range(QUERIES).map((query) => meanOf(query, 3)));
    expect(low <= right && right <= high).toBe(true);
  });

  it("is the largest of the heads, or one of them, where that is asked for", () => {
    const most = (query: number, key: number) => mean(truth.map((layer) => Math.max(...layer.map((head) => head[query]![key]!))));
    const top = fieldOf(every, "max");
    near(top.row(2), range(KEYS).map((key) => most(2, key)));
    const [low, high] = top.bounds(2, 4)!;
    expect(low <= most(2, 4) && most(2, 4) <= high).toBe(true);
    near(fieldOf([{ weights: layers[1]!, places: [2] }], "head").row(0), truth[1]![2]![0]!);
  });

  it("has numbers below 0 where codes stand for a range", () => {
    const signed = every.map(({ weights, places }) => ({ weights: { ...weights, range: [-2, 2] as const }, places }));
    const square = (share: number, low: number, high: number) => (low + (high - low) * share) * Math.abs(low + (high - low) * share);
    const value = (query: number, key: number) => mean(truth.map((layer) => mean(layer.map((head) => square(head[query]![key]!, -2, 2)))));
    const shown = fieldOf(signed, "mean");
    shown.row(1).forEach((number, key) => expect(Math.abs(number - value(1, key))).toBeLessThan(1e-4));
    shown.received().forEach((number, key) => expect(Math.abs(number - mean(range(QUERIES).map((query) => value(query, key))))).toBeLessThan(1e-4));
    const [low, high] = shown.bounds(1, 2)!;
    expect(low <= value(1, 2) && value(1, 2) <= high).toBe(true);
    const negative = { ...layers[0]!, range: [-3, -1] as const };
    const most = Math.max(...truth[0]!.map((head) => square(head[0]![0]!, -3, -1)));
    expect(Math.abs(fieldOf([{ weights: negative, places: [0, 1, 2] }], "max").row(0)[0]! - most)).toBeLessThan(1e-4);
  });

  it("leaves missing heads out, and is missing where all are", () => {
    const codes = layers[0]!.codes.slice();
    codes[1] = missingCode("linear16");
    for (const head of range(HEADS)) codes[head * QUERIES * KEYS + 2] = missingCode("linear16");
    const holey = fieldOf([{ weights: { ...layers[0]!, codes }, places: [0, 1, 2] }], "mean");
    near(holey.row(0).slice(1, 2), [(truth[0]![1]![0]![1]! + truth[0]![2]![0]![1]!) / 2]);
    expect(holey.row(0)[2]).toBeNaN();
    expect(holey.column(2)[0]).toBeNaN();
    expect(holey.bounds(0, 2)).toBeNull();
    expect(holey.received()[2]).not.toBeNaN();
  });
});

describe("words", () => {
  const side = { text: ["[CLS]", "un", "happy", "cat", "s"], raw: [], special: [0], words: [-1, 0, 0, 1, 1], segments: [] };

  it("are the tokens next to each other with one number", () => {
    expect(groupsOf(side, true)).toEqual([[0], [1, 2], [3, 4]]);
    expect(groupsOf(side, false)).toEqual([[0], [1], [2], [3], [4]]);
    expect(groupsOf({ ...side, words: [] }, true)).toHaveLength(5);
  });

  it("sum their keys and average their queries", () => {
    const [query, key] = [[[0], [1, 2], [3]], [[0], [1, 2], [3, 4]]];
    const field = grouped(fieldOf(every, "mean"), query, key);
    const right = (from: number, to: number) => mean(query[from]!.map((i) => key[to]!.reduce((sum, j) => sum + meanOf(i, j), 0)));
    for (const from of range(3)) near(field.row(from), range(3).map((to) => right(from, to)));
    for (const to of range(3)) near(field.column(to), range(3).map((from) => right(from, to)));
    expect(field.row(1).reduce((a, b) => a + b)).toBeCloseTo(1, 4);
    const [low, high] = field.bounds(1, 2)!;
    expect(low <= right(1, 2) && right(1, 2) <= high && high - low < 1e-4).toBe(true);
    const received = range(QUERIES).reduce((sum, i) => sum + meanOf(i, 3) + meanOf(i, 4), 0) / QUERIES;
    expect(field.received()[2]).toBeCloseTo(received, 4);
  });
});

it("a cut text keeps the spaces between the tokens that are left", () => {
  const side = { text: ["[CLS]", "a", "b", "[SEP]", "c"], raw: ["", "", "", "", ""], special: [0, 3], words: [], segments: [], spaced: [1, 3, 4] };
  expect(cutSide(side, [1, 2, 4]).spaced).toEqual([0, 2]);
});
