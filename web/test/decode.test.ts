import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { boundsAt, decode, fromBase64, leastCode, missingCode, narrowTable, unpack, weightTable } from "../src/data/decode";
import type { EncodingName, ReplyMeta } from "../src/types";

const meta = (encoding: EncodingName, shape: number[], spread = 0.5): ReplyMeta => ({ shape, encoding, codec: "gzip", spread });

describe("unpack", () => {
  it("reads sqrt8 codes as they are", () => {
    const weights = unpack(Uint8Array.of(0, 127, 254, 255), meta("sqrt8", [1, 2, 2]));
    const table = weightTable("sqrt8");
    expect([...weights.codes].map((code) => table[code])).toEqual([0, 0.25, 1, NaN]);
  });

  it("joins the two planes of linear16", () => {
    const weights = unpack(Uint8Array.of(0xff, 0x00, 0xff, 0xfe, 0x01, 0xff), meta("linear16", [1, 1, 3]));
    expect([...weights.codes]).toEqual([65534, 1, 65535]);
    expect(boundsAt(weights, 0, 0, 2)).toBeNull();
  });

  it("says what is wrong with the bytes", () => {
    expect(() => unpack(new Uint8Array(3), meta("sqrt8", [1, 2, 2]))).toThrow("3 bytes, expected 4");
    expect(() => unpack(new Uint8Array(3), meta("sqrt8", [3]))).toThrow("expected [head, query, key]");
  });
});

describe("bounds", () => {
  it("hold every weight that was encoded", () => {
    for (const encoding of ["sqrt8", "linear16"] as const)
      for (let i = 0; i <= 1000; i++) {
        const weight = i / 1000;
        const top = missingCode(encoding) - 1;
        const code = Math.round((encoding === "sqrt8" ? Math.sqrt(weight) : weight) * top);
        const bytes = encoding === "sqrt8" ? Uint8Array.of(code) : Uint8Array.of(code >> 8, code & 255);
        const [low, high] = boundsAt(unpack(bytes, meta(encoding, [1, 1, 1])), 0, 0, 0)!;
        expect(low).toBeLessThanOrEqual(weight + 1e-12);
        expect(high).toBeGreaterThanOrEqual(weight - 1e-12);
      }
  });

  it("stay within 0 and 1", () => {
    const weights = unpack(Uint8Array.of(0, 254), meta("sqrt8", [1, 1, 2], 1));
    expect(boundsAt(weights, 0, 0, 0)![0]).toBe(0);
    expect(boundsAt(weights, 0, 0, 1)![1]).toBe(1);
  });
});

it("inflates a reply", async () => {
  const bytes = new Uint8Array(gzipSync(Uint8Array.of(1, 2, 3, 4)));
  const weights = await decode({ meta: meta("sqrt8", [1, 2, 2]), bytes });
  expect(weights.shape).toEqual([1, 2, 2]);
  expect([...weights.codes]).toEqual([1, 2, 3, 4]);
});

it("finds the least code of a weight", () => {
  expect(leastCode("sqrt8", 0.25)).toBe(127);
  expect(weightTable("linear16")[leastCode("linear16", 1 / 510)]).toBeGreaterThanOrEqual(1 / 510 - 1e-9);
});

it("narrows linear16 to sqrt8", () => {
  expect([narrowTable()[0], narrowTable()[65534], narrowTable()[65535]]).toEqual([0, 254, 255]);
});

it("reads base64", () => expect([...fromBase64("AQID/w==")]).toEqual([1, 2, 3, 255]));
