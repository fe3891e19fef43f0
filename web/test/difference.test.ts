import { expect, test } from "vitest";
import { boundsAt, missingCode, nearestCode, type Weights } from "../src/data/decode";
import { differenceOf, numberAt, shortNames } from "../src/data/difference";
import { formatSigned } from "../src/data/numbers";
import { strongest } from "../src/data/tokens";

const MISSING = missingCode("linear16");

function weightsOf(...values: (number | null)[]): Weights {
  const codes = Uint16Array.from(values, (value) => (value === null ? MISSING : nearestCode("linear16", value)));
  return { shape: [1, 1, values.length], codes, encoding: "linear16", spread: 0.5 };
}

const made = differenceOf(weightsOf(0.5, 0.25, null, 0.25, 0), weightsOf(0.25, 0.75, 0.5, 0.25, null));

test("a difference has a sign, and lies between those of the bounds", () => {
  expect(made.shape).toEqual([2, 1, 5]);
  const [low, high] = boundsAt(made, 0, 0, 0)!;
  expect(low).toBeLessThan(-0.25 + 1e-4);
  expect(high).toBeGreaterThan(-0.25 - 1e-4);
  expect(high - low).toBeCloseTo(2 / 65534, 7);
  expect([0, 1, 3].map((key) => Number(numberAt(made, 0, 0, key).toFixed(4)))).toEqual([-0.25, 0.5, 0]);
});

test("what was gained and what was lost are drawn apart, full from one half on", () => {
  const [gained, lost] = [made.codes.slice(0, 5), made.codes.slice(5)];
  expect([...gained]).toEqual([0, nearestCode("linear16", 1), MISSING, 0, MISSING]);
  expect(lost[0]! / 65534).toBeCloseTo(0.5, 4);
  expect([...lost.slice(1)]).toEqual([0, 0, 0, 0]);
});

test("what one side lacks has no difference, which is not none", () => {
  expect(boundsAt(made, 0, 0, 2)).toBe(null);
  expect(numberAt(made, 0, 0, 4)).toBeNaN();
});

test("the strongest differences are those that changed most, either way", () => {
  const found = strongest(made, [0], { side: "query", index: 0 }, { start: 0, stop: 5 }, 3);
  expect(found.map(({ index }) => index)).toEqual([1, 0]);
});

test("long names lose what both begin with", () => {
  expect(shortNames(["she", "he"])).toEqual(["she", "he"]);
  expect(shortNames(["org/model-v1", "org/model-v2-instruct"])).toEqual(["…v1", "…v2-instruct"]);
  expect(shortNames(["long/model/name", "short"])).toEqual(["long/model/name", "short"]);
});

test("signed numbers say their sign, and no more digits than are known", () => {
  expect(formatSigned([0.1234, 0.1234])).toBe("+0.1234");
  expect(formatSigned([-0.52, -0.519])).toBe("−0.52");
  expect(formatSigned([-0.00002, 0.00003])).toBe("0.0000");
  expect(formatSigned([-0.02, 0.03])).toBe("−0.02 to +0.03");
  expect(formatSigned([0, 0])).toBe("0");
  expect(formatSigned(null)).toBe("missing");
});
