// The model view: every head of every layer as a small picture, and one of them in detail.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { pixelRatio } from "../draw/canvas";
import { heatRamp, layerColor, rgb, type Mode } from "../draw/color";
import { headName, measureName, measureText, sortedHeads } from "../data/order";
import type { Store } from "../store";
import type { CellSpec, LayerSpec } from "../types";
import { CellSwitch, FilterSelect, StreamSelect } from "../ui/controls";
import { Display } from "../ui/display";
import { Grid, type GridRow } from "../ui/grid";
import { Legend } from "../ui/legend";
import { messageOf, Problem } from "../ui/note";
import { useWidth } from "../ui/width";
import { Detail } from "./detail";
import type { View, ViewProps } from "./frame";
import { useNow } from "./load";
import { gridSize, panelWidth, roomOf, type GridSize } from "./geometry";
import { paintGrid, styleOf, type Below } from "./paint";
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
  const box = useRef<HTMLDivElement>(null);
  const root = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const [hovered, setHovered] = useState<Hovered | null>(null);
  useEffect(() => setHovered(null), [store.stream.value]);
  const { open, toggle, close } = useOpen(store, root);
  const rows = useRows(store);
  const { beside, room, size, most } = useSizes(rows, width);
  const style = styleOf(store.state.cells.value, store.cut.value.filter);
  const painting = usePainting(props, rows, width ? size : null, style, open.value);
  useReveal(root, beside ? null : open.value);
  const detail = open.value && (
    <Detail
      {...props} open={open} turn={painting.turn} painted={painting.detail} close={close} className={beside ? "side" : "below"}
      style={panelStyle(beside, width, rows, open.value, size)}
    />
  );
  const hover = (cell: CellSpec | null, el: HTMLElement | null) => setHovered(cell && el ? hoveredAt(cell, el, root.current!) : null);
  return (
    <div class="root" data-mode={mode} ref={root} onKeyDown={(event) => event.key === "Escape" && open.value && (close(), event.preventDefault())}>
      <Header {...props} />
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
      {hovered && <CellTip {...hovered} store={store} by={store.state.sort.value} root={root.current!} />}
      <Legend
        mode={mode} encoding={spec.encoding} notes={spec.notes} help="Click a cell to open its head · in it, hover a token to isolate it, click to pin"
        scale={(weight) => scaleOf(weight, style, mode)} scaleLabel={style === "heat" ? "weight (root scale)" : "weight"}
        note={cutNote(store.cut.value, store.state.threshold.value, painting.below)}
      />
    </div>
  );
}

function Header({ spec, store }: ViewProps) {
  return (
    <>
      {spec.title && <h2>{spec.title}</h2>}
      <div class="bar">
        <StreamSelect store={store} streams={spec.streams} />
        <FilterSelect store={store} />
        <CellSwitch store={store} />
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

/** Repaints the grid when its picture changes; "drawn" when grid and open detail both are. */
function usePainting(props: ViewProps, rows: GridRow[], size: GridSize | null, style: "lines" | "heat", open: CellSpec | null) {
  const { store, source, status, mode, signal } = props;
  const canvases = useMemo(() => new Map<number, HTMLCanvasElement>(), []);
  const done = useRef({ turn: 0, grid: false, detail: false });
  const [problem, setProblem] = useState<string | null>(null);
  const [below, setBelow] = useState<Below>(null);
  useNow(() => {
    const { stream, cut, state } = store;
    void [stream.value, cut.value, state.cells.value, state.pinned.value, state.opened.value, state.sort.value, state.threshold.value];
    done.current.turn++;
    done.current.detail = false;
    status.begin();
  });
  void store.state.pinned.value;
  const settle = () => {
    if (done.current.grid && (done.current.detail || !open)) status.painted();
  };
  const [stream, cut, threshold] = [store.stream.value, store.cut.value, store.state.threshold.value];
  const ratio = size && canvases.size ? pixelRatio([...canvases.values()][0]!) : globalThis.devicePixelRatio || 1;
  useEffect(() => {
    if (!size) return;
    let current = true;
    done.current.grid = false;
    paintGrid({ stream, rows, cut, threshold, style, mode: mode.value, size, ratio }, source, canvases, () => current && !signal.aborted)
      .then((whole) => whole && (setProblem(null), setBelow(whole.below), (done.current.grid = true), latest.current()))
      .catch((error: unknown) => current && (setProblem(messageOf(error)), status.failed()));
    return () => void (current = false);
  }, [stream, rows, cut, threshold, style, mode.value, size, ratio]);
  const latest = useRef(settle);
  latest.current = settle;
  useEffect(() => latest.current());
  return { canvases, problem, below, turn: done.current.turn, detail: () => ((done.current.detail = true), settle()) };
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

/** Names a cell, and its number of the measure that the view is about. */
export function CellTip({ cell, x, y, store, by, more, root }: Hovered & { store: Store; by: string; more?: string; root: HTMLElement }) {
  const layer = store.stream.value.layers.find((one) => one.layer === cell.layer)!;
  const left = Math.min(Math.max(x, 110), root.clientWidth - 110);
  return (
    <div role="tooltip" class="tooltip cell-tip" style={{ left: `${left}px`, top: `${y - 8}px` }}>
      Layer {cell.layer}, {headName(cell.head, layer)}{measureText(store.stream.value, layer, cell.head, by)}{more}
    </div>
  );
}
