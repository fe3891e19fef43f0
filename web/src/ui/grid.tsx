// The model view's grid: one canvas a layer, and over it one transparent button a head.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { CellSpec } from "../types";
import type { GridSize } from "../views/geometry";

/** A layer's cells in the order shown; null is the mean over its heads. */
export interface GridRow {
  layer: number;
  heads: (number | null)[];
}

export interface GridProps {
  rows: GridRow[];
  /** Cells of a column are different heads, so each says its own number. */
  sorted: boolean;
  size: GridSize;
  open: CellSpec | null;
  toggle(cell: CellSpec): void;
  hover(cell: CellSpec | null, el: HTMLElement | null): void;
  /** Under the open cell's row. */
  below: ComponentChildren;
  canvases: Map<number, HTMLCanvasElement>;
  /** A cell pointed at in another grid of the same heads. */
  linked?: CellSpec | null;
  /** Cells that show a number instead of a picture. */
  face?(layer: number, head: number): Face;
}

export interface Face {
  color: string;
  ink: string;
  /** As much of it as there is room for, and all of it. */
  text: string;
  label: string;
}

export function Grid(props: GridProps) {
  const { rows, sorted, size } = props;
  const root = useRef<HTMLDivElement>(null);
  const [stop, setStop] = useState<CellSpec>(firstCell(rows));
  const wanted = useRef(false);
  useLayoutEffect(() => {
    if (wanted.current) root.current!.querySelector<HTMLElement>(".cell[tabindex='0']")?.focus();
    wanted.current = false;
  });
  const here = hasCell(rows, stop) ? stop : firstCell(rows);
  const keydown = (event: KeyboardEvent) => {
    if (!cellOf(event.target)) return;
    const next = nextCell(event.key, here, rows);
    if (!next) return;
    event.preventDefault();
    wanted.current = true;
    setStop(next);
  };
  const over = (event: Event) => props.hover(cellOf(event.target), (event.target as Element).closest<HTMLElement>(".cell"));
  const leave = () => props.hover(null, null);
  return (
    <div
      role="grid" class="grid" ref={root} aria-label="Heads by layer" onKeyDown={keydown} onPointerOver={over} onPointerLeave={leave}
      onFocusIn={(event) => (event.target as Element).matches(":focus-visible") && over(event)} onFocusOut={leave}
      onClick={(event) => {
        const cell = cellOf(event.target);
        if (cell) setStop(cell), props.toggle(cell);
      }}
    >
      <HeadNumbers rows={rows} sorted={sorted} size={size} />
      {rows.map((row) => (
        <>
          <Row key={row.layer} row={row} here={here} {...props} />
          {props.open?.layer === row.layer && props.below}
        </>
      ))}
    </div>
  );
}

/** Column titles are the head numbers where all layers have the same. */
function HeadNumbers({ rows, sorted, size }: { rows: GridRow[]; sorted: boolean; size: GridSize }) {
  const heads = rows.reduce((most, l) => (l.heads.length > most.length ? l.heads : most), rows[0]!.heads);
  const same = !sorted && rows.every((l) => String(l.heads) === String(heads.slice(0, l.heads.length)));
  return (
    <div class="gridrow numbers" aria-hidden="true" style={{ paddingLeft: `${size.axis}px`, gap: `${size.gap}px` }}>
      {heads.map((head, i) => (
        <div key={i} class="colnumber" style={{ width: `${size.cell}px` }}>{head === null ? "mean" : same ? head : ""}</div>
      ))}
    </div>
  );
}

function Row({ row: { layer, heads }, sorted, size, open, here, canvases, face, linked }: GridProps & { row: GridRow; here: CellSpec }) {
  const keep = (canvas: HTMLCanvasElement | null) => void (canvas ? canvases.set(layer, canvas) : canvases.delete(layer));
  const attach = useMemo(() => keep, [layer, canvases]);
  return (
    <div role="row" class="gridrow" data-layer={layer} style={{ height: `${size.cell}px`, marginBottom: `${size.gap}px`, paddingLeft: `${size.axis}px`, gap: `${size.gap}px` }}>
      <div role="rowheader" class="rownumber" aria-label={`Layer ${layer}`} style={{ width: `${size.axis}px`, height: `${size.cell}px` }}>{layer}</div>
      <canvas ref={attach} aria-hidden="true" style={{ left: `${size.axis}px` }} />
      {heads.map((head) => <Cell key={head} {...{ layer, head, sorted, size, open, here, linked }} face={head === null ? undefined : face?.(layer, head)} />)}
    </div>
  );
}

type CellProps = CellSpec & { sorted: boolean; size: GridSize; open: CellSpec | null; here: CellSpec; face: Face | undefined; linked: CellSpec | null | undefined };

function Cell({ layer, head, sorted, size, open, here, face, linked }: CellProps) {
  const side = `${size.cell}px`;
  return (
    <button
      type="button" role="gridcell" class={linked?.layer === layer && linked.head === head ? "cell linked" : "cell"} data-layer={layer} data-head={head ?? "mean"}
      aria-label={`Layer ${layer}, ${head === null ? "mean" : `head ${head}`}${face ? `: ${face.label}` : ""}`}
      aria-expanded={open?.layer === layer && open.head === head} tabIndex={here.layer === layer && here.head === head ? 0 : -1}
      style={{ width: side, height: side, ...(face && { background: face.color, color: face.ink }) }}
    >
      {face?.text}
      {sorted && head !== null && <span class="cellnumber">{head}</span>}
    </button>
  );
}

function firstCell(layers: GridRow[]): CellSpec {
  return { layer: layers[0]!.layer, head: layers[0]!.heads[0] ?? null };
}

function hasCell(layers: GridRow[], cell: CellSpec): boolean {
  return layers.some((l) => l.layer === cell.layer && l.heads.includes(cell.head));
}

function cellOf(target: EventTarget | null): CellSpec | null {
  const el = (target as Element | null)?.closest<HTMLElement>(".cell");
  return el ? { layer: Number(el.dataset.layer), head: el.dataset.head === "mean" ? null : Number(el.dataset.head) } : null;
}

/** Arrows move by one, Home and End to the ends of the row. */
export function nextCell(key: string, cell: CellSpec, layers: GridRow[]): CellSpec | null {
  const row = layers.findIndex((l) => l.layer === cell.layer);
  const column = layers[row]!.heads.indexOf(cell.head);
  const steps: Record<string, [number, number]> = {
    ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity],
  };
  const step = steps[key];
  if (!step) return null;
  const layer = layers[Math.min(Math.max(row + step[0], 0), layers.length - 1)]!;
  const place = Math.min(Math.max(column + step[1], 0), layer.heads.length - 1);
  return { layer: layer.layer, head: layer.heads[place] ?? null };
}
