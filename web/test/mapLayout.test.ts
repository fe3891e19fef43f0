import { describe, expect, it } from "vitest";
import { around, boxOf, moved, revealing, spanned, stateOf, ticks, windowOf, zoomed } from "../src/ui/mapLayout";
import { shareOf, ticksOf, type Scale } from "../src/draw/scale";
import { numberText } from "../src/ui/mapNumbers";

const world = { query: { start: 0, stop: 100 }, key: { start: 10, stop: 60 } };
const part = { query: { start: 20, stop: 40 }, key: { start: 20, stop: 30 } };

describe("a map's window", () => {
  it("zooms about a place, and stays within what there is", () => {
    const near = zoomed(part, world, 0.5, { x: 0.5, y: 0 });
    expect(near).toEqual({ query: { start: 20, stop: 30 }, key: { start: 22.5, stop: 27.5 } });
    expect(zoomed(part, world, 1000, { x: 0.2, y: 0.7 })).toEqual(world);
    const least = zoomed(part, world, 0.0001, { x: 0.5, y: 0.5 });
    expect(least.query.stop - least.query.start).toBe(2);
  });

  it("moves as far as there is something to see", () => {
    expect(moved(part, world, -5, 4)).toEqual({ query: { start: 15, stop: 35 }, key: { start: 24, stop: 34 } });
    expect(moved(part, world, 500, -500)).toEqual({ query: { start: 80, stop: 100 }, key: { start: 10, stop: 20 } });
    expect(revealing(part, world, { query: 45, key: 25 }).query).toEqual({ start: 26, stop: 46 });
    expect(revealing(part, world, { query: 25, key: 25 })).toEqual(part);
    expect(around({ query: 0, key: 59 }, 4, world, world)).toEqual({ query: { start: 0, stop: 4 }, key: { start: 56, stop: 60 } });
  });

  it("is the same after a way through the state; null is all", () => {
    expect(windowOf(stateOf(part, world), world)).toEqual(part);
    expect(stateOf(world, world)).toBe(null);
    expect(windowOf({ query: [-50, 400], key: [0, 5] }, world)).toEqual({ query: world.query, key: { start: 10, stop: 15 } });
    expect(spanned(30.2, 12.7, world.query)).toEqual({ start: 12, stop: 31 });
  });
});

describe("a map's axes", () => {
  it("name every token where there is room, else round numbers", () => {
    expect(ticks({ start: 3, stop: 7 }, 100)).toEqual([3, 4, 5, 6]);
    expect(ticks({ start: 0, stop: 1000 }, 300)).toEqual([0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    for (const stop of [50, 700, 33333]) {
      const found = ticks({ start: 0.4, stop }, 500);
      expect(found.length).toBeLessThan(18);
      expect(found.length).toBeGreaterThan(3);
      expect(found[0]).toBeLessThan(stop / 3);
    }
  });

  it("cells are square, unless that would make one side unreadable", () => {
    expect(boxOf(900, { query: { start: 0, stop: 10 }, key: { start: 0, stop: 10 } })).toEqual({ width: 400, height: 400 });
    const wide = boxOf(900, { query: { start: 0, stop: 10 }, key: { start: 0, stop: 3000 } });
    expect(wide.height).toBeGreaterThanOrEqual(140);
    expect(wide.width).toBe(900);
  });
});

describe("colours and numbers", () => {
  const scale = (kind: Scale["kind"], signed = false): Scale => ({ kind, high: 2, signed, decades: 4 });

  it.each(["root", "linear", "log"] as const)("%s rises from nothing to all", (kind) => {
    const shares = [0, 2e-4, 0.01, 0.3, 1, 2, 5].map((value) => shareOf(scale(kind), value));
    expect(shares[0]).toBe(0);
    expect(shares.at(-1)).toBe(1);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(ticksOf(scale(kind)).at(-1)).toBe(2);
    expect(shareOf(scale(kind, true), 0)).toBe(0.5);
    expect(shareOf(scale(kind, true), -2)).toBe(0);
  });

  it("small numbers keep the digits that count", () => {
    expect(numberText([0.71234, 0.71234])).toBe("0.7123");
    expect(numberText([3.052e-5, 3.052e-5])).toBe("3.05·10⁻⁵");
    expect(numberText([3.0e-5, 3.09e-5])).toBe("3·10⁻⁵");
    expect(numberText([0, 7e-6])).toBe("<0.0001");
    expect(numberText([-12.3456, -12.3456])).toBe("−12.346");
    expect(numberText([-1.861, -1.823])).toBe("−1.86 to −1.82");
    expect(numberText([3.14, 3.16])).toBe("3.14–3.16");
    expect(numberText([-0.021, 0.013])).toBe("−0.02 to 0.01");
    expect(numberText([-0.004, 0.013])).toBe("0.00 to 0.01");
    expect(numberText(null)).toBe("missing");
  });
});
