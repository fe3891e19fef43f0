// Vectors as strips of cells: blue positive, orange negative, intensity tanh(|v| / scale).
import { css, rgb, type Mode, type Rgb } from "./color";
import type { CellSize } from "../ui/stripLayout";

export const POSITIVE: Record<Mode, Rgb> = { light: rgb({ l: 0.47, c: 0.19, h: 259 }), dark: rgb({ l: 0.74, c: 0.15, h: 250 }) };
export const NEGATIVE: Record<Mode, Rgb> = { light: rgb({ l: 0.63, c: 0.18, h: 47 }), dark: rgb({ l: 0.74, c: 0.16, h: 55 }) };
const GROUND: Record<Mode, Rgb> = { light: [241, 243, 246], dark: [33, 37, 44] };

const STEPS = 255;
const tables = new Map<Mode, Uint32Array>();

/** Colours of −255…255 steps of intensity, as little-endian RGBA. */
function colors(mode: Mode): Uint32Array {
  let table = tables.get(mode);
  if (!table) {
    table = new Uint32Array(2 * STEPS + 1);
    for (let i = -STEPS; i <= STEPS; i++) {
      const [r, g, b] = shade(i / STEPS, mode);
      table[i + STEPS] = r | (g << 8) | (b << 16) | (255 << 24);
    }
    tables.set(mode, table);
  }
  return table;
}

/** The colour of an intensity between −1 and 1. */
export function shade(intensity: number, mode: Mode): Rgb {
  const [ground, color] = [GROUND[mode], intensity < 0 ? NEGATIVE[mode] : POSITIVE[mode]];
  const mix = (channel: 0 | 1 | 2) => Math.round(ground[channel] + (color[channel] - ground[channel]) * Math.abs(intensity));
  return [mix(0), mix(1), mix(2)];
}

export function cellColor(value: number, scale: number, mode: Mode): string {
  return css(shade(Math.tanh(value / scale), mode));
}

/** Rows of cells that are painted together, from one canvas pixel a cell. */
export class StripPainter {
  #canvas: HTMLCanvasElement;
  #context: CanvasRenderingContext2D;

  constructor(doc: Document) {
    this.#canvas = doc.createElement("canvas");
    this.#context = this.#canvas.getContext("2d")!;
  }

  /** Paints one strip a row; `value(row, neuron)` is asked for each cell. */
  paint(
    context: CanvasRenderingContext2D, rows: { y: number; alpha: number }[], left: number, cell: CellSize, dim: number,
    scale: number, mode: Mode, value: (row: number, neuron: number) => number,
  ): void {
    if (!rows.length) return;
    const [width, height] = [cell.perLine, rows.length * cell.lines];
    const image = this.#context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const table = colors(mode);
    rows.forEach((_, row) => {
      for (let neuron = 0; neuron < dim; neuron++)
        pixels[row * cell.lines * width + neuron] = table[Math.round(Math.tanh(value(row, neuron) / scale) * STEPS) + STEPS]!;
    });
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#context.putImageData(image, 0, 0);
    context.save();
    context.imageSmoothingEnabled = false;
    rows.forEach(({ y, alpha }, row) => {
      context.globalAlpha = alpha;
      for (let line = 0; line < cell.lines; line++)
        context.drawImage(this.#canvas, 0, row * cell.lines + line, width, 1, left, y + line * cell.pitch, width * cell.width, cell.height);
    });
    context.restore();
  }
}
