// The foot of a view: what opacity or colour means, how to use the view, how exact the data are,
// and what attention does not tell.
import { useLayoutEffect, useRef } from "preact/hooks";
import { css, type Mode, type Rgb } from "../draw/color";
import { sized } from "../draw/canvas";
import type { Scales } from "../draw/neurons";
import { MISSING } from "../draw/scale";
import { cellColor } from "../draw/strips";
import type { EncodingName, Spec } from "../types";

export const ACCURACY: Record<EncodingName, string> = {
  sqrt8: "Weights are carried within 0.004; rows sum to 1 within 0.03.",
  linear16: "Weights are carried within 0.00001.",
};

/** How exact weights are that were computed here, from queries and keys in eight bits a number. */
export function errorText({ error, precision }: Spec): string {
  if (!precision || !error) return "";
  const [largest, typical] = [error.largest, error.typical].map(upTo);
  return `Weights are computed here from queries and keys in 8 bits a number: none is off by more than ${largest}, in half of the rows none by more than ${typical}. Digits that this leaves open are not printed, or follow ≈.`;
}

/** Two digits that count, rounded up. */
function upTo(value: number): string {
  const unit = 10 ** (Math.floor(Math.log10(value)) - 1);
  return String(Number((Math.ceil(value / unit) * unit).toPrecision(2)));
}

export interface LegendProps {
  mode: Mode;
  encoding: EncodingName;
  help: string;
  note?: string;
  /** Colour of a weight, 0..1. */
  scale(weight: number): { color: Rgb; alpha: number } | string;
  scaleLabel: string;
  /** What stands at the ends, where it is not 0 and 1. */
  scaleTop?: string | undefined;
  scaleBottom?: string | undefined;
  /** How exact the numbers are, where it does not follow from the encoding. */
  accuracy?: string;
  notes: string[];
}

export function Legend(props: LegendProps) {
  return (
    <div class="foot">
      <Scale {...props} />
      <span class="help">{props.help}</span>
      {props.note && <span class="note">{props.note}</span>}
      <Caveat />
      <span class="small">{props.accuracy ?? ACCURACY[props.encoding]}</span>
      <Notes notes={props.notes} />
    </div>
  );
}

function Notes({ notes }: { notes: string[] }) {
  return <>{notes.map((note) => <span key={note} class="unusual">{note}</span>)}</>;
}

function Caveat() {
  return (
    <span>
      Attention shows where a head looks, not why the model answers as it does.{" "}
      <a href="https://arxiv.org/abs/1902.10186" target="_blank" rel="noopener">Learn more</a>
    </span>
  );
}

export interface MapFootProps {
  notes: string[];
  mode: Mode;
  help: string;
  accuracy: string;
}

/** What is no number in a heat map, how to use it, how exact it is. */
export function MapFoot({ mode, help, accuracy, notes }: MapFootProps) {
  return (
    <div class="foot">
      <span class="scale"><i class="swatch hatched" />hidden by the mask</span>
      <span class="scale"><i class="swatch" style={{ background: css(MISSING[mode]) }} />missing</span>
      <span class="help">{help}</span>
      <Caveat />
      <span class="small">{accuracy}</span>
      <Notes notes={notes} />
    </div>
  );
}

export interface NeuronLegendProps {
  notes: string[];
  mode: Mode;
  scales: Scales;
  /** What bars are, by their colours. */
  bars: [string, string][];
}

/** What a cell is, and how strong a colour which number has. */
export function NeuronLegend({ mode, scales, bars, notes }: NeuronLegendProps) {
  return (
    <div class="foot">
      <span>One cell = one neuron</span>
      <SignedScale mode={mode} label="q, k" scale={scales.vector} />
      <SignedScale mode={mode} label="q × k" scale={scales.product} />
      {bars.map(([name, color]) => <span key={name} class="scale"><i class="swatch" style={{ background: color }} />{name}</span>)}
      <span class="help">Hover a query token to select it · click a row: why this number · ⊖ back to lines</span>
      <span class="small">Cell colour: tanh(|value| ÷ {scales.vector}) for q and k, ÷ {scales.product} for q × k, ÷ {scales.score} for scores.</span>
      <Caveat />
      <Notes notes={notes} />
    </div>
  );
}

function SignedScale({ mode, label, scale }: { mode: Mode; label: string; scale: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = sized(canvas.current!, 97, 10);
    for (let x = 0; x < 97; x++) {
      context.fillStyle = cellColor(((x - 48) / 48) * 2, 1, mode);
      context.fillRect(x, 0, 1, 10);
    }
  }, [mode]);
  const end = Number((2 * scale).toPrecision(3));
  return (
    <span class="scale" role="img" aria-label={`${label}: orange is negative, blue is positive, from −${end} to ${end}`}>
      {label} −{end} <canvas ref={canvas} /> +{end}
    </span>
  );
}

function Scale({ scale, scaleLabel, mode, scaleTop = "1", scaleBottom = "0" }: LegendProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = sized(canvas.current!, 96, 10);
    for (let x = 0; x < 96; x++) {
      const shown = scale(x / 95);
      context.fillStyle = typeof shown === "string" ? shown : `rgba(${shown.color},${shown.alpha})`;
      context.fillRect(x, 0, 1, 10);
    }
  }, [mode, scaleLabel, JSON.stringify([scale(0), scale(1)])]);
  return (
    <span class="scale" role="img" aria-label={`${scaleLabel}, from ${scaleBottom} to ${scaleTop}`}>
      {scaleLabel} {scaleBottom} <canvas ref={canvas} /> {scaleTop}
    </span>
  );
}
