// The expanded neuron view: for one query, every key's neurons and every step to its weight.
import type { Signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { contains, sizeOf, type Shown } from "../data/filter";
import { isMasked, rowOf, stepsOf, weightsOf, type Row, type StepName } from "../data/steps";
import { magnitude, niceBelow } from "../data/sums";
import { shownText, type Partner } from "../data/tokens";
import type { HeadVectors } from "../data/vectors";
import { stepText, sumSentence } from "../data/wording";
import { framed, pixelRatio, sized, widest } from "../draw/canvas";
import type { Mode } from "../draw/color";
import type { Frame } from "../draw/lines";
import { paintNeurons, seenRow, type Scales } from "../draw/neurons";
import { StripPainter } from "../draw/strips";
import type { Link } from "../store";
import type { PinnedSpec, SideName, SideSpec } from "../types";
import { useStart, useView, type View } from "./body";
import { rowsToShow } from "./layout";
import { stripLayout, type StripLayout } from "./stripLayout";
import { useStripPointing, type Aimed } from "./stripPointing";
import { CellTip, StripTitles, Sums } from "./stripTable";
import { FONT } from "./style";
import { Column } from "./tokens";
import "./neuronStyle";

export interface NeuronsProps {
  /** Null while they are loading: the last picture stays. */
  head: HeadVectors | null;
  sides: Record<SideName, SideSpec>;
  shown: Shown;
  pinned: Signal<PinnedSpec | null>;
  mode: Mode;
  turn: number;
  /** The key whose weight is explained. */
  explained: number | null;
  /** Words about the key head, where several heads share one. */
  keyHead: string;
  scales: Scales;
  link?: Link | null | undefined;
  painted(): void;
  collapse(): void;
  explain(query: number, key: number): void;
}

const NO_NUMBERS = new Map<number, Partner>();

export function Neurons(props: NeuronsProps) {
  const { sides, shown } = props;
  const head = useLast(props.head);
  const outer = useRef<HTMLDivElement>(null);
  const scroll = useRef<HTMLDivElement>(null);
  const [room, view] = [useView(outer), useView(scroll)];
  const steps = useMemo(() => (head ? stepsOf(head.rules, isMasked(head)) : []), [head]);
  const layout = useStrips(props, head, steps, room.width, outer);
  const frame = frameOf(layout, view, scroll.current);
  const aim = useStripPointing({ scroll, shown, layout, frame, props, dim: head?.dim ?? 1 });
  const row = useMemo(() => (head && aim.query !== null ? rowOf(head, aim.query) : null), [head, aim.query]);
  useStart(scroll, props, layout.row, view.height);
  const canvas = usePicture(props, { head, layout, frame, row, aim });
  return (
    <div class="body neurons">
      <div class="wide" ref={outer} onPointerLeave={aim.leave}>
        <div style={{ width: `${layout.width + GUTTER}px` }}>
          {head && <StripTitles layout={layout} rules={head.rules} keyHead={props.keyHead} />}
          <div class="scroll" ref={scroll} {...aim.handlers}>
            <Plane canvas={canvas} head={head} props={props} aim={aim} layout={layout} view={view} row={row} frame={frame} />
          </div>
        </div>
      </div>
      {aim.cell && head && (
        <CellTip
          head={head} row={row} cell={aim.cell} sides={sides} layout={layout} room={room} top={view.top}
          shift={outer.current?.scrollLeft ?? 0} shown={shown}
        />
      )}
      <div class="sr" aria-live="polite">{spoken(aim, row, steps, head, sides)}</div>
    </div>
  );
}

interface PlaneProps extends Omit<TokenColumnProps, "side"> {
  canvas: { current: HTMLCanvasElement | null };
  head: HeadVectors | null;
  frame: Frame;
}

/** What scrolls: the picture, and over it tokens and numbers. */
function Plane({ canvas, head, frame, ...columns }: PlaneProps) {
  const { props, layout, view, row } = columns;
  const { sides, shown, explained } = props;
  const sink = head?.sink ?? null;
  const rows = Math.max(sizeOf(shown.query), sizeOf(shown.key) + (sink === null ? 0 : 1));
  return (
    <div class="plane" style={{ height: `${rows * layout.row}px` }}>
      <canvas ref={canvas} class="marks" aria-hidden="true" />
      <TokenColumn side="query" {...columns} />
      <TokenColumn side="key" {...columns} />
      {row && <Sums row={row} shown={shown} layout={layout} view={view} explained={explained} sink={sink} />}
      {row ? <FloatingQuery row={row} sides={sides} shown={shown} layout={layout} frame={frame} /> : <Prompt layout={layout} top={view.top} />}
    </div>
  );
}

/** Beside the rows there is room for a scroll bar. */
const GUTTER = 16;

/** The last value that was there. */
export function useLast<T>(value: T | null): T | null {
  const last = useRef(value);
  if (value) last.current = value;
  return last.current;
}

function useStrips({ sides, shown }: NeuronsProps, head: HeadVectors | null, steps: StepName[], width: number, el: { current: HTMLElement | null }): StripLayout {
  const ratio = el.current ? pixelRatio(el.current) : 1;
  return useMemo(() => {
    const font = `14px ${FONT}`;
    const text = (side: SideName) => widest(sides[side].text.slice(shown[side].start, shown[side].stop), font);
    const segments = sides.query.segments.length > 1 || sides.key.segments.length > 1;
    return stripLayout({
      width: Math.max(width - GUTTER, 320), queryText: text("query"), keyText: text("key"), dim: head?.dim ?? 1, steps, ratio, segments,
      digits: head ? digitsOf(head) : { dot: 2, score: 2 },
    });
  }, [sides, shown, head, width, ratio]);
}

function frameOf(layout: StripLayout, view: View, el: HTMLElement | null): Frame {
  return { row: layout.row, top: view.top, height: view.height, x0: layout.x0 + 4, x1: layout.x1 - 3, ratio: el ? pixelRatio(el) : 1 };
}

interface TokenColumnProps {
  side: SideName;
  props: NeuronsProps;
  aim: Aimed;
  layout: StripLayout;
  view: View;
  row: Row | null;
}

function TokenColumn({ side, props, aim, layout, view, row }: TokenColumnProps) {
  const shown = props.shown[side];
  const active = aim.query === null ? null : ({ side: "query", index: aim.query } as const);
  const sign = (index: number) => (index === aim.query ? "collapse" : null);
  return (
    <Column
      side={side} spec={props.sides[side]} shown={shown} row={layout.row} {...layout[side]}
      stop={contains(shown, aim.stops[side]) ? aim.stops[side] : shown.start}
      rows={rowsToShow(sizeOf(shown), layout.row, view.top, view.height)} active={active} pinned={props.pinned.value}
      partner={aim.key} numbers={NO_NUMBERS} sign={side === "query" ? sign : undefined} faint={side === "key" && row ? (index) => !row.visible[index] : undefined}
    />
  );
}

function Prompt({ layout, top }: { layout: StripLayout; top: number }) {
  const left = layout.strips.product.left;
  return <div class="prompt" style={{ left: `${left}px`, width: `${layout.width - left}px`, top: `${top + 10}px` }}>Hover a token to see how its weights come about.</div>;
}

interface FloatingProps {
  row: Row;
  sides: NeuronsProps["sides"];
  shown: Shown;
  layout: StripLayout;
  frame: Frame;
}

/** The selected query at the edge of a window that it has left. */
function FloatingQuery({ row, sides, shown, layout, frame }: FloatingProps) {
  const seen = seenRow(row.query, shown.query, frame);
  if (seen === row.query - shown.query.start) return null;
  const place = { left: `${layout.query.left}px`, width: `${layout.query.width}px`, top: `${seen * layout.row}px`, height: `${layout.row}px` };
  return <div class="floating" aria-hidden="true" style={place}><span>{shownText(sides.query.text[row.query]!)}</span></div>;
}

function spoken(aim: Aimed, row: Row | null, steps: StepName[], head: HeadVectors | null, sides: NeuronsProps["sides"]): string {
  if (!row || !head || !aim.focused) return "";
  const name = (side: SideName, index: number) => shownText(sides[side].text[index]!);
  if (aim.focused.side === "key")
    return sumSentence(row, aim.focused.index, steps, head.rules, [name("query", row.query), name("key", aim.focused.index)]);
  const size = (key: number) => Math.abs(row.weight[key]!) || 0;
  const best = [...row.weight.keys()].sort((a, b) => size(b) - size(a)).slice(0, 3);
  return `query '${name("query", row.query)}': ${best.map((key) => `${stepText("weight", row, key)} to '${name("key", key)}'`).join(", ")}`;
}

interface PictureParts {
  head: HeadVectors | null;
  layout: StripLayout;
  frame: Frame;
  row: Row | null;
  aim: Aimed;
}

/** Paints after every rendering, once a frame. */
function usePicture(props: NeuronsProps, { head, layout, frame, row, aim }: PictureParts) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const paint = useRef(() => {});
  const request = useMemo(() => framed(() => paint.current()), []);
  const painter = useRef<StripPainter | null>(null);
  paint.current = () => {
    const el = canvas.current;
    if (!head || !el || !frame.height) return;
    painter.current ??= new StripPainter(el.ownerDocument);
    const context = sized(el, layout.width, frame.height);
    paintNeurons(context, painter.current, {
      head, weights: weightsOf(head), layout, shown: props.shown, frame, row, pointed: aim.key, explained: props.explained,
      neuron: aim.cell?.neuron ?? null, scales: props.scales, mode: props.mode,
    });
    props.painted();
  };
  useLayoutEffect(() => request.request());
  useEffect(() => () => request.cancel(), []);
  return canvas;
}

