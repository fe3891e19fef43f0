// One bar a step, from the first token's share at the bottom to the last segment's at the top; of
// differences what was gained above the middle, what was lost below.

export interface Bars {
  shares: number[][];
  colors: string[];
  /** The step that is shown, and the one that is pointed at. */
  at: number;
  hover: number | null;
  ink: string;
  quiet: string;
  signed: boolean;
}

interface Run {
  start: number;
  stop: number;
  color: string;
}

/** A row over the whole text, the strongest of each pixel, above 0 and below; under it the segments. */
export function paintStrip(context: CanvasRenderingContext2D, width: number, height: number, shades: Float64Array, [above, below]: [string, string], segments: Run[]): void {
  const place = (key: number) => (key / shades.length) * width;
  const most = new Float64Array(Math.ceil(width));
  shades.forEach((shade, key) => {
    for (let x = Math.floor(place(key)); x < Math.max(place(key + 1), Math.floor(place(key)) + 1); x++)
      if (Math.abs(shade) > Math.abs(most[x]!)) most[x] = shade;
  });
  most.forEach((shade, x) => {
    context.fillStyle = shade < 0 ? below : above;
    context.globalAlpha = Math.abs(shade);
    context.fillRect(x, 0, 1, height - 6);
  });
  context.globalAlpha = 1;
  for (const { start, stop, color: own } of segments) {
    context.fillStyle = own;
    context.fillRect(place(start), height - 4, place(stop) - place(start) - 1, 4);
  }
}

export function paintShares(context: CanvasRenderingContext2D, width: number, height: number, { shares, colors, at, hover, ink, quiet, signed }: Bars): void {
  const step = width / shares.length;
  const gap = step > 5 ? 1 : 0;
  const unit = signed ? height / 2 : height;
  shares.forEach((parts, i) => {
    let [top, bottom] = [unit, unit];
    parts.forEach((share, part) => {
      const high = Math.abs(share) * unit;
      context.fillStyle = colors[part]!;
      context.fillRect(i * step, share < 0 ? bottom : top - high, step - gap, high);
      if (share < 0) bottom += high;
      else top -= high;
    });
  });
  context.fillStyle = quiet;
  if (signed) context.fillRect(0, unit - 0.5, width, 1);
  const frame = (i: number, color: string, line: number) => {
    context.strokeStyle = color;
    context.lineWidth = line;
    const wide = Math.max(step, 3);
    context.strokeRect(Math.min(i * step, width - wide) + line / 2, line / 2, wide - line, height - line);
  };
  if (hover !== null && hover !== at) frame(hover, quiet, 1);
  frame(at, ink, 2);
}
