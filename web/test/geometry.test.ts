import { describe, expect, it } from "vitest";
import { unpack } from "../src/data/decode";
import { pool, scaled } from "../src/draw/cells";
import { laneOf, riseAt, rowUnder, seenFrom, shareOf, type Frame } from "../src/draw/lines";
import { nextToken } from "../src/ui/keys";
import { layoutOf, rowsToShow } from "../src/ui/layout";
import { nextCell } from "../src/ui/grid";
import { gridSize, roomOf } from "../src/views/geometry";

const whole = (query: number, key: number) => ({ query: { start: 0, stop: query }, key: { start: 0, stop: key } });

describe("lines", () => {
  const frame: Frame = { row: 20, top: 0, height: 400, x0: 0, x1: 100, ratio: 1 };

  it("rise from 0 to 1, evenly about the middle", () => {
    expect([riseAt(0), riseAt(0.5), riseAt(1)]).toEqual([0, 0.5, 1]);
    expect(riseAt(0.2)).toBeCloseTo(1 - riseAt(0.8));
  });

  it("are found under the pointer", () => {
    const y = (row: number) => (row + 0.5) * 20;
    expect(rowUnder(1, y(7), 2, frame)).toBe(7);
    expect(rowUnder(0.5, (y(2) + y(7)) / 2, 2, frame)).toBe(7);
    expect(rowUnder(0.05, y(2), 2, frame)).toBeNull();
  });

  it("that pass the window are seen, others not", () => {
    const keys = { start: 0, stop: 100 };
    const window = { start: 40, stop: 60 };
    expect(seenFrom(50, keys, 0, window)).toEqual(keys);
    expect(seenFrom(10, keys, 0, window)).toEqual({ start: 40, stop: 100 });
    expect(seenFrom(80, keys, 0, window)).toEqual({ start: 0, stop: 60 });
  });

  it("keep to their lanes inside the row", () => {
    for (const heads of [1, 2, 12, 32]) {
      expect(laneOf(0, heads, 24)).toBeCloseTo(-laneOf(heads - 1, heads, 24));
      expect(Math.abs(laneOf(0, heads, 24))).toBeLessThan(12);
    }
  });

  it("fade with the number of tokens, never below 1 / heads", () => {
    expect(shareOf(3, whole(13, 13))).toBe(1);
    expect(shareOf(4, whole(40, 40))).toBe(0.5);
    expect(shareOf(12, whole(5000, 5000))).toBe(1 / 12);
  });
});

describe("cells", () => {
  const cell = (codes: number[], rows: number, columns: number) =>
    unpack(Uint8Array.from(codes), { shape: [1, rows, columns], encoding: "sqrt8", codec: "gzip", spread: 0.5 });

  it("are pooled by maximum", () => {
    expect([...pool(cell([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], 4, 4), 0, whole(4, 4), 2).codes]).toEqual([6, 8, 14, 16]);
  });

  it("are missing only where all is", () => {
    expect([...pool(cell([255, 255, 255, 9], 2, 2), 0, whole(2, 2), 1).codes]).toEqual([9]);
    expect([...pool(cell([255, 255, 255, 255], 2, 2), 0, whole(2, 2), 1).codes]).toEqual([255]);
    expect([...pool(cell([0, 255], 1, 2), 0, whole(1, 2), 2).codes]).toEqual([0, 255]);
  });

  it("are cropped to the tokens shown", () => {
    expect([...pool(cell([1, 2, 3, 4], 2, 2), 0, { query: { start: 1, stop: 2 }, key: { start: 0, stop: 2 } }, 9).codes]).toEqual([3, 4]);
    expect(scaled({ start: 256, stop: 512 }, 512, 64)).toEqual({ start: 32, stop: 64 });
    expect(scaled({ start: 511, stop: 512 }, 512, 64)).toEqual({ start: 63, stop: 64 });
    expect(scaled({ start: 2, stop: 5 }, 12, 12)).toEqual({ start: 2, stop: 5 });
  });
});

describe("layout", () => {
  it.each([320, 440, 600, 1400, 2000])("fits %i px", (width) => {
    for (const text of [10, 90, 900]) {
      const at = layoutOf({ width, queryText: text, keyText: text, compact: width < 500, segments: true });
      expect(at.query.left).toBeGreaterThanOrEqual(0);
      expect(at.x0).toBe(at.query.left + at.query.width);
      expect(at.x1).toBeGreaterThan(at.x0);
      if (width >= 440) expect(at.key.left + at.key.width + at.number).toBeLessThanOrEqual(width);
    }
  });

  it("puts all of a short list in the page, a window of a long one", () => {
    expect(rowsToShow(300, 24, 0, 600)).toEqual([0, 300]);
    expect(rowsToShow(5000, 24, 24000, 480)).toEqual([994, 1026]);
  });
});

describe("grid", () => {
  it("cells fill the width, whatever the number of tokens", () => {
    const { cell, gap, axis } = gridSize(1000, 12);
    expect(axis + 12 * cell + 11 * gap).toBeLessThanOrEqual(1000);
    expect(axis + 12 * (cell + 1) + 11 * gap).toBeGreaterThan(1000);
    expect(gridSize(600, 64).cell).toBe(26);
  });

  it("arrow keys stop at the edges and fit shorter rows", () => {
    const layers = [{ layer: 3, heads: [0, 1, 5] }, { layer: 7, heads: [2] }];
    expect(nextCell("ArrowRight", { layer: 3, head: 1 }, layers)).toEqual({ layer: 3, head: 5 });
    expect(nextCell("ArrowDown", { layer: 3, head: 5 }, layers)).toEqual({ layer: 7, head: 2 });
    expect(nextCell("ArrowUp", { layer: 3, head: 5 }, layers)).toEqual({ layer: 3, head: 5 });
    expect(nextCell("End", { layer: 3, head: 0 }, layers)).toEqual({ layer: 3, head: 5 });
    expect(nextCell("a", { layer: 3, head: 0 }, layers)).toBeNull();
  });
});

it("arrow keys walk the tokens", () => {
  const shown = { query: { start: 2, stop: 5 }, key: { start: 0, stop: 9 } };
  const stops = { query: 2, key: 0 };
  expect(nextToken("ArrowDown", { side: "query", index: 4 }, shown, stops)).toEqual({ side: "query", index: 4 });
  expect(nextToken("ArrowRight", { side: "query", index: 4 }, shown, stops)).toEqual({ side: "key", index: 2 });
  expect(nextToken("ArrowLeft", { side: "query", index: 4 }, shown, stops)).toBeNull();
  expect(nextToken("End", { side: "key", index: 0 }, shown, stops)).toEqual({ side: "key", index: 8 });
});

it("puts the panel beside the grid only where all heads still fit", () => {
  expect(roomOf(1400, 12)).toEqual({ room: 904, beside: true });
  expect(roomOf(1400, 32)).toEqual({ room: 1400, beside: false });
  expect(roomOf(2000, 32).beside).toBe(true);
  expect(roomOf(900, 4).beside).toBe(false);
});
