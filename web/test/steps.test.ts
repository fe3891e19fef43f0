import { describe, expect, it } from "vitest";
import { isMasked, lastStep, rowOf, stepsOf, termsOf, weightsOf } from "../src/data/steps";
import { addUp, magnitude, niceBelow, signed } from "../src/data/sums";
import type { HeadVectors } from "../src/data/vectors";
import { accountOf, rival, shareOfTop } from "../src/data/why";
import { scalingText, stepText, weightText } from "../src/data/wording";
import type { RulesSpec } from "../src/types";

function head(rules: Partial<RulesSpec> = {}, more: Partial<HeadVectors> = {}): HeadVectors {
  const all: RulesSpec = {
    dim: 2, dtype: "float32", scaling: 0.5, causal: false, offset: 0, window: null, softcap: null, sinks: false,
    key_place: [0], key_head: [0], bias: null, mask: null, ...rules,
  };
  return {
    rules: all, dim: 2, nQuery: 2, nKey: 3, queries: Float32Array.of(1, 2, -1, 0.5), keys: Float32Array.of(1, 0, 2, 1, -1, 3),
    first: 0, bias: null, mask: null, seen: null, sink: null, ...more,
  };
}

describe("row", () => {
  it("is the softmax of scaled products", () => {
    const row = rowOf(head(), 0);
    expect([...row.dot]).toEqual([1, 4, 5]);
    expect([...row.score]).toEqual([0.5, 2, 2.5]);
    const total = Math.exp(0.5) + Math.exp(2) + Math.exp(2.5);
    row.weight.forEach((weight, key) => expect(weight).toBeCloseTo(Math.exp(row.score[key]!) / total, 12));
  });

  it("hides what masks hide, and is 0 where all is hidden", () => {
    expect([...rowOf(head({ causal: true }), 0).weight]).toEqual([1, 0, 0]);
    expect([...rowOf(head({ causal: true, offset: 1, window: 1 }), 1).visible]).toEqual([0, 0, 1]);
    expect([...rowOf(head({}, { seen: Uint8Array.of(0, 1, 0) }), 0).weight]).toEqual([0, 1, 0]);
    expect([...rowOf(head({ mask: 0 }, { mask: Uint8Array.of(0, 0, 0, 1, 1, 1) }), 0).weight]).toEqual([0, 0, 0]);
    expect([...rowOf(head({ bias: 0 }, { bias: Float32Array.of(0, -Infinity, 0, 0, 0, 0) }), 0).visible]).toEqual([1, 0, 1]);
  });

  it("gives the sink its share", () => {
    const row = rowOf(head({ sinks: true }, { sink: 9 }), 0);
    expect(row.weight.reduce((a, b) => a + b) + row.sinkWeight!).toBeCloseTo(1, 12);
    expect(row.sinkWeight).toBeGreaterThan(0.99);
  });

  it("becomes codes for lines", () => {
    const { codes, shape } = weightsOf(head({ causal: true }));
    expect(shape).toEqual([1, 2, 3]);
    expect([codes[0], codes[1], codes[5]]).toEqual([65534, 0, 0]);
  });
});

it("has a column for each step of the model and no other", () => {
  expect(stepsOf(head().rules, false)).toEqual(["dot", "scaled", "weight"]);
  const t5 = stepsOf(head({ scaling: 1, bias: 0, causal: true }).rules, true);
  expect(t5).toEqual(["dot", "bias", "score", "mask", "weight"]);
  expect(lastStep(t5)).toBe("score");
  expect(stepsOf(head({ softcap: 50 }).rules, false)).toEqual(["dot", "scaled", "capped", "weight"]);
  expect([isMasked(head()), isMasked(head({ window: 4 })), isMasked(head({}, { seen: Uint8Array.of(1, 1, 1) }))]).toEqual([false, true, true]);
});

describe("numbers", () => {
  it("that are listed add up to the rounded sum", () => {
    expect(addUp([1 / 3, 1 / 3, 1 / 3], 2).reduce((a, b) => a + b)).toBe(100);
    expect(addUp([0.3333, 0.3333, 0.3333], 2)).toContain(34);
    for (let seed = 1; seed < 50; seed++) {
      const values = Array.from({ length: 9 }, (_, i) => Math.sin(seed * 12.9 + i * 78.2) * 3);
      const units = addUp(values, 3);
      expect(units.reduce((a, b) => a + b)).toBe(Math.round(values.reduce((a, b) => a + b) * 1000));
      units.forEach((unit, i) => expect(Math.abs(unit - values[i]! * 1000)).toBeLessThan(1));
    }
  });

  it("have a true minus, and no minus zero", () => {
    expect([signed(-1.5, 2), signed(-0.0001, 2), signed(2, 1, true), signed(-Infinity, 2)]).toEqual(["−1.50", "0.00", "+2.0", "−∞"]);
    expect([weightText(0), weightText(0.0004), weightText(0.0006), weightText(1)]).toEqual(["0", "<0.001", "0.001", "1.000"]);
  });

  it("give round scales", () => {
    expect([niceBelow(3.7), niceBelow(0.07), niceBelow(5), niceBelow(0)]).toEqual([2, 0.05, 5, 1]);
    expect(magnitude(Float32Array.of(-4, 1, 2, 3), 1)).toBe(4);
  });

  it("name the scaling in its simplest form", () => {
    const text = (scaling: number, dim: number) => scalingText(head({ scaling, dim }).rules);
    expect([text(32 ** -0.5, 32), text(0.0625, 8), text(0.125, 64), text(0.3, 64)]).toEqual(["÷ √32", "÷ 16", "÷ √64", "× 0.3"]);
  });
});

describe("why", () => {
  it("lists neurons by what they contribute", () => {
    expect(termsOf(head(), 0, 2).map(({ neuron, part }) => [neuron, part])).toEqual([[1, 3], [0, -0.5]]);
  });

  it("adds up from neurons to score", () => {
    const with_ = head({ softcap: 2, bias: 0 }, { bias: Float32Array.of(0.1, 0.2, 0.3, 0, 0, 0) });
    const row = rowOf(with_, 0);
    const account = accountOf(with_, row, 2, 1);
    expect(account.terms[0]!.units + account.rest.units).toBe(account.scaled);
    expect(account.capped + account.bias).toBe(account.score);
    expect(account.score).toBe(Math.round(row.score[2]! * 1000));
    expect(account.rest.count).toBe(1);
    expect(shareOfTop(account)).toBeCloseTo(1.2);
  });

  it("finds the runner-up among visible keys", () => {
    expect(rival(rowOf(head(), 0), 2)).toBe(1);
    expect(rival(rowOf(head(), 0), 1)).toBe(2);
    expect(rival(rowOf(head({ causal: true }), 0), 0)).toBeNull();
  });

  it("prints nothing for steps of hidden keys", () => {
    const row = rowOf(head({ causal: true }), 0);
    expect(["dot", "scaled", "mask", "weight"].map((step) => stepText(step as "dot", row, 2))).toEqual(["", "", "−∞", "0"]);
  });
});
