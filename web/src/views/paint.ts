// Paints the model view's rows from thumbnails, or from the layers themselves where inputs are
// short; in slices, so that the page stays responsive.
import type { Weights } from "../data/decode";
import { sizeOf, type Shown } from "../data/filter";
import { paintLines, pool, scaled, type Box } from "../draw/cells";
import { heatRamp, layerColor, rgb, type Mode, type Rgb } from "../draw/color";
import { paintHeat } from "../draw/heat";
import type { Source } from "../source/cache";
import type { CellStyle, LayerSpec, StreamSpec } from "../types";
import type { GridSize } from "./geometry";

export interface Picture {
  stream: StreamSpec;
  shown: Shown;
  tokens: { query: number; key: number };
  style: "lines" | "heat";
  mode: Mode;
  size: GridSize;
  ratio: number;
}

const SLICE = 24;
export const GROUND: Record<Mode, Rgb> = { light: [246, 247, 250], dark: [25, 28, 34] };

export function styleOf(cells: CellStyle, shown: Shown): "lines" | "heat" {
  if (cells !== "auto") return cells;
  return Math.max(sizeOf(shown.query), sizeOf(shown.key)) <= 64 ? "lines" : "heat";
}

/** Resolves to true when every row is painted, false when `current()` no longer holds. */
export async function paintGrid(
  picture: Picture, source: Source, canvases: Map<number, HTMLCanvasElement>, current: () => boolean,
): Promise<boolean> {
  const { stream } = picture;
  const thumbnails = stream.thumbnail ? await source.get({ kind: "thumbnails", stream: stream.name }) : null;
  let place = 0;
  let since = performance.now();
  for (const layer of stream.layers) {
    const weights = thumbnails ?? (await source.get({ kind: "layer", stream: stream.name, layer: layer.layer }));
    if (!current()) return false;
    const canvas = canvases.get(layer.layer);
    if (canvas) paintRow(canvas, picture, layer, weights, thumbnails ? place : 0);
    place += layer.heads.length;
    if (performance.now() - since < SLICE) continue;
    await pause();
    if (!current()) return false;
    since = performance.now();
  }
  return true;
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => (channel.port1.close(), resolve());
    channel.port2.postMessage(null);
  });
}

function paintRow(canvas: HTMLCanvasElement, picture: Picture, layer: LayerSpec, weights: Weights, first: number): void {
  const { size, ratio, mode, style } = picture;
  const side = Math.round(size.cell * ratio);
  const step = (size.cell + size.gap) * ratio;
  const width = Math.round((layer.heads.length - 1) * step) + side;
  const image = new ImageData(width, side);
  const shown = shownIn(picture, weights);
  const ramp = style === "heat" ? heatRamp(layer.layer, mode) : null;
  const color = rgb(layerColor(layer.layer, mode));
  layer.heads.forEach((_, i) => {
    const box: Box = { x: Math.round(i * step), y: 0, width: side, height: side };
    if (ramp) return paintHeat(image, box, pool(weights, first + i, shown, side), ramp);
    fill(image, box, GROUND[mode]);
    const inset = Math.round(Math.min(4 * ratio, side * 0.06));
    const inner = { x: box.x + inset, y: inset, width: side - 2 * inset, height: side - 2 * inset };
    paintLines(image, inner, pool(weights, first + i, shown, inner.height), color, GROUND[mode]);
  });
  show(canvas, image, picture);
}

function show(canvas: HTMLCanvasElement, image: ImageData, { ratio }: Picture): void {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.style.width = `${image.width / ratio}px`;
  canvas.style.height = `${image.height / ratio}px`;
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

function shownIn({ shown, tokens }: Picture, weights: Weights): Shown {
  return {
    query: scaled(shown.query, tokens.query, weights.shape[1]),
    key: scaled(shown.key, tokens.key, weights.shape[2]),
  };
}

function fill(image: ImageData, box: Box, [r, g, b]: Rgb): void {
  const pixels = new Uint32Array(image.data.buffer);
  const color = (255 << 24) | (b << 16) | (g << 8) | r;
  for (let y = box.y; y < box.y + box.height; y++)
    pixels.fill(color, y * image.width + box.x, y * image.width + box.x + box.width);
}
