// Colours as numbers: OKLCH → sRGB, one colour a head (no two of the first 32 alike), one hue a
// layer, and the ramps of the heat maps. Light and dark have their own lightness.

export type Mode = "light" | "dark";
export type Rgb = readonly [number, number, number];

/** The strongest shade of running text; ink stays legible on it (WCAG AA). */
export const SHADE: Record<Mode, Rgb> = { light: [255, 158, 74], dark: [150, 78, 14] };

/** The same where numbers have a sign: for those above 0. `SHADE` is for those below, then. */
export const SIGNED: Record<Mode, Rgb> = { light: [116, 174, 255], dark: [24, 84, 172] };

/** How running text is shaded: a share of the largest number, 0..1, or -1..1 as 0..1 where it has a sign. */
export function shadeScale(signed: boolean, mode: Mode) {
  return (share: number): { color: Rgb; alpha: number } => {
    const value = signed ? 2 * share - 1 : share;
    return { color: (signed && value > 0 ? SIGNED : SHADE)[mode], alpha: Math.sqrt(Math.abs(value)) };
  };
}

/** The mean over heads, and scales that are nobody's own. */
export const NEUTRAL: Record<Mode, Rgb> = { light: [60, 68, 82], dark: [200, 207, 219] };

interface Oklch {
  l: number;
  c: number;
  h: number;
}

/** Twelve designed colours: hue, chroma and distance from the mode's lightness. */
const DESIGNED: [number, number, number][] = [
  [257, 0.17, 0], [47, 0.17, 0.06], [150, 0.15, 0], [18, 0.2, 0], [300, 0.17, 0], [200, 0.11, 0.05],
  [345, 0.19, 0.08], [92, 0.14, 0.09], [52, 0.08, -0.12], [255, 0.025, -0.02], [130, 0.18, 0.13], [278, 0.2, -0.12],
];
const BASE: Record<Mode, number> = { light: 0.58, dark: 0.71 };

function oklab({ l, c, h }: Oklch): Rgb {
  const angle = (h * Math.PI) / 180;
  return [l, c * Math.cos(angle), c * Math.sin(angle)];
}

function linearOf([l, a, b]: Rgb): Rgb {
  const x = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const y = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const z = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
    -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
    -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z,
  ];
}

function gamma(value: number): number {
  const v = Math.min(Math.max(value, 0), 1);
  return Math.round(255 * (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055));
}

/** Chroma is lowered until the colour exists in sRGB. */
function inGamut(color: Oklch): Oklch {
  let { c } = color;
  for (; c > 0; c -= 0.005) {
    const linear = linearOf(oklab({ ...color, c }));
    if (linear.every((v) => v > -0.0005 && v < 1.0005)) break;
  }
  return { ...color, c: Math.max(c, 0) };
}

export function rgb(color: Oklch): Rgb {
  const [r, g, b] = linearOf(oklab(inGamut(color)));
  return [gamma(r), gamma(g), gamma(b)];
}

export function css([r, g, b]: Rgb, alpha = 1): string {
  return alpha === 1 ? `rgb(${r},${g},${b})` : `rgba(${r},${g},${b},${alpha})`;
}

/** How different two colours look: distance in OKLab. */
export function difference(a: Oklch, b: Oklch): number {
  const [x, y] = [oklab(a), oklab(b)];
  return Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2]);
}

const palettes: Record<Mode, Oklch[]> = { light: [], dark: [] };

export function headColor(place: number, mode: Mode): Oklch {
  const palette = palettes[mode];
  if (!palette.length)
    palette.push(...DESIGNED.map(([h, c, dl]) => inGamut({ l: BASE[mode] + dl * (mode === "light" ? 1 : 0.9), c, h })));
  while (palette.length <= place && palette.length < 128) palette.push(farthest(palette, mode));
  return palette[place % palette.length]!;
}

const candidates: Partial<Record<Mode, Oklch[]>> = {};

/** What a palette may choose from. */
function candidatesOf(mode: Mode): Oklch[] {
  const hues = Array.from({ length: 40 }, (_, i) => 9 * i);
  return (candidates[mode] ??= [-0.16, -0.08, 0, 0.08, 0.15].flatMap((dl) =>
    [0.06, 0.12, 0.18].flatMap((c) => hues.map((h) => inGamut({ l: BASE[mode] + dl, c, h }))),
  ));
}

/** Distances nearer than this are alike: the first wins, here and in Python (plot/colors.py). */
const ALIKE = 1e-9;

/** The candidate that differs most from all colours taken so far. */
function farthest(taken: Oklch[], mode: Mode): Oklch {
  let best: Oklch = taken[0]!;
  let distance = -1;
  for (const candidate of candidatesOf(mode)) {
    const nearest = Math.min(...taken.map((other) => difference(candidate, other)));
    if (nearest > distance + ALIKE) [best, distance] = [candidate, nearest];
  }
  return best;
}

/** Hue turns 29° a layer, from blue: neighbours are akin, and a layer keeps its colour always. */
export function layerColor(layer: number, mode: Mode): Oklch {
  return { l: mode === "light" ? 0.52 : 0.76, c: 0.16, h: (258 + 29 * layer) % 360 };
}

/** 256 RGBA steps for sqrt8 codes, from the cell's ground to the layer's colour; 255 = missing. */
export function heatRamp(layer: number, mode: Mode): Uint8ClampedArray {
  const { h } = layerColor(layer, mode);
  const ramp = new Uint8ClampedArray(256 * 4);
  for (let code = 0; code < 255; code++) {
    const t = code / 254;
    const color = mode === "light"
      ? { l: 0.985 - 0.6 * t, c: 0.19 * Math.sin(Math.PI * Math.min(t * 0.62, 0.5)), h }
      : { l: 0.2 + 0.75 * t, c: 0.17 * Math.sin(Math.PI * (0.04 + 0.8 * t)), h };
    ramp.set([...rgb(color), 255], code * 4);
  }
  ramp.set([...(mode === "light" ? [205, 207, 212] : [70, 73, 80]), 255], 255 * 4);
  return ramp;
}

/** Black or white, whichever reads better on the colour. */
export function inkOn([r, g, b]: Rgb): string {
  const share = (v: number) => ((v / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = 0.2126 * share(r) + 0.7152 * share(g) + 0.0722 * share(b);
  return luminance > 0.179 ? "#000" : "#fff";
}
