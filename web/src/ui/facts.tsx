// What is told beside a text: of a token the strongest on the other side, and of a whole document
// its label, prediction and posterior.
import type { Bounds } from "../data/decode";
import { formatBounds, formatSigned } from "../data/numbers";
import type { DocumentSpec, TableSpec } from "../types";
import { Guessed, type Guesses } from "./guesses";

/** A token, the strongest on the other side, and maybe a pair. */
export interface Told {
  title: string;
  about: string;
  rows: Row[];
  pair: Row | null;
  /** Of a comparison: what each number of a row is called; the last is the difference. */
  columns?: string[] | undefined;
  guesses: Guesses | null;
  /** Of a long text: what lies beside the tokens shown. */
  outside?: string | undefined;
}

export interface Row {
  label: string;
  /** Its place, where texts are alike. */
  number?: number;
  bounds: Bounds;
  /** Of the largest number, -1..1. */
  share: number;
  /** The pair of tokens that the number is of. */
  of?: { query: number; key: number } | undefined;
  all?: Bounds[] | undefined;
}

/** Beside the text: it covers none of it. */
export interface FactsProps {
  told: Told | null;
  text(bounds: Bounds): string;
  note?: string | undefined;
  /** Tells how a weight comes about. */
  explain?: ((query: number, key: number) => void) | undefined;
}

export function Facts({ told, text, note, explain }: FactsProps) {
  const columns = told?.columns;
  const most = columns ? 30 : 60;
  const cells = ({ all, bounds }: Row) => (all ? all.map((each, i) => (i + 1 < all.length ? formatBounds : formatSigned)(each, 3)) : [text(bounds)]);
  const line = (row: Row, place?: number) => (
    <tr class={place === undefined ? "pair" : ""}><td class="label"><i class={row.share < 0 ? "against" : ""} style={{ width: `${Math.abs(most * row.share)}px` }} />{row.label}{row.number !== undefined && <span class="quiet"> {row.number}</span>}</td>{cells(row).map((each, i) => <td key={i} class="value"><Asking row={row} text={each} explain={place === undefined ? undefined : explain} /></td>)}</tr>
  );
  if (!told) return <aside class="facts quiet">Point at a token for its number.</aside>;
  return (
    <aside class="facts" aria-live="polite">
      <b>{told.title}</b> <span class="quiet">{told.about}</span>
      <table>
        {columns && <tr class="quiet"><td />{columns.map((name) => <td key={name} class="value">{name}</td>)}</tr>}
        {told.pair && line(told.pair)}
        {told.rows.map(line)}
      </table>
      {told.guesses && <Guessed {...told.guesses} />}
      {note && <span class="quiet">{note}</span>}
    </aside>
  );
}

/** A number; a button where it can be asked why it is so. */
function Asking({ row: { of, label }, text, explain }: { row: Row; text: string; explain: FactsProps["explain"] }) {
  if (!explain || !of) return <>{text}</>;
  return <button type="button" class="ask" aria-label={`${label} ${text}: why this number`} title="Why this number?" onClick={() => explain(of.query, of.key)}>{text}</button>;
}

/** A table beside the text; the row that is shown in the text is marked. */
export function Beside({ table: { title, columns, rows, about }, current }: { table: TableSpec; current: string | undefined }) {
  return (
    <section class="facts beside" aria-label={title}>
      <b>{title}</b>
      <table>
        <thead><tr>{columns.map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
        <tbody>
          {rows.map((cells) => (
            <tr key={cells[0]} aria-current={cells[0] === current}>
              {cells.map((cell, i) => (i ? <td class={/^[−-]?[\d.]+$/.test(cell) ? "value" : ""}>{cell}</td> : <th scope="row">{cell}</th>))}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet">{about}</p>
    </section>
  );
}

/** What is known of a document beside its text. */
export function Said({ id, label, prediction, right, posterior }: DocumentSpec) {
  const named = (name: string, values: string[]) => values.length > 0 && <span><span class="quiet">{name}</span> {values.join(", ")}</span>;
  const best = [...posterior].sort((a, b) => b.value - a.value).slice(0, 4);
  return (
    <div class="about">
      <b>{id}</b>
      {named("label", label)}
      {named("prediction", prediction)}
      {right !== null && <span class={right ? "right" : "wrong"}>{right ? "✓ right" : "✗ wrong"}</span>}
      {best.map(({ name, value }) => (
        <span key={name} class="posterior"><i style={{ width: `${Math.min(Math.max(value, 0), 1) * 40}px` }} />{name} {value.toFixed(3)}</span>
      ))}
      {posterior.length > best.length && <span class="quiet">and {posterior.length - best.length} more</span>}
    </div>
  );
}
