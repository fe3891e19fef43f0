// The model view: every head of every layer as a small picture, and one of them in detail.
import { useComputed } from "@preact/signals";
import { render } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { pixelRatio } from "../draw/canvas";
import { heatRamp, layerColor, rgb, type Mode } from "../draw/color";
import type { Store } from "../store";
import type { CellSpec } from "../types";
import { CellSwitch, FilterSelect, StreamSelect } from "../ui/controls";
import { Grid } from "../ui/grid";
import { Legend } from "../ui/legend";
import { messageOf, Problem } from "../ui/note";
import { Detail } from "./detail";
import type { View, ViewProps } from "./frame";
import { useNow } from "./load";
import { gridSize, panelWidth, roomOf, type GridSize } from "./geometry";
import { paintGrid, styleOf } from "./paint";

export const modelView: View = (el, spec, source, store, around) => {
  render(<ModelView spec={spec} source={source} store={store} {...around} />, el);
  return () => render(null, el);
};

interface Hovered {
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
  const { beside, room, size, most } = useSizes(store, width);
  const style = styleOf(store.state.cells.value, store.filter.value);
  const painting = usePainting(props, width ? size : null, style, open.value);
  useReveal(root, beside ? null : open.value);
  const detail = open.value && (
    <Detail
      {...props} open={open} turn={painting.turn} painted={painting.detail} close={close} className={beside ? "side" : "below"}
      style={panelStyle(beside, width, store.stream.value.layers, open.value, size)}
    />
  );
  const hover = (cell: CellSpec | null, el: HTMLElement | null) => setHovered(cell && el ? hoveredAt(cell, el, root.current!) : null);
  return (
    <div class="root" data-mode={mode} ref={root} onKeyDown={(event) => event.key === "Escape" && open.value && (close(), event.preventDefault())}>
      <Header {...props} />
      {painting.problem && <Problem message={painting.problem} />}
      <div class="model" ref={box}>
        <div class="gridbox">
          <Axes size={size} heads={most} />
          <div class="gridscroll" style={{ maxWidth: width ? `${room + 10}px` : "100%" }}>
            <Grid
              key={store.stream.value.name} layers={store.stream.value.layers} size={size} open={open.value} toggle={toggle}
              canvases={painting.canvases} below={beside ? null : detail} hover={hover}
            />
          </div>
        </div>
        {beside && (detail || <EmptyPanel width={panelWidth(width)} />)}
      </div>
      {hovered && <CellTip {...hovered} root={root.current!} />}
      <Legend
        mode={mode} encoding={spec.encoding} notes={spec.notes} help="Click a cell to open its head · in it, hover a token to isolate it, click to pin"
        scale={(weight) => scaleOf(weight, style, mode)} scaleLabel={style === "heat" ? "weight (root scale)" : "weight"}
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
      </div>
    </>
  );
}

function EmptyPanel({ width }: { width: number }) {
  return <div class="panel side empty" style={{ width: `${width}px` }}>Click a cell to open its head: tokens, lines and numbers.</div>;
}

/** Which cell is open, and back to its button when it closes. */
function useOpen(store: Store, root: { current: HTMLElement | null }) {
  const open = useComputed(() => validCell(store.stream.value.layers, store.state.opened.value));
  const toggle = (cell: CellSpec) => {
    const old = open.value;
    store.state.opened.value = old?.layer === cell.layer && old.head === cell.head ? null : cell;
  };
  const close = () => {
    const cell = open.value;
    store.state.opened.value = null;
    if (cell) root.current?.querySelector<HTMLElement>(`.cell[data-layer="${cell.layer}"][data-head="${cell.head}"]`)?.focus();
  };
  return { open, toggle, close };
}

