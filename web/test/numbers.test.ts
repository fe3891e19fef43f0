import { describe, expect, it } from "vitest";
import { unpack } from "../src/data/decode";
import { formatBounds, meanOfPresent, sinkBounds } from "../src/data/numbers";

describe("formatBounds", () => {
  it.each([
    [[0.71231, 0.71234], "0.7123"],
    [[0.7122, 0.7124], "0.712"],
    [[0.7115, 0.7135], "0.71"],
    [[0.711, 0.719], "0.71–0.72"],
    [[0, 0], "0"],
    [[0, 0.00001], "<0.0001"],
    [[0.00002, 0.00009], "<0.0001"],
    [[0.00006, 0.00008], "0.0001"],
    [[0.0001, 0.0004], "<0.001"],
    [[0.0001, 0.004], "<0.01"],
    [[0.996, 1], "1.00"],
    [[1, 1], "1.0000"],
  ] as const)("%j is %s", ([low, high], text) => expect(formatBounds([low, high])).toBe(text));

  it("names what is missing", () => expect(formatBounds(null)).toBe("missing"));

  it("is right for every value between the bounds", () => {
    for (let i = 0; i < 4000; i++) {
      const low = ((i * 7919) % 10007) / 10007;
      const high = Math.min(1, low + (((i * 104729) % 997) / 997) ** 4 * 0.02);
      const text = formatBounds([low, high]);
      const decimals = text.split(".")[1]?.length ?? 0;
      if (text.startsWith("<")) expect(high).toBeLessThan(Number(text.slice(1)));
      else if (!text.includes("–")) for (const value of [low, (low + high) / 2, high]) expect(value.toFixed(decimals)).toBe(text);
    }
  });
});

it("means leave missing numbers out", () => {
  expect(meanOfPresent([[0.2, 0.4], null, [0.4, 0.6]])).toEqual([expect.closeTo(0.3), expect.closeTo(0.5)]);
  expect(meanOfPresent([null])).toBeNull();
});

it("gives the sink what the keys leave", () => {
  const weights = unpack(Uint8Array.of(127, 127), { shape: [1, 1, 2], encoding: "sqrt8", codec: "gzip", spread: 0 });
  expect(sinkBounds(weights, 0, 0)).toEqual([0.5, 0.5]);
  const missing = unpack(Uint8Array.of(127, 255), { shape: [1, 1, 2], encoding: "sqrt8", codec: "gzip", spread: 0 });
  expect(sinkBounds(missing, 0, 0)).toBeNull();
});
