// The list beside the map of a measure: a row a head, to sort by its columns; of a comparison the
// measure in both traces, and how much it changed.
import { useMemo, useState } from "preact/hooks";
import type { CellSpec } from "../types";

export interface Head {
  layer: number;
  head: number;
  value: number | null;
  /** Of a comparison: in the first trace and in the second; null where only it has the measure. */
  both: [number | null, number | null] | null;
  pattern: string;
}

type Column = "head" | "first" | "second" | "value" | "pattern";

interface HeadListProps {
  heads: Head[];
  open: CellSpec | null;
  toggle(cell: CellSpec): void;
  /** What the columns are called. */
  titles: Record<Column, string>;
  width: number;
  colorOf(head: Head): string;
  /** Whether most of a head rests on the first token, or on special ones. */
  sink(head: Head): boolean;
}

export function numberOf(value: number | null): string {
  return value === null ? "missing" : String(value).replace("-", "−");
}

export function sameHead(a: CellSpec, b: CellSpec | null): boolean {
  return a.layer === b?.layer && a.head === b.head;
}

export function HeadList({ heads, open, toggle, titles, width, colorOf, sink }: HeadListProps) {
  const [by, setBy] = useState<{ column: Column; down: boolean }>({ column: "value", down: true });
  const columns: Column[] = heads.some(({ both }) => both) ? ["head", "first", "second", "value", "pattern"] : ["head", "value", "pattern"];
  const column = columns.includes(by.column) ? by.column : "value";
  const sorted = useMemo(() => sortedBy(heads, column, by.down), [heads, column, by.down]);
  const order = (next: Column) => setBy({ column: next, down: column === next ? !by.down : next !== "head" && next !== "pattern" });
  return (
    <div class="headlist" style={{ flexBasis: `${width}px` }}>
      <table>
        <thead>
          <tr>
            {columns.map((each) => (
              <th key={each} aria-sort={column !== each ? "none" : by.down ? "descending" : "ascending"}>
                <button type="button" onClick={() => order(each)}>{titles[each]}{column === each && (by.down ? " ↓" : " ↑")}</button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={rowKeys}>
          {sorted.map((head, i) => (
            <tr key={`${head.layer}/${head.head}`} aria-selected={sameHead(head, open)} data-row={`${head.layer}/${head.head}`} onClick={() => toggle(head)}>
              <td><button type="button" tabIndex={i ? -1 : 0}>layer {head.layer}, head {head.head}</button></td>
              {columns.includes("first") && [0, 1].map((place) => <td key={place}>{numberOf(head.both?.[place] ?? null)}</td>)}
              <td><i class="swatch" style={{ background: colorOf(head) }} />{head.both && (head.value ?? 0) > 0 ? "+" : ""}{numberOf(head.value)}</td>
              <td>{head.pattern}{sink(head) && <span class="badge">sink</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Up and down between the rows, of which only the first is reached by Tab. */
function rowKeys(event: KeyboardEvent): void {
  const row = (event.target as Element).closest("tr")!;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : event.key === "ArrowUp" ? row.previousElementSibling : null;
  if (next) next.querySelector("button")!.focus(), event.preventDefault();
}

/** Heads without a number last, whichever way; differences by their size. */
function sortedBy(heads: Head[], column: Column, down: boolean): Head[] {
  const sign = down ? -1 : 1;
  if (column === "head") return down ? [...heads].reverse() : heads;
  if (column === "pattern") return [...heads].sort((a, b) => sign * a.pattern.localeCompare(b.pattern));
  const number = ({ value, both }: Head) => {
    const own = column === "value" ? value : both?.[column === "first" ? 0 : 1] ?? null;
    return own !== null && column === "value" && both ? Math.abs(own) : own;
  };
  return [...heads].sort((a, b) => Number(number(a) === null) - Number(number(b) === null) || sign * (number(a)! - number(b)!));
}
