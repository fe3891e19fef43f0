import { describe, expect, it } from "vitest";
import { unpack } from "../src/data/decode";
import { formatBounds, meanOfPresent, preciseText, sinkBounds } from "../src/data/numbers";

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

describe("numbers of any size and sign", () => {
  const around = (value: number, error: number) => preciseText([value - error, value + error]);

  it("have the digits that are known", () => {
    expect(around(0.123456, 1e-7)).toBe("0.1235");
    expect(around(0.123456, 1e-4)).toBe("0.12");
    expect(around(12.3456, 1e-6)).toBe("12.35");
    expect(around(1234.56, 0.001)).toBe("1235");
    expect(around(123456, 0.1)).toBe("123500");
  });

  it("have a sign", () => {
    expect(around(-0.123456, 1e-7)).toBe("−0.1235");
    expect(around(-3, 1e-7)).toBe("−3.000");
  });

  it("are written with an exponent where they are small or large", () => {
    expect(around(0.0000123, 1e-10)).toBe("1.230e−5");
    expect(around(-0.0000123, 1e-10)).toBe("−1.230e−5");
    expect(around(1.234e9, 1)).toBe("1.234e9");
  });

  it("say how near to 0 they are, or between what they lie", () => {
    expect(preciseText([-1e-6, 2e-6])).toBe("±2.000e−6".replace(".000", ""));
    expect(preciseText([0, 0])).toBe("0");
    expect(preciseText([0.14, 0.26])).toBe("0.14–0.26");
    expect(preciseText(null)).toBe("missing");
  });
});