/** Most digits before the point: no product of two vectors is larger than that of their lengths. */
function digitsOf(head: HeadVectors): { dot: number; score: number } {
  const dot = longest(head.queries, head.dim) * longest(head.keys, head.dim);
  const bias = head.bias ? magnitude(head.bias.filter(Number.isFinite), 1) : 0;
  const digits = (value: number) => Math.max(1, Math.min(6, Math.floor(Math.log10(Math.max(value, 1))) + 1));
  return { dot: digits(dot), score: digits(dot * head.rules.scaling + bias) };
}

function longest(vectors: Float32Array, dim: number): number {
  let most = 0;
  for (let at = 0; at < vectors.length; at += dim) {
    let sum = 0;
    for (let n = 0; n < dim; n++) sum += vectors[at + n]! ** 2;
    most = Math.max(most, sum);
  }
  return Math.sqrt(most);
}

/** Round numbers that most of a head's values stay below; the legend states them. */
export function scalesOf(head: HeadVectors): Scales {
  const [queries, keys] = head.of ? largest(head) : [magnitude(head.queries, 0.9), magnitude(head.keys, 0.9)];
  const [byQuery, byKey] = head.of ? [magnitude(head.of[1].keys, 0.9), magnitude(head.of[0].queries, 0.9)] : [keys, 0];
  return { vector: niceBelow(Math.max(queries, keys)), product: niceBelow(queries * byQuery + keys * byKey), score: 4 };
}

/** Of a difference most values are near 0: what was changed has the colours. */
function largest({ queries, keys }: HeadVectors): [number, number] {
  return [magnitude(queries, 1) / 2, magnitude(keys, 1) / 2];
}
