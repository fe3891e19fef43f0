// The model view: every head of every layer as a small picture, and one of them in detail.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { heatRamp, layerColor, rgb, type Mode } from "../draw/color";
import { headName, measureName, measureText, sortedHeads, valuesOf } from "../data/order";
import type { Store } from "../store";
import type { CellSpec, LayerSpec, StreamSpec } from "../types";
import { CellSwitch, FilterSelect, ShowSwitch, StreamSelect } from "../ui/controls";
import { Display } from "../ui/display";
import { Grid, type GridRow } from "../ui/grid";
import { Legend } from "../ui/legend";
import { Problem } from "../ui/note";
import { shared } from "../ui/status";
import { useWidth } from "../ui/width";
import { kindsNote, signedScale } from "./compared";
import { Detail } from "./detail";
import type { View, ViewProps } from "./frame";
import { useNow } from "./load";
import { gridSize, panelWidth, roomOf, type GridSize } from "./geometry";
import { styleOf, type Below } from "./paint";
import { usePainting } from "./paintTurns";
import { cutNote } from "./shown";

export const modelView: View = (el, spec, source, store, around) => {
  render(<ModelView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

export interface Hovered {
  cell: CellSpec;
  x: number;
  y: number;
}

function ModelView(props: ViewProps) {
  const { spec, store } = props;
  const mode = props.mode.value;
  const root = useRef<HTMLDivElement>(null);
  const [hovered, setHovered] = useState<Hovered | null>(null);
  const [below, setBelow] = useState<Below>(null);
  useEffect(() => setHovered(null), [store.stream.value]);
  const opening = useOpen(store, root);
  const rows = useRows(store);
  const style = styleOf(store.state.cells.value, store.cut.value.filter);
  const hover = (cell: CellSpec | null, el: HTMLElement | null) => setHovered(cell && el ? hoveredAt(cell, el, root.current!) : null);
  const both = store.parts !== null && store.state.show.value === "both";
  const shown = { view: props, opening, rows, style, root, hover, setBelow } as const;
  return (
    <div class="root" data-mode={mode} ref={root} onKeyDown={(event) => event.key === "Escape" && opening.open.value && (opening.close(), event.preventDefault())}>
      <Header {...props} />
      {both ? <Both {...shown} hovered={hovered?.cell ?? null} /> : <Single {...shown} />}
      {hovered && <CellTip {...hovered} store={store} by={store.state.sort.value} root={root.current!} />}
      <Legend
        mode={mode} encoding={spec.encoding} notes={spec.notes} help="Click a cell to open its head · in it, hover a token to isolate it, click to pin"
        {...(store.parts && !both ? signedScale(store, mode, style) : { scale: (weight: number) => scaleOf(weight, style, mode), scaleLabel: style === "heat" ? "weight (root scale)" : "weight" })}
        note={[kindsNote(store), cutNote(store.cut.value, store.state.threshold.value, below)].filter(Boolean).join(" · ")}
      />
    </div>
  );
}

interface GridsProps {
  view: ViewProps;
  opening: ReturnType<typeof useOpen>;
  /** The layers and heads in the order shown. */
  rows: GridRow[];
  style: "lines" | "heat";
  root: { current: HTMLElement | null };
  hover(cell: CellSpec | null, el: HTMLElement | null): void;
  setBelow(below: Below): void;
}

/** One grid, and the open head beside it, or under its row. */
function Single({ view, opening: { open, toggle, close }, rows, style, root, hover, setBelow }: GridsProps) {
  const { store } = view;
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const { beside, room, size, most } = useSizes(rows, width);
  const painting = usePainting(view, rows, width ? size : null, style, open.value);
  useEffect(() => setBelow(painting.below), [painting.below]);
  useReveal(root, beside ? null : open.value);
  const detail = open.value && (
    <Detail
      {...view} open={open} turn={painting.turn} painted={painting.detail} close={close} className={beside ? "side" : "below"}
      style={panelStyle(beside, width, rows, open.value, size)}
    />
  );
  return (
    <>
      {painting.problem && <Problem message={painting.problem} />}
      <div class="model" ref={box}>
        <div class="gridbox">
          <Axes size={size} heads={most} sort={store.state.sort.value} />
          <div class="gridscroll" style={{ maxWidth: width ? `${room + 10}px` : "100%" }}>
            <Grid
              key={store.stream.value.name} rows={rows} sorted={store.state.sort.value !== "number"} size={size} open={open.value} toggle={toggle}
              canvases={painting.canvases} below={beside ? null : detail} hover={hover}
            />
          </div>
        </div>
        {beside && (detail || <EmptyPanel width={panelWidth(width)} />)}
      </div>
    </>
  );
}

/** The grids of two traces side by side, and the open head of both under them. */
function Both({ view, opening: { open, toggle, close }, hovered, ...grids }: GridsProps & { hovered: CellSpec | null }) {
  const statuses = useMemo(() => shared(view.status, 3), []);
  const turns = useRef(0);
  useNow(() => {
    const { stream, cut, state } = view.store;
    void [stream.value, cut.value, state.pinned.value, open.value];
    turns.current++;
    statuses[2]!.begin();
  });
  void view.store.state.pinned.value;
  useEffect(() => void (open.value || statuses[2]!.painted()));
  useReveal(grids.root, open.value);
  return (
    <>
      <div class="pair">
        {view.store.parts!.map((part, i) => <Half key={i} place={i} view={{ ...view, store: part, status: statuses[i]! }} {...grids} open={open.value} toggle={toggle} hovered={hovered} />)}
      </div>
      {open.value && <Detail {...view} open={open} turn={turns.current} painted={statuses[2]!.painted} close={close} className="below under" style={{}} />}
    </>
  );
}

interface HalfProps extends Omit<GridsProps, "opening"> {
  place: number;
  open: CellSpec | null;
  toggle(cell: CellSpec): void;
  hovered: CellSpec | null;
}

function Half({ view, rows, style, hover, open, toggle, hovered, place }: HalfProps) {
  const { store } = view;
  const box = useRef<HTMLElement>(null);
  const width = useWidth(box);
  const most = Math.max(...rows.map((row) => row.heads.length));
  const size = useMemo(() => gridSize(width, most, 110, LEAST), [width, most]);
  const painting = usePainting(view, rows, width ? size : null, style, null);
  const { label, name } = store.stream.value;
  return (
    <section ref={box} aria-label={label} data-part={place}>
      <h3>{label}</h3>
      {painting.problem && <Problem message={painting.problem} />}
      <div class="gridbox">
        <Axes size={size} heads={most} sort={store.state.sort.value} />
        <div class="gridscroll">
          <Grid
            key={name} rows={rows} sorted={store.state.sort.value !== "number"} size={size} open={open} toggle={toggle}
            canvases={painting.canvases} below={null} hover={hover} linked={hovered}
          />
        </div>
      </div>
    </section>
  );
}

/** Cells of a pair of grids may be smaller than those of one. */
const LEAST = 14;

function Header({ spec, store }: ViewProps) {
  return (
    <>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <FilterSelect store={store} />
        <CellSwitch store={store} />
        <ShowSwitch store={store} />
        <Display store={store} mean />
      </div>
    </>
  );
}

function EmptyPanel({ width }: { width: number }) {
  return <div class="panel side empty" style={{ width: `${width}px` }}>Click a cell to open its head: tokens, lines and numbers.</div>;
}

/** Which cell is open, and back to its button when it closes. */
export function useOpen(store: Store, root: { current: HTMLElement | null }) {
  const open = useComputed(() => validCell(store, store.state.opened.value));
  const toggle = (cell: CellSpec) => {
    const old = open.value;
    store.state.opened.value = old?.layer === cell.layer && old.head === cell.head ? null : cell;
  };
  const close = () => {
    const cell = open.value;
    store.state.opened.value = null;
    if (cell) root.current?.querySelector<HTMLElement>(`.cell[data-layer="${cell.layer}"][data-head="${cell.head ?? "mean"}"]`)?.focus();
  };
  return { open, toggle, close };
}

/** The layers as they are shown: heads sorted, their mean in front. */
function useRows(store: Store): GridRow[] {
  const [stream, sort, mean] = [store.stream.value, store.state.sort.value, store.state.mean.value];
  return useMemo(
    () => stream.layers.map((layer) => ({ layer: layer.layer, heads: [...(mean ? [null] : []), ...sortedHeads(stream, layer, sort)] })),
    [stream, sort, mean],
  );
}

function useSizes(rows: GridRow[], width: number) {
  const most = Math.max(...rows.map((row) => row.heads.length));
  const { room, beside } = roomOf(width, most);
  const size = useMemo(() => gridSize(room, most), [room, most]);
  return { beside, room, size, most };
}

/** Scrolls a panel that opened under its row into view; not the one that was open from the start. */
function useReveal(root: { current: HTMLElement | null }, cell: CellSpec | null): void {
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) root.current?.querySelector(".panel.below")?.scrollIntoView({ block: "nearest" });
    first.current = false;
  }, [cell?.layer, cell?.head]);
}

