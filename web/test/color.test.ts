import { expect, it } from "vitest";
import { difference, headColor, heatRamp, inkOn, layerColor, rgb } from "../src/draw/color";

it.each(["light", "dark"] as const)("tells the first 32 heads apart (%s)", (mode) => {
  const colors = Array.from({ length: 32 }, (_, head) => headColor(head, mode));
  for (let i = 0; i < 32; i++)
    for (let j = 0; j < i; j++) expect(difference(colors[i]!, colors[j]!), `heads ${j} and ${i}`).toBeGreaterThan(0.05);
  expect(new Set(colors.map((color) => String(rgb(color)))).size).toBe(32);
});

it.each(["light", "dark"] as const)("has no two equal colours among 96 heads (%s)", (mode) => {
  const seen = new Set(Array.from({ length: 96 }, (_, head) => String(rgb(headColor(head, mode)))));
  expect(seen.size).toBe(96);
});

it("gives a head the same colour always", () => {
  const early = rgb(headColor(3, "light"));
  headColor(60, "light");
  expect(rgb(headColor(3, "light"))).toEqual(early);
});

it("tells neighbouring layers apart", () => {
  for (let layer = 0; layer < 12; layer++)
    expect(difference(layerColor(layer, "light"), layerColor(layer + 1, "light"))).toBeGreaterThan(0.05);
});

it("heat ramps run from light to dark, and from dark to light", () => {
  const sum = (ramp: Uint8ClampedArray, code: number) => ramp[code * 4]! + ramp[code * 4 + 1]! + ramp[code * 4 + 2]!;
  const [light, dark] = [heatRamp(2, "light"), heatRamp(2, "dark")];
  for (let code = 10; code < 255; code += 10) {
    expect(sum(light, code)).toBeLessThanOrEqual(sum(light, code - 10));
    expect(sum(dark, code)).toBeGreaterThanOrEqual(sum(dark, code - 10));
  }
});

it("chooses readable ink", () => {
  expect(inkOn([255, 230, 80])).toBe("#000");
  expect(inkOn([30, 30, 120])).toBe("#fff");
});
