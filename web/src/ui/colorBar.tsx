// The colour bar of a heat map: which colour is which number, and what is no number at all.
import { useLayoutEffect, useRef } from "preact/hooks";
import { sized } from "../draw/canvas";
import { colorOf, type Look } from "../draw/map";
import { css } from "../draw/color";
import { shareOf, ticksOf } from "../draw/scale";
import { numberText } from "./mapNumbers";

const WIDTH = 12;

export function ColorBar({ look, height, label }: { look: Look; height: number; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { kind, high, signed, decades } = look.scale;
  useLayoutEffect(() => {
    const context = sized(canvas.current!, WIDTH, height);
    for (let y = 0; y < height; y++) {
      context.fillStyle = css(colorOf(look, valueAt(look, 1 - (y + 0.5) / height)));
      context.fillRect(0, y, WIDTH, 1);
    }
  }, [kind, high, signed, decades, look.mode, height]);
  const marks = ticksOf(look.scale).map((value) => ({ value, y: (1 - shareOf(look.scale, value)) * height }));
  return (
    <div class="colorbar" role="img" aria-label={`colours of ${label}: ${kind} scale up to ${numberText([high, high])}`} style={{ height: `${height}px` }}>
      <canvas ref={canvas} />
      {spaced(marks).map(({ value, y }) => <span key={value} style={{ top: `${y}px` }}>{tickText(value)}</span>)}
      <em>{label}</em>
    </div>
  );
}

/** Without those that would touch the one above. */
function spaced(marks: { value: number; y: number }[]): { value: number; y: number }[] {
  const kept: { value: number; y: number }[] = [];
  for (const mark of [...marks].reverse()) if (!kept.length || mark.y - kept.at(-1)!.y >= 13) kept.push(mark);
  return kept;
}

function tickText(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size < 0.001 || size >= 1e4 ? size.toExponential(0).replace("e-", "e−").replace("e+", "e") : String(Number(size.toPrecision(2)));
  return value < 0 ? `−${text}` : text;
}

/** The number that lies so far along the ramp. */
function valueAt({ scale: { kind, high, signed, decades } }: Look, share: number): number {
  const [sign, part] = signed ? [share < 0.5 ? -1 : 1, Math.abs(share - 0.5) * 2] : [1, share];
  const size = kind === "linear" ? part : kind === "root" ? part * part : 10 ** ((part - 1) * decades);
  return sign * size * high;
}
