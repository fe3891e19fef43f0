// A picture, in grey, with a weight on each of its patches: dark where little of the weight goes.
import type { ImageSpec } from "../types";
import { css, rgb } from "./color";

const STEPS = 64;
let ramp: string[] = [];

/** Share of the strongest patch, 0..1, on a square-root scale → colour over the picture. */
export function patchColor(share: number): string {
  if (!ramp.length)
    ramp = Array.from({ length: STEPS + 1 }, (_, i) => {
      const t = i / STEPS;
      return css(rgb({ l: 0.2 + 0.72 * t, c: 0.05 + 0.15 * Math.sin(Math.PI * (0.1 + 0.75 * t)), h: (300 + 155 * t) % 360 }), 0.62 + 0.1 * t);
    });
  return ramp[Math.round(Math.sqrt(Math.min(Math.max(share, 0), 1)) * STEPS)]!;
}

/** `values` has a weight a patch (NaN where missing), `top` the one with the strongest colour. */
export function paintPatches(
  context: CanvasRenderingContext2D, width: number, height: number, picture: ImageBitmap | null, grid: ImageSpec, values: Float32Array, top: number,
): void {
  context.filter = "grayscale(1)";
  if (picture) context.drawImage(picture, 0, 0, width, height);
  context.filter = "none";
  for (let row = 0; row < grid.rows; row++)
    for (let column = 0; column < grid.columns; column++) {
      const [x, y, w, h] = patchBox(row * grid.columns + column, grid, width, height);
      const value = values[row * grid.columns + column]!;
      context.fillStyle = Number.isNaN(value) ? "rgba(128,128,128,.9)" : patchColor(top > 0 ? value / top : 0);
      context.fillRect(x, y, w, h);
    }
}

/** x, y, width and height of a patch, on whole pixels so that neighbours meet. */
export function patchBox(place: number, { rows, columns }: ImageSpec, width: number, height: number): [number, number, number, number] {
  const [row, column] = [Math.floor(place / columns), place % columns];
  const edge = (at: number, of: number, size: number) => Math.round((at * size) / of);
  const [x, y] = [edge(column, columns, width), edge(row, rows, height)];
  return [x, y, edge(column + 1, columns, width) - x, edge(row + 1, rows, height) - y];
}

/** A frame that is seen on any ground. */
export function paintFrame(context: CanvasRenderingContext2D, [x, y, w, h]: readonly number[], color: string): void {
  for (const [line, inset, style] of [[3, 0.5, "rgba(0,0,0,.75)"], [1.5, 0.5, color]] as const) {
    context.lineWidth = line;
    context.strokeStyle = style;
    context.strokeRect(x! + inset, y! + inset, w! - 2 * inset, h! - 2 * inset);
  }
}
