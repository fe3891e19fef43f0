import { describe, expect, it } from "vitest";
import type { StepName } from "../src/data/steps";
import { neuronAt, stripLayout, type StripInput } from "../src/ui/stripLayout";

const STEPS: StepName[] = ["dot", "scaled", "mask", "weight"];
const input = (more: Partial<StripInput>): StripInput => ({
  width: 960, queryText: 60, keyText: 60, dim: 64, steps: STEPS, ratio: 1, segments: false, digits: { dot: 2, score: 1 }, ...more,
});

describe("strips", () => {
  it("fit into any usual width, with cells of whole pixels", () => {
    for (const dim of [8, 32, 64, 80, 96, 128, 256])
      for (const width of [520, 700, 960, 1300, 1960])
        for (const ratio of [1, 1.5, 2]) {
          const layout = stripLayout(input({ dim, width, ratio }));
          if (width >= 700) expect(layout.width).toBeLessThanOrEqual(width);
          expect(layout.cell.width * ratio).toBeCloseTo(Math.round(layout.cell.width * ratio), 6);
          expect(layout.cell.lines * layout.cell.perLine).toBeGreaterThanOrEqual(dim);
          expect((layout.cell.lines - 1) * layout.cell.pitch + layout.cell.height).toBeLessThanOrEqual(layout.row);
        }
  });

  it("have their columns one after the other", () => {
    const { query, strips, x0, x1, key, steps } = stripLayout(input({ segments: true }));
    const spans = [query, strips.q, key, strips.k, strips.product, ...steps];
    spans.forEach((span, i) => i && expect(span.left).toBeGreaterThanOrEqual(spans[i - 1]!.left + spans[i - 1]!.width));
    expect(x0).toBeLessThan(x1);
  });

  it("tell the neuron under the pointer", () => {
    const layout = stripLayout(input({ dim: 128, width: 520 }));
    const { lines, perLine, width, pitch } = layout.cell;
    expect(lines).toBeGreaterThan(1);
    expect(neuronAt(width * 1.5, 6, layout, 128)).toBe(1);
    expect(neuronAt(0, 6 + pitch, layout, 128)).toBe(perLine);
    expect(neuronAt(width * perLine + 1, 6, layout, 128)).toBeNull();
  });
});
