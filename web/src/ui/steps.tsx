// Stepping through generated tokens: a player, a bar a step that shows what each segment got, the
// text shaded by the step's row, and the numbers.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { formatBounds } from "../data/numbers";
import { shownText } from "../data/tokens";
import { boundsOf, largest, rowOf, type Rows } from "../data/written";
import { sized } from "../draw/canvas";
import { css, headColor, NEUTRAL, rgb, type Mode } from "../draw/color";
import { paintShares, paintStrip } from "../draw/shares";
import type { SegmentSpec, SideSpec, StepsSpec } from "../types";
import { Prose } from "./prose";
import { useWidth } from "./width";

/** The step shown, and ways to another. */
export interface Stepping {
  at: number;
  last: number;
  set(step: number): void;
}

/** What a bar is made of: the first token, then the segments without it. */
export interface Part {
  name: string;
  color: string;
}

export function segmentsOf({ segments, text }: SideSpec): SegmentSpec[] {
  return segments.length ? segments : [{ name: "text", start: 0, stop: text.length }];
}

export function partsOf({ text }: SideSpec, segments: SegmentSpec[], mode: Mode): Part[] {
  const first = { name: `first token (${shownText(text[0]!)})`, color: css(NEUTRAL[mode], 0.35) };
  return [first, ...segments.map(({ name }, i) => ({ name, color: css(rgb(headColor(i, mode))) }))];
}

const PACE = 600;

export function Player({ step, made, signal }: { step: Stepping; made: SideSpec; signal: AbortSignal }) {
  const [playing, play] = useState(false);
  const { at, last, set } = step;
  useEffect(() => {
    if (!playing || signal.aborted) return;
    if (at === last) return play(false);
    const timer = setTimeout(() => set(at + 1), PACE);
    return () => clearTimeout(timer);
  }, [playing, at]);
  const start = () => {
    if (!playing && at === last) set(0);
    play(!playing);
  };
  const label = `${at + 1} of ${last + 1}: ${shownText(made.text[at]!)}`;
  return (
    <div class="bar player">
      <span class="stepper">
        <button type="button" class="plain" aria-label="Previous token" disabled={at === 0} onClick={() => set(at - 1)}>‹</button>
        <button type="button" class="plain" aria-label={playing ? "Pause" : "Play"} onClick={start}>{playing ? "❚❚" : "►"}</button>
        <button type="button" class="plain" aria-label="Next token" disabled={at === last} onClick={() => set(at + 1)}>›</button>
      </span>
      <input
        type="range" name="step" aria-label="Generated token" aria-valuetext={label} min={0} max={last} value={at}
        onInput={(event) => (play(false), set(Number(event.currentTarget.value)))}
      />
      <output aria-live={playing ? "off" : "polite"}>token {label}</output>
    </div>
  );
}

const HEIGHT = 92;
/** The widest that a bar may be. */
const WIDE = 56;

export interface SharesProps {
  step: Stepping;
  shares: number[][];
  parts: Part[];
  made: SideSpec;
  /** The first token has no part in the bars. */
  hidden: boolean;
  mode: Mode;
  /** The bars are differences. */
  signed?: boolean;
}

export function Shares({ step, shares, parts, made, hidden, mode, signed = false }: SharesProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = Math.min(useWidth(box), shares.length * WIDE);
  const [hover, setHover] = useState<number | null>(null);
  useLayoutEffect(() => {
    if (!width) return;
    const ink = getComputedStyle(canvas.current!).color;
    paintShares(sized(canvas.current!, width, HEIGHT), width, HEIGHT, { shares, colors: parts.map(({ color }) => color), at: step.at, hover, ink, quiet: css(NEUTRAL[mode], 0.6), signed });
  });
  const stepAt = (event: MouseEvent) => {
    const { left, width: wide } = canvas.current!.getBoundingClientRect();
    return Math.min(Math.max(Math.floor(((event.clientX - left) / wide) * shares.length), 0), step.last);
  };
  const move = (event: PointerEvent) => {
    setHover(stepAt(event));
    if (event.buttons & 1) step.set(stepAt(event));
  };
  const at = hover ?? step.at;
  return (
    <div class="shares" ref={box}>
      <canvas
        ref={canvas} role="img" aria-label={`Share of weight of each segment, for ${shares.length} generated tokens`}
        onPointerDown={(event) => step.set(stepAt(event))} onPointerMove={move} onPointerLeave={() => setHover(null)}
      />
      <div class="bar told">
        <b>{shownText(made.text[at]!)}</b>
        {made.kinds && LACKING[made.kinds[at]!] ? LACKING[made.kinds[at]!] : parts.map(({ name, color }, i) => (i || !hidden) && (
          <span key={i} class="scale"><i class="swatch" style={{ background: color }} />{name} <b>{signed ? percentSigned(shares[at]![i]!) : percent(shares[at]![i]!)}</b></span>
        ))}
      </div>
    </div>
  );
}

/** Why a merged token has no shares. */
const LACKING: Partial<Record<string, string>> = { gap: "not in this text" };

function percentSigned(share: number): string {
  const size = percent(Math.abs(share));
  return size === "0 %" ? size : `${share < 0 ? "−" : "+"}${size}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.0995 && share >= 0.0005 ? 1 : 0)} %`;
}

const NONE: number[] = [];
const EMPTY = new Float64Array();

