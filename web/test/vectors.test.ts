import { describe, expect, it } from "vitest";
import { halfOf, headVectors, unpackArrays } from "../src/data/vectors";
import type { ArraysMeta, DtypeName, RulesSpec } from "../src/types";

export const RULES: RulesSpec = {
  dim: 2, dtype: "float32", scaling: 0.5, causal: false, offset: 0, window: null, softcap: null, sinks: false,
  key_place: [0, 0], key_head: [0, 0], bias: null, mask: null,
};

function planes(bytes: Uint8Array, size: number): Uint8Array {
  const count = bytes.length / size;
  return bytes.map((_, at) => bytes[(at % count) * size + Math.floor(at / count)]!);
}

const one = (name: string, dtype: DtypeName, shape: number[]): ArraysMeta => ({ codec: "gzip", arrays: [{ name, dtype, shape }] });

describe("arrays", () => {
  it("come out of their planes exactly", () => {
    const numbers = Float32Array.of(1.5, -0.1, 3e-20, -Infinity);
    const { named, bytes } = unpackArrays(planes(new Uint8Array(numbers.buffer), 4), one("x", "float32", [2, 2]));
    expect([...named.get("x")!.data]).toEqual([...numbers]);
    expect(bytes).toBe(16);
  });

  it("are widened from half precision", () => {
    expect([0x3c00, 0xc000, 0x3555, 0x0001, 0x7c00, 0xfc00].map(halfOf)).toEqual([1, -2, 0.333251953125, 2 ** -24, Infinity, -Infinity]);
    const bits = Uint16Array.of(0x3f80, 0xc040);
    const { named } = unpackArrays(planes(new Uint8Array(bits.buffer), 2), one("x", "bfloat16", [2]));
    expect([...named.get("x")!.data]).toEqual([1, -3]);
  });

  it("say what is wrong with the bytes", () => {
    expect(() => unpackArrays(new Uint8Array(7), one("keys", "float32", [2]))).toThrow('"keys" has 7 bytes, expected 8 for float32 [2]');
    expect(() => unpackArrays(new Uint8Array(9), one("keys", "uint8", [8]))).toThrow("1 bytes too many");
  });
});

it("cuts out one head and the key head that serves it", () => {
  const array = (shape: number[], from: number) => ({ shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => from + i) });
  const vectors = { named: new Map([["queries", array([2, 1, 2], 0)], ["keys", array([1, 3, 2], 10)], ["sinks", array([2], 7)]]), bytes: 0 };
  const bias = { named: new Map([["bias", array([2, 1, 3], 20)]]), bytes: 0 };
  const head = headVectors({ vectors, bias, mask: null }, RULES, 1);
  expect([...head.queries]).toEqual([2, 3]);
  expect([...head.keys]).toEqual([10, 11, 12, 13, 14, 15]);
  expect([...head.bias!]).toEqual([23, 24, 25]);
  expect([head.sink, head.nQuery, head.nKey]).toEqual([8, 1, 3]);
});
