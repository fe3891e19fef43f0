// The foot of a view: what opacity or colour means, how to use the view, how exact the data are,
// and what attention does not tell.
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Mode, Rgb } from "../draw/color";
import { sized } from "../draw/canvas";
import type { EncodingName } from "../types";

const ACCURACY: Record<EncodingName, string> = {
  sqrt8: "Weights are carried within 0.004; rows sum to 1 within 0.03.",
  linear16: "Weights are carried within 0.00001.",
};

export interface LegendProps {
  mode: Mode;
  encoding: EncodingName;
  help: string;
  note?: string;
  /** Colour of a weight, 0..1. */
  scale(weight: number): { color: Rgb; alpha: number };
  scaleLabel: string;
}

export function Legend(props: LegendProps) {
  return (
    <div class="foot">
      <Scale {...props} />
      <span>{props.help}</span>
      {props.note && <span class="note">{props.note}</span>}
      <span>
        Attention shows where a head looks, not why the model answers as it does.{" "}
        <a href="https://arxiv.org/abs/1902.10186" target="_blank" rel="noopener">Learn more</a>
      </span>
      <span class="small">{ACCURACY[props.encoding]}</span>
    </div>
  );
}

function Scale({ scale, scaleLabel, mode }: LegendProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = sized(canvas.current!, 96, 10);
    for (let x = 0; x < 96; x++) {
      const { color, alpha } = scale(x / 95);
      context.fillStyle = `rgba(${color},${alpha})`;
      context.fillRect(x, 0, 1, 10);
    }
  }, [mode, scaleLabel, String(scale(1).color)]);
  return (
    <span class="scale" role="img" aria-label={`${scaleLabel}, from 0 to 1`}>
      {scaleLabel} 0 <canvas ref={canvas} /> 1
    </span>
  );
}