function useSizes(store: Store, width: number) {
  const most = Math.max(...store.stream.value.layers.map((l) => l.heads.length));
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

function validCell(layers: { layer: number; heads: number[] }[], cell: CellSpec | null): CellSpec | null {
  return cell && layers.some((l) => l.layer === cell.layer && l.heads.includes(cell.head)) ? cell : null;
}

function scaleOf(weight: number, style: "lines" | "heat", mode: Mode) {
  if (style === "lines") return { color: rgb(layerColor(0, mode)), alpha: weight };
  const at = Math.round(Math.sqrt(weight) * 254) * 4;
  const ramp = heatRamp(0, mode);
  return { color: [ramp[at]!, ramp[at + 1]!, ramp[at + 2]!] as const, alpha: 1 };
}

function useWidth(el: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const read = () => setWidth(Math.floor(el.current!.getBoundingClientRect().width));
    const observer = new ResizeObserver(read);
    observer.observe(el.current!);
    read();
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Repaints the grid when its picture changes; "drawn" when grid and open detail both are. */
function usePainting(props: ViewProps, size: GridSize | null, style: "lines" | "heat", open: CellSpec | null) {
  const { store, source, status, mode, signal } = props;
  const canvases = useMemo(() => new Map<number, HTMLCanvasElement>(), []);
  const done = useRef({ turn: 0, grid: false, detail: false });
  const [problem, setProblem] = useState<string | null>(null);
  useNow(() => {
    const { stream, filter, state } = store;
    void [stream.value, filter.value, state.cells.value, state.pinned.value, state.opened.value];
    done.current.turn++;
    done.current.detail = false;
    status.begin();
  });
  void store.state.pinned.value;
  const settle = () => {
    if (done.current.grid && (done.current.detail || !open)) status.painted();
  };
  const [stream, shown, sides] = [store.stream.value, store.filter.value, store.sides.value];
  const ratio = size && canvases.size ? pixelRatio([...canvases.values()][0]!) : globalThis.devicePixelRatio || 1;
  useEffect(() => {
    if (!size) return;
    let current = true;
    done.current.grid = false;
    const tokens = { query: sides.query.text.length, key: sides.key.text.length };
    paintGrid({ stream, shown, tokens, style, mode: mode.value, size, ratio }, source, canvases, () => current && !signal.aborted)
      .then((whole) => whole && (setProblem(null), (done.current.grid = true), latest.current()))
      .catch((error: unknown) => current && (setProblem(messageOf(error)), status.failed()));
    return () => void (current = false);
  }, [stream, shown, style, mode.value, size, ratio]);
  const latest = useRef(settle);
  latest.current = settle;
  useEffect(() => latest.current());
  return { canvases, problem, turn: done.current.turn, detail: () => ((done.current.detail = true), settle()) };
}

function panelStyle(
  beside: boolean, width: number, layers: { layer: number; heads: number[] }[], open: CellSpec, size: GridSize,
): Record<string, string> {
  if (beside) return { width: `${panelWidth(width)}px` };
  const place = layers.find((l) => l.layer === open.layer)!.heads.indexOf(open.head);
  const middle = size.axis + place * (size.cell + size.gap) + size.cell / 2;
  const panel = Math.min(width, 720);
  const left = Math.round(Math.min(Math.max(middle - panel / 2, 0), width - panel));
  return { width: `${panel}px`, marginLeft: `${left}px`, "--caret": `${middle - left - 6}px` };
}

function Axes({ size, heads }: { size: GridSize; heads: number }) {
  return (
    <div class="axes" aria-hidden="true" style={{ width: `${size.axis + heads * (size.cell + size.gap)}px` }}>
      <span class="axis layers">Layers</span>
      <span class="axis heads">Heads</span>
    </div>
  );
}

function hoveredAt(cell: CellSpec, el: HTMLElement, root: HTMLElement): Hovered {
  const [a, b] = [el.getBoundingClientRect(), root.getBoundingClientRect()];
  return { cell, x: a.left - b.left + a.width / 2, y: a.top - b.top };
}

function CellTip({ cell, x, y, root }: Hovered & { root: HTMLElement }) {
  const left = Math.min(Math.max(x, 66), root.clientWidth - 66);
  return (
    <div role="tooltip" class="tooltip cell-tip" style={{ left: `${left}px`, top: `${y - 8}px` }}>
      Layer {cell.layer}, head {cell.head}
    </div>
  );
}