/** Tokens from which the text scrolls in a window of its own, under a strip that shows all of it. */
const LONG = 300;

export interface TextsProps {
  step: Stepping;
  rows: Rows;
  /** The text that the keys are in, and the tokens that were generated. */
  text: SideSpec;
  made: SideSpec;
  parts: Part[];
  first: StepsSpec["first"];
  /** The key that stays selected, and one to be brought into sight. */
  pinned: number | null;
  pin(key: number | null): void;
  point(key: number | null): void;
  /** The number with the strongest shade, where it is not the row's largest. */
  top?: number | undefined;
}

export function Texts({ step, rows, text, made, parts, first, pinned, pin, point, top }: TextsProps) {
  const box = useRef<HTMLDivElement>(null);
  const long = text.text.length >= LONG;
  const read = first === null ? text.text.length : first + step.at;
  const shades = useMemo(() => shadesOf(rowOf(rows, step.at).subarray(0, read), text.text.length, top), [rows, step.at, text, top]);
  const look = (key: number) => {
    const [outer, token] = [box.current!, box.current!.querySelector(`[data-index="${key}"]`)!];
    const [a, b] = [outer.getBoundingClientRect(), token.getBoundingClientRect()];
    if (b.top < a.top || b.bottom > a.bottom) outer.scrollTop += b.top - a.top - a.height / 2;
  };
  useLayoutEffect(() => void (long && pinned !== null && look(pinned)), [pinned]);
  const choose = (index: number) => (first !== null && index >= first ? step.set(index - first) : pin(pinned === index ? null : index));
  return (
    <div class="texts">
      {long && <Strip shades={shades} text={text} parts={parts} look={look} />}
      <div class={long ? "textbox" : ""} ref={box}>
        <Prose side={text} label="Text" shades={shades} active={first === null ? NONE : [first + step.at]} pinned={pinned === null ? NONE : [pinned]} point={point} pin={choose} />
      </div>
      {first === null && (
        <section class="doc">
          <Prose side={made} label="Generated text" shades={EMPTY} active={[step.at]} pinned={NONE} point={() => {}} pin={step.set} />
        </section>
      )}
    </div>
  );
}

const STRIP = 26;

/** The whole text as a strip: how strongly each place is shaded, and which segment it is in. */
function Strip({ shades, text, parts, look }: { shades: Float64Array; text: SideSpec; parts: Part[]; look(key: number): void }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useWidth(box);
  useLayoutEffect(() => {
    if (width) paintStrip(sized(canvas.current!, width, STRIP), width, STRIP, shades, colorsOf(canvas.current!), text.segments.map(({ start, stop }, i) => ({ start, stop, color: parts[i + 1]!.color })));
  });
  const go = (event: PointerEvent) => {
    if (event.type === "pointermove" && !(event.buttons & 1)) return;
    const { left, width: wide } = canvas.current!.getBoundingClientRect();
    look(Math.min(Math.max(Math.floor(((event.clientX - left) / wide) * text.text.length), 0), text.text.length - 1));
  };
  return (
    <div ref={box} class="strip-map">
      <canvas ref={canvas} role="img" aria-label={`Where in the ${text.text.length} tokens the weight is`} onPointerDown={go} onPointerMove={go} />
    </div>
  );
}

function colorsOf(el: Element): [string, string] {
  const style = getComputedStyle(el);
  return [style.color, style.getPropertyValue("--against")];
}

export function farthest(row: Float32Array): number {
  return row.reduce((most, value) => (Math.abs(value) > most ? Math.abs(value) : most), 0);
}

/** Each token's share of the largest number of the row, on a root scale: faint weights show. */
function shadesOf(row: Float32Array, length: number, top = farthest(row)): Float64Array {
  return Float64Array.from({ length }, (_, key) => (key < row.length ? Math.sign(row[key]!) * Math.sqrt(Math.abs(row[key]!) / (top || 1)) : 0));
}

const TOLD = 8;

export interface FactsProps {
  step: Stepping;
  rows: Rows;
  text: SideSpec;
  made: SideSpec;
  /** The key that is pointed at, or pinned. */
  pointed: number | null;
  what: string;
  pin(key: number): void;
}

/** Beside the text: the step's strongest keys, and the one that is pointed at. */
export function Facts({ step, rows, text, made, pointed, what, pin }: FactsProps) {
  const row = rowOf(rows, step.at);
  const keys = useMemo(() => largest(row, TOLD), [rows, step.at]);
  const top = row[keys[0] ?? 0] || 1;
  const line = (key: number, place?: number) => (
    <tr key={place ?? "pair"} class={place === undefined ? "pair" : ""} data-key={key} onClick={() => pin(key)}>
      <td class="label"><i style={{ width: `${Math.max(0, (60 * (row[key] || 0)) / top)}px` }} />{shownText(text.text[key]!)} <span class="quiet">{key}</span></td>
      <td class="value">{formatBounds(boundsOf(row[key]!))}</td>
    </tr>
  );
  return (
    <aside class="facts">
      <b>{shownText(made.text[step.at]!)}</b> <span class="quiet">was made by looking at</span>
      <table>
        <tbody>
          {pointed !== null && pointed < row.length && line(pointed)}
          {keys.map(line)}
        </tbody>
      </table>
      <span class="quiet">{what}</span>
    </aside>
  );
}
