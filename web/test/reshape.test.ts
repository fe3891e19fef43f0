import { describe, expect, it } from "vitest";
import { boundsAt, codeAt, missingCode, nearestCode, weightTable, type Weights } from "../src/data/decode";
import { measureText, sortedHeads } from "../src/data/order";
import { cutSide, numberOf, placeOf, reshaped, shownPin, sumBelow, withoutSpecial } from "../src/data/reshape";
import type { EncodingName, StreamSpec } from "../src/types";

const HEADS = 3, SIZE = 6;
const KEPT = [1, 2, 4];

/** True weights, rows summing to 1, and how a page holds them. */
function made(encoding: EncodingName): { truth: number[][][]; weights: Weights } {
  let seed = 7;
  const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const truth = Array.from({ length: HEADS }, () => Array.from({ length: SIZE }, () => {
    const row = Array.from({ length: SIZE }, () => next() ** 6);
    const sum = row.reduce((a, b) => a + b);
    return row.map((weight) => weight / sum);
  }));
  const codes = Float64Array.from(truth.flat(2), (weight) => nearestCode(encoding, weight));
  const stored = encoding === "sqrt8" ? Uint8Array.from(codes) : Uint16Array.from(codes);
  return { truth, weights: { shape: [HEADS, SIZE, SIZE], codes: stored, encoding, spread: 0.5 } };
}

const ENCODINGS: EncodingName[] = ["sqrt8", "linear16"];

describe.each(ENCODINGS)("reshaped %s", (encoding) => {
  const { truth, weights } = made(encoding);
  const drawn = (shown: Weights, place: number, i: number, j: number) => weightTable(encoding)[codeAt(shown, place, i, j)]!;
  const step = encoding === "sqrt8" ? 0.005 : 0.0001;

  it("without hidden tokens every weight is as it was", () => {
    const shown = reshaped(weights, { query: KEPT, key: KEPT, renormalise: false, mean: false });
    expect(shown.shape).toEqual([HEADS, 3, 3]);
    for (let head = 0; head < HEADS; head++)
      KEPT.forEach((query, i) => KEPT.forEach((key, j) => expect(boundsAt(shown, head, i, j)).toEqual(boundsAt(weights, head, query, key))));
  });

  it("renormalised weights lie within their bounds and sum to 1", () => {
    const shown = reshaped(weights, { query: KEPT, key: KEPT, renormalise: true, mean: false });
    for (let head = 0; head < HEADS; head++)
      KEPT.forEach((query, i) => {
        const sum = KEPT.reduce((all, key) => all + truth[head]![query]![key]!, 0);
        let total = 0;
        KEPT.forEach((key, j) => {
          const right = truth[head]![query]![key]! / sum;
          const [low, high] = boundsAt(shown, head, i, j)!;
          expect(low).toBeLessThanOrEqual(right + 1e-12);
          expect(high).toBeGreaterThanOrEqual(right - 1e-12);
          const seen = drawn(shown, head, i, j);
          expect(seen).toBeGreaterThanOrEqual(low - step);
          expect(seen).toBeLessThanOrEqual(high + step);
          total += seen;
        });
        expect(total).toBeCloseTo(1, encoding === "sqrt8" ? 1 : 3);
      });
  });

  it("the mean over all heads stands behind them, within its bounds", () => {
    const shown = reshaped(weights, { query: null, key: null, renormalise: false, mean: true });
    expect(shown.shape).toEqual([HEADS + 1, SIZE, SIZE]);
    for (let query = 0; query < SIZE; query++)
      for (let key = 0; key < SIZE; key++) {
        const right = truth.reduce((sum, head) => sum + head[query]![key]!, 0) / HEADS;
        const [low, high] = boundsAt(shown, HEADS, query, key)!;
        expect(low).toBeLessThanOrEqual(right);
        expect(high).toBeGreaterThanOrEqual(right);
        expect(Math.abs(drawn(shown, HEADS, query, key) - right)).toBeLessThan(step);
        expect(boundsAt(shown, 1, query, key)).toEqual(boundsAt(weights, 1, query, key));
      }
  });

  it("missing weights stay missing, and the mean is that of the others", () => {
    const codes = weights.codes.slice();
    codes[0 * SIZE + 1] = missingCode(encoding);
    for (let head = 0; head < HEADS; head++) codes[head * SIZE * SIZE + 2] = missingCode(encoding);
    const shown = reshaped({ ...weights, codes }, { query: KEPT, key: null, renormalise: true, mean: true });
    const whole = reshaped({ ...weights, codes }, { query: null, key: null, renormalise: false, mean: true });
    expect(boundsAt(whole, 0, 0, 1)).toBeNull();
    const [low, high] = boundsAt(whole, HEADS, 0, 1)!;
    const right = (truth[1]![0]![1]! + truth[2]![0]![1]!) / 2;
    expect(low <= right && right <= high).toBe(true);
    expect(boundsAt(whole, HEADS, 0, 2)).toBeNull();
    expect(codeAt(whole, HEADS, 0, 2)).toBe(missingCode(encoding));
    expect(shown.shape).toEqual([HEADS + 1, 3, SIZE]);
  });

  it("says how much weight lies below a threshold", () => {
    const shown = { query: { start: 1, stop: 4 }, key: { start: 0, stop: SIZE } };
    const { below, all } = sumBelow(weights, [0, 2], shown, 0.1);
    const rows = [0, 2].flatMap((head) => truth[head]!.slice(1, 4)).flat();
    expect(all).toBeCloseTo(6, 1);
    expect(below).toBeCloseTo(rows.filter((weight) => weight < 0.1).reduce((a, b) => a + b, 0), 1);
  });
});

