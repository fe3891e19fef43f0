import { describe, expect, it } from "vitest";
import { filterOptions, findFilter } from "../src/data/filter";
import type { SideSpec } from "../src/types";

const side = (count: number, ...starts: [string, number][]): SideSpec => ({
  text: Array.from({ length: count }, (_, i) => `t${i}`),
  raw: [],
  special: [],
  words: [],
  segments: starts.map(([name, start], i) => ({ name, start, stop: starts[i + 1]?.[1] ?? count })),
});

describe("filterOptions", () => {
  it("is All alone without segments on both sides", () => {
    expect(filterOptions(side(5), side(5)).map((o) => o.label)).toEqual(["All"]);
    expect(filterOptions(side(5, ["A", 0], ["B", 2]), side(3))).toHaveLength(1);
  });

  it("lists same segments first, then across", () => {
    const both = side(5, ["A", 0], ["B", 2]);
    expect(filterOptions(both, both).map((o) => o.label)).toEqual(["All", "A → A", "B → B", "A → B", "B → A"]);
  });

  it("finds by name, however the arrow is written", () => {
    const options = filterOptions(side(5, ["A", 0], ["B", 2]), side(5, ["A", 0], ["B", 2]));
    for (const name of ["A→B", "A -> B", "a → b"]) expect(findFilter(options, name).label).toBe("A → B");
    expect(findFilter(options, "A→B")).toMatchObject({ query: { start: 0, stop: 2 }, key: { start: 2, stop: 5 } });
    expect(findFilter(options, "no such").value).toBe("all");
  });
});
