// A picture, in grey, with a number on each of its patches: dark where it is 0.
import type { ImageSpec } from "../types";
import { css, rgb, type Rgb } from "./color";
import { diverging } from "./scale";

const STEPS = 64;
const ramps = new Map<boolean, string[]>();

/** Share of the strongest patch, 0..1 or -1..1, on a square-root scale → colour over the picture. */
export function patchColor(share: number, signed = false): string {
  const ramp = ramps.get(signed) ?? Array.from({ length: 2 * STEPS + 1 }, (_, i) => colorAt(i / STEPS - 1, signed));
  ramps.set(signed, ramp);
  const root = Math.sign(share) * Math.sqrt(Math.min(Math.abs(share), 1));
  return ramp[Math.round((root + 1) * STEPS)]!;
}

/** A difference: orange below 0, blue above, as in every view. */
function colorAt(t: number, signed: boolean): string {
  const size = Math.abs(t);
  const color: Rgb = signed ? diverging(t, "dark") : rgb({ l: 0.2 + 0.72 * size, c: 0.05 + 0.15 * Math.sin(Math.PI * (0.1 + 0.75 * size)), h: (300 + 155 * size) % 360 });
  return css(color, 0.62 + (signed ? 0.2 : 0.1) * size);
}

export interface Overlay {
  picture: ImageBitmap | null;
  grid: ImageSpec;
  /** A number a patch, NaN where missing. */
  values: Float32Array;
  /** How large the one with the strongest colour is. */
  top: number;
  signed: boolean | undefined;
}

export function paintPatches(context: CanvasRenderingContext2D, width: number, height: number, { picture, grid, values, top, signed }: Overlay): void {
  context.filter = "grayscale(1)";
  if (picture) context.drawImage(picture, 0, 0, width, height);
  context.filter = "none";
  for (let row = 0; row < grid.rows; row++)
    for (let column = 0; column < grid.columns; column++) {
      const [x, y, w, h] = patchBox(row * grid.columns + column, grid, width, height);
      const value = values[row * grid.columns + column]!;
      context.fillStyle = Number.isNaN(value) ? "rgba(128,128,128,.9)" : patchColor(top > 0 ? value / top : 0, signed);
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