function validCell({ stream, state }: Store, cell: CellSpec | null): CellSpec | null {
  const fits = ({ layer, heads }: LayerSpec) => layer === cell!.layer && (cell!.head === null ? state.mean.value : heads.includes(cell!.head));
  return cell && stream.value.layers.some(fits) ? cell : null;
}

function scaleOf(weight: number, style: "lines" | "heat", mode: Mode) {
  if (style === "lines") return { color: rgb(layerColor(0, mode)), alpha: weight };
  const at = Math.round(Math.sqrt(weight) * 254) * 4;
  const ramp = heatRamp(0, mode);
  return { color: [ramp[at]!, ramp[at + 1]!, ramp[at + 2]!] as const, alpha: 1 };
}

function panelStyle(
  beside: boolean, width: number, rows: GridRow[], open: CellSpec, size: GridSize,
): Record<string, string> {
  if (beside) return { width: `${panelWidth(width)}px` };
  const place = rows.find((row) => row.layer === open.layer)!.heads.indexOf(open.head);
  const middle = size.axis + place * (size.cell + size.gap) + size.cell / 2;
  const panel = Math.min(width, 720);
  const left = Math.round(Math.min(Math.max(middle - panel / 2, 0), width - panel));
  return { width: `${panel}px`, marginLeft: `${left}px`, "--caret": `${middle - left - 6}px` };
}