it("a row of which nothing is left is known to be anything, not printed as a number", () => {
  const codes = new Uint16Array([0, 65534, 0, 65534]);
  const shown = reshaped({ shape: [1, 2, 2], codes, encoding: "linear16", spread: 0.5 }, { query: null, key: [0], renormalise: true, mean: false });
  expect(boundsAt(shown, 0, 0, 0)).toEqual([0, 1]);
  expect(codeAt(shown, 0, 0, 0)).toBe(0);
});

describe("sides", () => {
  const side = {
    text: ["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"], raw: ["[CLS]", "a", "##b", "[SEP]", "c", "[SEP]"], special: [0, 3, 5],
    words: [-1, 0, 0, -1, 1, -1], segments: [{ name: "A", start: 0, stop: 4 }, { name: "B", start: 4, stop: 6 }],
  };
  const cut = cutSide(side, withoutSpecial(side));

  it("keep numbers, words and segments of the tokens that are left", () => {
    expect([cut.text, cut.raw, cut.special, cut.words]).toEqual([["a", "b", "c"], ["a", "##b", "c"], [], [0, 0, 1]]);
    expect(cut.segments).toEqual([{ name: "A", start: 0, stop: 2 }, { name: "B", start: 2, stop: 3 }]);
    expect([0, 1, 2].map((index) => numberOf(cut, index))).toEqual([1, 2, 4]);
    expect(numberOf(side, 4)).toBe(4);
  });

  it("are numbered as in the whole text where a capture kept some of them", () => {
    const some = { ...side, numbers: side.text.map((_, index) => 10 + 2 * index) };
    const cut = cutSide(some, [1, 2, 4]);
    expect([0, 1, 2].map((index) => numberOf(cut, index))).toEqual([12, 14, 18]);
    expect([0, 1, 2].map((index) => placeOf(cut, index))).toEqual([1, 2, 4]);
  });

  it("are whole where no token is special, or all are", () => {
    expect(withoutSpecial({ ...side, special: [] })).toBeNull();
    expect(withoutSpecial({ ...side, special: [0, 1, 2, 3, 4, 5] })).toBeNull();
    expect(cutSide(side, null)).toBe(side);
  });

  it("a pin is kept by its number in the trace", () => {
    const state: { value: { side: "query" | "key"; index: number } | null } = { value: { side: "query", index: 4 } };
    const pin = shownPin(state, { query: cut, key: cut });
    expect(pin.value).toEqual({ side: "query", index: 2 });
    pin.value = { side: "key", index: 0 };
    expect(state.value).toEqual({ side: "key", index: 1 });
    state.value = { side: "key", index: 0 };
    expect(pin.value).toBeNull();
    pin.value = null;
    expect(state.value).toBeNull();
  });
});

describe("order", () => {
  const layers = [{ layer: 4, heads: [0, 1, 2, 3] }];
  const stream = { layers, measures: [{ name: "self_token", values: [[0.1, null, 0.5, 0.25]] }] } as unknown as StreamSpec;

  it("largest first, heads without a number last", () => {
    expect(sortedHeads(stream, layers[0]!, "self_token")).toEqual([2, 3, 0, 1]);
    expect(sortedHeads(stream, layers[0]!, "number")).toEqual([0, 1, 2, 3]);
    expect(sortedHeads(stream, layers[0]!, "unknown")).toEqual([0, 1, 2, 3]);
  });

  it("a head tells its number", () => {
    expect(measureText(stream, layers[0]!, 3, "self_token")).toBe(" · self token 0.25");
    expect(measureText(stream, layers[0]!, 1, "self_token")).toBe("");
    expect(measureText(stream, layers[0]!, null, "self_token")).toBe("");
  });
});
