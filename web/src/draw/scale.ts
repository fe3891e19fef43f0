// Numbers → colours of a heat map: linear, on a root or on a logarithmic scale; one ramp from
// nothing to much, one with a middle for signed numbers. Lightness rises or falls evenly, so that
// equal steps look equal and survive colour blindness and grey print.
import type { ColorScale } from "../types";
import { rgb, type Mode, type Rgb } from "./color";

export interface Scale {
  kind: ColorScale;
  /** The number with the strongest colour. */
  high: number;
  signed: boolean;
  /** Powers of ten that a logarithmic scale spans. */
  decades: number;
}

/** How far along the ramp a number is, 0..1; signed numbers have 0 at one half. */
export function shareOf({ kind, high, signed, decades }: Scale, value: number): number {
  const size = Math.min(1, Math.abs(value) / high);
  const share = kind === "linear" ? size : kind === "root" ? Math.sqrt(size) : Math.max(0, 1 + Math.log10(size) / decades);
  return signed ? 0.5 + (value < 0 ? -share : share) / 2 : share;
}

/** Numbers to write beside a colour bar, from least to most. */
export function ticksOf({ kind, high, signed, decades }: Scale): number[] {
  const shares = kind === "root" ? [0, 0.01, 0.05, 0.2, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
  const sizes = kind === "log" ? Array.from({ length: decades + 1 }, (_, i) => high * 10 ** (i - decades)) : shares.map((share) => share * high);
  return signed ? [...sizes.filter((size) => size > 0).map((size) => -size).reverse(), 0, ...sizes.filter((size) => size > 0)] : sizes;
}

const RAMPS = new Map<string, Uint32Array>();

/** 256 colours as pixels. */
export function rampOf(signed: boolean, mode: Mode): Uint32Array {
  const key = `${signed}/${mode}`;
  let ramp = RAMPS.get(key);
  if (!ramp) {
    ramp = Uint32Array.from({ length: 256 }, (_, i) => pixelOf(signed ? diverging(i / 127.5 - 1, mode) : sequential(i / 255, mode)));
    RAMPS.set(key, ramp);
  }
  return ramp;
}

function pixelOf([r, g, b]: readonly [number, number, number]): number {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}

/** Light: from white over yellow-green and teal to dark blue; dark: from night blue to pale yellow. */
function sequential(t: number, mode: Mode) {
  const bow = Math.sin(Math.PI * t);
  if (mode === "light") return rgb({ l: 0.985 - 0.7 * t, c: 0.005 + 0.12 * bow ** 0.95, h: 125 + 150 * t ** 0.8 });
  return rgb({ l: 0.2 + 0.76 * t, c: 0.03 + 0.115 * bow ** 0.9, h: 285 - 185 * t ** 1.15 });
}

/** Orange below zero, blue above, the ground at zero. */
export function diverging(t: number, mode: Mode) {
  const size = Math.abs(t);
  const h = t < 0 ? 50 : 257;
  return mode === "light" ? rgb({ l: 0.975 - 0.5 * size, c: 0.17 * size ** 0.8, h }) : rgb({ l: 0.22 + 0.58 * size, c: 0.17 * size ** 0.8, h });
}

/** The strongest colours of a difference: above zero, and below. */
export function signedColors(mode: Mode): [Rgb, Rgb] {
  return [diverging(1, mode), diverging(-1, mode)];
}

/** RGBA steps for sqrt8 codes, from all lost to all gained; the last one for what is missing. */
export function signedRamp(mode: Mode): Uint8ClampedArray {
  const ramp = new Uint8ClampedArray(510 * 4);
  for (let i = 0; i < 509; i++) ramp.set([...diverging((i - 254) / 254, mode), 255], i * 4);
  ramp.set([...MISSING[mode], 255], 509 * 4);
  return ramp;
}

/** What stands for a missing number. */
export const MISSING: Record<Mode, readonly [number, number, number]> = { light: [214, 190, 190], dark: [92, 66, 66] };

export function pixelOfMissing(mode: Mode): number {
  return pixelOf(MISSING[mode]);
}