export function Axes({ size, heads, sort }: { size: GridSize; heads: number; sort: string }) {
  return (
    <div class="axes" aria-hidden="true" style={{ width: `${size.axis + heads * (size.cell + size.gap)}px` }}>
      <span class="axis layers">Layers</span>
      <span class="axis heads">Heads{sort !== "number" && `, by ${measureName(sort)}`}</span>
    </div>
  );
}

export function hoveredAt(cell: CellSpec, el: HTMLElement, root: HTMLElement): Hovered {
  const [a, b] = [el.getBoundingClientRect(), root.getBoundingClientRect()];
  return { cell, x: a.left - b.left + a.width / 2, y: a.top - b.top };
}

/** Of a comparison: how much a head changed, and a measure in both. */
function comparedText({ stream, parts }: Store, { layer, head }: CellSpec, by: string): string | null {
  if (!parts || head === null) return parts && "";
  const value = (one: StreamSpec, name: string) => {
    const row = one.layers.find((each) => each.layer === layer)!;
    const found = valuesOf(one, row, name)?.[row.heads.indexOf(head)];
    return found === undefined || found === null ? null : Number(found.toPrecision(3));
  };
  const [change, before, after] = [value(stream.value, "change"), ...parts.map((part) => value(part.stream.value, by))] as (number | null)[];
  const shown = before !== null && after !== null ? ` · ${measureName(by)} ${before} → ${after}` : "";
  return `${change === null ? "" : ` · change ${change}`}${shown}`;
}

/** Names a cell, and its number of the measure that the view is about. */
export function CellTip({ cell, x, y, store, by, more, root }: Hovered & { store: Store; by: string; more?: string; root: HTMLElement }) {
  const layer = store.stream.value.layers.find((one) => one.layer === cell.layer)!;
  const left = Math.min(Math.max(x, 110), root.clientWidth - 110);
  return (
    <div role="tooltip" class="tooltip cell-tip" style={{ left: `${left}px`, top: `${y - 8}px` }}>
      Layer {cell.layer}, {headName(cell.head, layer)}{comparedText(store, cell, by) ?? measureText(store.stream.value, layer, cell.head, by)}{more}
    </div>
  );
}
