// Running text whose tokens are shaded: each token a span in a list box, in blocks that the browser
// skips while they are out of sight. Shades and marks are set on the spans themselves, so that
// pointing at a token of a long text renders nothing anew.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { numberOf } from "../data/reshape";
import { shownText } from "../data/tokens";
import type { SideSpec } from "../types";
import "./readingStyle";

export interface ProseProps {
  side: SideSpec;
  label: string;
  /** How strongly each token is shaded, 0..1, or from -1 where numbers have a sign; NaN where its number is missing; null as it was. */
  shades: Float64Array | null;
  /** Tokens with a mark: what the shades are about, and what stays selected. */
  active: number[];
  pinned: number[];
  point(index: number | null, shift: boolean): void;
  pin(index: number, shift: boolean): void;
}

export function Prose(props: ProseProps) {
  const { side, label, shades, active, pinned } = props;
  const root = useRef<HTMLDivElement>(null);
  const [stop, setStop] = useState(0);
  const blocks = useMemo(() => blocksOf(side).map(([start, end, name]) => <Block key={start} side={side} start={start} end={end} name={name} />), [side]);
  useLayoutEffect(() => shade(spansOf(root.current!), shades), [side, shades]);
  useLayoutEffect(() => mark(spansOf(root.current!), "active", active), [side, active]);
  useLayoutEffect(() => mark(spansOf(root.current!), "pinned", pinned), [side, pinned]);
  useLayoutEffect(() => {
    const spans = spansOf(root.current!);
    for (const span of root.current!.querySelectorAll<HTMLElement>("[tabindex='0']")) span.tabIndex = -1;
    if (spans[stop] ?? spans[0]) (spans[stop] ?? spans[0])!.tabIndex = 0;
  }, [side, stop]);
  const keydown = (event: KeyboardEvent) => {
    const index = indexOf(event.target);
    if (index === null || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") props.pin(index, event.shiftKey);
    else {
      const next = nextIn(event.key, index, root.current!);
      if (next === null) return;
      setStop(next);
      spansOf(root.current!)[next]!.focus();
    }
    event.preventDefault();
  };
  return (
    <div
      ref={root} class="prose" role="listbox" aria-label={label} dir={directionOf(side)} onKeyDown={keydown}
      onPointerOver={(event) => props.point(indexOf(event.target), event.shiftKey)} onPointerLeave={() => props.point(null, false)}
      onFocusIn={(event) => (event.target as Element).matches(":focus-visible") && props.point(indexOf(event.target), false)}
      onFocusOut={() => props.point(null, false)}
      onClick={(event) => {
        const index = indexOf(event.target);
        if (index !== null) setStop(index), props.pin(index, event.shiftKey);
      }}
    >
      {blocks}
    </div>
  );
}

function Block({ side, start, end, name }: { side: SideSpec; start: number; end: number; name: string }) {
  const [special, spaced, marked] = [new Set(side.special), new Set(side.spaced), new Set(side.marked)];
  const parts = [];
  for (let i = start; i < end; i++) {
    if (spaced.has(i) && i > start) parts.push(" ");
    parts.push(
      <span
        key={i} role="option" class={`${special.has(i) ? "tok special" : "tok"} ${side.kinds?.[i] ?? ""}${marked.has(i) ? " marked" : ""}`} data-index={i} tabIndex={-1} aria-selected={false}
        aria-label={`${side.kinds?.[i] === "gap" ? "not in this text" : shownText(side.text[i]!)}, token ${numberOf(side, i)}${marked.has(i) ? ", answer" : ""}`}
      >
        {side.kinds?.[i] === "gap" ? "–" : shownText(side.text[i]!)}
      </span>,
    );
    if (side.text[i]!.endsWith("⏎")) parts.push(<br key={`${i}br`} />);
  }
  return <div class="block">{name && <b class="quiet">{name}</b>}{parts}</div>;
}

const LEAST = 250;
const MOST = 600;

/** [start, end, segment]: a segment begins a block, and long runs are cut where a sentence ends. */
function blocksOf({ text, segments }: SideSpec): [number, number, string][] {
  const blocks: [number, number, string][] = [];
  const starts = new Map(segments.length > 1 ? segments.map(({ start, name }) => [start, name]) : []);
  let from = 0;
  for (let i = 1; i <= text.length; i++) {
    const ends = i - from >= MOST || (i - from >= LEAST && /[.!?。！？⏎]$/.test(text[i - 1]!));
    if (i < text.length && !starts.has(i) && !ends) continue;
    blocks.push([from, i, starts.get(from) ?? ""]);
    from = i;
  }
  return blocks;
}

const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const LETTER = /\p{L}/u;

/** As the first letter of the text runs; special tokens do not count. */
function directionOf({ text, special }: SideSpec): "rtl" | "ltr" {
  const first = text.find((token, i) => LETTER.test(token) && !special.includes(i));
  return RIGHT_TO_LEFT.test(first?.match(LETTER)?.[0] ?? "") ? "rtl" : "ltr";
}

const found = new WeakMap<Element, HTMLElement[]>();

/** The tokens' elements by index; they stay until the text changes. */
function spansOf(root: HTMLElement): HTMLElement[] {
  const kept = found.get(root);
  if (kept?.[0]?.isConnected && kept.at(-1)!.isConnected) return kept;
  const spans = [...root.querySelectorAll<HTMLElement>(".tok")];
  found.set(root, spans);
  return spans;
}

function shade(spans: HTMLElement[], shades: Float64Array | null): void {
  if (shades) spans.forEach((span, i) => {
    const value = shades[i] ?? 0;
    span.style.setProperty("--v", Number.isNaN(value) ? "none" : Math.abs(value).toFixed(3));
    span.classList.toggle("against", value < 0);
  });
}

/** Gives these tokens a class, and takes it from those that had it. */
function mark(spans: HTMLElement[], name: string, indices: number[]): (() => void) | void {
  const marked = indices.flatMap((index) => spans[index] ?? []);
  const set = (on: boolean) => marked.forEach((span) => {
    span.classList.toggle(name, on);
    if (name === "pinned") span.setAttribute("aria-selected", String(on));
  });
  set(true);
  return () => set(false);
}

function indexOf(target: EventTarget | null): number | null {
  const index = (target as Element | null)?.closest<HTMLElement>(".tok")?.dataset.index;
  return index === undefined ? null : Number(index);
}

/** Left and right as the text runs, up and down to the nearest token of the next line. */
function nextIn(key: string, index: number, root: HTMLElement): number | null {
  const spans = spansOf(root);
  const forward = root.dir === "rtl" ? "ArrowLeft" : "ArrowRight";
  if (key === "Home" || key === "End") return key === "Home" ? 0 : spans.length - 1;
  if (key === "ArrowLeft" || key === "ArrowRight") return Math.min(Math.max(index + (key === forward ? 1 : -1), 0), spans.length - 1);
  const step = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (!step) return null;
  const here = spans[index]!.getBoundingClientRect();
  let best: number | null = null;
  let [line, near] = [NaN, Infinity];
  for (let i = index + step; spans[i]; i += step) {
    const box = spans[i]!.getBoundingClientRect();
    if (Math.abs(box.top - here.top) < 3) continue;
    if (Math.abs(box.top - line) > 3) {
      if (best !== null) break;
      line = box.top;
    }
    const away = Math.abs(box.left + box.width / 2 - here.left - here.width / 2);
    if (away < near) [best, near] = [i, away];
  }
  return best;
}
